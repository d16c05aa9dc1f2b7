"""Erasure of the viewer's personal data: the login and everything that names the user.

    active --erase--> erased        refused while the user owns an account that other users have access to

Events stay; their actor is an id without a name. Accounts that only the erased user uses are closed. They lose their
names and numbers, because a sole proprietorship often has its owner's name. An account whose ownership the user
transferred keeps its name.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

import i18n
from auth.policy import GrantStatus, Role
from database import db
from i18n import mark
from models.access import derived_grant
from models.access.grant import Grant
from models.access.grant_operation import record_resigned
from models.accounts import registered_number
from models.accounts.account import Account
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.bureaus import engagement
from models.outbox.message_kind import MessageKind
from models.people import user_password
from models.people.mailed_link import UserToken
from models.people.user import User
from models.privacy import personal_data
from models.privacy.personal_data import DataSubject
from models.sharing.invitation import Invitation, InvitationStatus

CLOSED_ACCOUNT_NAME: Final = "Closed account"
"""The name of an account that was closed with the erasure of its owner."""


async def erase(caller: Caller, *, password: str) -> None:
    """Erase the caller. Requires the password. The e-mail address can be registered again, by any user.

    Raises Refusal: INVALID_CREDENTIALS; INVALID_STATE while the caller owns an account that other users have access
        to; CONFLICT if the caller's accounts changed at the same time.
    """
    user_row = await user_password.verify(caller, password, field="password")
    # The IP address is personal data too.
    caller = replace(caller, ip_address=None)
    async with db.transaction():
        # The lock order of all operations: links, accounts, the user.
        _ = await UserToken.filter(user_id=user_row.id).select_for_update()
        account_ids = await _affected_account_ids(user_row)
        await locks.lock_accounts(*account_ids)
        await user_password.lock_unchanged(user_row, field="password")
        if not {*await _affected_account_ids(user_row)} <= {*account_ids}:
            raise refuse(UserErrorCode.CONFLICT, None, mark("Your accounts have just changed. Try again."))
        await _require_no_shared_accounts(user_row, caller.now)
        await User.filter(id=user_row.id).update(erased_at=caller.now)
        names = [user_row.name, *await _close_accounts(caller, user_row)]
        await _end_invitations(caller, user_row)
        await _resign(caller, user_row)
        await event.record(caller, EventType.USER_ERASE)
        await event.forget(user_row.id, names)
        subject = DataSubject(user_row.id, (user_row.email_key, user_row.email.lower()))
        await _redact_messages(subject, names)
        await personal_data.erase(subject)


class _AccountId(db.Row):
    id: UUID


_AFFECTED_ACCOUNTS: Final = """
SELECT id FROM accounts WHERE owner_id = $1 AND closed_at IS NULL
UNION SELECT account_id FROM grants WHERE user_id = $1 AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
UNION SELECT account_id FROM invitations WHERE status = 'PENDING' AND (invited_by_id = $1 OR email_key = $2)
UNION SELECT e.client_id FROM engagements e JOIN accounts a ON a.id = e.bureau_id
    WHERE a.owner_id = $1 AND a.closed_at IS NULL AND e.status IN ('PENDING', 'ACTIVE')
UNION SELECT e.bureau_id FROM engagements e JOIN accounts a ON a.id = e.client_id
    WHERE a.owner_id = $1 AND a.closed_at IS NULL AND e.status IN ('PENDING', 'ACTIVE')
"""


async def _affected_account_ids(user_row: User) -> list[UUID]:
    """The accounts in which the erasure ends a grant, an invitation or an engagement, or which it closes."""
    return [row.id for row in await db.fetch(_AFFECTED_ACCOUNTS, user_row.id, user_row.email_key, row=_AccountId)]


class _SharedAccount(db.Row):
    name: str
    number: int


_SHARED_ACCOUNTS: Final = """
SELECT a.name, a.number FROM accounts a WHERE a.owner_id = $1 AND a.closed_at IS NULL AND EXISTS (
    SELECT FROM grants g WHERE g.account_id = a.id AND g.user_id <> $1
        AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (g.valid_until IS NULL OR g.valid_until > $2))
