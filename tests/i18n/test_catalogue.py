from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

import i18n
from i18n import Catalogues
from i18n.catalogue import MAX_HEADER_LENGTH

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


def test_translation_fills_placeholders(polish: Catalogues) -> None:
    assert polish.translate("pl", "Hello %(name)s", name="100% Anna") == "Cześć 100% Anna"


@pytest.mark.parametrize("locale", ["en", "sv", "fr"])
def test_locale_without_catalogue_is_english(polish: Catalogues, locale: str) -> None:
    assert polish.translate(locale, "Hello %(name)s", name="Anna") == "Hello Anna"


@pytest.mark.parametrize("text", ["Unknown", "Guessed", "Empty"])
def test_missing_translation_is_english(polish: Catalogues, text: str) -> None:
    assert polish.translate("pl", text) == text


@pytest.mark.parametrize("text", ["Wrong place", "Wrong kind", "Half a place", "Bare percent"])
def test_translation_with_wrong_placeholders_is_english(polish: Catalogues, text: str) -> None:
    assert polish.translate("pl", f"{text} %(name)s", name="Anna") == f"{text} Anna"


def test_translation_may_contain_an_escaped_percent_sign(polish: Catalogues) -> None:
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
def test_polish_has_three_plural_forms(polish: Catalogues, n: int, text: str) -> None:
    singular, plural = "%(n)d day for %(name)s", "%(n)d days for %(name)s"

    assert polish.translate_plural("pl", singular, plural, n, name="Anna") == text


@pytest.mark.parametrize(("n", "text"), [(1, "1 day for Anna"), (2, "2 days for Anna")])
def test_english_has_two_plural_forms(polish: Catalogues, n: int, text: str) -> None:
    singular, plural = "%(n)d day for %(name)s", "%(n)d days for %(name)s"

    assert polish.translate_plural("en", singular, plural, n, name="Anna") == text


@pytest.mark.parametrize(("n", "text"), [(1, "1 seat"), (3, "3 seats"), (5, "5 miejsc")])
def test_plural_with_wrong_placeholders_is_english(polish: Catalogues, n: int, text: str) -> None:
    assert polish.translate_plural("pl", "%(n)d seat", "%(n)d seats", n) == text


def test_locale_cannot_reach_another_file(tmp_path: Path) -> None:
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
def test_tag_matches_a_supported_language_or_none(tag: str, language: str | None) -> None:
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
        ("pl;q=0, nb;q=0.1", "nb"),
        ("pl;q=0", "en"),
        ("pl ; q = 0.5, fr;q=0.4", "pl"),
        ("pl;q=nan, fr;q=0.1", "fr"),
        ("pl;q=9, fr;q=0.1", "fr"),
        ("*", "en"),
        (";;;,,,=", "en"),
        ("x," * MAX_HEADER_LENGTH + "pl", "en"),
    ],
)
def test_supported_language_with_highest_weight_wins(header: str | None, language: str) -> None:
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
def test_instant_is_formatted_in_utc_and_locale(locale: str, text: str) -> None:
    instant = datetime(2026, 11, 21, 20, 45, tzinfo=timezone(timedelta(hours=1)))

    assert i18n.format_instant(locale, instant) == text


def test_instant_shows_the_utc_day() -> None:
    late = datetime(2026, 12, 31, 23, 59, tzinfo=UTC).astimezone(timezone(timedelta(hours=2)))

    assert i18n.format_instant("en", late) == "31 December 2026, 23:59 UTC"
