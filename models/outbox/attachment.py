"""Attachments of mails. A module stores them in its tables, and tells how they are read.

ATTACHMENTS in the Python module `tables` of a module (modules.py) has a function for each kind of message: from the id
of a message to its attachments. So the row of a message stays small, and all attempts send the same bytes.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

import modules


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail. `name` has only characters that are safe in a header, and `media_type` is `type/subtype`."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


LoadAttachments = Callable[[UUID], Awaitable[Sequence[Attachment]]]


async def of_message(kind: str, message_id: UUID) -> Sequence[Attachment]:
    """The attachments of a message. Empty for a kind without attachments."""
    load = _loaders().get(kind)
    return await load(message_id) if load is not None else ()


@cache
def _loaders() -> dict[str, LoadAttachments]:
    return {kind: load for part in modules.table_parts("ATTACHMENTS") for kind, load in part.items()}
