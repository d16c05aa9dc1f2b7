"""Finds the texts to translate in the scripts of the panel, for Babel.

Babel's own extractor for JavaScript misses calls inside nested template literals, where most texts of the panel are.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

import orjson

_STRING: Final = r'\s*("(?:[^"\\\n]|\\.)*")\s*'
_CALL: Final = re.compile(rf"\btranslate(?:\({_STRING}[,)]|Plural\({_STRING},{_STRING},)")

Message = tuple[int, str, str | tuple[str, str], list[str]]


def extract(file: BinaryIO, keywords: object, comment_tags: object, options: object) -> Iterator[Message]:  # noqa: ARG001 - the form that Babel calls
    """Yield the line, function, text and comments of each `translate("...")` and `translatePlural("...", "...", n)`."""
    source = file.read().decode()
    for call in _CALL.finditer(source):
        line = source.count("\n", 0, call.start()) + 1
        text, singular, plural = call.groups()
        if text:
            yield line, "gettext", orjson.loads(text), []
        else:
            yield line, "ngettext", (orjson.loads(singular), orjson.loads(plural)), []
