"""A request asks for a role in an account, by a number that the requester knows, for thirty days.

    ask --> PENDING --approve---> APPROVED (gives a grant)
               |-----decline----> DECLINED
               |-----withdraw---> WITHDRAWN      expired: derived from `expires_at`, then
               `................> EXPIRED        stored when the same is asked again

Nobody learns from asking whether an account has the number. A request that reaches none, because
there is none, or because he is in it or has asked it already, is stored all the same; to the one who
asked it is a request that nobody answers. Both take the same statements. What he sees of either is
what he typed. Deciding is in `models/sharing/approval.py`.
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
from models.access import access
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.validation import Validation
from models.outbox import message
from models.outbox.message import MessageKind, Receiver

LASTS: Final = timedelta(days=30)
MOST_PER_DAY: Final = 20
NOBODY: Final = UUID(int=0)
"""The account of a request that reached none: as good as any that its requester cannot enter."""
ROLES: Final = tuple(role for role in Role if role not in {Role.OWNER, Role.ADMINISTRATOR})
"""What can be asked for; only the owner appoints administrators, whom he knows."""


class AccessRequestStatus(StrEnum):
    """Where a request stands."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


class AccessRequest(Model):
    """A request for a role, to the account that it reached, if any."""

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
        """Where the rows are."""

        table = "access_requests"


class AccessRequestRow(db.Row):
    """A request as it is listed."""

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


COLUMNS: Final = {
    **db.columns("r", "id requester_id organization_number account_number country role message status"),
    **db.columns("r", "created_at expires_at"),
    # Never null, so that what looks up a request's account does so for each of them.
    "account_id": f"COALESCE(r.account_id, '{NOBODY}') AS account_id",
    "requester_account_name": "(SELECT b.name FROM accounts b WHERE b.id = r.on_behalf_of_id)"
    " AS requester_account_name",
}
_BY_IDS: Final = f"SELECT {', '.join(COLUMNS.values())} FROM access_requests r WHERE r.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[AccessRequestRow | None]:
    """These requests, in this order; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=AccessRequestRow))


def status(row: AccessRequestRow | AccessRequest, now: datetime) -> AccessRequestStatus:
    """A request's status at `now`."""
    found = AccessRequestStatus(row.status)
    over = found is AccessRequestStatus.PENDING and row.expires_at <= now
    return AccessRequestStatus.EXPIRED if over else found


# ---- Asking ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """The number by which an account is asked: its own, or its organization's with the country."""

    organization_number: str | None
    account_number: int | None
    country: str | None


def checked_target(
    check: Validation, organization_number: str | None, account_number: int | None, country: str | None
) -> Target:
    """One of the two numbers, in the form in which it is stored."""
    land = check.country("country", country) if country else None
    if (organization_number is None) == (account_number is None):
        check.problem(
            UserErrorCode.REQUIRED,
            "organization_number",
            mark("Give either the organization number or the account's number."),
        )
    elif organization_number is not None:
        organization_number = check.organization_number("organization_number", organization_number, land)
    elif account_number is not None:
        return Target(None, check.account_number("account_number", account_number), None)
    return Target(organization_number, None, land)


