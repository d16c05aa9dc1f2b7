"""The shipped catalogues: placeholders, plural forms and punctuation of the translations."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

import i18n
from i18n import update

LANGUAGES = [locale for locale in i18n.LOCALES if locale != i18n.DEFAULT]
PLURAL_COUNTS = {"pl": 3, "fr": 2, "nb": 2, "it": 2, "sv": 2}
PLACEHOLDER = re.compile(r"%(?:\(\w+\)[sd]|.)")


def catalogue(locale: str) -> Catalog:
    with (update.FOLDER / f"{locale}.po").open("rb") as file:
        return read_po(file, locale=locale)


def test_every_locale_has_a_catalogue() -> None:
    assert sorted(path.stem for path in update.FOLDER.glob("*.po")) == sorted(LANGUAGES)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_translation_has_the_placeholders_of_its_text(locale: str) -> None:
    messages = catalogue(locale)

    wrong = [
        message.id
        for message in messages
        if isinstance(message.id, str) and message.id and message.string
        if sorted(PLACEHOLDER.findall(message.id)) != sorted(PLACEHOLDER.findall(str(message.string)))
    ]

    assert wrong == []
    assert messages.num_plurals == PLURAL_COUNTS[locale]


@pytest.mark.parametrize("locale", LANGUAGES)
def test_translation_ends_like_its_text(locale: str) -> None:
    """The translation of a sentence is a sentence, and the translation of a subject is a subject."""
    wrong = [
        message.id
        for message in catalogue(locale)
        if isinstance(message.id, str) and message.id and message.string
        if (message.id[-1] in ".:,") != (str(message.string)[-1] in ".:,") or "  " in str(message.string)
    ]

    assert wrong == []


def test_update_keeps_existing_adds_new_and_removes_old_texts(tmp_path: Path) -> None:
    template = tmp_path / "messages.pot"
    template.write_text(
        'msgid "Kept"\nmsgstr ""\n\nmsgid "New"\nmsgstr ""\n\nmsgid "%(n)d day"\nmsgid_plural "%(n)d days"\n'
        'msgstr[0] ""\nmsgstr[1] ""\n'
    )
    (tmp_path / "pl.po").write_text('msgid "Gone"\nmsgstr "Nie ma"\n\nmsgid "Kept"\nmsgstr "Jest"\n')

    update.update("pl", folder=tmp_path, template=template)

    assert update.find_untranslated("pl", folder=tmp_path, template=template) == ["New", "%(n)d day"]
    updated_text = (tmp_path / "pl.po").read_text()
    assert "Jest" in updated_text
    assert "Gone" not in updated_text
    assert "nplurals=3" in updated_text
    translated_text = updated_text.replace('msgid "New"\nmsgstr ""', 'msgid "New"\nmsgstr "Nowe"')
    (tmp_path / "pl.po").write_text(
        translated_text.replace('[0] ""', '[0] "a"').replace('[1] ""', '[1] "b"').replace('[2] ""', '[2] "c"')
    )
    assert update.find_untranslated("pl", folder=tmp_path, template=template) == []
