"""Engagements let a bureau work for a client: one account requests, the other accepts.

    engage --> PENDING --accept--> ACTIVE --end--> ENDED
                  |------end-----> ENDED
                  |----decline---> DECLINED

Two accounts have at most one open engagement with each other. A client can have several bureaus. A request is blind
if the requester has no access to the other account: the response does not reveal whether that account exists, and the
requester sees the engagement only after the other side has answered. Until then the requester sees the request:
`models/bureaus/blind_request.py`. A request to an account that has already requested the same engagement accepts it.

A pending engagement expires after REQUEST_LIFETIME. The status EXPIRED is derived from `expires_at`, and stored with
the next request of the two accounts. WITHDRAWN and EXPIRED are the ends of blind requests without an answer.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access import access, derived_grant, operation, reauthentication
from models.access.access import Access
from models.access.grant_rules import Authority, Exemption, Permit
from models.access.operation import declares_permission
from models.access.reauthentication import ReauthenticationCase
from models.accounts.account import Account, AccountKind
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.bureaus import engagement_event, engagement_mail, standing_permissions
from models.outbox.message_kind import MessageKind
from models.people import placeholder_owner


class EngagementStatus(StrEnum):
    """The status of an engagement. Only an ACTIVE engagement gives the bureau access."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    DECLINED = "DECLINED"
    ENDED = "ENDED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class Engagement(Model):
    """An engagement of a bureau by a client."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    bureau_id = fields.UUIDField()
    client_id = fields.UUIDField()
    status = fields.CharEnumField(EngagementStatus, max_length=10)
    asked_by_id = fields.UUIDField()
    is_blind = fields.BooleanField()
    created_at = fields.DatetimeField()
    expires_at: datetime | None = fields.DatetimeField(null=True)
    ended_at: datetime | None = fields.DatetimeField(null=True)
    standing_bits: int | None = fields.BigIntField(null=True)
    standing_until: datetime | None = fields.DatetimeField(null=True)
    standing_by_id: UUID | None = fields.UUIDField(null=True)

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
    expires_at: datetime | None
    ended_at: datetime | None
    standing_bits: int | None
    standing_until: datetime | None
    standing_by_id: UUID | None


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
    if row["is_blind"] and row["status"] in UNANSWERED:
        sides.remove(row["asked_by_id"])
    return sides


def status(row: db.Columns, now: datetime) -> EngagementStatus:
    """The status of an engagement at `now`."""
    stored_status = EngagementStatus(row["status"])
    is_expired = stored_status is EngagementStatus.PENDING and row["expires_at"] <= now
    return EngagementStatus.EXPIRED if is_expired else stored_status


STATUS: Final = """CASE WHEN e.status = 'PENDING' AND e.expires_at <= {0} THEN 'EXPIRED' ELSE e.status END"""
"""SQL of the status of the engagement `e` at the instant {0}."""
REQUEST_LIFETIME: Final = timedelta(days=30)
"""How long a request can be answered."""
UNANSWERED: Final = (EngagementStatus.PENDING, EngagementStatus.WITHDRAWN, EngagementStatus.EXPIRED)
"""The stored statuses of an engagement that the other side has not answered."""
NO_ACCOUNT_ID: Final = UUID(int=0)
"""An id that no account has."""


# ---- Answering and ending --------------------------------------------------------------------


@declares_permission(
    Permission.USERS_WRITE, EventType.ENGAGEMENT_ACCEPT, reauthentication=ReauthenticationCase.FOR_CLIENT
)
async def accept(
    caller: Caller,
    engagement_id: UUID,
    *,
    consultant_permissions: list[Permission] | None = None,
    consultant_valid_until: datetime | None = None,
) -> UUID:
    """Accept a pending engagement. Only the side that received the request can. Returns the id.

    A client can give standing permissions: `models/bureaus/standing_permissions.py`.

    Raises Refusal: NOT_FOUND, INVALID_STATE; INVALID for permissions given by a bureau; ROLE_TOO_HIGH, or an invalid
        input field.
    """
    async with db.transaction():
        row, access_by_account = await _lock_for_answer(caller, engagement_id)
        await require_open("engagement_id", row.bureau_id, row.client_id)
        by_client = row.asked_by_id == row.bureau_id
        if by_client:
            await reauthentication.require(caller)
            if not await Account.exists(id=row.bureau_id, kind=AccountKind.BUREAU):
                raise _invalid_state(mark("The other account is no bureau any more."))
        permit = standing_permissions.check(
            access_by_account[row.client_id] if by_client else None,
            consultant_permissions,
            consultant_valid_until,
            now=caller.now,
        )
        await activate(caller, row, access_by_account, permit)
    return engagement_id


async def activate(
    caller: Caller, row: EngagementRow, access_by_account: dict[UUID, Access], standing_permit: Permit | None
) -> None:
    """Make a pending engagement active and mail both owners. Runs in the transaction of the caller.

    `standing_permit` is that for the standing permissions that the client gives now. None keeps those of its request.
    """
    terms = standing_permissions.stored_terms(row)
    if standing_permit is not None:
        terms = standing_permit.terms
        await standing_permissions.change(caller, row, access_by_account, standing_permit)
    await Engagement.filter(id=row.id).update(status=EngagementStatus.ACTIVE)
    await db.execute(_ANSWER_REQUESTS, row.id, "ACCEPTED")
    await engagement_event.record_on_both_sides(
        caller, EventType.ENGAGEMENT_ACCEPT, row, access_by_account, EngagementStatus.ACTIVE
    )
    sides = (row.bureau_id, row.client_id)
    params = standing_permissions.mail_params(terms)
    await engagement_mail.mail_owners(caller, MessageKind.ENGAGEMENT_ACCEPTED, sides, recipient_ids=sides, **params)


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
    await engagement_event.record(
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
        row, access_by_account = await _lock_for_answer(caller, engagement_id, while_closing=True)
        await _set_final_status(caller, EventType.ENGAGEMENT_DECLINE, row, access_by_account, EngagementStatus.DECLINED)
        sides = (row.bureau_id, row.client_id)
        await engagement_mail.mail_owners(
            caller, MessageKind.ENGAGEMENT_DECLINED, sides, recipient_ids=[row.asked_by_id]
        )
    return engagement_id


@declares_permission(Permission.USERS_WRITE, EventType.ENGAGEMENT_END)
async def end(caller: Caller, engagement_id: UUID) -> UUID:
    """End an active engagement, or withdraw or decline a pending one. Either side can. Returns the id.

    Raises Refusal: NOT_FOUND, INVALID_STATE; ROLE_TOO_HIGH for a user of the client if a consultant has more
        permissions there than the user.
    """
    async with db.transaction():
        row, access_by_account = await lock_open(caller, engagement_id)
        acting_access = require_access(
            _acting_access(row, access_by_account), end.permission, "engagement_id", while_closing=True
        )
        is_by_bureau = may_act(access_by_account.get(row.bureau_id))
        await finish(caller, row, access_by_account, taker=Exemption.BUREAU if is_by_bureau else acting_access)
    return engagement_id


async def finish(
    caller: Caller,
    row: EngagementRow,
    access_by_account: dict[UUID, Access],
    *,
    taker: Authority,
    closed_account_id: UUID | None = None,
) -> None:
    """End an engagement and its derived grants. Both accounts must be locked. Mails both owners if it was active.

    `closed_account_id` is the side that was closed. Its owner gets no mail for each engagement.

    Raises Refusal ROLE_TOO_HIGH if `taker` may not take one of the grants.
    """
    await _set_final_status(caller, EventType.ENGAGEMENT_END, row, access_by_account, EngagementStatus.ENDED)
    derived_grants = await derived_grant.of_engagement(row.id, now=caller.now)
    await derived_grant.end(caller, derived_grants, taker, field="engagement_id")
    # The address of a client who has not claimed the account is not proved. The bureau decides about a new link.
    await placeholder_owner.close_links(row.client_id, row.bureau_id, caller.now)
    sides = (row.bureau_id, row.client_id)
    recipient_ids = [side for side in sides if side != closed_account_id]
    if row.status == EngagementStatus.ACTIVE:
        await engagement_mail.mail_owners(caller, MessageKind.ENGAGEMENT_ENDED, sides, recipient_ids=recipient_ids)


async def lock_open(caller: Caller, engagement_id: UUID) -> tuple[EngagementRow, dict[UUID, Access]]:
    """Lock an engagement that the caller sees, and its accounts. Returns it and the caller's access.

    Raises Refusal: NOT_FOUND; INVALID_STATE if it is neither pending nor active.
    """
    row, access_by_account = await _lock(caller, engagement_id)
    if status(row, caller.now) not in _OPEN_STATES:
        raise _invalid_state(mark("This engagement has ended already."))
    return row, access_by_account


_OPEN_STATES: Final = (EngagementStatus.PENDING, EngagementStatus.ACTIVE)
_ANSWER_REQUESTS: Final = """
UPDATE engagement_requests SET status = $2 WHERE engagement_id = $1 AND status = 'PENDING'
"""


async def _set_final_status(
    caller: Caller,
    event_type: EventType,
    row: EngagementRow,
    access_by_account: dict[UUID, Access],
    new_status: EngagementStatus,
) -> None:
    asked_id = row.client_id if row.asked_by_id == row.bureau_id else row.bureau_id
    if row.is_blind and row.status == EngagementStatus.PENDING and asked_id not in access_by_account:
        # The asked side has not answered, so the requester must not learn that there is one.
        facts = {"engagement": str(row.id), "status": EngagementStatus.WITHDRAWN}
        await Engagement.filter(id=row.id).update(status=EngagementStatus.WITHDRAWN, ended_at=caller.now)
        await engagement_event.record_without_actor(caller, EventType.ENGAGEMENT_WITHDRAW, asked_id, after=facts)
        return
    await Engagement.filter(id=row.id).update(status=new_status, ended_at=caller.now)
    await db.execute(_ANSWER_REQUESTS, row.id, "DECLINED")
    await engagement_event.record_on_both_sides(caller, event_type, row, access_by_account, new_status)


async def _lock_for_answer(
    caller: Caller, engagement_id: UUID, *, while_closing: bool = False
) -> tuple[EngagementRow, dict[UUID, Access]]:
    """Lock a pending engagement that the caller may answer, and its accounts. Returns it and the caller's access."""
    row, access_by_account = await _lock(caller, engagement_id)
    asked_id = row.client_id if row.asked_by_id == row.bureau_id else row.bureau_id
    if status(row, caller.now) is EngagementStatus.EXPIRED:
        raise _invalid_state(mark("This request has expired."))
    if row.status != EngagementStatus.PENDING:
        raise _invalid_state(mark("This engagement has been answered already."))
    if asked_id not in access_by_account:
        raise _invalid_state(mark("Only the side that was asked can answer."))
    require_access(access_by_account[asked_id], accept.permission, "engagement_id", while_closing=while_closing)
    return row, access_by_account


