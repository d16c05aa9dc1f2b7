"""A request asks for a role in an account that has a number. It is pending for thirty days.

    submit --> PENDING --approve---> APPROVED (gives a grant)
                  |-----decline----> DECLINED
                  |-----withdraw---> WITHDRAWN      expired: derived from `expires_at`, then
                  `................> EXPIRED        stored with the requester's next request

A request does not reveal whether an account has the number. A request is stored even if it reaches no account: no
account has the number, or the requester has access to it or a pending request. For the requester it looks like a
request without a decision, and it takes the same SQL statements. The requester sees only what they entered. Approval
and decline are in `models/sharing/approval.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission, Role
from database import db, keys
from i18n import mark
from models import throttle
from models.access import access, operation
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from models.outbox import mail_limit, message
from models.outbox.message import RecipientRow
from models.outbox.message_kind import MessageKind

LIFETIME: Final = timedelta(days=30)
NO_ACCOUNT: Final = UUID(int=0)
"""The account id of a request that reached no account. Looked up like an account that the requester cannot enter."""
REQUESTABLE_ROLES: Final = tuple(role for role in Role if role not in {Role.OWNER, Role.ADMINISTRATOR})
"""The roles that can be requested. Administrators are only invited, by the owner."""


class AccessRequestStatus(StrEnum):
    """The status of a request."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class AccessRequest(Model):
    """A request for a role. `account_id` is null if it reached no account."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    requester_id = fields.UUIDField()
    organization_number: str | None = fields.TextField(null=True)
    account_number: int | None = fields.IntField(null=True)
    country: str | None = fields.TextField(null=True)
    account_id: UUID | None = fields.UUIDField(null=True)
    on_behalf_of_id: UUID | None = fields.UUIDField(null=True)
    role = fields.CharEnumField(Role, max_length=20)
    message: str | None = fields.TextField(null=True)
    status = fields.CharEnumField(AccessRequestStatus, max_length=10)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    grant_id: UUID | None = fields.UUIDField(null=True)

    class Meta(Model.Meta):
        """Table mapping."""

        table = "access_requests"


class AccessRequestRow(db.Row):
    """A request in lists. `account_id` is NO_ACCOUNT if it reached no account."""

    graphql_type = "AccessRequest"

    id: UUID
    requester_id: UUID
    organization_number: str | None
    account_number: int | None
    country: str | None
    account_id: UUID
    requester_account_name: str | None
    role: str
    message: str | None
    status: str
    created_at: datetime
    expires_at: datetime


COLUMNS: Final = db.columns_of(
    "r",
    AccessRequestRow,
    {
        # Never null, so that the account of each request is looked up in the same way.
        "account_id": f"COALESCE(r.account_id, '{NO_ACCOUNT}')",
        "requester_account_name": "(SELECT b.name FROM accounts b WHERE b.id = r.on_behalf_of_id)",
    },
)
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM access_requests r WHERE r.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[AccessRequestRow | None]:
    """The requests with these ids, in this order. The caller has to check the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=AccessRequestRow))


def status(row: AccessRequestRow | AccessRequest, now: datetime) -> AccessRequestStatus:
    """A request's status at `now`."""
    stored_status = AccessRequestStatus(row.status)
    is_expired = stored_status is AccessRequestStatus.PENDING and row.expires_at <= now
    return AccessRequestStatus.EXPIRED if is_expired else stored_status


# ---- Submission ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """The number of the requested account: the account's own number, or an organization number with its country."""

    organization_number: str | None
    account_number: int | None
    country: str | None


def validate_target(
    check: Validation, organization_number: str | None, account_number: int | None, country: str | None
) -> Target:
    """Validate and normalize the number. Exactly one of the two numbers has to be given."""
    country_code = check.country("country", country) if country else None
    if (organization_number is None) == (account_number is None):
        check.add_problem(
            UserErrorCode.REQUIRED,
            "organization_number",
            mark("Give either the organization number or the account's number."),
        )
    elif organization_number is not None:
        organization_number = check.organization_number("organization_number", organization_number, country_code)
    elif account_number is not None:
        return Target(None, check.account_number("account_number", account_number), None)
    return Target(organization_number, None, country_code)


