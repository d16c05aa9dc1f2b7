"""Mails that announce an end: of a subscription 30, 7 and 1 days before, of a grant 7 days before.

For each subject and number of days it is remembered which end was announced last. So a reminder
goes out once, whoever runs the job how often, and is due anew when the end is put off. Of several
that are overdue, because no server ran, only the nearest is sent. One whose day had already come
when the end was set says nothing new, and is left out.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from database import db
from models.base import locks
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message import MessageKind

SUBSCRIPTION_DAYS: Final = (30, 7, 1)
GRANT_DAYS: Final = (7,)


class _Due(db.Row):
    id: UUID
    account_id: UUID
    ends_at: datetime
    days: int


class _Reader(db.Row):
    email: str
    name: str
    locale: str
    account_name: str
    holder_name: str


# $1 is now, $2 the days before; each end with the nearest of them that has come. What was announced is
# left out here so that it costs no transaction every minute; that it is so is decided by the note below.
_NEAREST: Final = """
CROSS JOIN LATERAL (SELECT min(d) AS days FROM unnest($2::int[]) d WHERE {end} - d * interval '1 day' <= $1) w
WHERE {end} > $1 AND {end} <= $1 + (SELECT max(d) FROM unnest($2::int[]) d) * interval '1 day'
  AND {set} < {end} - w.days * interval '1 day'
  AND NOT EXISTS (SELECT FROM reminders r WHERE r.subject_id = {id} AND r.days = w.days AND r.ends_at >= {end})
"""
_SUBSCRIPTIONS: Final = "SELECT a.id, a.id AS account_id, a.subscription_until AS ends_at, w.days FROM accounts a" + (
    _NEAREST.format(
        id="a.id",
        end="a.subscription_until",
        set="COALESCE((SELECT max(e.created_at) FROM subscription_entries e WHERE e.account_id = a.id), a.created_at)",
    )
    + " AND a.closed_at IS NULL"
)
_GRANTS: Final = (
    "SELECT g.id, g.account_id, g.valid_until AS ends_at, w.days FROM grants g"
    + _NEAREST.format(id="g.id", end="g.valid_until", set="g.created_at")
    + " AND g.status = 'ACTIVE'"
)
# Nothing is noted, and nothing sent, where the end has changed or another process was here first.
_NOTE: Final = """
INSERT INTO reminders AS r (subject_id, days, ends_at) SELECT $1, $2, $3 WHERE {still}
ON CONFLICT (subject_id, days) DO UPDATE SET ends_at = EXCLUDED.ends_at WHERE r.ends_at < EXCLUDED.ends_at
"""
_NOTE_SUBSCRIPTION: Final = _NOTE.format(
    still="EXISTS (SELECT FROM accounts a WHERE a.id = $1 AND a.subscription_until = $3)"
)
_NOTE_GRANT: Final = _NOTE.format(
    still="EXISTS (SELECT FROM grants g WHERE g.id = $1 AND g.valid_until = $3 AND g.status = 'ACTIVE')"
)
# The owner; for an account that a bureau opened and still works for, the bureau's owner too. Who has
# never activated his login has not shown that the address is his.
_OF_SUBSCRIPTION: Final = """
SELECT DISTINCT u.email, u.name, u.locale, a.name AS account_name, '' AS holder_name
FROM accounts a LEFT JOIN (accounts b JOIN engagements e ON e.bureau_id = b.id AND e.status = 'ACTIVE')
    ON b.id = a.created_by_bureau_id AND e.client_id = a.id AND b.closed_at IS NULL
JOIN users u ON u.id IN (a.owner_id, b.owner_id) AND u.activated_at IS NOT NULL WHERE a.id = $1
"""
# The holder, and the owner of the account.
_OF_GRANT: Final = """
SELECT u.email, u.name, u.locale, a.name AS account_name, h.name AS holder_name
FROM grants g JOIN accounts a ON a.id = g.account_id JOIN users h ON h.id = g.user_id
JOIN users u ON u.id IN (g.user_id, a.owner_id) AND u.activated_at IS NOT NULL WHERE g.id = $1
"""


async def of_subscriptions(caller: Caller) -> int:
    """The clock's job: announce the ends of subscriptions. Returns how many."""
    due = await db.fetch(_SUBSCRIPTIONS, caller.now, SUBSCRIPTION_DAYS, row=_Due)
    return sum(
        [
            await _announce(caller, one, MessageKind.SUBSCRIPTION_ENDING, _NOTE_SUBSCRIPTION, _OF_SUBSCRIPTION)
            for one in due
        ]
    )


async def of_grants(caller: Caller) -> int:
    """The clock's job: announce the ends of grants. Returns how many."""
    due = await db.fetch(_GRANTS, caller.now, GRANT_DAYS, row=_Due)
    return sum([await _announce(caller, one, MessageKind.GRANT_ENDING, _NOTE_GRANT, _OF_GRANT) for one in due])


async def _announce(caller: Caller, due: _Due, kind: MessageKind, note: str, readers: str) -> bool:
    async with db.transaction():
        await locks.accounts(due.account_id)
        if not await db.execute(note, due.id, due.days, due.ends_at):
            return False
        for reader in await db.fetch(readers, due.id, row=_Reader):
            await message.queue(
                caller,
                kind,
                to=reader.email,
                name=reader.name,
                locale=reader.locale,
                account_id=due.account_id,
                params={
                    "account_name": reader.account_name,
                    "holder_name": reader.holder_name,
                    "ends_at": due.ends_at.isoformat(),
                },
            )
    return True
