"""Global ids: opaque to clients, one string for one object.

The type's mark and the key, in base64url. Whatever is not exactly such a string of the wanted type
decodes to NOBODY, the key of no row: malformed, foreign and made-up ids then take the same way and
get the same answer.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID

NOBODY: Final = UUID(int=0)

_MARKS: Final = {
    "User": b"u",
    "Session": b"s",
    "Account": b"a",
    "Grant": b"g",
    "Invitation": b"i",
    "SubscriptionEntry": b"e",
    "Event": b"v",
    "Message": b"m",
}
_TYPES: Final = {mark: name for name, mark in _MARKS.items()}
TYPES: Final = tuple(_MARKS)
_WIDTH: Final = 23  # characters, without the padding
_LENGTH: Final = 17  # the mark and a UUID


def encode(type_name: str, key: UUID) -> str:
    """The global id of the row `key` of a type."""
    return urlsafe_b64encode(_MARKS[type_name] + key.bytes).rstrip(b"=").decode()


def encode_all(type_name: str, keys: list[UUID]) -> list[str]:
    """The global ids of many rows of a type."""
    mark = _MARKS[type_name]
    return [urlsafe_b64encode(mark + key.bytes).decode()[:_WIDTH] for key in keys]


def decode_any(text: str) -> tuple[str, UUID] | None:
    """The type and key of a global id, or None for anything else."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    type_name = _TYPES.get(raw[:1])
    if type_name is None or len(raw) != _LENGTH:
        return None
    key = UUID(bytes=raw[1:])
    # One object has one id: other spellings of the same bytes are none.
    return (type_name, key) if encode(type_name, key) == text else None


def decode(type_name: str, text: str) -> UUID:
    """The key of a global id of that type; NOBODY for anything else."""
    found = decode_any(text)
    return found[1] if found is not None and found[0] == type_name else NOBODY


def type_of_argument(name: str) -> str:
    """The type that an argument is an id of, by its last word but one: `payer_account_id`."""
    words = name.removesuffix("_id").split("_")
    type_name = words[-1].capitalize()
    return {"Consultant": "User", "Actor": "User"}.get(type_name, type_name)
