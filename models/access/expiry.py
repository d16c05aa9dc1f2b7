"""Storing that grants have expired.

A grant has no effect from its `valid_until` on, before anything is stored. The status EXPIRED is stored once, with an
event and a mail to the holder. A scheduled job does that, or an operation that asks if the user is a member.
If the grant is a consultant's, the client and the bureau get a mail too.
"""

from dataclasses import replace
from functools import partial
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus
from models.access import derived_grant, grant_store
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message_kind import MessageKind

_OVERDUE: Final = """
SELECT DISTINCT account_id AS id FROM grants WHERE valid_until <= $1 AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
"""


async def expire(caller: Caller, account_id: UUID, *, user_id: UUID | None = None) -> int:
    """Store the expiry of the grants on an account whose end has passed. Returns their number.

    With `user_id`, only the grants of that user. Runs in a transaction, under the account's lock.
    """
    rows = await grant_store.expire(account_id, user_id, now=caller.now)
    for row in rows:
        facts = {"grant": str(row.id), "role": row.role}
        await event.record(
            replace(caller, user_id=None, ip_address=None),
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
            params={"account_name": naming.text(row.account_name, account_id), "ends_at": row.valid_until.isoformat()},
        )
        if row.engagement_id is not None:
            await derived_grant.mail_both_sides(caller, [row.id])
    return len(rows)


async def run(caller: Caller) -> int:
    """Scheduled job: store the expiry of every grant whose end has passed. Returns their number."""
    return await locks.for_each(_OVERDUE, caller.now, partial(expire, caller))