async def ask(
    caller: Caller,
    *,
    role: Role,
    organization_number: str | None = None,
    account_number: int | None = None,
    country: str | None = None,
    message: str | None = None,
    on_behalf_of_account_id: UUID | None = None,
) -> None:
    """Ask whoever holds USERS_WRITE in the account with a number for a role in it; says nothing.

    Of several accounts with one organization number it is the oldest that he is not in and has not
    asked. Asking again while the same is pending changes nothing. On behalf of an account speaks who
    holds USERS_WRITE in it.

    Raises:
        Refusal: what is wrong with the input; NOT_FOUND for an account that he cannot speak for;
            OUT_OF_RANGE after MOST_PER_DAY requests, whatever became of them.
        Forbidden: no USERS_WRITE in the account that he wants to speak for.
    """
    user_id = caller.user()
    with Validation() as check:
        target = checked_target(check, organization_number, account_number, country)
        text = check.prose("message", message)
        if role not in ROLES:
            check.problem(UserErrorCode.ROLE_TOO_HIGH, "role", mark("This role cannot be asked for."))
    async with db.transaction():
        if on_behalf_of_account_id is not None:
            await _demand_voice(caller, user_id, on_behalf_of_account_id)
        # One request of a user at a time, or twenty at once would all find nineteen.
        await db.execute(_ONE_AT_A_TIME, str(user_id))
        await db.execute(_REST_EXPIRED, user_id, caller.now)
        await _demand_moderation(user_id, caller.now)
        made = await db.fetch_one(
            _ASK,
            keys.uuid7(),
            user_id,
            target.organization_number,
            target.account_number,
            target.country,
            on_behalf_of_account_id,
            role,
            text,
            caller.now,
            caller.now + LASTS,
            row=_Asked,
        )
        if made is not None:
            await _tell_holders(caller, made)
            await _record(caller, "ask", made.account_id, made.id, {"role": role, **_shown(target)})


class _Asked(db.Row):
    id: UUID
    account_id: UUID | None


class _Count(db.Row):
    count: int


class _Letter(db.Row):
    requester_name: str
    requester_email: str
    requester_account_name: str | None
    account_name: str | None
    role: str
    message: str | None


_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtext('access_requests'), hashtext($1))"
_REST_EXPIRED: Final = """
UPDATE access_requests SET status = 'EXPIRED' WHERE requester_id = $1 AND status = 'PENDING' AND expires_at <= $2
"""
_RECENT: Final = "SELECT count(*)::int AS count FROM access_requests WHERE requester_id = $1 AND created_at > $2"
# Finding the account and storing the request are one statement, so that both cases are one.
_ASK: Final = """
INSERT INTO access_requests (id, requester_id, organization_number, account_number, country, on_behalf_of_id,
                             role, message, created_at, expires_at, status, account_id)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'PENDING', (
    SELECT a.id FROM accounts a
    WHERE (a.number = $4 OR a.country = $5 AND a.organization_number = $3)
      AND a.activated_at IS NOT NULL AND a.closed_at IS NULL
      AND NOT EXISTS (SELECT FROM grants g WHERE g.account_id = a.id AND g.user_id = $2
          AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (g.valid_until IS NULL OR g.valid_until > $9))
      AND NOT EXISTS (SELECT FROM access_requests p WHERE p.account_id = a.id AND p.requester_id = $2
          AND p.status = 'PENDING')
    ORDER BY a.id LIMIT 1)
ON CONFLICT DO NOTHING RETURNING id, account_id
"""


async def _demand_voice(caller: Caller, user_id: UUID, account_id: UUID) -> None:
    (found,) = await access.entered(user_id, ("on_behalf_of_account_id", account_id), now=caller.now)
    access.require(found, Permission.USERS_WRITE)


async def _demand_moderation(user_id: UUID, now: datetime) -> None:
    found = await db.fetch(_RECENT, user_id, now - timedelta(days=1), row=_Count)
    if found[0].count >= MOST_PER_DAY:
        raise refuse(
            UserErrorCode.OUT_OF_RANGE,
            None,
            mark("You can ask for access %(most)d times a day. Try again tomorrow."),
            most=MOST_PER_DAY,
        )


