"""Retention periods and the deletion of old rows, some of them with personal data.

History is not deleted: grants, invitations, the ledger and events stay.
"""

from datetime import timedelta
from typing import Final

from database import db
from models.base import idempotency
from models.base.caller import Caller

SESSION_RETENTION: Final = timedelta(days=30)
"""For ended sessions, with their IP address and browser."""
LINK_RETENTION: Final = timedelta(days=30)
"""For expired activation and reset links, so that the error can say that a link has expired."""
MESSAGE_RETENTION: Final = timedelta(days=400)
"""For sent and failed messages in an account's list."""
TRIAL_RETENTION: Final = timedelta(days=730)
"""For the trials of erased users: no second trial for the same address."""
GRANT_CHANGE_RETENTION: Final = timedelta(days=1)
"""For changes of grants. Live streams read them within a second."""

_BATCH_SIZE: Final = 10_000  # maximum number of rows that one statement deletes
_EXPIRED_ROWS: Final = {
    "idempotency_keys": ("created_at < $1", idempotency.RETENTION),
    "sessions": ("least(ended_at, expires_at, last_used_at + interval '14 days') < $1", SESSION_RETENTION),
    "user_tokens": ("expires_at < $1", LINK_RETENTION),
    "guesses": ("kept_until < $1", timedelta(0)),
    "passkey_challenges": ("expires_at < $1", timedelta(0)),
    "trials": ("user_id IN (SELECT id FROM users WHERE erased_at < $1)", TRIAL_RETENTION),
    "grant_changes": ("created_at < $1", GRANT_CHANGE_RETENTION),
    "messages": ("created_at < $1 AND status <> 'QUEUED'", MESSAGE_RETENTION),
}
_DELETE: Final = "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {old} LIMIT $2))"


async def run(caller: Caller) -> int:
    """Scheduled job: delete rows that are older than their retention. Returns their number."""
    count = 0
    for table, (condition, retention) in _EXPIRED_ROWS.items():
        statement = _DELETE.format(table=table, old=condition)
        while batch_count := await db.execute(statement, caller.now - retention, _BATCH_SIZE):
            count += batch_count
    return count
