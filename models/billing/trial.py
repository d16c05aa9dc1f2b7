"""Trials: the subscription days that a user's first account starts with.

    start --> trial days, which end at `trial_until` --count_for_owner--> taken back, if the owner had a trial before

Trial days are used up before other days, and stay in their account. A user has one trial, unless the operator allows
more. It counts for the user and for their address, so it is not renewed by erasing the login and registering again.

The trial of an account that a bureau opens for a client counts for the bureau and the address until the client takes
the account over. So the bureau does not learn whether the address has a login.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from auth import tokens
from database import db
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.validation import email_key
from models.billing import subscription
from models.billing.subscription import SubscriptionEntryKind


class _Owner(db.Row):
    email: str


class _Count(db.Row):
    count: int


class _TrialEnd(db.Row):
    trial_until: datetime | None


_LOAD_EMAIL: Final = "SELECT email FROM users WHERE id = $1"
_COUNT: Final = """
SELECT count(*)::int FROM trials t WHERE (t.user_id = $1 OR t.address_digest = $2) AND t.account_id <> $3
"""
_SET_END: Final = "UPDATE accounts SET trial_until = $2 WHERE id = $1"
_LOAD_END: Final = "SELECT trial_until FROM accounts WHERE id = $1"
_INSERT: Final = "INSERT INTO trials (account_id, user_id, address_digest, started_at) VALUES ($1, $2, $3, $4)"
_SET_USER: Final = "UPDATE trials SET user_id = $2, address_digest = $3 WHERE account_id = $1"


async def start(caller: Caller, account_id: UUID, owner_id: UUID, *, bureau_id: UUID | None = None) -> None:
    """Add trial days to a new account, unless its owner has had their trial. Needs the owner's lock.

    `bureau_id` is the bureau that opens the account for a client, under its own lock.
    """
    if not caller.config.trial_days:
        return
    digest = await _address_digest(caller, owner_id, bureau_id)
    if await _is_available(caller, owner_id, digest, account_id):
        await _add_days(caller, account_id, owner_id, digest)
        return
    # Registration does the same work for each address. Otherwise its time would show which addresses had a login.
    async with db.rolled_back():
        await _add_days(caller, account_id, owner_id, digest)


async def _add_days(caller: Caller, account_id: UUID, owner_id: UUID, digest: bytes) -> None:
    """Start a trial. It has no event, because it is part of opening the account."""
    system_caller, kind = replace(caller, user_id=None), SubscriptionEntryKind.TRIAL
    entry = await subscription.book(system_caller, account_id, caller.config.trial_days, kind)
    await db.execute(_SET_END, account_id, entry.valid_until_after)
    await db.execute(_INSERT, account_id, owner_id, digest, caller.now)


async def count_for_owner(caller: Caller, account_id: UUID, owner_id: UUID, *, bureau_id: UUID | None = None) -> None:
    """Count the trial of an account for the client who takes it over. Needs the locks of the account and the owner.

    If the client has had their trial, the remaining trial days are taken back. With `bureau_id`, it counts for the
    bureau and the owner's new address: the client has not taken the account over.
    """
    digest = await _address_digest(caller, owner_id, bureau_id)
    is_available = await _is_available(caller, owner_id, digest, account_id)
    if await db.execute(_SET_USER, account_id, owner_id, digest) and not is_available:
        await _take_back(caller, account_id)


async def _take_back(caller: Caller, account_id: UUID) -> None:
    (row,) = await db.fetch(_LOAD_END, account_id, row=_TrialEnd)
    days = subscription.days_left(row.trial_until or caller.now, caller.now)
    if not days:
        return
    system_caller = replace(caller, user_id=None)
    entry = await subscription.book(system_caller, account_id, -days, SubscriptionEntryKind.TRIAL)
    await db.execute(_SET_END, account_id, caller.now)
    await event.record(
        system_caller,
        EventType.SUBSCRIPTION_TRIAL_END,
        account_id=account_id,
        before={"valid_until": entry.valid_until_before},
        after={"valid_until": entry.valid_until_after, "days": -days},
    )


async def _is_available(caller: Caller, owner_id: UUID, digest: bytes, account_id: UUID) -> bool:
    """True if the owner has a trial left, without that of the account."""
    (row,) = await db.fetch(_COUNT, owner_id, digest, account_id, row=_Count)
    return row.count < caller.config.trials_per_user


async def _address_digest(caller: Caller, owner_id: UUID, bureau_id: UUID | None) -> bytes:
    """The digest of the owner's address, under the key that is not in the database."""
    (owner,) = await db.fetch(_LOAD_EMAIL, owner_id, row=_Owner)
    subject = f"{bureau_id or ''}\x00{email_key(owner.email)}"
    return tokens.derive_bytes(caller.config.link_key, "trials", subject.encode(errors="replace"))
