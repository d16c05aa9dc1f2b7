"""Seats are how many people an account may have in roles that take one; the operator sells them.

    purchased = used (live grants) + reserved (pending invitations) + available

Which roles take a seat stands beside the table of permissions. An invitation reserves a seat, and
who accepts it sits down on that one. A grant or an invitation whose end passes gives its seat back
at that instant, before any job says so.

Whatever might take a seat asks `demand`, under the account's lock: that is what makes it exact. The
database cannot hold the numbers by itself, because they change while time passes.
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
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import Validation

MOST: Final = 100_000


class SeatsRow(db.Row):
    """An account's seats as they are shown."""

    account_id: UUID
    purchased: int
    used: int
    reserved: int
    available: int


_SEATED: Final = ", ".join(f"'{role}'" for role in policy.SEATED)
_BY_ACCOUNTS: Final = f"""
SELECT *, greatest(purchased - used - reserved, 0) AS available FROM (SELECT a.id AS account_id,
    a.purchased_seats AS purchased,
    (SELECT count(*) FROM grants g WHERE g.account_id = a.id AND g.role IN ({_SEATED})
        AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
        AND (g.valid_until IS NULL OR g.valid_until > $2))::int AS used,
    (SELECT count(*) FROM invitations i WHERE i.account_id = a.id AND i.role IN ({_SEATED})
        AND i.status = 'PENDING' AND i.expires_at > $2)::int AS reserved
FROM accounts a WHERE a.id = ANY($1::uuid[])) seats
"""


async def by_accounts(ids: Sequence[UUID], *, now: datetime) -> list[SeatsRow | None]:
    """The seats of these accounts at `now`, in order: one statement; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_ACCOUNTS, list(ids), now, row=SeatsRow), by="account_id")


async def demand(
    account_id: UUID,
    role: Role,
    field: str | None,
    *,
    now: datetime,
    was: Role | None = None,
    reserved: bool = False,
) -> None:
    """Raise Refusal SEATS_EXHAUSTED if somebody who has just been put into `role` took more than was there.

    Asked after the change, before its transaction ends. Who sat already, in the role that he `was` in,
    keeps his seat. Where an invitation had the seat `reserved`, only seats in use stand in the way.
    """
    if role not in policy.SEATED or was in policy.SEATED:
        return
    seats = await _of(account_id, now)
    if seats.used + (0 if reserved else seats.reserved) > seats.purchased:
        raise refuse(UserErrorCode.SEATS_EXHAUSTED, field, mark("All seats of the account are taken."))


async def _of(account_id: UUID, now: datetime) -> SeatsRow:
    (seats,) = await db.fetch(_BY_ACCOUNTS, [account_id], now, row=SeatsRow)
    return seats


_SET: Final = "UPDATE accounts SET purchased_seats = $2 WHERE id = $1"


async def sell(caller: Caller, number: int, count: int) -> SeatsRow:
    """Let an account have `count` seats (0-100,000) in all, at once: the operator sold them. Returns its seats.

    Raises Refusal: NOT_FOUND; OUT_OF_RANGE, also for fewer than are used and reserved.
    """
    with Validation() as check:
        check.whole_number("count", count, least=0, most=MOST)
    async with db.transaction():
        account_id = await locks.number(number)
        before = await _of(account_id, caller.now)
        if count < before.used + before.reserved:
            raise refuse(
                UserErrorCode.OUT_OF_RANGE,
                "count",
                mark("Fewer than the account has given: %(used)d are used, %(reserved)d reserved for invitations."),
                used=before.used,
                reserved=before.reserved,
            )
        if count != before.purchased:
            await db.execute(_SET, account_id, count)
            await event.record(
                caller,
                "operator:seats:set",
                account_id=account_id,
                before={"purchased": before.purchased},
                after={"purchased": count},
            )
        return await _of(account_id, caller.now)
