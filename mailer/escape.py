"""Names and sentences that users wrote, as text that can do nothing inside a mail.

Mail programs make links of whatever looks like an address, also in plain text. Invisible characters
do not stop them: several take the word joiner and the zero-width non-joiner as part of a link, and
browsers drop both from host names. So a thin but real space follows each dot, colon and slash of a
word that looks like an address; other words, such as `Sp. z o.o.`, stay as they are.
"""

import re
import unicodedata
from typing import Final

THIN_SPACE: Final = "\u200a"
# IDNA reads the three others as dots too.
_DOTS: Final = ".\u3002\uff0e\uff61"
_LOOKS_LIKE_ADDRESS: Final = re.compile(
    rf"[:\uff1a][/\\]|[/\\]{{2}}|\bwww[{_DOTS}]|[{_DOTS}][^\W\d_]{{2}}|[{_DOTS}]xn--|(\d+[{_DOTS}]){{3}}\d"
    r"|^\W*(mailto|tel|sms|geo|data|javascript)[:\uff1a]",
    re.IGNORECASE,
)
_JOINT: Final = re.compile(rf"([{_DOTS}:\uff1a/\\])(?=\S)")


def line(text: str) -> str:
    """`text` on one line, without control characters, bidi marks or links."""
    return unlinked(" ".join(_visible(text).split()))


def prose(text: str) -> str:
    """`text` with its lines, without control characters, bidi marks or links."""
    return "\n".join(line(part) for part in text.splitlines())


def unlinked(text: str) -> str:
    """`text` in which no word reads as an address to a mail program."""
    return re.sub(r"\S+", _broken_up, text)


def _visible(text: str) -> str:
    """Line ends and controls become spaces; what is invisible or reorders its neighbours goes."""
    kinds = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": "", "Co": ""}
    return "".join(kinds.get(unicodedata.category(char), char) for char in text)


def _broken_up(word: re.Match[str]) -> str:
    text = word[0]
    if not _LOOKS_LIKE_ADDRESS.search(text):
        return text
    return _JOINT.sub(rf"\1{THIN_SPACE}", text)
