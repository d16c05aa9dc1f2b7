"""Global ids: opaque to clients, one string for one object.

The type's mark and the key in hexadecimal digits. Whatever is not exactly such a string of the
wanted type decodes to NOBODY, the key of no row: malformed, foreign and made-up ids then take the
same way and get the same answer.
"""

import re
from typing import Final
from uuid import UUID

NOBODY: Final = UUID(int=0)

_MARKS: Final = {
    "User": "u",
    "Session": "s",
    "Account": "a",
    "Grant": "g",
    "Invitation": "i",
    "Engagement": "b",
    "AccessRequest": "r",
    "SubscriptionEntry": "e",
    "Event": "v",
    "Message": "m",
    "OwnershipTransfer": "o",
}
_TYPES: Final = {mark: name for name, mark in _MARKS.items()}
TYPES: Final = tuple(_MARKS)
# One object has one id: other spellings of the same key are none.
_FORM: Final = re.compile("[a-z][0-9a-f]{32}")


def encode(type_name: str, key: UUID) -> str:
    """The global id of the row `key` of a type."""
    return f"{_MARKS[type_name]}{key.hex}"


def encode_all(type_name: str, hexes: list[str]) -> list[str]:
    """The global ids of many rows of a type, from the digits of their keys."""
    mark = _MARKS[type_name]
    return [mark + digits for digits in hexes]


def decode_any(text: str) -> tuple[str, UUID] | None:
    """The type and key of a global id, or None for anything else."""
    type_name = _TYPES.get(text[:1])
    if type_name is None or not _FORM.fullmatch(text):
        return None
    return type_name, UUID(hex=text[1:])


def decode(type_name: str, text: str) -> UUID:
    """The key of a global id of that type; NOBODY for anything else."""
    found = decode_any(text)
    return found[1] if found is not None and found[0] == type_name else NOBODY


def type_of_argument(name: str) -> str:
    """The type that an argument is an id of, by its last word but one: `payer_account_id`."""
    words = name.removesuffix("_id").split("_")
    type_name = words[-1].capitalize()
    return {"Consultant": "User", "Actor": "User", "Request": "AccessRequest"}.get(type_name, type_name)
