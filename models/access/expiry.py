"""A grant ends by itself at its `valid_until`, and is refused from that instant on, job or no job.

Here the end is stored: once, with an event and a mail to the holder, by the clock's job or by
whoever needs the place before it. Of a consultant's grant, client and bureau are told too.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus
from database import db
from models.access import derived_grant
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message import MessageKind


class _Ended(db.Row):
    id: UUID
    role: str
    engagement_id: UUID | None
    valid_until: datetime
    account_name: str
    email: str
    name: str
    locale: str


_END: Final = """
UPDATE grants g SET status = 'EXPIRED', ended_at = g.valid_until FROM accounts a, users u
WHERE g.account_id = $1 AND g.valid_until <= $2 AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
  AND a.id = g.account_id AND u.id = g.user_id AND ($3::uuid IS NULL OR g.user_id = $3)
RETURNING g.id, g.role, g.engagement_id, g.valid_until, a.name AS account_name, u.email, u.name, u.locale
"""
_OVERDUE: Final = """
SELECT DISTINCT account_id AS id FROM grants WHERE valid_until <= $1 AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
"""


async def rest(caller: Caller, account_id: UUID, *, user_id: UUID | None = None) -> int:
    """Store which grants on an account have ended, all or one user's. Returns how many.

    Runs in a transaction, under the account's lock; of several who try, one finds them.
    """
    ended = await db.fetch(_END, account_id, caller.now, user_id, row=_Ended)
    for row in ended:
        facts = {"grant": str(row.id), "role": row.role}
        await event.record(
            replace(caller, user_id=None),
            "account:grant:expire",
            account_id=account_id,
            before={**facts, "valid_until": row.valid_until},
            after={**facts, "status": GrantStatus.EXPIRED},
        )
        await message.queue(
            caller,
            MessageKind.GRANT_EXPIRED,
            to=row.email,
            name=row.name,
            locale=row.locale,
            account_id=account_id,
            params={"account_name": row.account_name, "ends_at": row.valid_until.isoformat()},
        )
        if row.engagement_id is not None:
            await derived_grant.tell_both(caller, [row.id])
    return len(ended)


async def run(caller: Caller) -> int:
    """The clock's job: every grant whose end has passed. Returns how many."""
    return await locks.for_each(_OVERDUE, caller.now, partial(rest, caller))
