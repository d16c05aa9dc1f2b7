"""Locks on accounts. An operation that changes an account locks the account's row until its transaction ends.

Several accounts are always locked in the order of their ids, so that concurrent operations never deadlock.
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


async def lock_accounts(*account_ids: UUID) -> None:
    """Lock accounts, in the order of their ids."""
    await db.fetch(_LOCK, list(account_ids), row=_Key)


_LOCK_NUMBER: Final = "SELECT id FROM accounts WHERE number = $1 FOR NO KEY UPDATE"


async def lock_by_number(number: int) -> UUID:
    """Lock the account with a public number, for the operator. Returns its id. Raises Refusal NOT_FOUND."""
    account = await db.fetch_one(_LOCK_NUMBER, number, row=_Key)
    if account is None:
        raise refuse(UserErrorCode.NOT_FOUND, "account_number", mark("No account has this number."))
    return account.id


async def for_each(overdue_sql: str, now: datetime, job: Callable[[UUID], Awaitable[int]]) -> int:
    """Run `job` for each account that `overdue_sql` returns at `now`. Returns the sum of the results.

    Each run has its own transaction and holds the lock on its account. `job` checks again whether there is work:
    another process may have done it before the lock.
    """
    count = 0
    for account in await db.fetch(overdue_sql, now, row=_Key):
        async with db.transaction():
            await lock_accounts(account.id)
            count += await job(account.id)
    return count


# ---- The accounts of a grant -----------------------------------------------------------------

_GRANT_ACCOUNTS: Final = """
WITH t AS (SELECT account_id, user_id, engagement_id FROM grants WHERE id = $1)
SELECT account_id AS id FROM t
UNION SELECT e.bureau_id FROM t JOIN engagements e ON e.id = t.engagement_id
UNION SELECT e.client_id FROM t JOIN engagements e ON e.bureau_id = t.account_id
    JOIN grants h ON h.engagement_id = e.id AND h.user_id = t.user_id
    WHERE h.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
"""


_WITH_CLIENTS: Final = """
SELECT $1::uuid AS id UNION SELECT e.client_id FROM engagements e WHERE e.bureau_id = $1 AND e.status = 'ACTIVE'
"""


async def lock_with_clients(account_id: UUID) -> None:
    """Lock an account and the clients that it has as a bureau. Needs `retry_if_accounts_change`, as the next one."""
    account_ids = {row.id for row in await db.fetch(_WITH_CLIENTS, account_id, row=_Key)}
    await lock_accounts(*account_ids)
    if not account_ids.issuperset({row.id for row in await db.fetch(_WITH_CLIENTS, account_id, row=_Key)}):
        raise _AccountsChanged


class _AccountsChanged(Exception):
    """A grant or a bureau got more accounts before they were locked. The operation has to start again."""


async def lock_grant_accounts(grant_id: UUID) -> None:
    """Lock all accounts that a change of a grant concerns.

    These are the grant's account, the bureau of its engagement, and the accounts of the grants derived from it. Call it
    only inside an operation with `retry_if_accounts_change`: the accounts may change before they are locked.
    """
    account_ids = {row.id for row in await db.fetch(_GRANT_ACCOUNTS, grant_id, row=_Key)}
    await lock_accounts(*account_ids)
    if not account_ids.issuperset({row.id for row in await db.fetch(_GRANT_ACCOUNTS, grant_id, row=_Key)}):
        raise _AccountsChanged


def retry_if_accounts_change(operation: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Decorate an operation: run it again if it has to lock more accounts than it did. See `lock_grant_accounts`."""

    @wraps(operation)
    async def with_retries(*args: P.args, **kwargs: P.kwargs) -> T:
        while True:
            try:
                return await operation(*args, **kwargs)
            except _AccountsChanged:
                continue  # A concurrent operation committed a change, so each retry means progress elsewhere.

    return with_retries
