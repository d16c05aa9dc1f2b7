"""What hangs on engagements: the grants of a bureau's consultants at its clients.

Such a grant ends with its engagement, and with its holder's grant on the bureau, in the transaction
that ends these, under the locks of all accounts concerned. Its `valid_until` is never later than
that grant's, so that the clock ends both at the same second: a row tells by itself whether it
counts, and reading asks for nothing more. `own_until` is the end that it was given itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus, Role
from database import db
from i18n import mark
from models.access import access
from models.audit import event
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.outbox import message
from models.outbox.message import MessageKind


class DerivedGrantRow(db.Row):
    """A live grant that hangs on an engagement."""

    id: UUID
    account_id: UUID
    user_id: UUID
    role: str
    status: str
    listed: int | None
    valid_until: datetime | None
    own_until: datetime | None
    engagement_id: UUID
    bureau_id: UUID


# Ownership is nobody's to end: a consultant who was made the owner hangs on nothing any more.
_LIVE: Final = """
SELECT g.id, g.account_id, g.user_id, g.role, g.status, g.listed, g.valid_until, g.own_until, g.engagement_id,
    e.bureau_id
FROM engagements e JOIN grants g ON g.engagement_id = e.id
WHERE g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND g.role <> 'OWNER'
  AND (g.valid_until IS NULL OR g.valid_until > $1)
"""
_OF_CONSULTANT: Final = f"{_LIVE} AND e.bureau_id = $2 AND g.user_id = $3 ORDER BY g.account_id"
_OF_ENGAGEMENT: Final = f"{_LIVE} AND e.id = $2 ORDER BY g.id"


async def of_consultant(user_id: UUID, bureau_id: UUID, *, now: datetime) -> list[DerivedGrantRow]:
    """All that hangs on a user's grant on a bureau."""
    return await db.fetch(_OF_CONSULTANT, now, bureau_id, user_id, row=DerivedGrantRow)


async def of_engagement(engagement_id: UUID, *, now: datetime) -> list[DerivedGrantRow]:
    """All that hangs on an engagement."""
    return await db.fetch(_OF_ENGAGEMENT, now, engagement_id, row=DerivedGrantRow)


# ---- What it hangs on ------------------------------------------------------------------------


class _Base(db.Row):
    valid_until: datetime | None


_BASE: Final = """
SELECT valid_until FROM grants
WHERE account_id = $1 AND user_id = $2 AND status = 'ACTIVE' AND (valid_until IS NULL OR valid_until > $3)
"""
_BASE_OF: Final = """
SELECT b.valid_until FROM engagements e JOIN grants b ON b.account_id = e.bureau_id
WHERE e.id = $1 AND e.status = 'ACTIVE' AND b.user_id = $2 AND b.status = 'ACTIVE'
  AND (b.valid_until IS NULL OR b.valid_until > $3)
"""


async def is_consultant(user_id: UUID, bureau_id: UUID, *, now: datetime) -> bool:
    """Whether a user can be assigned to clients: he holds an active grant on the bureau."""
    return await db.fetch_one(_BASE, bureau_id, user_id, now, row=_Base) is not None


async def earliest_end(
    engagement_id: UUID, user_id: UUID, own_until: datetime | None, *, now: datetime
) -> datetime | None:
    """When a grant with an end of its own, or None, ends that hangs on an engagement.

    Raises Refusal INVALID_STATE where the engagement or the holder's grant on the bureau is over.
    """
    base = await db.fetch_one(_BASE_OF, engagement_id, user_id, now, row=_Base)
    if base is None:
        raise refuse(
            UserErrorCode.INVALID_STATE,
            "grant_id",
            mark("The bureau, or this person's place in it, is no longer there."),
        )
    return min((end for end in (own_until, base.valid_until) if end is not None), default=None)


_REBIND: Final = "UPDATE grants SET valid_until = LEAST(own_until, $2) WHERE id = ANY($1::uuid[])"
_SET_OWN_END: Final = "UPDATE grants SET valid_until = $2, own_until = $3 WHERE id = $1"


async def set_own_end(grant_id: UUID, valid_until: datetime | None, own_until: datetime | None) -> None:
    """Store the end that a hanging grant was given itself, beside the one that it has by it."""
    await db.execute(_SET_OWN_END, grant_id, valid_until, own_until)