@idempotent("requestAccess")
async def submit(
    caller: Caller,
    *,
    role: Role,
    organization_number: str | None = None,
    account_number: int | None = None,
    country: str | None = None,
    message: str | None = None,
    on_behalf_of_account_id: UUID | None = None,
) -> None:
    """Ask for a role in the account with a number. Mails the account's holders of USERS_WRITE. Returns nothing.

    If several accounts have the organization number, the request goes to the oldest one without access or a pending
    request of the caller. Repeating a pending request changes nothing. A request on behalf of an account needs
    USERS_WRITE in that account.

    Raises:
        Refusal: an invalid input field; NOT_FOUND if the caller has no access to the represented account;
        RateLimited: the caller or the installation has reached its limit of requests. Of the caller's, repeated,
            withdrawn and decided ones count too.
        Forbidden: no USERS_WRITE in the represented account.
    """
    user_id = caller.user()
    with Validation() as check:
        target = validate_target(check, organization_number, account_number, country)
        text = check.prose("message", message)
        if role not in REQUESTABLE_ROLES:
            check.add_problem(UserErrorCode.ROLE_TOO_HIGH, "role", mark("This role cannot be requested."))
    async with db.transaction():
        if on_behalf_of_account_id is not None:
            await _require_representation(caller, user_id, on_behalf_of_account_id)
        # The counters let one request of a user through at a time.
        await mail_limit.attempt_access_request(caller, on_behalf_of_account_id)
        await db.execute(_STORE_EXPIRED, user_id, caller.now)
        new_request = await db.fetch_one(
            _INSERT_REQUEST,
            keys.uuid7(),
            user_id,
            target.organization_number,
            target.account_number,
            target.country,
            on_behalf_of_account_id,
            role,
            text,
            caller.now,
            caller.now + LIFETIME,
            row=_CreatedRequest,
        )
        if new_request is not None:
            await _mail_deciders(caller, new_request)
            await _record(
                caller, _SUBMIT_EVENTS, new_request.account_id, new_request.id, {"role": role, **_number_facts(target)}
            )


class _CreatedRequest(db.Row):
    id: UUID
    account_id: UUID | None


class _MailContent(db.Row):
    requester_id: UUID
    requester_name: str
    requester_email: str
    requester_account_id: UUID
    requester_account_name: str | None
    account_id: UUID
    account_name: str | None
    role: str
    message: str | None


_STORE_EXPIRED: Final = """
UPDATE access_requests SET status = 'EXPIRED' WHERE requester_id = $1 AND status = 'PENDING' AND expires_at <= $2
"""
# One statement finds the account and stores the request, so that both outcomes take the same time.
_INSERT_REQUEST: Final = """
INSERT INTO access_requests (id, requester_id, organization_number, account_number, country, on_behalf_of_id,
                             role, message, created_at, expires_at, status, account_id)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'PENDING', (
    SELECT a.id FROM accounts a
    WHERE (a.number = $4 OR a.country = $5 AND a.organization_number = $3)
      AND a.activated_at IS NOT NULL AND a.closed_at IS NULL AND a.closes_at IS NULL
      AND NOT EXISTS (SELECT FROM grants g WHERE g.account_id = a.id AND g.user_id = $2
          AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (g.valid_until IS NULL OR g.valid_until > $9))
      AND NOT EXISTS (SELECT FROM access_requests p WHERE p.account_id = a.id AND p.requester_id = $2
          AND p.status = 'PENDING')
    ORDER BY a.id LIMIT 1)
ON CONFLICT DO NOTHING RETURNING id, account_id
"""


async def _require_representation(caller: Caller, user_id: UUID, account_id: UUID) -> None:
    (represented_access,) = await access.require_access(
        user_id, ("on_behalf_of_account_id", account_id), now=caller.now
    )
    operation.require(represented_access, Permission.USERS_WRITE)


# A requester who withdraws and asks again causes no second mail within a day.
_DECIDERS: Final = """
SELECT u.email, u.name, u.locale FROM grants g JOIN users u ON u.id = g.user_id
WHERE g.account_id = $1 AND g.status = 'ACTIVE' AND (g.valid_until IS NULL OR g.valid_until > $2) AND {is_decider}
  AND NOT EXISTS (SELECT FROM access_requests r JOIN access_requests e
      ON e.requester_id = r.requester_id AND e.account_id = r.account_id AND e.id <> r.id
      WHERE r.id = $3 AND e.created_at > $4)
ORDER BY g.id
"""
_MAIL_CONTENT: Final = """
SELECT u.id AS requester_id, u.name AS requester_name, u.email AS requester_email, b.id AS requester_account_id,
    b.name AS requester_account_name, a.id AS account_id, a.name AS account_name, r.role, r.message
FROM access_requests r JOIN users u ON u.id = r.requester_id
LEFT JOIN accounts b ON b.id = r.on_behalf_of_id LEFT JOIN accounts a ON a.id = r.account_id
WHERE r.id = $1
"""


