"""Engagements let a bureau work for a client: one account requests, the other accepts.

    engage --> PENDING --accept--> ACTIVE --end--> ENDED
                  |------end-----> ENDED
                  |----decline---> DECLINED

Two accounts have at most one open engagement with each other. A client can have several bureaus. A request is blind
if the requester has no access to the other account: the response does not reveal whether that account exists, and the
requester sees the engagement only after the other side has answered. A request to an account that has already
requested the same engagement accepts it.
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
from models.access import access, derived_grant, operation, reauthentication
from models.access.access import Access
from models.access.grant_rules import Authority, Exemption
from models.access.operation import declares_permission
from models.access.reauthentication import ReauthenticationCase
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.outbox import message
from models.outbox.message_kind import MessageKind
from models.people import placeholder_owner


class EngagementStatus(StrEnum):
    """The status of an engagement. Only an ACTIVE engagement gives the bureau access."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    DECLINED = "DECLINED"
    ENDED = "ENDED"


class Engagement(Model):
    """An engagement of a bureau by a client."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    bureau_id = fields.UUIDField()
    client_id = fields.UUIDField()
    status = fields.CharEnumField(EngagementStatus, max_length=10)
    asked_by_id = fields.UUIDField()
    is_blind = fields.BooleanField()
    created_at = fields.DatetimeField()
    ended_at: datetime | None = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        """The table."""

        table = "engagements"


class EngagementRow(db.Row):
    """An engagement, as lists read it."""

    graphql_type = "Engagement"

    id: UUID
    bureau_id: UUID
    client_id: UUID
    status: str
    asked_by_id: UUID
    is_blind: bool
    created_at: datetime
    ended_at: datetime | None


COLUMNS: Final = db.columns_of("e", EngagementRow)
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM engagements e WHERE e.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[EngagementRow | None]:
    """The engagements with these ids, in this order. None for an unknown id. Access is not checked."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=EngagementRow))


_ACTIVE: Final = f"""
SELECT {db.select_list(COLUMNS)} FROM engagements e
WHERE e.bureau_id = $1 AND e.client_id = $2 AND e.status = 'ACTIVE'
"""


async def load_active(bureau_id: UUID, client_id: UUID) -> EngagementRow | None:
    """The active engagement of a bureau and a client, or None."""
    return await db.fetch_one(_ACTIVE, bureau_id, client_id, row=EngagementRow)


_OPEN: Final = f"""
SELECT {db.select_list(COLUMNS)} FROM engagements e
WHERE e.status IN ('PENDING', 'ACTIVE') AND (e.bureau_id = ANY($1::uuid[]) OR e.client_id = ANY($1::uuid[]))
ORDER BY e.id
"""


async def load_open(account_ids: Sequence[UUID]) -> list[EngagementRow]:
    """The pending and active engagements that have one of these accounts on either side."""
    return await db.fetch(_OPEN, account_ids, row=EngagementRow)


def visible_to(row: db.Columns) -> list[UUID]:
    """The accounts that see an engagement: both sides, or only the side that has to answer a blind request."""
    sides: list[UUID] = [row["bureau_id"], row["client_id"]]
    if row["is_blind"] and row["status"] == EngagementStatus.PENDING:
        sides.remove(row["asked_by_id"])
    return sides


NO_ACCOUNT_ID: Final = UUID(int=0)
"""An id that no account has."""
_USERS_WRITE: Final = policy.mask([Permission.USERS_WRITE])


# ---- Answering and ending --------------------------------------------------------------------


@declares_permission(
    Permission.USERS_WRITE, EventType.ENGAGEMENT_ACCEPT, reauthentication=ReauthenticationCase.FOR_CLIENT
)
async def accept(caller: Caller, engagement_id: UUID) -> UUID:
    """Accept a pending engagement. Only the side that received the request can. Returns the id."""
    async with db.transaction():
        row, access_by_account = await _lock_for_answer(caller, engagement_id)
        if row.asked_by_id == row.bureau_id:
            await reauthentication.require(caller)
        await activate(caller, row, access_by_account)
    return engagement_id


async def activate(caller: Caller, row: EngagementRow, access_by_account: dict[UUID, Access]) -> None:
    """Make a pending engagement active and mail both owners. Runs in the transaction of the caller."""
    await Engagement.filter(id=row.id).update(status=EngagementStatus.ACTIVE)
    await _record_on_both_sides(caller, EventType.ENGAGEMENT_ACCEPT, row, access_by_account, EngagementStatus.ACTIVE)
    sides = (row.bureau_id, row.client_id)
    await mail_owners(caller, MessageKind.ENGAGEMENT_ACCEPTED, sides, recipient_ids=sides)


