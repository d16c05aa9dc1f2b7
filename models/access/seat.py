"""Seats limit how many users an account may have in roles that need one. The operator sells them.

    purchased = used (live grants) + reserved (pending invitations) + available

The permission table in `auth/policy.py` says which roles need a seat. A consultant of a bureau needs none: their grant
is derived from an engagement. An invitation reserves a seat, and the user who accepts it uses that seat. A grant or an
invitation frees its seat at its end, before a job stores that it has ended.

An account that already uses more seats than it has keeps its users, and gets no more.

Every operation that may use a seat calls `require_available` under the account's lock, so the limit is exact. A
database constraint could not enforce it, because seats become free as time passes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from auth import policy
from auth.policy import Role
from database import db
from i18n import mark
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import Validation

MAX_SEATS: Final = 100_000


class SeatsRow(db.Row):
    """An account's seats."""

    account_id: UUID
    purchased: int
    used: int
    reserved: int
    available: int


_SEAT_ROLES: Final = ", ".join(f"'{role}'" for role in policy.SEAT_ROLES)
_BY_ACCOUNTS: Final = f"""
SELECT *, greatest(purchased - used - reserved, 0) AS available FROM (SELECT a.id AS account_id,
    a.purchased_seats AS purchased,
    (SELECT count(*) FROM grants g WHERE g.account_id = a.id AND g.role IN ({_SEAT_ROLES})
        AND (g.role <> 'CONSULTANT' OR g.engagement_id IS NULL)
        AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
        AND (g.valid_until IS NULL OR g.valid_until > $2))::int AS used,
    (SELECT count(*) FROM invitations i WHERE i.account_id = a.id AND i.role IN ({_SEAT_ROLES})
        AND i.status = 'PENDING' AND i.expires_at > $2)::int AS reserved
FROM accounts a WHERE a.id = ANY($1::uuid[])) seats
"""


async def by_accounts(ids: Sequence[UUID], *, now: datetime) -> list[SeatsRow | None]:
    """The seats of these accounts at `now`, in this order, with one statement. The caller checks the access."""
    return db.in_order(ids, await db.fetch(_BY_ACCOUNTS, list(ids), now, row=SeatsRow), by="account_id")


async def require_available(
    account_id: UUID,
    role: Role,
    field: str | None,
    *,
    now: datetime,
    former_role: Role | None = None,
    has_reservation: bool = False,
    is_derived: bool = False,
) -> None:
    """Raise Refusal SEATS_EXHAUSTED if a change that gave a user `role` used more seats than the account has.

    Called after the change, before its transaction ends. A user whose `former_role` needed a seat keeps that seat. A
    user with a reservation, made by their invitation, needs a seat that is not used; it may be reserved. `is_derived`
    is true for a grant that was, and is, derived from an engagement.
    """
    had_seat = former_role is not None and needs_seat(former_role, is_derived=is_derived)
    if had_seat or not needs_seat(role, is_derived=is_derived):
        return
    seats = await _load(account_id, now)
    if seats.used + (0 if has_reservation else seats.reserved) > seats.purchased:
        raise refuse(UserErrorCode.SEATS_EXHAUSTED, field, mark("All seats of the account are taken."))


def needs_seat(role: Role, *, is_derived: bool) -> bool:
    """True if a grant in `role` uses a seat. `is_derived` is true if it is derived from an engagement."""
    return role in policy.SEAT_ROLES and not (is_derived and role is Role.CONSULTANT)


async def _load(account_id: UUID, now: datetime) -> SeatsRow:
    (seats,) = await db.fetch(_BY_ACCOUNTS, [account_id], now, row=SeatsRow)
    return seats


_SET: Final = "UPDATE accounts SET purchased_seats = $2 WHERE id = $1"


async def sell(caller: Caller, number: int, count: int) -> SeatsRow:
    """Set the total number of an account's purchased seats to `count` (0-100,000). Returns the account's seats.

    Raises Refusal: NOT_FOUND; OUT_OF_RANGE, also if seats are taken away that are used or reserved.
    """
    with Validation() as check:
        check.whole_number("count", count, minimum=0, maximum=MAX_SEATS)
    async with db.transaction():
        account_id = await locks.lock_by_number(number)
        before = await _load(account_id, caller.now)
        if count < min(before.purchased, before.used + before.reserved):
            raise refuse(
                UserErrorCode.OUT_OF_RANGE,
                "count",
                mark("The account needs more seats: %(used)d are used, %(reserved)d are reserved for invitations."),
                used=before.used,
                reserved=before.reserved,
            )
        if count != before.purchased:
            await db.execute(_SET, account_id, count)
            await event.record(
                caller,
                EventType.OPERATOR_SEATS_SET,
                account_id=account_id,
                before={"purchased": before.purchased},
                after={"purchased": count},
            )
        return await _load(account_id, caller.now)