ORDER BY a.number
"""


async def _require_no_shared_accounts(user_row: User, now: datetime) -> None:
    """Raise Refusal INVALID_STATE if other users have access to accounts of the user."""
    if shared_accounts := await db.fetch(_SHARED_ACCOUNTS, user_row.id, now, row=_SharedAccount):
        raise refuse(
            UserErrorCode.INVALID_STATE,
            None,
            mark(
                "Other users have access to accounts that you own: %(accounts)s. Transfer their ownership first, or"
                " revoke the access of the other users."
            ),
            accounts=", ".join(f"{row.name} ({row.number})" for row in shared_accounts),
        )


async def _close_accounts(caller: Caller, user_row: User) -> list[str]:
    """Close the user's accounts and end their engagements and derived grants. Returns the accounts' names."""
    accounts = await Account.filter(owner_id=user_row.id, closed_at=None).order_by("id")
    account_ids = [account.id for account in accounts]
    for engagement_row in await engagement.load_open(account_ids):
        await engagement.finish(
            caller,
            engagement_row,
            await engagement.load_access(caller, engagement_row.bureau_id, engagement_row.client_id),
        )
    await Account.filter(id__in=account_ids).update(
        closed_at=caller.now,
        name=CLOSED_ACCOUNT_NAME,
        country=None,
        organization_number=None,
        vat_number=None,
        bank_account_number=None,
        invoice_prefix="",
    )
    for account in accounts:
        await registered_number.release(account.country, account.organization_number, account.bank_account_number)
        await event.record(caller, EventType.ACCOUNT_CLOSE, account_id=account.id, role=Role.OWNER)
    return [account.name for account in accounts]


_LIVE_STATUSES: Final = (GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS)


async def _resign(caller: Caller, user_row: User) -> None:
    """Resign all grants of the user. For a consultant, mail the clients and the bureau."""
    grants = await Grant.filter(user_id=user_row.id, status__in=_LIVE_STATUSES)
    await Grant.filter(id__in=[grant.id for grant in grants]).update(status=GrantStatus.RESIGNED, ended_at=caller.now)
    for grant in grants:
        await record_resigned(caller, grant)
        if grant.engagement_id is not None:
            await derived_grant.mail_both_sides(caller, [grant.id])


async def _end_invitations(caller: Caller, user_row: User) -> None:
    """Revoke the pending invitations from the user and decline those to the user."""
    pending_invitations = Invitation.filter(status=InvitationStatus.PENDING)
    ends = (
        (
            await pending_invitations.filter(email_key=user_row.email_key),
            InvitationStatus.DECLINED,
            EventType.INVITATION_DECLINE,
        ),
        (
            await pending_invitations.filter(invited_by_id=user_row.id),
            InvitationStatus.REVOKED,
            EventType.INVITATION_REVOKE,
        ),
    )
    for invitations, status, event_type in ends:
        await Invitation.filter(id__in=[invitation.id for invitation in invitations]).update(status=status)
        for invitation in invitations:
            await event.record(
                caller,
                event_type,
                account_id=invitation.account_id,
                before={"invitation": str(invitation.id), "status": invitation.status},
                after={"invitation": str(invitation.id), "status": status},
            )


class _MessageRow(db.Row):
    id: UUID
    kind: str
    locale: str
    params: str


# Addresses are redacted in all messages. A name can belong to several people: it is redacted only in messages of
# accounts on which the user had a grant.
_NAMING_MESSAGES: Final = """
SELECT m.id, m.kind, m.locale, m.params FROM messages m WHERE lower(m.to_address) = ANY($2::text[]) OR EXISTS (
    SELECT FROM jsonb_each_text(m.params) p WHERE lower(p.value) = ANY($2::text[])
        OR p.value = ANY($3::text[]) AND m.account_id IN (SELECT account_id FROM grants WHERE user_id = $1))
"""
_UPDATE_MESSAGES: Final = """
UPDATE messages m SET subject = n.subject, params = n.params::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (id, subject, params) WHERE m.id = n.id
"""


async def _redact_messages(subject: DataSubject, names: Sequence[str]) -> None:
    """Remove the erased user's name and address from messages to other users."""
    identifiers = {*names, *subject.addresses}
    updates: list[tuple[UUID, str, str]] = []
    for row in await db.fetch(_NAMING_MESSAGES, subject.id, list(subject.addresses), list(names), row=_MessageRow):
        facts: dict[str, object] = orjson.loads(row.params)
        params = {name: _redact(value, identifiers) for name, value in facts.items()}
        if "message" in params:
            params["message"] = None  # written by the user or to the user
        subject_line = i18n.translate(row.locale, MessageKind(row.kind).subject, **params)
        updates.append((row.id, subject_line, orjson.dumps(params).decode()))
    ids, subject_lines, params_json = zip(*updates, strict=True) if updates else ((), (), ())
    await db.execute(_UPDATE_MESSAGES, ids, subject_lines, params_json)


def _redact(value: object, identifiers: set[str]) -> object:
    return personal_data.ERASED_USER_NAME if isinstance(value, str) and {value, value.lower()} & identifiers else value