async def create_active(caller: Caller, bureau_id: UUID, client_id: UUID) -> EngagementRow:
    """Create an active engagement of a bureau and the client account that it has just opened."""
    engagement = await Engagement.create(
        bureau_id=bureau_id,
        client_id=client_id,
        status=EngagementStatus.ACTIVE,
        asked_by_id=bureau_id,
        is_blind=False,
        created_at=caller.now,
    )
    (row,) = await db.fetch(_BY_IDS, [engagement.id], row=EngagementRow)
    await record(
        caller,
        EventType.ENGAGEMENT_BEGIN,
        client_id,
        {},
        after={"engagement": str(engagement.id), "status": engagement.status},
    )
    return row


@declares_permission(Permission.USERS_WRITE, EventType.ENGAGEMENT_DECLINE)
async def decline(caller: Caller, engagement_id: UUID) -> UUID:
    """Decline a pending engagement. Only the side that received the request can. Returns the id."""
    async with db.transaction():
        row, access_by_account = await _lock_for_answer(caller, engagement_id)
        await _set_final_status(caller, EventType.ENGAGEMENT_DECLINE, row, access_by_account, EngagementStatus.DECLINED)
        sides = (row.bureau_id, row.client_id)
        await mail_owners(caller, MessageKind.ENGAGEMENT_DECLINED, sides, recipient_ids=[row.asked_by_id])
    return engagement_id


@declares_permission(Permission.USERS_WRITE, EventType.ENGAGEMENT_END)
async def end(caller: Caller, engagement_id: UUID) -> UUID:
    """End an active engagement, or withdraw or decline a pending one. Either side can. Returns the id.

    Raises Refusal: NOT_FOUND, INVALID_STATE; ROLE_TOO_HIGH for a user of the client if a consultant has more
        permissions there than the user.
    """
    async with db.transaction():
        row, access_by_account = await _lock(caller, engagement_id)
        if row.status not in _OPEN_STATES:
            raise _invalid_state(mark("This engagement has ended already."))
        acting_access = require_access(_acting_access(row, access_by_account), end.permission, "engagement_id")
        is_by_bureau = may_act(access_by_account.get(row.bureau_id))
        await finish(caller, row, access_by_account, taker=Exemption.BUREAU if is_by_bureau else acting_access)
    return engagement_id


async def finish(
    caller: Caller, row: EngagementRow, access_by_account: dict[UUID, Access], *, taker: Authority
) -> None:
    """End an engagement and its derived grants. Both accounts must be locked. Mails both owners if it was active.

    Raises Refusal ROLE_TOO_HIGH if `taker` may not take one of the grants.
    """
    await _set_final_status(caller, EventType.ENGAGEMENT_END, row, access_by_account, EngagementStatus.ENDED)
    derived_grants = await derived_grant.of_engagement(row.id, now=caller.now)
    await derived_grant.end(caller, derived_grants, taker, field="engagement_id")
    # The address of a client who has not claimed the account is not proved. The bureau decides about a new link.
    await placeholder_owner.close_links(row.client_id, row.bureau_id, caller.now)
    sides = (row.bureau_id, row.client_id)
    if row.status == EngagementStatus.ACTIVE:
        await mail_owners(caller, MessageKind.ENGAGEMENT_ENDED, sides, recipient_ids=sides)


_OPEN_STATES: Final = (EngagementStatus.PENDING, EngagementStatus.ACTIVE)


async def _set_final_status(
    caller: Caller,
    event_type: EventType,
    row: EngagementRow,
    access_by_account: dict[UUID, Access],
    status: EngagementStatus,
) -> None:
    await Engagement.filter(id=row.id).update(status=status, ended_at=caller.now)
    await _record_on_both_sides(caller, event_type, row, access_by_account, status)


async def _lock_for_answer(caller: Caller, engagement_id: UUID) -> tuple[EngagementRow, dict[UUID, Access]]:
    """Lock a pending engagement that the caller may answer, and its accounts. Returns it and the caller's access."""
    row, access_by_account = await _lock(caller, engagement_id)
    asked_id = row.client_id if row.asked_by_id == row.bureau_id else row.bureau_id
    if row.status != EngagementStatus.PENDING:
        raise _invalid_state(mark("This engagement has been answered already."))
    if asked_id not in access_by_account:
        raise _invalid_state(mark("Only the side that was asked can answer."))
    require_access(access_by_account[asked_id], accept.permission, "engagement_id")
    return row, access_by_account


