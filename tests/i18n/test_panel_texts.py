"""The texts of the panel's scripts: all of them are extracted, and a browser gets their translations."""

import io
import re
from pathlib import Path

import pytest

import i18n
from i18n import catalogue, panel_texts
from i18n.catalogue import Catalogues

PANEL = Path(__file__).resolve().parents[2] / "panel"
SCRIPTS = sorted(PANEL.rglob("*.js"))
CALL = re.compile(r"(?<!function )\btranslate(?:Plural)?\(")


def extract(source: str) -> list[tuple[int, str, str | tuple[str, str]]]:
    messages = panel_texts.extract(io.BytesIO(source.encode()), {}, [], {})
    return [(line, function, text) for line, function, text, _ in messages]


def test_calls_in_nested_templates_are_extracted_with_their_lines() -> None:
    source = """html`<p>${translate("Sign in")}</p>
      ${items.map((item) => html`<li title=${translate("Of \\"%(name)s\\"", { name: `${item}` })}></li>`)}
      ${translatePlural(
        "%(n)d day",
        "%(n)d days",
        count,
      )}`"""

    assert extract(source) == [
        (1, "gettext", "Sign in"),
        (2, "gettext", 'Of "%(name)s"'),
        (3, "ngettext", ("%(n)d day", "%(n)d days")),
    ]


def test_other_calls_are_not_extracted() -> None:
    assert extract("translate(text); untranslate(\"a\"); translate('b'); translate(`c`)") == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(PANEL).as_posix())
def test_every_call_in_the_panel_has_a_literal_text(script: Path) -> None:
    source = script.read_text()
    extracted_lines = [line for line, _, _ in extract(source)]

    called_lines = [source.count("\n", 0, call.start()) + 1 for call in CALL.finditer(source)]

    assert called_lines == extracted_lines


def test_browser_gets_the_translations_of_the_panel_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entries = """
msgid ""
msgstr ""
"Language: pl\\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);\\n"

#: panel/pages/a.js
msgid "Account"
msgstr "Konto"

#: mailer/subjects.py
msgid "Welcome"
msgstr "Witaj"

#: mailer/subjects.py panel/core/b.js
msgid "%(n)d day"
msgid_plural "%(n)d days"
msgstr[0] "%(n)d dzień"
msgstr[1] "%(n)d dni"
msgstr[2] "%(n)d dni"

#: panel/pages/a.js
msgid "Not translated"
msgstr ""

#, fuzzy
#: panel/pages/a.js
msgid "Guessed"
msgstr "Zgadnięte"
"""
    _ = (tmp_path / "pl.po").write_text(entries)
    monkeypatch.setattr(catalogue, "CATALOGUES", Catalogues(tmp_path))

    assert i18n.read_texts("pl", "panel/") == {
        "Account": "Konto",
        "%(n)d day": ["%(n)d dzień", "%(n)d dni", "%(n)d dni"],
    }


@pytest.mark.parametrize("locale", ["en", "de", "../pl", ""])
def test_language_without_a_catalogue_has_no_translations(locale: str) -> None:
    assert i18n.read_texts(locale, "panel/") == {}
