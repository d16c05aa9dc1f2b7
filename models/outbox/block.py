"""Blocks: kinds of mail that a receiver has stopped for an address, by one click and without a login.

    add, by the token in a mail --> blocked --remove, by the same token--> not blocked

The token of an address and a kind is derived and never expires. It can only block that kind and undo it. A block holds
a keyed digest of the address, so the table shows no addresses. It outlasts the erasure of the user: otherwise the
erased address would be mailed again.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Final

from auth import tokens
from database import db
from models.base.validation import email_key
from models.outbox.message_kind import MessageKind

FAILURE: Final = "blocked by the receiver"
"""The failure of a message whose receiver has blocked its kind."""
_SUBJECT_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Blockable:
    """A kind of mail to an address, which is present only as a keyed digest."""

    kind: MessageKind
    subject: bytes

    async def is_blocked(self) -> bool:
        """True if the receiver has blocked the kind."""
        return bool(await db.fetch(_IS_BLOCKED, self.subject, self.kind, row=db.Row))

    async def add(self, now: datetime) -> None:
        """Block the kind. Blocking twice is blocking."""
        await db.execute(_ADD, self.subject, self.kind, now)

    async def remove(self) -> None:
        """Allow the kind again."""
        await db.execute(_REMOVE, self.subject, self.kind)


_IS_BLOCKED: Final = "SELECT FROM mail_blocks WHERE subject = $1 AND kind = $2"
_ADD: Final = "INSERT INTO mail_blocks (subject, kind, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_REMOVE: Final = "DELETE FROM mail_blocks WHERE subject = $1 AND kind = $2"


def subject(link_key: str, address: str) -> bytes:
    """The keyed digest of an address, which has no other use."""
    return tokens.derive_bytes(link_key, "mail-block:address", email_key(address).encode(errors="replace"))


def of_message(link_key: str, kind: MessageKind, address: str) -> Blockable | None:
    """The kind and the address of a message. None for a kind that cannot be blocked."""
    return None if kind.topic is None else Blockable(kind, subject(link_key, address))


def token(link_key: str, blockable: Blockable) -> str:
    """The token for a mail: the digest of the address, and a signature of the digest and the kind, in base64url."""
    return urlsafe_b64encode(blockable.subject + _signature(link_key, blockable)).decode()


def find(link_key: str, kind_name: str, token_text: str) -> Blockable | None:
    """The kind and address of a token. None for a token that this server did not make for this kind."""
    try:
        kind, raw = MessageKind(kind_name), urlsafe_b64decode(token_text.encode("ascii"))
    except ValueError:
        return None
    blockable = Blockable(kind, raw[:_SUBJECT_BYTES])
    is_valid = compare_digest(raw[_SUBJECT_BYTES:], _signature(link_key, blockable))
    return blockable if is_valid and kind.topic is not None else None


def _signature(link_key: str, blockable: Blockable) -> bytes:
    seed = blockable.kind.encode() + b"\x00" + blockable.subject
    return tokens.derive_bytes(link_key, "mail-block:token", seed)[:_SIGNATURE_BYTES]
