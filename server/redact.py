"""Redaction of input values in error messages.

graphql-core quotes invalid values in its messages. Clients collect error messages in logs, and an invalid value may be
a password in the wrong field.
"""

import re
from typing import Final

MAX_LENGTH: Final = 300
_VARIABLE: Final = r"^(?P<variable>Variable '\$\w+' has invalid value(?: at [^:]*)?: )?"
# Each pattern is anchored at the start. Otherwise its time would be quadratic in the length of the message.
_VALUE_ECHOES: Final = (
    (
        re.compile(_VARIABLE + r"(?P<text>Expected value of (?:non-null )?type .*?)(?:[,;] f| F)ound: .*", re.DOTALL),
        "{text}.",
    ),
    (re.compile(_VARIABLE + r"(?P<text>[^:]*cannot represent [^:]*): .*", re.DOTALL), "{text}."),
    (re.compile(_VARIABLE + r"Value '.*", re.DOTALL), "This value does not exist in the enum."),
    (re.compile(r"^(?P<variable>)(?P<text>Syntax Error: .*?(?:found|Unexpected) \w+) '.*", re.DOTALL), "{text}."),
)


def redact(message: str) -> str:
    """A message without the values of the client, cut to MAX_LENGTH characters."""
    message = message[:MAX_LENGTH]
    for echo, replacement in _VALUE_ECHOES:
        if match := echo.match(message):
            return ((match["variable"] or "") + replacement.format(**match.groupdict())).replace("?.", "?")
    return message