async def _lock(caller: Caller, engagement_id: UUID) -> tuple[EngagementRow, dict[UUID, Access]]:
    """Lock the accounts of an engagement that the caller sees. Returns it and the caller's access to the accounts."""
    row = await db.fetch_one(_BY_IDS, [engagement_id], row=EngagementRow)
    # Checked before the locks, so that a caller cannot block accounts of strangers. An unknown id costs the same
    # statements.
    access_by_account = await load_access(caller, *(visible_to(row) if row else [NO_ACCOUNT_ID]))
    if row is None or not access_by_account:
        raise not_found("engagement_id")
    require_access(_acting_access(row, access_by_account), Permission.USERS_WRITE, "engagement_id")
    await locks.lock_accounts(row.bureau_id, row.client_id)
    row = await db.fetch_one(_BY_IDS, [engagement_id], row=EngagementRow)
    assert row is not None  # noqa: S101 - engagements are never deleted
    return row, await load_access(caller, row.bureau_id, row.client_id)


# ---- Parts of operations ---------------------------------------------------------------------


async def load_access(caller: Caller, *account_ids: UUID) -> dict[UUID, Access]:
    """The caller's access by account id, for the accounts that the caller can enter."""
    accesses = await access.load(caller.user(), account_ids, now=caller.now)
    return {account_access.account_id: account_access for account_access in accesses}


def may_act(account_access: Access | None) -> bool:
    """True if the access is enough to request, answer and end engagements of its account."""
    return account_access is not None and bool(account_access.bits & _USERS_WRITE)


def _acting_access(row: EngagementRow, access_by_account: dict[UUID, Access]) -> Access | None:
    """The caller's access to a side that sees the engagement; one with USERS_WRITE first. None if there is none."""
    sides = [access_by_account[key] for key in visible_to(row) if key in access_by_account]
    return next(filter(may_act, sides), sides[0] if sides else None)


def require_access(account_access: Access | None, permission: Permission, field: str) -> Access:
    """Return the access if it has `permission`. Raises Refusal NOT_FOUND if it is None, otherwise Forbidden."""
    if account_access is None:
        raise not_found(field)
    operation.require(account_access, permission)
    return account_access


async def _record_on_both_sides(
    caller: Caller,
    event_type: EventType,
    row: EngagementRow,
    access_by_account: dict[UUID, Access],
    status: EngagementStatus,
) -> None:
    """Record one event on each side."""
    key = str(row.id)
    before, after = {"engagement": key, "status": row.status}, {"engagement": key, "status": status}
    for account_id in (row.bureau_id, row.client_id):
        await record(caller, event_type, account_id, access_by_account, before=before, after=after)


async def record(
    caller: Caller,
    event_type: EventType,
    account_id: UUID,
    access_by_account: dict[UUID, Access],
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Record an event on one side, with the caller's role in that account, if any."""
    role = access_by_account[account_id].role if account_id in access_by_account else None
    await event.record(caller, event_type, account_id=account_id, role=role, before=before, after=after)


class _Side(db.Row):
    id: UUID
    account_name: str
    email: str
    name: str
    locale: str
    is_activated: bool


_SIDES: Final = """
SELECT a.id, a.name AS account_name, u.email, u.name, u.locale, u.activated_at IS NOT NULL AS is_activated
FROM accounts a JOIN users u ON u.id = a.owner_id WHERE a.id = ANY($1::uuid[])
"""


async def mail_owners(
    caller: Caller, kind: MessageKind, sides: tuple[UUID, UUID], *, recipient_ids: Sequence[UUID], **params: object
) -> None:
    """Mail the owners of the accounts in `recipient_ids`. `sides` are the bureau and the client, in this order.

    An owner who has not activated the login gets no mail: that address is not proved.
    """
    rows = {row.id: row for row in await db.fetch(_SIDES, sides, row=_Side)}
    bureau, client = (rows[key] for key in sides)
    for account_id in dict.fromkeys(recipient_ids):
        owner = rows[account_id]
        if not owner.is_activated:
            continue
        await message.queue(
            caller,
            kind,
            to=owner,
            account_id=account_id,
            params={
                "bureau_name": naming.text(bureau.account_name, bureau.id),
                "client_name": naming.text(client.account_name, client.id),
                **params,
            },
        )


def _invalid_state(text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, "engagement_id", text)
