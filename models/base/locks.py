"""Locks of accounts: whoever changes something of an account holds its row until his transaction ends.

Several are always locked in the order of their ids, so that operations that cross never deadlock.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import wraps
from typing import Final, ParamSpec, TypeVar
from uuid import UUID

from database import db
from i18n import mark
from models.base.errors import UserErrorCode, refuse

P = ParamSpec("P")
T = TypeVar("T")


class _Key(db.Row):
    id: UUID


_LOCK: Final = "SELECT id FROM accounts WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"


async def accounts(*account_ids: UUID) -> None:
    """Lock accounts."""
    await db.fetch(_LOCK, list(account_ids), row=_Key)


_LOCK_NUMBER: Final = "SELECT id FROM accounts WHERE number = $1 FOR NO KEY UPDATE"


async def number(given: int) -> UUID:
    """Lock the account with a public number, for the operator. Returns its id. Raises Refusal NOT_FOUND."""
    locked = await db.fetch_one(_LOCK_NUMBER, given, row=_Key)
    if locked is None:
        raise refuse(UserErrorCode.NOT_FOUND, "account_number", mark("No account has this number."))
    return locked.id


async def for_each(overdue: str, now: datetime, deed: Callable[[UUID], Awaitable[int]]) -> int:
    """Do something to each account whose id the statement `overdue` finds at `now`, in a transaction of its own.

    Returns the sum of what the deeds return; under the lock they look again, for another process may have come first.
    """
    done = 0
    for found in await db.fetch(overdue, now, row=_Key):
        async with db.transaction():
            await accounts(found.id)
            done += await deed(found.id)
    return done


# ---- What is tied ----------------------------------------------------------------------------

_TIED: Final = """
WITH t AS (SELECT account_id, user_id, engagement_id FROM grants WHERE id = $1)
SELECT account_id AS id FROM t
UNION SELECT e.bureau_id FROM t JOIN engagements e ON e.id = t.engagement_id
UNION SELECT e.client_id FROM t JOIN engagements e ON e.bureau_id = t.account_id
    JOIN grants h ON h.engagement_id = e.id AND h.user_id = t.user_id
    WHERE h.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
"""


class _Moved(Exception):
    """The accounts that a change concerns are others than those that were locked: start over."""


async def tied(grant_id: UUID) -> None:
    """Lock the accounts that a change of a grant concerns: its own, its bureau, and those of what hangs on it.

    Only within an operation that starts over: what is tied may change before it is locked.
    """
    found = {row.id for row in await db.fetch(_TIED, grant_id, row=_Key)}
    await accounts(*found)
    if not found.issuperset({row.id for row in await db.fetch(_TIED, grant_id, row=_Key)}):
        raise _Moved


def starting_over(run: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Run an operation again when it turns out that it has to lock more accounts: see `tied`."""

    @wraps(run)
    async def patiently(*args: P.args, **kwargs: P.kwargs) -> T:
        while True:
            try:
                return await run(*args, **kwargs)
            except _Moved:
                continue  # somebody else has just changed what is tied: of those who meet, one gets on

    return patiently
