"""Mails about changes of a grant: to its holder, and to the users who manage the account's users."""

from datetime import datetime
from typing import Final
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database import db
from models.access import access
from models.base import naming
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message import RecipientRow
from models.outbox.message_kind import MessageKind


class _GrantFacts(db.Row):
    account_id: UUID
    account_name: str
    holder_id: UUID
    holder_name: str
    role: str
    listed: int | None
    valid_until: datetime | None


_FACTS: Final = """
SELECT g.account_id, a.name AS account_name, h.id AS holder_id, h.name AS holder_name, g.role, g.listed, g.valid_until
FROM grants g JOIN accounts a ON a.id = g.account_id JOIN users h ON h.id = g.user_id WHERE g.id = $1
"""
# An owner who has not activated the login is not told. That address is not proved: a bureau may have made it up.
_RECIPIENTS: Final = """
SELECT u.email, u.name, u.locale FROM users u WHERE u.activated_at IS NOT NULL AND (u.id = $1 OR u.id IN (
    SELECT g.user_id FROM grants g WHERE g.account_id = $2 AND g.status = 'ACTIVE'
      AND (g.valid_until IS NULL OR g.valid_until > $3) AND {is_told})) ORDER BY u.id
"""


async def mail_holder(caller: Caller, kind: MessageKind, grant_id: UUID) -> None:
    """Tell the holder of a grant by mail that it has changed: GRANT_CHANGED, GRANT_REVOKED or GRANT_RESTORED."""
    await _mail(caller, kind, grant_id, "FALSE")


async def mail_resigned(caller: Caller, grant_id: UUID) -> None:
    """Tell the former holder, and the users with USERS_WRITE in the account, by mail that a grant was resigned."""
    condition = access.holder_condition(Permission.USERS_WRITE, alias="g")
    await _mail(caller, MessageKind.GRANT_RESIGNED, grant_id, condition)


async def _mail(caller: Caller, kind: MessageKind, grant_id: UUID, is_told: str) -> None:
    """Mail the holder, and the users with an active grant for which the SQL condition `is_told` holds."""
    (facts,) = await db.fetch(_FACTS, grant_id, row=_GrantFacts)
    recipients = await db.fetch(
        _RECIPIENTS.format(is_told=is_told), facts.holder_id, facts.account_id, caller.now, row=RecipientRow
    )
    permissions = None if facts.listed is None else " ".join(policy.permissions(facts.listed))
    await message.queue_all(
        caller,
        kind,
        to=recipients,
        account_id=facts.account_id,
        params={
            "account_name": naming.text(facts.account_name, facts.account_id),
            "holder_name": naming.text(facts.holder_name, facts.holder_id),
            "role": facts.role,
            "permissions": permissions or None,
            "ends_at": facts.valid_until and facts.valid_until.isoformat(),
        },
    )
