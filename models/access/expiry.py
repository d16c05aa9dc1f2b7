"""Storing that grants have expired.

A grant has no effect from its `valid_until` on, before anything is stored. The status EXPIRED is stored once, with an
event and a mail to the holder. A scheduled job does that, or an operation that asks if the user is a member.
If the grant is a consultant's, the client and the bureau get a mail too.
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
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message_kind import MessageKind


class _ExpiredGrant(db.Row):
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


async def expire(caller: Caller, account_id: UUID, *, user_id: UUID | None = None) -> int:
    """Store the expiry of the grants on an account whose end has passed. Returns their number.

    With `user_id`, only the grants of that user. Runs in a transaction, under the account's lock.
    """
    rows = await db.fetch(_END, account_id, caller.now, user_id, row=_ExpiredGrant)
    for row in rows:
        facts = {"grant": str(row.id), "role": row.role}
        await event.record(
            replace(caller, user_id=None),
            EventType.GRANT_EXPIRE,
            account_id=account_id,
            before={**facts, "valid_until": row.valid_until},
            after={**facts, "status": GrantStatus.EXPIRED},
        )
        await message.queue(
            caller,
            MessageKind.GRANT_EXPIRED,
            to=row,
            account_id=account_id,
            params={"account_name": row.account_name, "ends_at": row.valid_until.isoformat()},
        )
        if row.engagement_id is not None:
            await derived_grant.mail_both_sides(caller, [row.id])
    return len(rows)


async def run(caller: Caller) -> int:
    """Scheduled job: store the expiry of every grant whose end has passed. Returns their number."""
    return await locks.for_each(_OVERDUE, caller.now, partial(expire, caller))
