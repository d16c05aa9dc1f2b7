"""An erased user leaves the accounts of others: their engagements, grants and invitations end.

Each account is locked alone, or with its partner of an engagement, and only while something in it changes.
"""

from typing import Final
from uuid import UUID

from auth.policy import GrantStatus
from database import db
from models.access import grant_rules, grant_store
from models.access.grant import Grant
from models.access.grant_operation import record_resigned
from models.access.grant_rules import Exemption
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.closing import closure
from models.privacy.personal_data import DataSubject
from models.sharing.invitation import Invitation, InvitationStatus


class _AccountId(db.Row):
    id: UUID


_CLOSED_ACCOUNTS: Final = """
SELECT id FROM accounts WHERE owner_id = $1 AND closed_at IS NOT NULL AND closes_at IS NOT NULL
"""
_ACCOUNTS_TO_LEAVE: Final = """
SELECT account_id AS id FROM grants WHERE user_id = $1 AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
UNION SELECT account_id FROM invitations WHERE status = 'PENDING' AND invited_by_id = $1
UNION SELECT account_id FROM invitations WHERE status = 'PENDING' AND email_key = ANY($2::text[]) AND created_at <= $3
    AND address_named($1, email_key, created_at)
"""


async def leave_accounts(caller: Caller, subject: DataSubject) -> None:
    """End what an erased user, who is the caller, still has in accounts. Each account has its own transaction."""
    for account in await db.fetch(_CLOSED_ACCOUNTS, subject.id, row=_AccountId):
        await closure.end_partnerships(caller, account.id)
    arguments = subject.id, list(subject.addresses), subject.until
    for account in await db.fetch(_ACCOUNTS_TO_LEAVE, *arguments, row=_AccountId):
        async with db.transaction():
            await locks.lock_accounts(account.id)
            await _end_invitations(caller, subject, account.id)
            await _resign(caller, subject, account.id)


_LIVE_STATUSES: Final = (GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS)


async def _resign(caller: Caller, subject: DataSubject, account_id: UUID) -> None:
    """Resign the user's grant on an account."""
    grants = await Grant.filter(user_id=caller.user(), account_id=account_id, status__in=_LIVE_STATUSES)
    permits = {grant.id: grant_rules.permit(Exemption.HOLDER, grant_rules.terms_of(grant), None) for grant in grants}
    # All grants have the same end: the bureau finds the clients of a consultant by it, even if a job continues.
    await grant_store.end(permits, GrantStatus.RESIGNED, now=subject.until)
    for grant in grants:
        await record_resigned(caller, grant)


class _InvitationId(db.Row):
    id: UUID


# The address may have belonged to another person.
_INVITATIONS_TO_USER: Final = """
SELECT id FROM invitations WHERE account_id = $4 AND email_key = ANY($2::text[]) AND created_at <= $3
    AND address_named($1, email_key, created_at)
"""


async def _end_invitations(caller: Caller, subject: DataSubject, account_id: UUID) -> None:
    """Decline the account's pending invitations to the user, and revoke those from the user."""
    pending = Invitation.filter(account_id=account_id, status=InvitationStatus.PENDING)
    arguments = subject.id, list(subject.addresses), subject.until, account_id
    invitation_ids = [row.id for row in await db.fetch(_INVITATIONS_TO_USER, *arguments, row=_InvitationId)]
    to_user = pending.filter(id__in=invitation_ids)
    for invitations, status, event_type in (
        (await to_user, InvitationStatus.DECLINED, EventType.INVITATION_DECLINE),
        (await pending.filter(invited_by_id=subject.id), InvitationStatus.REVOKED, EventType.INVITATION_REVOKE),
    ):
        await Invitation.filter(id__in=[invitation.id for invitation in invitations]).update(status=status)
        for invitation in invitations:
            await event.record(
                caller,
                event_type,
                account_id=account_id,
                before={"invitation": str(invitation.id), "status": invitation.status},
                after={"invitation": str(invitation.id), "status": status},
            )