async def reschedule(caller: Caller, user_id: UUID, bureau_id: UUID, base_until: datetime | None) -> None:
    """Let all that hangs on a user's grant on a bureau end with it, now that its end has changed."""
    rows = await of_consultant(user_id, bureau_id, now=caller.now)
    ends = {row.id: min((t for t in (row.own_until, base_until) if t is not None), default=None) for row in rows}
    moved = [row for row in rows if ends[row.id] != row.valid_until]
    await db.execute(_REBIND, [row.id for row in moved], base_until)
    roles = await _roles(caller, moved)
    for row in moved:
        await _record(caller, "update", row, roles, {"valid_until": row.valid_until}, {"valid_until": ends[row.id]})


# ---- Ending ----------------------------------------------------------------------------------

_END: Final = "UPDATE grants SET status = 'REVOKED', ended_at = $2 WHERE id = ANY($1::uuid[])"


async def end(caller: Caller, rows: Sequence[DerivedGrantRow]) -> None:
    """End grants, their accounts locked, each with its event."""
    await db.execute(_END, [row.id for row in rows], caller.now)
    roles = await _roles(caller, rows)
    for row in rows:
        await _record(caller, "revoke", row, roles, {"status": row.status}, {"status": GrantStatus.REVOKED})


async def end_with_base(caller: Caller, user_id: UUID, bureau_id: UUID) -> None:
    """End all that hangs on a user's grant on a bureau, which ends, and mail both sides."""
    rows = await of_consultant(user_id, bureau_id, now=caller.now)
    if rows:
        await end(caller, rows)
        await tell_both(caller, [row.id for row in rows])


async def _roles(caller: Caller, rows: Sequence[DerivedGrantRow]) -> dict[UUID, Role]:
    """The caller's roles in the accounts of grants: of many he has none."""
    if caller.user_id is None:
        return {}
    found = await access.load(caller.user_id, [row.account_id for row in rows], now=caller.now)
    return {entry.account_id: entry.role for entry in found}


async def _record(
    caller: Caller,
    done: str,
    row: DerivedGrantRow,
    roles: Mapping[UUID, Role],
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    await event.record(
        caller,
        f"account:grant:{done}",
        account_id=row.account_id,
        role=roles.get(row.account_id),
        before={"grant": str(row.id), **before},
        after={"grant": str(row.id), **after},
    )


# ---- Mails -----------------------------------------------------------------------------------


class _Told(db.Row):
    account_id: UUID
    account_name: str
    email: str
    name: str
    locale: str
    bureau_id: UUID
    bureau_name: str
    consultant_name: str


_TOLD: Final = """
SELECT a.id AS account_id, a.name AS account_name, o.email, o.name, o.locale, b.id AS bureau_id,
    b.name AS bureau_name, c.name AS consultant_name
FROM grants g JOIN accounts a ON a.id = g.account_id JOIN users c ON c.id = g.user_id
JOIN engagements e ON e.id = g.engagement_id JOIN accounts b ON b.id = e.bureau_id
JOIN users o ON o.id = {whose}.owner_id WHERE g.id = ANY($1::uuid[]) ORDER BY g.account_id
"""


async def tell_assigned(caller: Caller, grant_id: UUID) -> None:
    """Mail a client's owner that a consultant was assigned."""
    await _tell_clients(caller, MessageKind.CONSULTANT_ASSIGNED, [grant_id])


async def tell_ended(caller: Caller, rows: Iterable[DerivedGrantRow]) -> None:
    """Mail each client's owner that a consultant has no access any more."""
    await _tell_clients(caller, MessageKind.CONSULTANT_ENDED, [row.id for row in rows])


async def tell_both(caller: Caller, grant_ids: list[UUID]) -> None:
    """Mail the owners of the clients, and that of the one bureau, that a consultant has no access any more."""
    await _tell_clients(caller, MessageKind.CONSULTANT_ENDED, grant_ids)
    await _tell_bureau(caller, grant_ids)


async def _tell_clients(caller: Caller, kind: MessageKind, grant_ids: list[UUID]) -> None:
    for told in await db.fetch(_TOLD.format(whose="a"), grant_ids, row=_Told):
        await _queue(caller, kind, told, told.account_id, client_name=told.account_name)


async def _tell_bureau(caller: Caller, grant_ids: list[UUID]) -> None:
    told = await db.fetch(_TOLD.format(whose="b"), grant_ids, row=_Told)
    names = ", ".join(one.account_name for one in told)
    await _queue(caller, MessageKind.CONSULTANT_LEFT, told[0], told[0].bureau_id, client_names=names)


async def _queue(caller: Caller, kind: MessageKind, told: _Told, account_id: UUID, **more: object) -> None:
    await message.queue(
        caller,
        kind,
        to=told.email,
        name=told.name,
        locale=told.locale,
        account_id=account_id,
        params={"bureau_name": told.bureau_name, "consultant_name": told.consultant_name, **more},
    )
