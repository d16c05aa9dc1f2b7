"""Links that download exports: each works once, for a few minutes, while its session is open.

    create --> open --download--> used          also closed: by the next link of the export, after LIFETIME,
                                                by the end of the session that created it

The token of a link is the only credential of a download, because browsers and download managers send no other. The
database stores its digest. The download checks the rights of the export's creator again, and again before each part.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from auth import tokens
from auth.policy import Permission
from database import db
from i18n import mark
from models.access.access import Access
from models.access.operation import OperationContext
from models.access.scoped_operation import requires_in_scope
from models.audit import event
from models.base.caller import Caller
from models.base.errors import OperationError, Unauthenticated, UserErrorCode, refuse
from models.people import session
from workspace.event_type import WorkspaceEventType
from workspace.export import SCOPE, TABLE, Export, ExportStatus, creator_access, status_at

LIFETIME: Final = timedelta(minutes=5)
CHUNK_BYTES: Final = 256 * 1024
"""The bytes that a download reads at once."""
PATH: Final = "/exports"


class UnknownLink(OperationError):
    """The link was used or replaced, has ended, or never existed."""

    def __init__(self) -> None:
        super().__init__(mark("This link does not work, or no longer works. Create a new one."))


class RightsLost(OperationError):
    """The creator of the export has lost a permission that its content needs, or the access to the account."""

    def __init__(self) -> None:
        super().__init__(mark("You may no longer read everything that this export contains. Create a new export."))


@dataclass(frozen=True, slots=True)
class NewLink:
    """A new link. The token is shown once."""

    export_id: UUID
    token: str
    expires_at: datetime


@requires_in_scope(SCOPE, Permission.EXPORTS_CREATE, WorkspaceEventType.EXPORT_LINK, of="export", table=TABLE)
async def create(context: OperationContext, export_id: UUID) -> NewLink:
    """Create the link of an export, which replaces the one before.

    Raises Refusal: INVALID_STATE if the export is not ready, or needs a permission that its creator has lost.
    """
    if context.caller.session_id is None:
        raise Unauthenticated
    export = await Export.get(id=export_id)
    if status_at({"status": export.status, "expires_at": export.expires_at}, context.now) is not ExportStatus.READY:
        raise refuse(UserErrorCode.INVALID_STATE, None, mark("The export has no file to download."))
    if export.needed_bits & ~context.access.bits:
        raise refuse(UserErrorCode.INVALID_STATE, None, RightsLost().text)
    token, end = tokens.random_token(), context.now + LIFETIME
    _ = await Export.filter(id=export_id).update(
        link_digest=tokens.digest(token), link_session_id=context.caller.session_id, link_expires_at=end
    )
    await context.record(WorkspaceEventType.EXPORT_LINK, after={"export": export_id})
    return NewLink(export_id, token, end)


# ---- Downloads -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Download:
    """An export that the holder of its link may download."""

    export: Export
    access: Access
    digest: bytes


async def find(caller: Caller, token: str) -> Download:
    """The export of an open link. Changes nothing. Raises UnknownLink or RightsLost."""
    digest = tokens.digest(token)
    export = await Export.get_or_none(link_digest=digest)
    if (
        export is None
        or export.link_session_id is None
        or export.link_expires_at is None
        or export.link_expires_at <= caller.now
        or status_at({"status": export.status, "expires_at": export.expires_at}, caller.now) is not ExportStatus.READY
        or await session.by_id(export.link_session_id, now=caller.now) is None
    ):
        raise UnknownLink
    return Download(export, await _require_rights(export, caller.now), digest)


async def start(caller: Caller, download: Download) -> None:
    """Use the link of a download up. Raises UnknownLink if it was used at the same time."""
    export = download.export
    async with db.transaction():
        if not await Export.filter(id=export.id, link_digest=download.digest).update(link_digest=None):
            raise UnknownLink
        await event.record(
            replace(caller, user_id=export.created_by_id, session_id=export.link_session_id),
            WorkspaceEventType.EXPORT_DOWNLOAD,
            account_id=export.account_id,
            role=download.access.role,
            after={
                "export": str(export.id),
                "kind": export.kind,
                "format": export.format,
                "row_count": export.row_count,
            },
        )


class _Chunk(db.Row):
    content: bytes


_READ: Final = """
SELECT substring(p.content FROM $3 FOR $4) AS content FROM export_parts p WHERE p.export_id = $1 AND p.number = $2
"""


async def read(download: Download, clock: Callable[[], datetime]) -> AsyncGenerator[bytes]:
    """Yield the file in chunks of at most CHUNK_BYTES.

    Raises RightsLost or UnknownLink, which break the download off, if the rights or the export end before the file.
    """
    export = download.export
    for number in range(export.part_count):
        _ = await _require_rights(export, clock())
        start_byte = 1
        while True:
            chunk = await db.fetch_one(_READ, export.id, number, start_byte, CHUNK_BYTES, row=_Chunk)
            if chunk is None:
                raise UnknownLink
            yield chunk.content
            if len(chunk.content) < CHUNK_BYTES:
                break
            start_byte += CHUNK_BYTES


async def _require_rights(export: Export, now: datetime) -> Access:
    held_access = await creator_access(export.created_by_id, export.account_id, export.needed_bits, now=now)
    if held_access is None:
        raise RightsLost
    return held_access
