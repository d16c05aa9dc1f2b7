"""Limits that the operator raises for one account until an end.

    raise_limit --> raised: counted for the account --ends_at, or lower--> the limit of the standing of its users again

A raise is read with each attempt, so it holds at once in all processes. `models/outbox/mail_limit.py` reads it.
"""

from datetime import datetime
from typing import Final

from database import db
from i18n import mark
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.limit_name import LimitName
from models.base.validation import Validation

RAISABLE: Final = (
    LimitName.INVITATIONS,
    LimitName.CLIENT_ACCOUNTS,
    LimitName.SENT_DOCUMENTS,
    LimitName.ENGAGEMENTS,
    LimitName.ACCESS_REQUESTS,
)
"""The limits that an account reaches by its own work. Requests of access count if they are on behalf of the account."""
MAX_PER_DAY: Final = 10_000


class LimitRaise(db.Row):
    """A raised limit of an account."""

    account_number: int
    name: LimitName
    per_day: int
    ends_at: datetime


class _Former(db.Row):
    per_day: int
    ends_at: datetime


_LIST: Final = """
SELECT a.number AS account_number, r.name, r.per_day, r.ends_at
FROM limit_raises r JOIN accounts a ON a.id = r.account_id
WHERE r.ends_at > $1 ORDER BY a.number, r.name
"""
_CURRENT: Final = "SELECT per_day, ends_at FROM limit_raises WHERE account_id = $1 AND name = $2 AND ends_at > $3"
_STORE: Final = """
INSERT INTO limit_raises (account_id, name, per_day, ends_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id, name) DO UPDATE SET per_day = excluded.per_day, ends_at = excluded.ends_at
"""
_DELETE: Final = "DELETE FROM limit_raises WHERE account_id = $1 AND name = $2"


async def list_raises(now: datetime) -> list[LimitRaise]:
    """The raised limits that have not ended, by account."""
    return await db.fetch(_LIST, now, row=LimitRaise)


async def raise_limit(caller: Caller, account_number: int, name: LimitName, per_day: int, *, ends_at: datetime) -> None:
    """Set a limit of an account to `per_day` (1-10,000) until `ends_at`. It replaces an earlier raise of this limit.

    Raises Refusal: NOT_FOUND; INVALID for a limit that cannot be raised; OUT_OF_RANGE, also for an end that is over.
    """
    with Validation() as check:
        check.whole_number("per_day", per_day, minimum=1, maximum=MAX_PER_DAY)
        if ends_at <= caller.now:
            check.add_problem(UserErrorCode.OUT_OF_RANGE, "ends_at", mark("This is in the past."))
    _require_raisable(name)
    async with db.transaction():
        account_id = await locks.lock_by_number(account_number)
        former = await db.fetch_one(_CURRENT, account_id, name, caller.now, row=_Former)
        await db.execute(_STORE, account_id, name, per_day, ends_at)
        await event.record(
            caller,
            EventType.OPERATOR_LIMIT_RAISE,
            account_id=account_id,
            before=_facts(name, former),
            after={"limit": name, "per_day": per_day, "ends_at": ends_at},
        )


async def lower(caller: Caller, account_number: int, name: LimitName) -> None:
    """End the raise of a limit of an account. Raises Refusal NOT_FOUND, also if the limit is not raised."""
    _require_raisable(name)
    async with db.transaction():
        account_id = await locks.lock_by_number(account_number)
        former = await db.fetch_one(_CURRENT, account_id, name, caller.now, row=_Former)
        if former is None:
            raise refuse(UserErrorCode.NOT_FOUND, "name", mark("This limit is not raised for the account."))
        await db.execute(_DELETE, account_id, name)
        await event.record(
            caller, EventType.OPERATOR_LIMIT_LOWER, account_id=account_id, before=_facts(name, former), after={}
        )


def _require_raisable(name: LimitName) -> None:
    if name not in RAISABLE:
        raise refuse(UserErrorCode.INVALID, "name", mark("This limit cannot be raised."))


def _facts(name: LimitName, former: _Former | None) -> dict[str, object]:
    return {} if former is None else {"limit": name, "per_day": former.per_day, "ends_at": former.ends_at}
