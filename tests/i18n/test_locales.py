"""The catalogues themselves: every translation has the places of its text, and the forms of its language."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

import i18n
from i18n import update

LANGUAGES = [locale for locale in i18n.LOCALES if locale != i18n.DEFAULT]
FORMS = {"pl": 3, "fr": 2, "nb": 2, "it": 2, "sv": 2}
PLACE = re.compile(r"%(?:\(\w+\)[sd]|.)")


def catalogue(locale: str) -> Catalog:
    with (update.FOLDER / f"{locale}.po").open("rb") as file:
        return read_po(file, locale=locale)


def test_every_language_that_can_be_chosen_has_its_catalogue() -> None:
    assert sorted(path.stem for path in update.FOLDER.glob("*.po")) == sorted(LANGUAGES)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_translation_has_the_places_of_its_text(locale: str) -> None:
    found = catalogue(locale)

    wrong = [
        message.id
        for message in found
        if isinstance(message.id, str) and message.id and message.string
        if sorted(PLACE.findall(message.id)) != sorted(PLACE.findall(str(message.string)))
    ]

    assert wrong == []
    assert found.num_plurals == FORMS[locale]


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_translation_ends_like_its_text(locale: str) -> None:
    """A sentence stays a sentence, a subject a subject."""
    wrong = [
        message.id
        for message in catalogue(locale)
        if isinstance(message.id, str) and message.id and message.string
        if (message.id[-1] in ".:,") != (str(message.string)[-1] in ".:,") or "  " in str(message.string)
    ]

    assert wrong == []


def test_updating_keeps_what_is_there_adds_what_is_new_and_drops_what_is_gone(tmp_path: Path) -> None:
    template = tmp_path / "messages.pot"
    template.write_text(
        'msgid "Kept"\nmsgstr ""\n\nmsgid "New"\nmsgstr ""\n\nmsgid "%(n)d day"\nmsgid_plural "%(n)d days"\n'
        'msgstr[0] ""\nmsgstr[1] ""\n'
    )
    (tmp_path / "pl.po").write_text('msgid "Gone"\nmsgstr "Nie ma"\n\nmsgid "Kept"\nmsgstr "Jest"\n')

    update.update("pl", folder=tmp_path, template=template)

    assert update.lacking("pl", folder=tmp_path, template=template) == ["New", "%(n)d day"]
    written = (tmp_path / "pl.po").read_text()
    assert "Jest" in written
    assert "Gone" not in written
    assert "nplurals=3" in written
    again = written.replace('msgid "New"\nmsgstr ""', 'msgid "New"\nmsgstr "Nowe"')
    (tmp_path / "pl.po").write_text(
        again.replace('[0] ""', '[0] "a"').replace('[1] ""', '[1] "b"').replace('[2] ""', '[2] "c"')
    )
    assert update.lacking("pl", folder=tmp_path, template=template) == []
