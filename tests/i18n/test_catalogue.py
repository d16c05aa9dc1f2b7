from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

import i18n
from i18n import Catalogues
from i18n.catalogue import LONGEST_HEADER

POLISH = r"""
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);\n"

msgid "Hello %(name)s"
msgstr "Cześć %(name)s"

msgid "%(n)d day for %(name)s"
msgid_plural "%(n)d days for %(name)s"
msgstr[0] "%(n)d dzień dla %(name)s"
msgstr[1] "%(n)d dni dla %(name)s (2-4)"
msgstr[2] "%(n)d dni dla %(name)s"

msgid "Wrong place %(name)s"
msgstr "Złe miejsce %(nazwa)s"

msgid "Wrong kind %(name)s"
msgstr "Zły rodzaj %(name)d"

msgid "Half a place %(name)s"
msgstr "Pół miejsca %(name"

msgid "Bare percent %(name)s"
msgstr "Goły procent 50% %(name)s"

msgid "Escaped percent %(name)s"
msgstr "50%% %(name)s"

msgid "%(n)d seat"
msgid_plural "%(n)d seats"
msgstr[0] "%(x)d"
msgstr[1] "%(n)s"
msgstr[2] "%(n)d miejsc"

#, fuzzy
msgid "Guessed"
msgstr "Zgadnięte"

msgid "Empty"
msgstr ""
"""


@pytest.fixture
def polish(tmp_path: Path) -> Catalogues:
    (tmp_path / "pl.po").write_text(POLISH, encoding="utf-8")
    return Catalogues(tmp_path)


def test_a_text_is_translated_and_its_places_filled(polish: Catalogues) -> None:
    assert polish.translate("pl", "Hello %(name)s", name="100% Anna") == "Cześć 100% Anna"


@pytest.mark.parametrize("locale", ["en", "sv", "fr"])
def test_without_a_catalogue_a_text_is_english(polish: Catalogues, locale: str) -> None:
    assert polish.translate(locale, "Hello %(name)s", name="Anna") == "Hello Anna"


@pytest.mark.parametrize("text", ["Unknown", "Guessed", "Empty"])
def test_what_a_catalogue_lacks_is_english(polish: Catalogues, text: str) -> None:
    assert polish.translate("pl", text) == text


@pytest.mark.parametrize("text", ["Wrong place", "Wrong kind", "Half a place", "Bare percent"])
def test_a_translation_whose_places_do_not_fit_is_english(polish: Catalogues, text: str) -> None:
    assert polish.translate("pl", f"{text} %(name)s", name="Anna") == f"{text} Anna"


def test_a_translation_may_hold_an_escaped_percent_sign(polish: Catalogues) -> None:
    assert polish.translate("pl", "Escaped percent %(name)s", name="Anna") == "50% Anna"


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 dni dla Anna"),
        (1, "1 dzień dla Anna"),
        (3, "3 dni dla Anna (2-4)"),
        (5, "5 dni dla Anna"),
        (12, "12 dni dla Anna"),
        (22, "22 dni dla Anna (2-4)"),
    ],
)
def test_polish_has_three_plurals(polish: Catalogues, n: int, text: str) -> None:
    one, many = "%(n)d day for %(name)s", "%(n)d days for %(name)s"

    assert polish.translate_plural("pl", one, many, n, name="Anna") == text


@pytest.mark.parametrize(("n", "text"), [(1, "1 day for Anna"), (2, "2 days for Anna")])
def test_english_has_two_plurals(polish: Catalogues, n: int, text: str) -> None:
    one, many = "%(n)d day for %(name)s", "%(n)d days for %(name)s"

    assert polish.translate_plural("en", one, many, n, name="Anna") == text


@pytest.mark.parametrize(("n", "text"), [(1, "1 seat"), (3, "3 seats"), (5, "5 miejsc")])
def test_a_plural_whose_places_do_not_fit_is_english(polish: Catalogues, n: int, text: str) -> None:
    assert polish.translate_plural("pl", "%(n)d seat", "%(n)d seats", n) == text


def test_a_locale_is_no_way_to_another_file(tmp_path: Path) -> None:
    (tmp_path / "outside.po").write_text('msgid "Yes"\nmsgstr "No"\n', encoding="utf-8")
    (tmp_path / "locales").mkdir()

    assert Catalogues(tmp_path / "locales").translate("../outside", "Yes") == "Yes"


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("pl", "pl"),
        ("pl-PL", "pl"),
        ("PL_pl", "pl"),
        (" sv ", "sv"),
        ("no", "nb"),
        ("nn-NO", "nb"),
        ("sv-SE-u-co-trad", "sv"),
        ("de", None),
        ("*", None),
        ("", None),
        ("../pl", None),
    ],
)
def test_a_tag_means_a_language_of_ours_or_none(tag: str, language: str | None) -> None:
    assert i18n.match(tag) == language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("pl", "pl"),
        ("de, fr;q=0.5, sv;q=0.9", "sv"),
        ("de, nb-NO;q=0.3, *;q=0.1", "nb"),
        ("fr, it", "fr"),
        ("pl;q=0, it;q=0.1", "it"),
        ("pl;q=0", "en"),
        ("pl ; q = 0.5, fr;q=0.4", "pl"),
        ("pl;q=nan, fr;q=0.1", "fr"),
        ("pl;q=9, fr;q=0.1", "fr"),
        ("*", "en"),
        (";;;,,,=", "en"),
        ("x," * LONGEST_HEADER + "pl", "en"),
    ],
)
def test_the_heaviest_language_that_we_speak_wins(header: str | None, language: str) -> None:
    assert i18n.negotiate(header) == language


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "21 November 2026, 19:45 UTC"),
        ("pl", "21 listopada 2026, 19:45 UTC"),
        ("fr", "21 novembre 2026, 19:45 UTC"),
        ("nb", "21. november 2026, 19:45 UTC"),
        ("it", "21 novembre 2026, 19:45 UTC"),
        ("sv", "21 november 2026, 19:45 UTC"),
    ],
)
def test_an_instant_is_written_in_utc_in_the_readers_words(locale: str, text: str) -> None:
    instant = datetime(2026, 11, 21, 20, 45, tzinfo=timezone(timedelta(hours=1)))

    assert i18n.format_instant(locale, instant) == text


def test_the_day_is_that_of_utc() -> None:
    late = datetime(2026, 12, 31, 23, 59, tzinfo=UTC).astimezone(timezone(timedelta(hours=2)))

    assert i18n.format_instant("en", late) == "31 December 2026, 23:59 UTC"
