"""What a client reads of an error: never a value that he typed, which graphql-core likes to show him.

A message ends up where the client collects his errors, and the value that did not fit may be a password in the wrong
place.
"""

import re
from typing import Final

LONGEST: Final = 300
_VARIABLE: Final = r"^(?P<variable>Variable '\$\w+' has invalid value(?: at [^:]*)?: )?"
# Each is anchored at the beginning, or it would take the square of a long text's length.
_ECHOES: Final = (
    (
        re.compile(_VARIABLE + r"(?P<said>Expected value of (?:non-null )?type .*?)(?:[,;] f| F)ound: .*", re.DOTALL),
        "{said}.",
    ),
    (re.compile(_VARIABLE + r"(?P<said>[^:]*cannot represent [^:]*): .*", re.DOTALL), "{said}."),
    (re.compile(_VARIABLE + r"Value '.*", re.DOTALL), "This value does not exist in the enum."),
    (re.compile(r"^(?P<variable>)(?P<said>Syntax Error: .*?(?:found|Unexpected) \w+) '.*", re.DOTALL), "{said}."),
)


def harmless(message: str) -> str:
    """At most LONGEST characters of a message, without what a client typed as a value."""
    message = message[:LONGEST]
    for echo, instead in _ECHOES:
        if found := echo.match(message):
            return ((found["variable"] or "") + instead.format(**found.groupdict())).replace("?.", "?")
    return message
