"""What is deleted, and when: rows that nobody needs any more, some of them about people.

Nothing here is history: grants, invitations, the ledger and events stay.
"""

from datetime import timedelta
from typing import Final

from database import db
from models.base.caller import Caller
from models.billing.subscription import KEYS_KEPT

SESSIONS_KEPT: Final = timedelta(days=30)
"""How long an ended session, with its address and browser, can still be asked about."""
LINKS_KEPT: Final = timedelta(days=30)
"""How long a dead link of activation or reset is remembered, to be told from a made-up one."""
MESSAGES_KEPT: Final = timedelta(days=400)
"""How long a sent or failed mail stays in its account's list."""

CHANGES_KEPT: Final = timedelta(days=1)
"""How long it is known what became of grants, for whoever follows them; he looks every second."""

_BATCH: Final = 10_000  # rows of a statement: more wait for the next one
_OLD: Final = {
    "idempotency_keys": ("created_at < $1", KEYS_KEPT),
    "sessions": ("least(ended_at, expires_at, last_used_at + interval '14 days') < $1", SESSIONS_KEPT),
    "user_tokens": ("expires_at < $1", LINKS_KEPT),
    "guesses": ("kept_until < $1", timedelta(0)),
    "grant_changes": ("created_at < $1", CHANGES_KEPT),
    "messages": ("created_at < $1 AND status <> 'QUEUED'", MESSAGES_KEPT),
}
_DELETE: Final = "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {old} LIMIT $2))"


async def run(caller: Caller) -> int:
    """The clock's job: delete what is older than it is kept. Returns how many rows."""
    done = 0
    for table, (old, kept) in _OLD.items():
        statement = _DELETE.format(table=table, old=old)
        while deleted := await db.execute(statement, caller.now - kept, _BATCH):
            done += deleted
    return done
