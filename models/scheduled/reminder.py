"""Reminders by mail: 30, 7 and 1 days before the end of a subscription, at its end, and 7 days before that of a grant.

The last announced end is stored for each subject and number of days. So a reminder is sent once for each end, however
often the job runs, and is due again when the end changes. If several reminders are overdue, because the end came
nearer or because no server ran, only the one nearest to the end is sent.

A reminder that was already due when days were added is not sent, because the user who added them knows the end. The
same holds for the end with which a grant was given (`grant_store.create`), and for the end of a consultant's grant with
the closing of the bureau, which is mailed at once. An account that never had days has no end.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from database import db
from models.access import grant_store
from models.base import locks, naming
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message_kind import MessageKind

SUBSCRIPTION_DAYS: Final = (30, 7, 1, 0)
"""The last reminder tells that the account is read-only."""
GRANT_DAYS: Final = (grant_store.REMINDER_DAYS,)


class _DueReminder(db.Row):
    id: UUID
    account_id: UUID
    ends_at: datetime
    days: int


class _Recipient(db.Row):
    email: str
    name: str
    locale: str
    account_name: str
    holder_id: UUID | None
    holder_name: str


# $1 is now, $2 the numbers of days. Selects each end with the smallest number of days that is due, no later than
# `grace` after the end. Announced ends are skipped here to save a transaction every minute; _NOTE below decides.
_NEAREST_DAYS: Final = """
CROSS JOIN LATERAL (SELECT min(d) AS days FROM unnest($2::int[]) d WHERE {end} - d * interval '1 day' <= $1) w
WHERE {end} > $1 - interval '{grace}' AND {end} <= $1 + (SELECT max(d) FROM unnest($2::int[]) d) * interval '1 day'
  AND NOT EXISTS (SELECT FROM reminders r WHERE r.subject_id = {id} AND r.days = w.days AND r.ends_at = {end})
"""
_DUE_SUBSCRIPTIONS: Final = (
    "SELECT a.id, a.id AS account_id, a.subscription_until AS ends_at, w.days FROM accounts a"
    + (
        _NEAREST_DAYS.format(
            id="a.id",
            end="a.subscription_until",
            grace="7 days",
        )
        + " AND a.closed_at IS NULL AND a.closes_at IS NULL AND a.subscription_until > a.created_at"
        " AND NOT EXISTS (SELECT FROM subscription_entries e WHERE e.account_id = a.id AND e.days > 0"
        " AND e.valid_until_after = a.subscription_until"
        " AND e.created_at >= a.subscription_until - w.days * interval '1 day')"
    )
)
_DUE_GRANTS: Final = (
    "SELECT g.id, g.account_id, g.valid_until AS ends_at, w.days FROM grants g"
    + _NEAREST_DAYS.format(id="g.id", end="g.valid_until", grace="0")
    + " AND g.status = 'ACTIVE' AND NOT EXISTS (SELECT FROM engagements e JOIN accounts b ON b.id = e.bureau_id"
    " WHERE e.id = g.engagement_id AND b.closes_at = g.valid_until)"
)
# Stores the announcement. Stores no row if the end has changed or another process was first; then no mail is sent.
_NOTE: Final = """
INSERT INTO reminders AS r (subject_id, days, ends_at) SELECT $1, $2, $3 WHERE {still}
ON CONFLICT (subject_id, days) DO UPDATE SET ends_at = EXCLUDED.ends_at WHERE r.ends_at <> EXCLUDED.ends_at
"""
_NOTE_SUBSCRIPTION: Final = _NOTE.format(
    still="EXISTS (SELECT FROM accounts a WHERE a.id = $1 AND a.subscription_until = $3)"
)
_NOTE_GRANT: Final = _NOTE.format(
    still="EXISTS (SELECT FROM grants g WHERE g.id = $1 AND g.valid_until = $3 AND g.status = 'ACTIVE')"
)
# The owner. If a bureau opened the account and still works for it, also the bureau's owner. Users who have not
# activated their login are skipped: their address is not verified.
_SUBSCRIPTION_RECIPIENTS: Final = """
SELECT DISTINCT u.email, u.name, u.locale, a.name AS account_name, NULL::uuid AS holder_id, '' AS holder_name
FROM accounts a LEFT JOIN (accounts b JOIN engagements e ON e.bureau_id = b.id AND e.status = 'ACTIVE')
    ON b.id = a.created_by_bureau_id AND e.client_id = a.id AND b.closed_at IS NULL
JOIN users u ON u.id IN (a.owner_id, b.owner_id) AND u.activated_at IS NOT NULL WHERE a.id = $1
"""
# The holder of the grant and the owner of the account.
_GRANT_RECIPIENTS: Final = """
SELECT u.email, u.name, u.locale, a.name AS account_name, h.id AS holder_id, h.name AS holder_name
FROM grants g JOIN accounts a ON a.id = g.account_id JOIN users h ON h.id = g.user_id
JOIN users u ON u.id IN (g.user_id, a.owner_id) AND u.activated_at IS NOT NULL WHERE g.id = $1
"""


async def announce_subscriptions(caller: Caller) -> int:
    """Scheduled job: announce the ends of subscriptions. Returns their number."""
    due = await db.fetch(_DUE_SUBSCRIPTIONS, caller.now, SUBSCRIPTION_DAYS, row=_DueReminder)
    count = 0
    for reminder in due:
        kind = MessageKind.SUBSCRIPTION_ENDING if reminder.days else MessageKind.SUBSCRIPTION_ENDED
        count += await _announce(caller, reminder, kind, _NOTE_SUBSCRIPTION, _SUBSCRIPTION_RECIPIENTS)
    return count


async def announce_grants(caller: Caller) -> int:
    """Scheduled job: announce the ends of grants. Returns their number."""
    due = await db.fetch(_DUE_GRANTS, caller.now, GRANT_DAYS, row=_DueReminder)
    return sum(
        [
            await _announce(caller, reminder, MessageKind.GRANT_ENDING, _NOTE_GRANT, _GRANT_RECIPIENTS)
            for reminder in due
        ]
    )


async def _announce(caller: Caller, reminder: _DueReminder, kind: MessageKind, statement: str, recipients: str) -> bool:
    async with db.transaction():
        await locks.lock_accounts(reminder.account_id)
        if not await db.execute(statement, reminder.id, reminder.days, reminder.ends_at):
            return False
        for recipient in await db.fetch(recipients, reminder.id, row=_Recipient):
            await message.queue(
                caller,
                kind,
                to=recipient,
                account_id=reminder.account_id,
                params={
                    "account_name": naming.text(recipient.account_name, reminder.account_id),
                    "holder_name": naming.text(recipient.holder_name, *filter(None, [recipient.holder_id])),
                    "ends_at": reminder.ends_at.isoformat(),
                },
            )
    return True
