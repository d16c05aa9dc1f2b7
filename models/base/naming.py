"""Texts that name a person or an account, with the ids of these.

Events and messages record whom each of their texts names. So an erasure finds these texts by ids and addresses, and
never by comparing texts, which users choose.
"""

from typing import Final
from uuid import UUID

from models.base.validation import email_key

WITHHELD: Final = "…"
"""Replaces a text that the reader may not read, in fields that are never null."""


class NamingText(str):
    """A text with the ids of the users and accounts, and the keys of the addresses, that it names."""

    __slots__ = ("subjects",)

    subjects: tuple[str, ...]


def text(value: str | None, *subjects: UUID | str) -> str | None:
    """Mark a text that names users or accounts, by their ids, or addresses, by their keys. None stays None."""
    if value is None:
        return None
    naming_text = NamingText(value)
    naming_text.subjects = tuple(map(str, subjects))
    return naming_text


def address(email: str) -> str:
    """Mark a text that is an e-mail address."""
    return text(email, email_key(email)) or ""


def subjects(value: object) -> tuple[str, ...]:
    """The ids and keys that a value names. Empty for other values."""
    return value.subjects if isinstance(value, NamingText) else ()
