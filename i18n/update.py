"""Brings the catalogues into the form of messages.pot, and prints what lacks a translation.

Translations that are there stay, texts that are gone go, new ones come in empty: in its place each
is filled in by hand. Ends with status 1 while one is lacking.
"""

import sys
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from i18n.catalogue import DEFAULT, LOCALES

HERE: Final = Path(__file__).parent
TEMPLATE: Final = HERE / "messages.pot"
FOLDER: Final = HERE / "locales"


def lacking(locale: str, *, folder: Path = FOLDER, template: Path = TEMPLATE) -> list[str]:
    """The texts of the template that a language's catalogue does not translate."""
    found, wanted = _read(folder / f"{locale}.po", locale), _read(template, None)
    return [_text(message.id) for message in wanted if message.id and not _is_done(found, message.id)]


def update(locale: str, *, folder: Path = FOLDER, template: Path = TEMPLATE) -> None:
    """Write a language's catalogue anew, in the order of the template."""
    path = folder / f"{locale}.po"
    found, wanted = _read(path, locale), _read(template, None)
    made = Catalog(locale=locale, project="Fullmakt", charset="utf-8")
    for message in wanted:
        if message.id:
            known = found.get(message.id)
            given = known.string if known is not None else ""
            _ = made.add(message.id, given, locations=message.locations, flags=message.flags)
    header = f'msgid ""\nmsgstr ""\n"Language: {locale}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    with path.open("wb") as file:
        file.write(f'{header}"Plural-Forms: {made.plural_forms}\\n"\n\n'.encode())
        write_po(file, made, width=0, omit_header=True, include_lineno=False)


def _read(path: Path, locale: str | None) -> Catalog:
    if not path.is_file():
        return Catalog(locale=locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def _is_done(found: Catalog, text: str | tuple[str, ...] | list[str]) -> bool:
    message = found.get(text if isinstance(text, str) else text[0])
    if message is None or message.fuzzy:
        return False
    forms = [message.string] if isinstance(message.string, str) else list(message.string or ())
    return all(forms) and (isinstance(text, str) or len(forms) == found.num_plurals)


def _text(text: str | tuple[str, ...] | list[str]) -> str:
    return text if isinstance(text, str) else text[0]


def main() -> int:
    """Update every catalogue, and print what each lacks."""
    complete = True
    for locale in (locale for locale in LOCALES if locale != DEFAULT):
        update(locale)
        for text in lacking(locale):
            complete = False
            sys.stdout.write(f"{locale}: {text}\n")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
