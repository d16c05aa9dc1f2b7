"""Finding a language and a text in it."""

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
"""The languages a user can choose; what a catalogue lacks is shown in English."""
LONGEST_HEADER: Final = 500
_SAME: Final = {"no": "nb", "nn": "nb"}
# Babel's plain `en` writes dates as in the United States: November 21, 2026.
_DATES: Final = {"en": "en_GB"}
# `sv-SE-u-co-trad`: after a single letter or digit comes what no catalogue depends on.
_EXTENSION: Final = re.compile(r"-[A-Za-z0-9](?:-|$)")
_PLACE: Final = re.compile(r"%(?:\(\w*\)\w?|.|$)", re.DOTALL)


def mark(text: str) -> str:
    """`text` as it is: a sign for the extraction that it will be translated later."""
    return text


@dataclass(frozen=True, slots=True)
class Catalogues:
    """The translations in a folder's `<language>.po` files, each read once, when first wanted.

    A translation whose places do not fit those of the English text counts as missing, so that a
    slip of a translator shows English and breaks nothing.
    """

    folder: Path

    def find(self, locale: str, text: str) -> str:
        """`text` in `locale`, its places still open."""
        return _fitting(_read(self.folder, locale).gettext(text), text)

    def find_plural(self, locale: str, one: str, many: str, n: int) -> str:
        """The form that `locale` uses for `n`, its places still open."""
        found = _read(self.folder, locale).ngettext(one, many, n)
        return _fitting(found, one if n == 1 else many, also=one + many)

    def translate(self, locale: str, text: str, /, **params: object) -> str:
        """`text` in `locale`, with `%(name)s` places filled from `params`."""
        found = self.find(locale, text)
        return found % params if params else found

    def translate_plural(self, locale: str, one: str, many: str, n: int, /, **params: object) -> str:
        """The form that `locale` uses for `n`; `%(n)d` is `n`, other places come from `params`."""
        return self.find_plural(locale, one, many, n) % {"n": n, **params}


OURS: Final = Catalogues(Path(__file__).parent / "locales")
translate = OURS.translate
translate_plural = OURS.translate_plural


def match(tag: str) -> str | None:
    """The language of ours that a tag such as `pl`, `pl-PL` or `no` means, or None."""
    try:
        language = parse_locale(_EXTENSION.split(tag.strip().replace("_", "-"))[0], sep="-")[0]
    except ValueError:
        return None
    language = _SAME.get(language, language)
    return language if language in LOCALES else None


def negotiate(accept_language: str | None) -> str:
    """The first language of an Accept-Language header that we speak, by its weights.

    Only the header's first LONGEST_HEADER characters are read.
    """
    return _negotiated((accept_language or "")[:LONGEST_HEADER])


@lru_cache(maxsize=256)
def _negotiated(accept_language: str) -> str:
    wanted = sorted(map(_weighed, accept_language.split(",")), key=lambda found: -found[1])
    known = (match(tag) for tag, weight in wanted if weight > 0)
    return next((language for language in known if language), DEFAULT)


def format_instant(locale: str, instant: datetime) -> str:
    """`instant` in UTC as people of `locale` write it: 21 November 2026, 19:45 UTC."""
    utc = instant.astimezone(UTC)
    language = _DATES.get(locale, locale)
    date = format_date(utc.date(), "long", locale=language)
    return f"{date}, {format_time(utc, 'HH:mm', tzinfo=UTC, locale=language)} UTC"


@cache
def _read(folder: Path, locale: str) -> NullTranslations:
    path = folder / f"{locale}.po"
    if locale not in LOCALES or not path.is_file():
        return NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=locale))
    compiled.seek(0)
    return Translations(compiled)


def _fitting(found: str, text: str, *, also: str = "") -> str:
    extra = set(_PLACE.findall(found)) - {"%%"} - set(_PLACE.findall(text + also))
    return text if extra else found


def _weighed(language_range: str) -> tuple[str, float]:
    """A tag and its weight; a weight that cannot be read is 0, as if the tag were not there."""
    tag, _, parameter = language_range.partition(";")
    name, _, weight = parameter.replace(" ", "").partition("=")
    if not parameter.strip():
        return tag, 1.0
    if name != "q" or not re.fullmatch(r"[01](\.\d{0,3})?", weight):
        return tag, 0.0
    return tag, float(weight)
