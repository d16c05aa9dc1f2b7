"""Translation catalogues, language negotiation and date formats."""

import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Final

from babel.core import parse_locale
from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

DEFAULT: Final = "en"
LOCALES: Final = ("en", "pl", "fr", "nb", "it", "sv")
"""The languages that a user can choose. A text without a translation is shown in English."""
MAX_HEADER_LENGTH: Final = 500
_LANGUAGE_ALIASES: Final = {"no": "nb", "nn": "nb"}
# Babel's `en` formats dates as in the United States: November 21, 2026.
_DATE_LOCALES: Final = {"en": "en_GB"}
# A single letter or digit starts an extension (`sv-SE-u-co-trad`). No catalogue depends on extensions.
_EXTENSION: Final = re.compile(r"-[A-Za-z0-9](?:-|$)")
_PLACEHOLDER: Final = re.compile(r"%(?:\(\w*\)\w?|.|$)", re.DOTALL)


def mark(text: str) -> str:
    """`text` unchanged. Marks it for extraction, to be translated later."""
    return text


@dataclass(frozen=True, slots=True)
class Catalogues:
    """The translations in the `<language>.po` files of a folder. Each file is read once, at first use.

    A translation with placeholders that the English text lacks counts as missing. So a translator's
    mistake shows the English text instead of raising an error.
    """

    folder: Path

    def find(self, locale: str, text: str) -> str:
        """`text` in `locale`, with its placeholders unfilled."""
        return _choose_text(_read(self.folder, locale).gettext(text), text)

    def find_plural(self, locale: str, singular: str, plural: str, n: int) -> str:
        """The plural form that `locale` uses for `n`, with its placeholders unfilled."""
        translation = _read(self.folder, locale).ngettext(singular, plural, n)
        return _choose_text(translation, singular if n == 1 else plural, also_allowed=singular + plural)

    def translate(self, locale: str, text: str, /, **params: object) -> str:
        """`text` in `locale`, with its `%(name)s` placeholders filled from `params`."""
        translation = self.find(locale, text)
        return translation % params if params else translation

    def translate_plural(self, locale: str, singular: str, plural: str, n: int, /, **params: object) -> str:
        """The plural form that `locale` uses for `n`. `%(n)d` is `n`; other placeholders are filled from `params`."""
        return self.find_plural(locale, singular, plural, n) % {"n": n, **params}


CATALOGUES: Final = Catalogues(Path(__file__).parent / "locales")
translate = CATALOGUES.translate
translate_plural = CATALOGUES.translate_plural


def read_texts(locale: str, prefix: str) -> dict[str, str | list[str]]:
    """The translations of the texts in files whose path begins with `prefix`, by the English text.

    A plural is listed under its singular, as the list of its forms. A text without a translation is left out.
    """
    path = CATALOGUES.folder / f"{locale}.po"
    if locale not in LOCALES or not path.is_file():
        return {}
    texts: dict[str, str | list[str]] = {}
    with path.open("rb") as file:
        for message in read_po(file, locale=locale):
            if any(location.startswith(prefix) for location, _ in message.locations):
                key = message.id if isinstance(message.id, str) else message.id[0]
                forms = message.string if isinstance(message.string, str) else list(message.string or ())
                if forms and all(forms) and not message.fuzzy:
                    texts[key] = forms
    return texts


def match(tag: str) -> str | None:
    """The supported language of a tag such as `pl`, `pl-PL` or `no`. None if it is not supported."""
    try:
        language = parse_locale(_EXTENSION.split(tag.strip().replace("_", "-"))[0], sep="-")[0]
    except ValueError:
        return None
    language = _LANGUAGE_ALIASES.get(language, language)
    return language if language in LOCALES else None


def negotiate(accept_language: str | None) -> str:
    """The supported language with the highest weight in an Accept-Language header. DEFAULT if there is none.

    Only the first MAX_HEADER_LENGTH characters of the header are read.
    """
    return _negotiate((accept_language or "")[:MAX_HEADER_LENGTH])


@lru_cache(maxsize=256)
def _negotiate(accept_language: str) -> str:
    ranges = sorted(map(_parse_range, accept_language.split(",")), key=lambda tag_and_weight: -tag_and_weight[1])
    languages = (match(tag) for tag, weight in ranges if weight > 0)
    return next((language for language in languages if language), DEFAULT)


def format_instant(locale: str, instant: datetime) -> str:
    """`instant` in UTC, in the date format of `locale`: 21 November 2026, 19:45 UTC."""
    utc = instant.astimezone(UTC)
    language = _DATE_LOCALES.get(locale, locale)
    date = format_date(utc.date(), "long", locale=language)
    return f"{date}, {format_time(utc, 'HH:mm', tzinfo=UTC, locale=language)} UTC"


@cache
def _read(folder: Path, locale: str) -> NullTranslations:
    path = folder / f"{locale}.po"
    if locale not in LOCALES or not path.is_file():
        return NullTranslations()
    mo_file = io.BytesIO()
    with path.open("rb") as file:
        write_mo(mo_file, read_po(file, locale=locale))
    mo_file.seek(0)
    return Translations(mo_file)


def _choose_text(translation: str, text: str, *, also_allowed: str = "") -> str:
    extra = set(_PLACEHOLDER.findall(translation)) - {"%%"} - set(_PLACEHOLDER.findall(text + also_allowed))
    return text if extra else translation


def _parse_range(language_range: str) -> tuple[str, float]:
    """A tag and its weight. An invalid weight is 0, so the tag is ignored."""
    tag, _, parameter = language_range.partition(";")
    name, _, weight = parameter.replace(" ", "").partition("=")
    if not parameter.strip():
        return tag, 1.0
    if name != "q" or not re.fullmatch(r"[01](\.\d{0,3})?", weight):
        return tag, 0.0
    return tag, float(weight)
