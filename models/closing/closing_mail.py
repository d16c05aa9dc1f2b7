"""Mails about the closing of an account: to its owner, its users, and the owners of its bureaus and clients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from database import db
from models.access import access
from models.accounts.account import Account
from models.base import naming
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message_kind import MessageKind


class Recipient(db.Row):
    """A user who is told of the closing. The owner of a bureau or client of the account is not a member."""

    email: str
    name: str
    locale: str
    is_owner: bool
    is_member: bool


# Without users who have not activated their login. Their address is not proved.
_RECIPIENTS: Final = f"""
WITH members AS (
    SELECT g.user_id FROM grants g WHERE g.account_id = $1 AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
        AND (g.valid_until IS NULL OR g.valid_until > $2)
), partners AS (
    SELECT p.owner_id FROM engagements e JOIN accounts p ON p.id IN (e.bureau_id, e.client_id) AND p.id <> $1
    WHERE (e.bureau_id = $1 OR e.client_id = $1) AND e.status = 'ACTIVE' AND {access.IS_OPEN.format("p", "$2")}
)
SELECT u.email, u.name, u.locale, u.id = a.owner_id AS is_owner,
    u.id IN (SELECT user_id FROM members) AS is_member
FROM users u JOIN accounts a ON a.id = $1
WHERE u.activated_at IS NOT NULL
  AND u.id = ANY(ARRAY(SELECT user_id FROM members UNION SELECT owner_id FROM partners)) ORDER BY u.id
"""


async def load_recipients(account_id: UUID, now: datetime) -> list[Recipient]:
    """The owner, the holders of live grants, and the owners of the other sides of active engagements."""
    return await db.fetch(_RECIPIENTS, account_id, now, row=Recipient)


async def send(
    caller: Caller,
    kind: MessageKind,
    account: Account,
    recipients: Sequence[Recipient],
    *,
    ends_at: datetime | None = None,
    lost_days: int = 0,
) -> None:
    """Queue the mail to each recipient. Only the owner reads about days that are lost.

    The account lists the mails to its users. Those to partners are in no list, because they show addresses.
    """
    params: dict[str, str | None] = {
        "account_name": naming.text(account.name, account.id),
        "ends_at": ends_at.isoformat() if ends_at else None,
        "lost_days": None,
        "is_owner": None,
    }
    owner_params = {"lost_days": str(lost_days) if lost_days else None, "is_owner": "yes"}
    members = [recipient for recipient in recipients if recipient.is_member and not recipient.is_owner]
    partners = [recipient for recipient in recipients if not recipient.is_member]
    for owner in recipients:
        if owner.is_owner:
            await message.queue(caller, kind, to=owner, account_id=account.id, params=params | owner_params)
    await message.queue_all(caller, kind, to=members, account_id=account.id, params=params)
    await message.queue_all(caller, kind, to=partners, account_id=None, params=params)
