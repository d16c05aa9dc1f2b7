"""An engagement lets a bureau work for a client: one account asks, the other one accepts.

    engage --> PENDING --accept--> ACTIVE --end--> ENDED
                  |------end-----> ENDED
                  |----decline---> DECLINED

A pair of accounts has one open engagement; a client can have several bureaus. Who asks for an
account that he cannot enter asks blindly: his answer is the same whether or not there is such an
account, and he sees the engagement once the other side has answered it. Asking where the other side
has asked already is an answer, too: it accepts.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth import policy
from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access import access, derived_grant
from models.access.access import Access, declares_permission
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.outbox import message
from models.outbox.message import MessageKind


class EngagementStatus(StrEnum):
    """Where an engagement stands; only an ACTIVE one lets a bureau work."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    DECLINED = "DECLINED"
    ENDED = "ENDED"


class Engagement(Model):
    """A bureau and its client."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    bureau_id = fields.UUIDField()
    client_id = fields.UUIDField()
    status = fields.CharEnumField(EngagementStatus, max_length=10)
    asked_by_id = fields.UUIDField()
    is_blind = fields.BooleanField()
    created_at = fields.DatetimeField()
    ended_at: datetime | None = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        """Where the rows are."""

        table = "engagements"


class EngagementRow(db.Row):
    """An engagement as it is listed."""

    graphql_type = "Engagement"

    id: UUID
    bureau_id: UUID
    client_id: UUID
    status: str
    asked_by_id: UUID
    is_blind: bool
    created_at: datetime
    ended_at: datetime | None


COLUMNS: Final = db.columns("e", "id bureau_id client_id status asked_by_id is_blind created_at ended_at")
_BY_IDS: Final = f"SELECT {', '.join(COLUMNS.values())} FROM engagements e WHERE e.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[EngagementRow | None]:
    """These engagements, in this order; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=EngagementRow))


_ACTIVE: Final = f"""
SELECT {", ".join(COLUMNS.values())} FROM engagements e
WHERE e.bureau_id = $1 AND e.client_id = $2 AND e.status = 'ACTIVE'
"""


async def active(bureau_id: UUID, client_id: UUID) -> EngagementRow | None:
    """The active engagement of a bureau and a client, if there is one."""
    return await db.fetch_one(_ACTIVE, bureau_id, client_id, row=EngagementRow)


_OPEN: Final = f"""
SELECT {", ".join(COLUMNS.values())} FROM engagements e
WHERE e.status IN ('PENDING', 'ACTIVE') AND (e.bureau_id = ANY($1::uuid[]) OR e.client_id = ANY($1::uuid[]))
ORDER BY e.id
"""


async def open_of(account_ids: Sequence[UUID]) -> list[EngagementRow]:
    """What is asked for or under way with any of these accounts on either side."""
    return await db.fetch(_OPEN, account_ids, row=EngagementRow)


def shown_to(row: db.Columns) -> list[UUID]:
    """The accounts that an engagement exists for: both sides, or one until it has answered."""
    sides: list[UUID] = [row["bureau_id"], row["client_id"]]
    if row["is_blind"] and row["status"] == EngagementStatus.PENDING:
        sides.remove(row["asked_by_id"])
    return sides


NOBODY: Final = UUID(int=0)
"""The id of no account."""
_USERS_WRITE: Final = policy.mask([Permission.USERS_WRITE])


# ---- Answering and ending --------------------------------------------------------------------


@declares_permission(Permission.USERS_WRITE)
async def accept(caller: Caller, engagement_id: UUID) -> UUID:
    """Let the bureau begin; only the side that was asked can. Returns the id."""
    async with db.transaction():
        found, entered = await _asked(caller, engagement_id)
        await begin(caller, found, entered)
    return engagement_id


async def begin(caller: Caller, found: EngagementRow, entered: dict[UUID, Access]) -> None:
    """Make a pending engagement active, within the transaction that answers it, and tell both sides."""
    await Engagement.filter(id=found.id).update(status=EngagementStatus.ACTIVE)
    await _record_change(caller, "accept", found, entered, EngagementStatus.ACTIVE)
    sides = (found.bureau_id, found.client_id)
    await tell(caller, MessageKind.ENGAGEMENT_ACCEPTED, sides, to=sides)


async def begin_with(caller: Caller, bureau_id: UUID, client_id: UUID) -> EngagementRow:
    """An active engagement of a bureau and the account that it has just opened for its client."""
    made = await Engagement.create(
        bureau_id=bureau_id,
        client_id=client_id,
        status=EngagementStatus.ACTIVE,
        asked_by_id=bureau_id,
        is_blind=False,
        created_at=caller.now,
    )
    (found,) = await db.fetch(_BY_IDS, [made.id], row=EngagementRow)
    await record(caller, "begin", client_id, {}, after={"engagement": str(made.id), "status": made.status})
    return found


@declares_permission(Permission.USERS_WRITE)
async def decline(caller: Caller, engagement_id: UUID) -> UUID:
    """Turn a bureau, or a client, down; only the side that was asked can. Returns the id."""
    async with db.transaction():
        found, entered = await _asked(caller, engagement_id)
        await _finish(caller, "decline", found, entered, EngagementStatus.DECLINED)
        sides = (found.bureau_id, found.client_id)
        await tell(caller, MessageKind.ENGAGEMENT_DECLINED, sides, to=[found.asked_by_id])
    return engagement_id


