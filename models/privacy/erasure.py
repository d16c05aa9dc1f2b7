"""Erasure of the viewer's personal data: the login and everything that names the user.

    active --erase--> erased, unfinished --> finished        refused while the user owns an account that others use

The first transaction ends the login, and closes the accounts that only the user uses. The rest follows in transactions
of their own, each with the lock of at most one account and its partner: the user leaves other accounts, and texts that
name the user are removed in batches. A job continues an erasure that did not finish with the request. Closed accounts
lose their names and numbers, because a sole proprietorship often has its owner's name. An account whose ownership the
user transferred keeps its name. Events stay, and each erasure is itself an event of each account concerned.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from database import db
from i18n import mark
from models import throttle
from models.access import access
from models.access.reauthentication import ReauthenticationCase, reauthenticates
from models.accounts.account import Account
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.closing import closure
from models.people import user_password
from models.people.user import User
from models.privacy import departure, personal_data, redaction
from models.privacy.personal_data import DataSubject

CLOSED_ACCOUNT_NAME: Final = "Closed account"
"""The name of an account that was closed with the erasure of its owner."""


@reauthenticates(ReauthenticationCase.SECOND_FACTOR)
async def erase(caller: Caller, *, password: str) -> None:
    """Erase the caller. Requires the password. The e-mail address can be registered again, by any user.

    Raises:
        Refusal: INVALID_CREDENTIALS; INVALID_STATE while the caller owns an account that other users have access to;
            CONFLICT if the caller's accounts changed at the same time.
        RateLimited: the caller has tried too often.
    """
    user_row = await user_password.verify(caller, password, field="password")
    _ = await throttle.attempt(caller, throttle.counter(caller, throttle.ERASURE, user_id=user_row.id))
    # The IP address is personal data too.
    caller = replace(caller, ip_address=None)
    async with db.transaction():
        # The lock order of all operations: accounts, the user, links.
        account_ids = await _owned_account_ids(user_row.id)
        await locks.lock_accounts(*account_ids)
        await user_password.lock_unchanged(user_row, field="password")
        # Until the commit, the user gets no grant, no account and no session: triggers wait for the lock.
        if not {*await _owned_account_ids(user_row.id)} <= {*account_ids}:
            raise refuse(UserErrorCode.CONFLICT, None, mark("Your accounts have just changed. Try again."))
        await _require_no_shared_accounts(user_row, caller.now)
        await _close_accounts(caller, user_row)
        await event.record(caller, EventType.USER_ERASE)
        await personal_data.erase_at_once(DataSubject(user_row.id, caller.now))
    # The user is erased now. If the database fails from here on, the job continues.
    with suppress(*db.UNAVAILABLE):
        await _continue(caller, user_row.id)


# ---- The login and the user's own accounts ---------------------------------------------------


class _AccountId(db.Row):
    id: UUID


_OWNED_ACCOUNTS: Final = "SELECT id FROM accounts WHERE owner_id = $1"


async def _owned_account_ids(user_id: UUID) -> list[UUID]:
    return [row.id for row in await db.fetch(_OWNED_ACCOUNTS, user_id, row=_AccountId)]


class _SharedAccount(db.Row):
    name: str
    number: int


_SHARED_ACCOUNTS: Final = f"""
SELECT a.name, a.number FROM accounts a WHERE a.owner_id = $1 AND {access.IS_OPEN.format("a", "$2")} AND EXISTS (
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


async def _close_accounts(caller: Caller, user_row: User) -> None:
    """Close the user's accounts. All of them, also those that were closed before, lose their names."""
    accounts = await Account.filter(owner_id=user_row.id).order_by("id")
    for account in accounts:
        if account.closed_at is None:
            await closure.close(caller, account)
    await Account.filter(owner_id=user_row.id).update(name=CLOSED_ACCOUNT_NAME, country=None, invoice_prefix="")


# ---- Everything else -------------------------------------------------------------------------


class _Erasure(db.Row):
    user_id: UUID
    addresses: list[str]
    erased_at: datetime


_OPEN_ERASURES: Final = (
    "SELECT user_id, addresses, erased_at FROM erasures WHERE finished_at IS NULL ORDER BY erased_at"
)
_OPEN_ERASURE_OF_USER: Final = f"SELECT * FROM ({_OPEN_ERASURES}) e WHERE user_id = $1"
_FINISH: Final = "SELECT finish_erasure($1, $2)"


async def run(caller: Caller) -> int:
    """Scheduled job: continue the erasures that did not finish. Returns their number.

    Several processes may continue the same erasure: each step selects what is left.
    """
    open_erasures = await db.fetch(_OPEN_ERASURES, row=_Erasure)
    for erasure in open_erasures:
        await _continue(caller, erasure.user_id)
    return len(open_erasures)


async def _continue(caller: Caller, user_id: UUID) -> None:
    erasure = await db.fetch_one(_OPEN_ERASURE_OF_USER, user_id, row=_Erasure)
    if erasure is None:
        return
    subject = DataSubject(user_id, erasure.erased_at, tuple(erasure.addresses))
    await departure.leave_accounts(replace(caller, user_id=user_id, ip_address=None), subject)
    await redaction.redact_events(subject, caller.now)
    await redaction.redact_messages(subject)
    await personal_data.erase(subject)
    await db.fetch(_FINISH, user_id, caller.now, row=db.Row)
