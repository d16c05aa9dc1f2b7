"""Links that download a file of a delivery, for a few minutes, while the session that reads the link is open.

A link is not stored: its token has the delivery, the file, the session and the end, with a signature by the server's
key. A file of a delivery never changes, so a link can be used several times. Each download checks the session, and the
rights of its user on the document at that moment.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hmac import compare_digest
from struct import Struct
from struct import error as struct_error
from typing import Final
from uuid import UUID

from auth import policy, tokens
from auth.policy import Permission
from models.access import access
from models.base.caller import Caller
from models.outbox.attachment import Attachment
from models.people import session
from workspace import sending
from workspace.scope import SCOPE

LIFETIME: Final = timedelta(minutes=5)
PATH: Final = "/document-files"
_FIELDS: Final = Struct(">16s16sBq")
_SIGNATURE_BYTES: Final = 16
_READ: Final = policy.mask([Permission.DOCUMENTS_READ])


class DeliveredFile(StrEnum):
    """A file of a delivery."""

    PDF = "PDF"
    STRUCTURED_INVOICE = "STRUCTURED_INVOICE"


_FILES: Final = tuple(DeliveredFile)


@dataclass(frozen=True, slots=True)
class _Link:
    delivery_id: UUID
    session_id: UUID
    file: DeliveredFile
    expires_at: datetime


def path(caller: Caller, delivery_id: UUID, file: DeliveredFile) -> str | None:
    """The path of a new link for the caller's session. None without a session."""
    if caller.session_id is None:
        return None
    end = int((caller.now + LIFETIME).timestamp())
    fields = _FIELDS.pack(delivery_id.bytes, caller.session_id.bytes, _FILES.index(file), end)
    return f"{PATH}/{urlsafe_b64encode(fields + _signature(caller, fields)).decode().rstrip('=')}"


async def find(caller: Caller, token: str) -> Attachment | None:
    """The file of a link. None if the link does not work, or the user of its session may not read the document."""
    link = _open(caller, token)
    if link is None or link.expires_at <= caller.now:
        return None
    link_session = await session.by_id(link.session_id, now=caller.now)
    (delivery,) = await sending.by_ids([link.delivery_id])
    if link_session is None or delivery is None:
        return None
    user_access = await access.load_one(link_session.user_id, delivery.account_id, now=caller.now)
    if (
        user_access is None
        or not user_access.bits & _READ
        or not SCOPE.reaches(delivery.created_by_id, link_session.user_id, user_access.bits)
    ):
        return None
    files = await sending.attachments_of_delivery(link.delivery_id)
    return dict(zip(_FILES, files, strict=False)).get(link.file)


def _open(caller: Caller, token: str) -> _Link | None:
    """The parts of a token. None if this server did not make it."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        fields, signature = raw[: _FIELDS.size], raw[_FIELDS.size :]
        delivery_bytes, session_bytes, file_index, end = _FIELDS.unpack(fields)
    except (ValueError, struct_error):
        return None
    if not compare_digest(signature, _signature(caller, fields)):
        return None
    return _Link(
        UUID(bytes=delivery_bytes), UUID(bytes=session_bytes), _FILES[file_index], datetime.fromtimestamp(end, UTC)
    )


def _signature(caller: Caller, fields: bytes) -> bytes:
    return tokens.derive_bytes(caller.config.link_key, "document-file", fields)[:_SIGNATURE_BYTES]