@declares_permission(Permission.USERS_WRITE)
async def end(caller: Caller, engagement_id: UUID) -> UUID:
    """End an engagement, or take back that it was asked for; either side can. Returns the id."""
    async with db.transaction():
        found, entered = await _enter(caller, engagement_id)
        if found.status not in _OPEN_STATES:
            raise _not_in_state(mark("This engagement has ended already."))
        demanded(_best(found, entered), end.permission, "engagement_id")
        await finish(caller, found, entered)
    return engagement_id


async def finish(caller: Caller, found: EngagementRow, entered: dict[UUID, Access]) -> None:
    """End an engagement and what hangs on it, both its accounts locked, and tell both sides."""
    await _finish(caller, "end", found, entered, EngagementStatus.ENDED)
    await derived_grant.end(caller, await derived_grant.of_engagement(found.id, now=caller.now))
    sides = (found.bureau_id, found.client_id)
    if found.status == EngagementStatus.ACTIVE:
        await tell(caller, MessageKind.ENGAGEMENT_ENDED, sides, to=sides)


_OPEN_STATES: Final = (EngagementStatus.PENDING, EngagementStatus.ACTIVE)


async def _finish(
    caller: Caller, done: str, found: EngagementRow, entered: dict[UUID, Access], status: EngagementStatus
) -> None:
    await Engagement.filter(id=found.id).update(status=status, ended_at=caller.now)
    await _record_change(caller, done, found, entered, status)


async def _asked(caller: Caller, engagement_id: UUID) -> tuple[EngagementRow, dict[UUID, Access]]:
    """A pending engagement whose asked side the caller may answer for, both accounts locked."""
    found, entered = await _enter(caller, engagement_id)
    asked_id = found.client_id if found.asked_by_id == found.bureau_id else found.bureau_id
    if found.status != EngagementStatus.PENDING:
        raise _not_in_state(mark("This engagement has been answered already."))
    if asked_id not in entered:
        raise _not_in_state(mark("Only the side that was asked can answer."))
    demanded(entered[asked_id], accept.permission, "engagement_id")
    return found, entered


async def _enter(caller: Caller, engagement_id: UUID) -> tuple[EngagementRow, dict[UUID, Access]]:
    """An engagement that exists for the caller, its accounts locked, and his access to them."""
    found = await db.fetch_one(_BY_IDS, [engagement_id], row=EngagementRow)
    # Asked before the locks, so that nobody holds up accounts that he cannot enter, and for
    # made-up ids too.
    shown = await entered_by(caller, *(shown_to(found) if found else [NOBODY]))
    if found is None or not shown:
        raise not_found("engagement_id")
    demanded(_best(found, shown), Permission.USERS_WRITE, "engagement_id")
    await locks.accounts(found.bureau_id, found.client_id)
    found = await db.fetch_one(_BY_IDS, [engagement_id], row=EngagementRow)
    assert found is not None  # noqa: S101 - engagements are never deleted
    return found, await entered_by(caller, found.bureau_id, found.client_id)


# ---- Small parts -----------------------------------------------------------------------------


async def entered_by(caller: Caller, *account_ids: UUID) -> dict[UUID, Access]:
    """The caller's access to those of the accounts that he can enter."""
    found = await access.load(caller.user(), account_ids, now=caller.now)
    return {entry.account_id: entry for entry in found}


def holds(entry: Access | None) -> bool:
    """Whether somebody's access is enough to act for an account here."""
    return entry is not None and bool(entry.bits & _USERS_WRITE)


def _best(found: EngagementRow, entered: dict[UUID, Access]) -> Access | None:
    """The caller's access on the side for which he can act, or any that he has."""
    sides = [entered[key] for key in shown_to(found) if key in entered]
    return next(filter(holds, sides), sides[0] if sides else None)


def demanded(entry: Access | None, permission: Permission, field: str) -> Access:
    """The access, if it holds `permission`. Raises Refusal NOT_FOUND where there is none, or Forbidden."""
    if entry is None:
        raise not_found(field)
    access.require(entry, permission)
    return entry


async def _record_change(
    caller: Caller, done: str, found: EngagementRow, entered: dict[UUID, Access], status: EngagementStatus
) -> None:
    """One event on each side."""
    key = str(found.id)
    before, after = {"engagement": key, "status": found.status}, {"engagement": key, "status": status}
    for account_id in (found.bureau_id, found.client_id):
        await record(caller, done, account_id, entered, before=before, after=after)


async def record(
    caller: Caller,
    done: str,
    account_id: UUID,
    entered: dict[UUID, Access],
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Write `account:engagement:<done>` on one side, in the role that the caller has there, if any."""
    role = entered[account_id].role if account_id in entered else None
    await event.record(
        caller, f"account:engagement:{done}", account_id=account_id, role=role, before=before, after=after
    )


class _Side(db.Row):
    id: UUID
    account_name: str
    email: str
    name: str
    locale: str


_SIDES: Final = """
SELECT a.id, a.name AS account_name, u.email, u.name, u.locale
FROM accounts a JOIN users u ON u.id = a.owner_id WHERE a.id = ANY($1::uuid[])
"""


async def tell(
    caller: Caller, kind: MessageKind, sides: tuple[UUID, UUID], *, to: Sequence[UUID], **more: object
) -> None:
    """Mail the owners of the accounts `to`, of a bureau and its client."""
    rows = {row.id: row for row in await db.fetch(_SIDES, sides, row=_Side)}
    bureau, client = (rows[key] for key in sides)
    for account_id in dict.fromkeys(to):
        owner = rows[account_id]
        await message.queue(
            caller,
            kind,
            to=owner.email,
            name=owner.name,
            locale=owner.locale,
            account_id=account_id,
            params={"bureau_name": bureau.account_name, "client_name": client.account_name, **more},
        )


def _not_in_state(text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, "engagement_id", text)
