"""Global object ids: opaque to clients, exactly one string per object.

An id is the prefix of its type and the row's key in hexadecimal. Modules add types with prefixes of their own. A
malformed id, or an id of another type, decodes to NIL_KEY, which is the key of no row. So malformed, foreign and
made-up ids take the same path and get the same response.
"""

import re
from typing import Final
from uuid import UUID

import modules

NIL_KEY: Final = UUID(int=0)

_OF_PRODUCT: Final = {
    "User": "u",
    "Session": "s",
    "Account": "a",
    "Grant": "g",
    "Invitation": "i",
    "Engagement": "b",
    "AccessRequest": "r",
    "EngagementRequest": "q",
    "SubscriptionEntry": "e",
    "Event": "v",
    "Message": "m",
    "OwnershipTransfer": "o",
    "Passkey": "k",
}


def _prefixes() -> dict[str, str]:
    """The prefix of each type, those of modules included. Raises InvalidModule for one that the product has."""
    for module in modules.all_modules():
        for name, prefix in module.ids.items():
            if name in _OF_PRODUCT or prefix in _OF_PRODUCT.values():
                raise modules.InvalidModule(
                    f"{module.name}: the product has the type {name}, or the prefix of ids {prefix}, already."
                )
    return _OF_PRODUCT | {name: prefix for module in modules.with_graph() for name, prefix in module.ids.items()}


_PREFIXES: Final = _prefixes()
_TYPES: Final = {prefix: name for name, prefix in _PREFIXES.items()}
TYPES: Final = tuple(_PREFIXES)
# Only one spelling per key is valid, because an object has exactly one id.
_FORM: Final = re.compile("([a-z]{1,8})([0-9a-f]{32})")


def encode(type_name: str, key: UUID) -> str:
    """The global id of the row with `key`."""
    return f"{_PREFIXES[type_name]}{key.hex}"


def encode_all(type_name: str, key_hexes: list[str]) -> list[str]:
    """The global ids of rows of one type, from their keys in hexadecimal."""
    prefix = _PREFIXES[type_name]
    return [prefix + key_hex for key_hex in key_hexes]


def decode_any(text: str) -> tuple[str, UUID] | None:
    """The type and key of a global id. None if `text` is not one."""
    parts = _FORM.fullmatch(text)
    type_name = _TYPES.get(parts[1]) if parts is not None else None
    return None if parts is None or type_name is None else (type_name, UUID(hex=parts[2]))


def decode(type_name: str, text: str) -> UUID:
    """The key of a global id of `type_name`. NIL_KEY if `text` is not one."""
    type_and_key = decode_any(text)
    return type_and_key[1] if type_and_key is not None and type_and_key[0] == type_name else NIL_KEY


def type_of_argument(name: str) -> str:
    """The type of the id in an argument, from the words before `_id`: Account for `payer_account_id`."""
    if name == "engagement_request_id":
        return "EngagementRequest"
    words = [word.capitalize() for word in name.removesuffix("_id").split("_")]
    type_names = ["".join(words[index:]) for index in range(len(words))]
    type_name = next((type_name for type_name in type_names if type_name in _PREFIXES), words[-1])
    return {"Consultant": "User", "Actor": "User"}.get(type_name, type_name)
