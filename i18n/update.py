"""Updates the catalogues from messages.pot and prints the texts without a translation.

Existing translations stay. Texts that messages.pot no longer has are removed. New texts are added
without a translation, to be translated by hand. Exits with status 1 while a translation is missing.
"""

import sys
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from i18n.catalogue import DEFAULT, LOCALES

DIRECTORY: Final = Path(__file__).parent
TEMPLATE: Final = DIRECTORY / "messages.pot"
FOLDER: Final = DIRECTORY / "locales"


def find_untranslated(locale: str, *, folder: Path = FOLDER, template: Path = TEMPLATE) -> list[str]:
    """The texts of the template without a translation in the catalogue of `locale`."""
    catalogue, template_catalogue = _read(folder / f"{locale}.po", locale), _read(template, None)
    return [
        _message_text(message.id)
        for message in template_catalogue
        if message.id and not _is_translated(catalogue, message.id)
    ]


def update(locale: str, *, folder: Path = FOLDER, template: Path = TEMPLATE) -> None:
    """Rewrite the catalogue of `locale` in the order of the template."""
    path = folder / f"{locale}.po"
    catalogue, template_catalogue = _read(path, locale), _read(template, None)
    new_catalogue = Catalog(locale=locale, project="Fullmakt", charset="utf-8")
    for message in template_catalogue:
        if message.id:
            old_message = catalogue.get(message.id)
            translation = old_message.string if old_message is not None else ""
            _ = new_catalogue.add(message.id, translation, locations=message.locations, flags=message.flags)
    header = f'msgid ""\nmsgstr ""\n"Language: {locale}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    with path.open("wb") as file:
        file.write(f'{header}"Plural-Forms: {new_catalogue.plural_forms}\\n"\n\n'.encode())
        write_po(file, new_catalogue, width=0, omit_header=True, include_lineno=False)


def _read(path: Path, locale: str | None) -> Catalog:
    if not path.is_file():
        return Catalog(locale=locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def _is_translated(catalogue: Catalog, text: str | tuple[str, ...] | list[str]) -> bool:
    message = catalogue.get(text if isinstance(text, str) else text[0])
    if message is None or message.fuzzy:
        return False
    forms = [message.string] if isinstance(message.string, str) else list(message.string or ())
    return all(forms) and (isinstance(text, str) or len(forms) == catalogue.num_plurals)


def _message_text(text: str | tuple[str, ...] | list[str]) -> str:
    return text if isinstance(text, str) else text[0]


def main() -> int:
    """Update every catalogue and print its untranslated texts."""
    complete = True
    for locale in (locale for locale in LOCALES if locale != DEFAULT):
        update(locale)
        for text in find_untranslated(locale):
            complete = False
            sys.stdout.write(f"{locale}: {text}\n")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
