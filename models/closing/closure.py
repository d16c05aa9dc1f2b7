"""The end of an account: it is closed, and everything that it had with others ends.

    date reached, or owner erased --> CLOSED: grants, invitations, offers and requests ended, numbers free
                                        |--> its engagements end, one by one
                                        `--> the accounts that no client has claimed close --> done: no `closes_at`

The first step is one transaction and is final. The others lock one partner at a time, so that a bureau with thousands
of clients blocks none of them. The job continues them until they are done. No refusal waits for it: all rights in the
account end at its date, and the grants of a bureau's consultants have that date as their end.
"""

from dataclasses import replace
from typing import Final
from uuid import UUID

from auth.policy import Role
from database import db
from models.access import derived_grant, grant_operation
from models.access.grant_rules import Exemption
from models.accounts.account import Account, store_closed
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.bureaus import engagement, pending_client
from models.bureaus.engagement import EngagementStatus
from models.closing import closing_mail
from models.outbox.message_kind import MessageKind
from models.sharing import approval
from models.sharing.invitation import Invitation, InvitationStatus


class _AccountId(db.Row):
    id: UUID


_DUE: Final = "SELECT id FROM accounts WHERE closes_at <= $1 ORDER BY closes_at, id"


async def run(caller: Caller) -> int:
    """Scheduled job: close the accounts whose date has passed. Returns their number."""
    count = 0
    for row in await db.fetch(_DUE, caller.now, row=_AccountId):
        owner_caller = await _close_due(caller, row.id)
        if owner_caller is not None:
            await end_partnerships(owner_caller, row.id)
            count += 1
    return count


async def _close_due(caller: Caller, account_id: UUID) -> Caller | None:
    """Close an account, unless it was reopened or is closed. Returns its owner as the caller, None if it was reopened.

    The owner is the actor: it is the owner's request that the job carries out.
    """
    async with db.transaction():
        await locks.lock_accounts(account_id)
        account = await Account.get(id=account_id)
        if account.closes_at is None or account.closes_at > caller.now:
            return None
        owner_caller = replace(caller, user_id=account.owner_id, ip_address=None)
        if account.closed_at is None:
            recipients = await closing_mail.load_recipients(account_id, caller.now)
            members = [recipient for recipient in recipients if recipient.is_member]
            await close(owner_caller, account)
            await closing_mail.send(owner_caller, MessageKind.ACCOUNT_CLOSED, account, members)
    return owner_caller


async def close(caller: Caller, account: Account) -> None:
    """Close a locked account of the caller, within the caller's transaction. Continue with `end_partnerships`.

    The account cannot be opened again. Days of its subscription are lost.
    """
    if account.closes_at is None or account.closes_at > caller.now:
        await Account.filter(id=account.id).update(closes_at=caller.now)
    await store_closed(account, caller.now)
    await grant_operation.end_all(caller, account.id)
    await _revoke_invitations(caller, account.id)
    await approval.decline_all(caller, account.id)
    await event.record(caller, EventType.ACCOUNT_CLOSE, account_id=account.id, role=Role.OWNER)


async def _revoke_invitations(caller: Caller, account_id: UUID) -> None:
    invitations = await Invitation.filter(account_id=account_id, status=InvitationStatus.PENDING)
    invitation_ids = [invitation.id for invitation in invitations]
    await Invitation.filter(id__in=invitation_ids).update(status=InvitationStatus.REVOKED)
    for invitation_id in invitation_ids:
        facts = {"invitation": str(invitation_id)}
        await event.record(
            caller,
            EventType.INVITATION_REVOKE,
            account_id=account_id,
            role=Role.OWNER,
            before={**facts, "status": InvitationStatus.PENDING},
            after={**facts, "status": InvitationStatus.REVOKED},
        )


# ---- Engagements and unclaimed clients -------------------------------------------------------

_FINISH: Final = "UPDATE accounts SET closes_at = NULL WHERE id = $1 AND closed_at IS NOT NULL"


async def end_partnerships(caller: Caller, account_id: UUID) -> None:
    """End the engagements of a closed account of the caller, and close the accounts that no client of it has claimed.

    Each has its own transaction. Both sides are mailed, without the caller.
    """
    for row in await engagement.load_open([account_id]):
        async with db.transaction():
            await locks.lock_accounts(row.bureau_id, row.client_id)
            await _end_engagement(caller, account_id, row.id)
    await pending_client.withdraw_all(caller, account_id)
    await db.execute(_FINISH, account_id)


async def _end_engagement(caller: Caller, account_id: UUID, engagement_id: UUID) -> None:
    (row,) = await engagement.by_ids([engagement_id])
    assert row is not None  # noqa: S101 - engagements are never deleted
    if row.status not in {EngagementStatus.PENDING, EngagementStatus.ACTIVE}:
        return
    if row.bureau_id == account_id:
        # Their end is the date of the closing. The consultants are told of that.
        await derived_grant.end_with_bureau(caller, row.id)
    access_by_account = await engagement.load_access(caller, row.bureau_id, row.client_id)
    await engagement.finish(caller, row, access_by_account, taker=Exemption.CLOSURE, closed_account_id=account_id)
