"""The owner closes an account: it is read-only for 30 days, and then closed. Until then the owner can reopen it.

    open --close--> closing: READ_ONLY --30 days--> CLOSED: `models/closing/closure.py`
     ^                 |
     '-----reopen------'

`accounts.closes_at` decides at each request, before and after the job has run. While the account waits, nothing of it
ends: users read and export, and operations that only take access go on. Grants, invitations, offers and numbers stay.
Days of the subscription run on. Those that are left at the end are lost.

Grants of a bureau's consultants at its clients end with the bureau. They get its date as their end.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db
from i18n import mark
from models import throttle
from models.access import access, derived_grant, operation, reauthentication
from models.access.operation import OperationContext, declares_permission
from models.access.reauthentication import ReauthenticationCase
from models.accounts.account import Account
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.billing import subscription
from models.closing import closing_mail
from models.outbox.message_kind import MessageKind
from models.people import user_password
from models.people.user import User

PERIOD: Final = timedelta(days=30)
"""The time between the request and the closing."""


@dataclass(frozen=True, slots=True)
class ClosingRequest:
    """The account that closes, and the whole days of its subscription that are lost then."""

    account_id: UUID
    lost_days: int


@declares_permission(
    Permission.OWNERSHIP, EventType.ACCOUNT_CLOSE_REQUEST, reauthentication=ReauthenticationCase.SECOND_FACTOR
)
async def close(caller: Caller, account_id: UUID, *, password: str) -> ClosingRequest:
    """Let an account close in 30 days. It is read-only at once. Needs the owner's password.

    Mails the owner, all users of the account, and the owners of its bureaus or clients.

    Raises:
        Refusal: INVALID_CREDENTIALS, NOT_FOUND, TWO_FACTOR_REQUIRED, ALREADY_CLOSING.
        RateLimited: the owner has entered too many wrong passwords, or closed too many accounts.
        Forbidden: the caller is not the owner.
    """
    # Checked before the password, so that only an owner can try passwords. Checked again under the lock.
    (caller_access,) = await access.require_access(caller.user(), ("account_id", account_id), now=caller.now)
    operation.require(caller_access, close.permission, while_closing=True)
    await reauthentication.require_factor(caller)
    owner = await user_password.verify(caller, password, field="password")
    return await _close(caller, account_id, owner)


@locks.retry_if_accounts_change
async def _close(caller: Caller, account_id: UUID, owner: User) -> ClosingRequest:
    async with db.transaction():
        await locks.lock_with_clients(account_id)
        context = await operation.enter(caller, account_id, close.permission, while_closing=True)
        await user_password.lock_unchanged(owner, field="password")
        account = await Account.get(id=account_id)
        if account.closes_at is not None:
            raise refuse(
                UserErrorCode.ALREADY_CLOSING,
                "account_id",
                mark("This account closes on %(date)s already."),
                date=f"{account.closes_at:%Y-%m-%d}",
            )
        _ = await throttle.attempt(caller, throttle.counter(caller, throttle.CLOSING, user_id=context.user_id))
        closes_at = context.now + PERIOD
        lost_days = subscription.days_left(account.subscription_until, closes_at)
        await _set_date(context, closes_at)
        after = {"closes_at": closes_at, "lost_days": lost_days}
        await context.record(EventType.ACCOUNT_CLOSE_REQUEST, after=after)
        recipients = await closing_mail.load_recipients(account_id, context.now)
        await closing_mail.send(
            caller, MessageKind.ACCOUNT_CLOSING, account, recipients, ends_at=closes_at, lost_days=lost_days
        )
    return ClosingRequest(account_id, lost_days)


@declares_permission(Permission.OWNERSHIP, EventType.ACCOUNT_REOPEN)
@locks.retry_if_accounts_change
async def reopen(caller: Caller, account_id: UUID) -> UUID:
    """Undo the closing of an account before its date: everything is as before. Mails the same users. Returns its id.

    Raises:
        Refusal: NOT_FOUND, also for an account whose date has passed; INVALID_STATE if no closing was requested.
        Forbidden: the caller is not the owner.
    """
    (caller_access,) = await access.require_access(caller.user(), ("account_id", account_id), now=caller.now)
    operation.require(caller_access, Permission.OWNERSHIP, while_closing=True)
    async with db.transaction():
        await locks.lock_with_clients(account_id)
        context = await operation.enter(caller, account_id, Permission.OWNERSHIP, while_closing=True)
        account = await Account.get(id=account_id)
        if account.closes_at is None:
            raise refuse(UserErrorCode.INVALID_STATE, "account_id", mark("This account does not close."))
        await _set_date(context, None)
        await context.record(EventType.ACCOUNT_REOPEN, before={"closes_at": account.closes_at})
        recipients = await closing_mail.load_recipients(account_id, context.now)
        await closing_mail.send(caller, MessageKind.ACCOUNT_REOPENED, account, recipients)
    return account_id


async def _set_date(context: OperationContext, closes_at: datetime | None) -> None:
    """Store the date of closing, for the account and for the grants that depend on it."""
    await Account.filter(id=context.account_id).update(closes_at=closes_at)
    await derived_grant.reschedule_all(context.caller, context.account_id, closes_at)
