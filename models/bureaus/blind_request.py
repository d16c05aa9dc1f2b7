"""Requests for an engagement with an account that the requester cannot enter. They reveal nothing about that account.

    store --> PENDING --accepted---> ACCEPTED
                 |------declined---> DECLINED
                 |------withdraw---> WITHDRAWN     expired: derived from `expires_at`, then
                 `.................> EXPIRED       stored with the next request of the account

A request is stored even if it reaches no account: none has the number, it is closed or no bureau, or the two have an
engagement already. The users of the requester see what was entered and the status. Storing, reading and withdrawing run
the same statements in all cases. A request that reached an account has an engagement, which ends with it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access import operation
from models.access.operation import declares_permission
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, not_found, refuse
from models.bureaus import engagement, engagement_event
from models.bureaus.engagement import NO_ACCOUNT_ID


class EngagementRequestStatus(StrEnum):
    """The status of a request."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class EngagementRequestRow(db.Row):
    """A request as its account sees it. One of the three values of the target is not null."""

    graphql_type = "EngagementRequest"

    id: UUID
    account_id: UUID
    by_bureau: bool
    target_number: int | None
    target_organization_number: str | None
    target_country: str | None
    target_id: UUID | None
    status: str
    created_at: datetime
    expires_at: datetime


COLUMNS: Final = db.columns_of("r", EngagementRequestRow)
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM engagement_requests r WHERE r.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[EngagementRequestRow | None]:
    """The requests with these ids, in this order. None for an unknown id. Access is not checked."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=EngagementRequestRow))


def status(row: db.Columns, now: datetime) -> EngagementRequestStatus:
    """The status of a request at `now`."""
    stored_status = EngagementRequestStatus(row["status"])
    is_expired = stored_status is EngagementRequestStatus.PENDING and row["expires_at"] <= now
    return EngagementRequestStatus.EXPIRED if is_expired else stored_status


# ---- Storing ---------------------------------------------------------------------------------


class StoredRequest(db.Row):
    """A pending request, new or repeated."""

    id: UUID
    expires_at: datetime


_STORE_EXPIRED: Final = """
UPDATE engagement_requests SET status = 'EXPIRED' WHERE account_id = $1 AND status = 'PENDING' AND expires_at <= $2
"""
# A repeated request gets the row of the first one, which stays as it is.
_STORE: Final = """
INSERT INTO engagement_requests AS r (id, account_id, by_bureau, target_number, target_organization_number,
                                      target_country, target_id, status, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'PENDING', $8, $9)
ON CONFLICT (account_id, by_bureau, target_number, target_organization_number, target_country, target_id)
    WHERE status = 'PENDING' DO UPDATE SET status = r.status
RETURNING r.id, r.expires_at
"""


async def store(
    caller: Caller, account_id: UUID, *, by_bureau: bool, target: Mapping[str, object], target_id: UUID | None
) -> StoredRequest:
    """Store a request of an account, or return its pending one with the same target.

    `target` has the number that was entered, by the name of its input. If it is empty, `target_id` was entered.
    """
    await db.execute(_STORE_EXPIRED, account_id, caller.now)
    request = await db.fetch_one(
        _STORE,
        keys.uuid7(),
        account_id,
        by_bureau,
        target.get("client_number", target.get("bureau_number")),
        target.get("client_organization_number"),
        target.get("client_country"),
        None if target else target_id,
        caller.now,
        caller.now + engagement.REQUEST_LIFETIME,
        row=StoredRequest,
    )
    assert request is not None  # the statement returns a row  # noqa: S101
    return request


_SET_ENGAGEMENT: Final = """
UPDATE engagement_requests SET engagement_id = COALESCE($2, engagement_id) WHERE id = $1
"""


async def set_engagement(request_id: UUID, engagement_id: UUID | None) -> None:
    """Store the engagement that a request has created. None changes nothing, with the same statement."""
    await db.execute(_SET_ENGAGEMENT, request_id, engagement_id)


# ---- Withdrawing -----------------------------------------------------------------------------


class _PendingRequest(db.Row):
    account_id: UUID
    engagement_id: UUID
    reached_id: UUID


_LOAD: Final = f"""
SELECT r.account_id, COALESCE(e.id, '{NO_ACCOUNT_ID}') AS engagement_id, COALESCE(
    CASE e.asked_by_id WHEN e.bureau_id THEN e.client_id ELSE e.bureau_id END, '{NO_ACCOUNT_ID}') AS reached_id
FROM engagement_requests r LEFT JOIN engagements e ON e.id = r.engagement_id WHERE r.id = $1
"""
_WITHDRAW: Final = """
UPDATE engagement_requests SET status = 'WITHDRAWN' WHERE id = $1 AND status = 'PENDING' AND expires_at > $2
"""
_WITHDRAW_ENGAGEMENT: Final = """
UPDATE engagements SET status = 'WITHDRAWN', ended_at = $2 WHERE id = $1 AND status = 'PENDING'
"""


@declares_permission(Permission.USERS_WRITE, EventType.ENGAGEMENT_WITHDRAW)
async def withdraw(caller: Caller, engagement_request_id: UUID) -> UUID:
    """Withdraw a pending request of an account. The other side, if there is one, cannot answer it any more.

    Returns the id. Raises Refusal: NOT_FOUND, INVALID_STATE if it is not pending. Raises Forbidden.
    """
    async with db.transaction():
        request = await db.fetch_one(_LOAD, engagement_request_id, row=_PendingRequest)
        account_id = request.account_id if request else NO_ACCOUNT_ID
        access_by_account = await engagement.load_access(caller, account_id)
        if request is None or account_id not in access_by_account:
            raise not_found("engagement_request_id")
        # Checked before the locks, so that a caller cannot block accounts of strangers.
        operation.require(access_by_account[account_id], withdraw.permission, while_closing=True)
        await locks.lock_accounts(account_id, request.reached_id)
        access_by_account = await engagement.load_access(caller, account_id)
        if account_id not in access_by_account:
            raise not_found("engagement_request_id")
        operation.require(access_by_account[account_id], withdraw.permission, while_closing=True)
        if not await db.execute(_WITHDRAW, engagement_request_id, caller.now):
            raise refuse(
                UserErrorCode.INVALID_STATE, "engagement_request_id", mark("This request is no longer pending.")
            )
        await db.execute(_WITHDRAW_ENGAGEMENT, request.engagement_id, caller.now)
        status_facts = {"status": EngagementRequestStatus.WITHDRAWN}
        await engagement_event.record(
            caller,
            EventType.ENGAGEMENT_WITHDRAW,
            account_id,
            access_by_account,
            after={"engagement_request": str(engagement_request_id), **status_facts},
        )
        facts = {"engagement": str(request.engagement_id), **status_facts}
        await engagement_event.record_without_actor(
            caller, EventType.ENGAGEMENT_WITHDRAW, request.reached_id, after=facts
        )
    return engagement_request_id
