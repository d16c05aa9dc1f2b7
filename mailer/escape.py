"""Escaping of users' texts in mails, so that no mail program turns them into links.

Mail programs turn words that look like addresses into links, also in plain text. Invisible characters
do not prevent it: several programs treat the word joiner and the zero-width non-joiner as part of a
link, and browsers drop both from host names. So a hair space is inserted after each dot, colon and
slash of a word that looks like an address. Other words, such as `Sp. z o.o.`, are unchanged.
"""

import re
import unicodedata
from typing import Final

HAIR_SPACE: Final = "\u200a"
# IDNA also treats the last three characters as dots.
_DOTS: Final = ".\u3002\uff0e\uff61"
# No alternative starts with a repetition: `\d+` at its start would make the time quadratic in the length of a number.
_LOOKS_LIKE_ADDRESS: Final = re.compile(
    rf"[:\uff1a][/\\]|[/\\]{{2}}|\bwww[{_DOTS}]|[{_DOTS}][^\W\d_]{{2}}|[{_DOTS}]xn--|\d[{_DOTS}](\d+[{_DOTS}]){{2}}\d"
    r"|^\W*(mailto|tel|sms|geo|data|javascript)[:\uff1a]",
    re.IGNORECASE,
)
_SEPARATOR: Final = re.compile(rf"([{_DOTS}:\uff1a/\\])(?=\S)")


def line(text: str) -> str:
    """`text` on one line, without control characters, bidi marks or links."""
    return break_links(" ".join(_strip_invisible(text).split()))


def prose(text: str) -> str:
    """`text` with its line breaks, without control characters, bidi marks or links."""
    return "\n".join(line(part) for part in text.splitlines())


def break_links(text: str) -> str:
    """`text` with every word that looks like an address broken up."""
    return re.sub(r"\S+", _break_word, text)


def _strip_invisible(text: str) -> str:
    """Replace line ends and control characters by spaces. Remove invisible characters and bidi marks."""
    kinds = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": "", "Co": ""}
    return "".join(kinds.get(unicodedata.category(char), char) for char in text)


def _break_word(word: re.Match[str]) -> str:
    text = word[0]
    if not _LOOKS_LIKE_ADDRESS.search(text):
        return text
    return _SEPARATOR.sub(rf"\1{HAIR_SPACE}", text)
