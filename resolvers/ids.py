"""Global object ids: opaque to clients, exactly one string per object.

An id is the prefix of its type and the row's key in hexadecimal. A malformed id, or an id of another
type, decodes to NIL_KEY, which is the key of no row. So malformed, foreign and made-up ids take the
same path and get the same response.
"""

import re
from typing import Final
from uuid import UUID

NIL_KEY: Final = UUID(int=0)

_PREFIXES: Final = {
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
_TYPES: Final = {prefix: name for name, prefix in _PREFIXES.items()}
TYPES: Final = tuple(_PREFIXES)
# Only one spelling per key is valid, because an object has exactly one id.
_FORM: Final = re.compile("[a-z][0-9a-f]{32}")


def encode(type_name: str, key: UUID) -> str:
    """The global id of the row with `key`."""
    return f"{_PREFIXES[type_name]}{key.hex}"


def encode_all(type_name: str, key_hexes: list[str]) -> list[str]:
    """The global ids of rows of one type, from their keys in hexadecimal."""
    prefix = _PREFIXES[type_name]
    return [prefix + key_hex for key_hex in key_hexes]


def decode_any(text: str) -> tuple[str, UUID] | None:
    """The type and key of a global id. None if `text` is not one."""
    type_name = _TYPES.get(text[:1])
    if type_name is None or not _FORM.fullmatch(text):
        return None
    return type_name, UUID(hex=text[1:])


def decode(type_name: str, text: str) -> UUID:
    """The key of a global id of `type_name`. NIL_KEY if `text` is not one."""
    type_and_key = decode_any(text)
    return type_and_key[1] if type_and_key is not None and type_and_key[0] == type_name else NIL_KEY


def type_of_argument(name: str) -> str:
    """The type of the id in an argument, from the word before `_id`: Account for `payer_account_id`."""
    words = name.removesuffix("_id").split("_")
    type_name = words[-1].capitalize()
    return {"Consultant": "User", "Actor": "User", "Request": "AccessRequest"}.get(type_name, type_name)