# Who asks, withdraws and asks again is not heard twice on one day.
_HOLDERS: Final = """
SELECT u.email AS address, u.name, u.locale FROM grants g JOIN users u ON u.id = g.user_id
WHERE g.account_id = $1 AND g.status = 'ACTIVE' AND (g.valid_until IS NULL OR g.valid_until > $2) AND {holds}
  AND NOT EXISTS (SELECT FROM access_requests r JOIN access_requests e
      ON e.requester_id = r.requester_id AND e.account_id = r.account_id AND e.id <> r.id
      WHERE r.id = $3 AND e.created_at > $4)
ORDER BY g.id
"""
_LETTER: Final = """
SELECT u.name AS requester_name, u.email AS requester_email, b.name AS requester_account_name,
    a.name AS account_name, r.role, r.message
FROM access_requests r JOIN users u ON u.id = r.requester_id
LEFT JOIN accounts b ON b.id = r.on_behalf_of_id LEFT JOIN accounts a ON a.id = r.account_id
WHERE r.id = $1
"""


async def _tell_holders(caller: Caller, made: _Asked) -> None:
    """A mail to each who can decide; to nobody where nobody was reached, by the same statements.

    Where many ask on one day, the last ones only stand in the list.
    """
    reached = throttle.counter(caller, throttle.REQUESTED, made.account_id or caller.user_id)
    if await throttle.attempt_quietly(caller, reached) is None:
        return
    holds = access.holding(Permission.USERS_WRITE, alias="g")
    yesterday = caller.now - timedelta(days=1)
    holders = await db.fetch(
        _HOLDERS.format(holds=holds), made.account_id, caller.now, made.id, yesterday, row=Receiver
    )
    letter = await db.fetch_one(_LETTER, made.id, row=_Letter)
    assert letter is not None  # just written  # noqa: S101
    await message.queue_all(
        caller, MessageKind.ACCESS_REQUESTED, holders, account_id=made.account_id, params=dict(letter.items())
    )


async def _record(
    caller: Caller, done: str, account_id: UUID | None, request_id: UUID, facts: Mapping[str, object]
) -> None:
    """Two events: the requester's, which names no account, and the account's, which he cannot read.

    The second is written for nobody too: a commit takes the time that would tell the two apart.
    """
    request = {"access_request": str(request_id)}
    await event.record(caller, f"user:access-request:{done}", after={**request, **facts})
    requester = {"requester": str(caller.user_id)}
    await event.record(
        replace(caller, user_id=None),
        f"account:access-request:{done}",
        account_id=account_id,
        after={**request, **requester, **facts},
    )


def _shown(target: Target | AccessRequest) -> dict[str, object]:
    """The number that was typed, as events show it."""
    if target.account_number is not None:
        return {"account_number": target.account_number}
    return {"organization_number": target.organization_number, "country": target.country}


async def withdraw(caller: Caller, access_request_id: UUID) -> UUID:
    """Take one's own pending request back. Returns its id.

    Raises Refusal: NOT_FOUND unless it is the caller's own, INVALID_STATE once it is decided.
    """
    user_id = caller.user()
    async with db.transaction():
        mine = await AccessRequest.filter(id=access_request_id, requester_id=user_id).first()
        if mine is None:
            raise not_found("access_request_id")
        await locks.accounts(mine.account_id or NOBODY)
        await leave_pending(mine, AccessRequestStatus.WITHDRAWN, caller.now)
        await _record(caller, "withdraw", mine.account_id, mine.id, {"status": AccessRequestStatus.WITHDRAWN})
    return access_request_id


async def leave_pending(
    asked: AccessRequest, to: AccessRequestStatus, now: datetime, *, grant_id: UUID | None = None
) -> None:
    """Decide a request; of several who do so at once, the first."""
    pending = AccessRequest.filter(id=asked.id, status=AccessRequestStatus.PENDING, expires_at__gt=now)
    if not await pending.update(status=to, grant_id=grant_id):
        raise not_pending()


def not_pending() -> Refusal:
    """The refusal of a request that has been decided."""
    return not_in_state(mark("This request is no longer pending."))


def not_in_state(text: str) -> Refusal:
    """The refusal of a request that cannot be decided so any more."""
    return refuse(UserErrorCode.INVALID_STATE, "access_request_id", text)
