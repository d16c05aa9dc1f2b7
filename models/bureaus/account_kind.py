"""The kind of an account: a business becomes a bureau, and a bureau without clients a business again.

Its engagements as a client, its users, days, seats and numbers stay as they are.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db
from i18n import mark
from models.access.operation import OperationContext, requires
from models.accounts.account import Account, AccountKind
from models.audit.event_type import EventType
from models.base.errors import UserErrorCode, refuse
from models.people import placeholder_owner


@requires(Permission.OWNERSHIP, EventType.ACCOUNT_KIND)
async def change(context: OperationContext, account_id: UUID, *, kind: AccountKind) -> UUID:
    """Make an account a bureau, or a business. Returns its id.

    Raises Refusal INVALID_STATE: the account is of this kind already; for a bureau, it has engagements with clients,
        open requests, or client accounts that no client has claimed.
    """
    account = await Account.get(id=account_id)
    if account.kind is kind:
        raise refuse(UserErrorCode.INVALID_STATE, "kind", mark("The account is of this kind already."))
    if kind is AccountKind.BUSINESS and await _has_clients(account_id, context.now):
        raise refuse(
            UserErrorCode.INVALID_STATE,
            "kind",
            mark("The bureau still has clients. End its engagements, and withdraw the accounts without an owner."),
        )
    await Account.filter(id=account_id).update(kind=kind)
    await context.record(EventType.ACCOUNT_KIND, before={"kind": account.kind}, after={"kind": kind})
    return account_id


class _Count(db.Row):
    count: int


# A blind request of the bureau does not count: the refusal would show that the other account exists. The other account
# cannot accept it while this one is no bureau.
_CLIENTS: Final = """
SELECT (SELECT count(*) FROM engagements e WHERE e.bureau_id = $1 AND (e.status = 'ACTIVE'
        OR e.status = 'PENDING' AND e.expires_at > $3 AND (e.asked_by_id <> $1 OR NOT e.is_blind)))
    + (SELECT count(*) FROM accounts a JOIN users u ON u.id = a.owner_id
        WHERE a.created_by_bureau_id = $1 AND a.closed_at IS NULL AND starts_with(u.email_key, $2)) AS count
"""


async def _has_clients(account_id: UUID, now: datetime) -> bool:
    (row,) = await db.fetch(_CLIENTS, account_id, placeholder_owner.KEY_PREFIX, now, row=_Count)
    return row.count > 0