async def _mail_deciders(caller: Caller, request: _CreatedRequest) -> None:
    """Mail every user who can decide the request. Runs the same statements if the request reached no account.

    An account gets a limited number of these mails a day. Further requests appear only in its list.
    """
    mail_counter = throttle.counter(caller, throttle.ACCESS_REQUEST, request.account_id or caller.user_id)
    if await throttle.attempt_or_none(caller, mail_counter) is None:
        return
    condition = access.holder_condition(Permission.USERS_WRITE, alias="g")
    yesterday = caller.now - timedelta(days=1)
    deciders = await db.fetch(
        _DECIDERS.format(is_decider=condition), request.account_id, caller.now, request.id, yesterday, row=RecipientRow
    )
    content = await db.fetch_one(_MAIL_CONTENT, request.id, row=_MailContent)
    assert content is not None  # just written  # noqa: S101
    await message.queue_all(
        caller,
        MessageKind.ACCESS_REQUESTED,
        to=deciders,
        account_id=request.account_id,
        params={
            "requester_name": naming.text(content.requester_name, content.requester_id),
            "requester_email": naming.address(content.requester_email),
            "requester_account_name": naming.text(content.requester_account_name, content.requester_account_id),
            "account_name": naming.text(content.account_name, content.account_id),
            "role": content.role,
            "message": naming.text(content.message, content.requester_id),
        },
    )


_SUBMIT_EVENTS: Final = (EventType.USER_ACCESS_REQUEST_ASK, EventType.ACCESS_REQUEST_ASK)
_WITHDRAW_EVENTS: Final = (EventType.USER_ACCESS_REQUEST_WITHDRAW, EventType.ACCESS_REQUEST_WITHDRAW)
"""The types of the requester's event and of the account's event."""


async def _record(
    caller: Caller,
    event_types: tuple[EventType, EventType],
    account_id: UUID | None,
    request_id: UUID,
    facts: Mapping[str, object],
) -> None:
    """Record two events: the requester's names no account, and the requester cannot read the account's.

    The second is recorded even if the request reached no account: the time of the commit would reveal the difference.
    """
    of_requester, of_account = event_types
    request = {"access_request": str(request_id)}
    await event.record(caller, of_requester, after={**request, **facts})
    requester = {"requester": str(caller.user_id)}
    await event.record(
        replace(caller, user_id=None, ip_address=None),  # the requester's own event has the IP address
        of_account,
        account_id=account_id,
        after={**request, **requester, **facts},
    )


def _number_facts(target: Target | AccessRequest) -> dict[str, object]:
    """The entered number, for events."""
    if target.account_number is not None:
        return {"account_number": target.account_number}
    return {"organization_number": target.organization_number, "country": target.country}


async def withdraw(caller: Caller, access_request_id: UUID) -> UUID:
    """Withdraw a pending request of the caller. Returns its id.

    Raises Refusal: NOT_FOUND if it is not the caller's request, INVALID_STATE if it is not pending.
    """
    user_id = caller.user()
    async with db.transaction():
        request = await AccessRequest.filter(id=access_request_id, requester_id=user_id).first()
        if request is None:
            raise not_found("access_request_id")
        await locks.lock_accounts(request.account_id or NO_ACCOUNT)
        await decide(request, AccessRequestStatus.WITHDRAWN, caller.now)
        await _record(
            caller, _WITHDRAW_EVENTS, request.account_id, request.id, {"status": AccessRequestStatus.WITHDRAWN}
        )
    return access_request_id


async def decide(
    request: AccessRequest, new_status: AccessRequestStatus, now: datetime, *, grant_id: UUID | None = None
) -> None:
    """Set the status of a pending request. Of concurrent decisions the first counts; others raise INVALID_STATE."""
    pending_request = AccessRequest.filter(id=request.id, status=AccessRequestStatus.PENDING, expires_at__gt=now)
    if not await pending_request.update(status=new_status, grant_id=grant_id):
        raise not_pending()


def not_pending() -> Refusal:
    """The refusal for a request that is not pending."""
    return invalid_state(mark("This request is no longer pending."))


def invalid_state(text: str) -> Refusal:
    """The refusal for a request whose state does not allow the decision."""
    return refuse(UserErrorCode.INVALID_STATE, "access_request_id", text)