async def _lock(caller: Caller, engagement_id: UUID) -> tuple[EngagementRow, dict[UUID, Access]]:
    """Lock the accounts of an engagement that the caller sees. Returns it and the caller's access to the accounts."""
    row = await db.fetch_one(_BY_IDS, [engagement_id], row=EngagementRow)
    # Checked before the locks, so that a caller cannot block accounts of strangers. An unknown id costs the same
    # statements.
    access_by_account = await load_access(caller, *(visible_to(row) if row else [NO_ACCOUNT_ID]))
    if row is None or not access_by_account:
        raise not_found("engagement_id")
    # The state of the accounts is checked under the locks.
    acting_access = _acting_access(row, access_by_account)
    require_access(acting_access, Permission.USERS_WRITE, "engagement_id", while_closing=True)
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
    """True if the access is enough to request, answer and end engagements of its account, if that is open."""
    if account_access is None:
        return False
    return operation.decide(account_access, Permission.USERS_WRITE, while_closing=True).allowed


def _acting_access(row: EngagementRow, access_by_account: dict[UUID, Access]) -> Access | None:
    """The caller's access to a side that sees the engagement; one with USERS_WRITE first. None if there is none."""
    sides = [access_by_account[key] for key in visible_to(row) if key in access_by_account]
    return next(filter(may_act, sides), sides[0] if sides else None)


_NOT_OPEN: Final = """
SELECT a.id FROM accounts a WHERE a.id = ANY($1::uuid[]) AND (a.closed_at IS NOT NULL OR a.closes_at IS NOT NULL)
"""


async def require_open(field: str, *account_ids: UUID) -> None:
    """Raise Refusal ACCOUNT_CLOSING if one of the accounts is closed or waits for its closing."""
    if await db.fetch(_NOT_OPEN, account_ids, row=db.Row):
        raise refuse(UserErrorCode.ACCOUNT_CLOSING, field, mark("The other account closes soon."))


def require_access(
    account_access: Access | None, permission: Permission, field: str, *, while_closing: bool = False
) -> Access:
    """Return the access if it has `permission`. Raises Refusal NOT_FOUND if it is None, otherwise Forbidden."""
    if account_access is None:
        raise not_found(field)
    operation.require(account_access, permission, while_closing=while_closing)
    return account_access


def _invalid_state(text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, "engagement_id", text)
