"""Subscriptions: the end of an account's paid time, and the ledger of its days.

    TRIAL, VOUCHER, CREDIT  -> days are added          TRANSFER_OUT + TRANSFER_IN  -> days move

After the end of the subscription an account is read-only. Ledger entries never change. A transfer adds exactly the days
that it takes from the payer. The sum of all entries is the number of days ever credited. A day is 86,400 seconds.
"""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.exceptions import IntegrityError
from tortoise.models import Model

from auth.policy import Permission, Role
from database import db, keys
from i18n import mark
from models.access import access
from models.access.operation import declares_permission, require
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import MAX_END, Validation

MIN_DAYS: Final = 10
MAX_DAYS: Final = 365
KEY_RETENTION: Final = timedelta(days=2)


class SubscriptionEntryKind(StrEnum):
    """The origin of the days of a ledger entry, or where they went."""

    TRIAL = "TRIAL"
    VOUCHER = "VOUCHER"
    TRANSFER_OUT = "TRANSFER_OUT"
    TRANSFER_IN = "TRANSFER_IN"
    CREDIT = "CREDIT"


class SubscriptionEntry(Model):
    """An entry of an account's ledger."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    days = fields.IntField()
    kind = fields.CharEnumField(SubscriptionEntryKind, max_length=20)
    counterpart_id: UUID | None = fields.UUIDField(null=True)
    actor_id: UUID | None = fields.UUIDField(null=True)
    reference: str | None = fields.TextField(null=True)
    created_at = fields.DatetimeField()
    valid_until_before = fields.DatetimeField()
    valid_until_after = fields.DatetimeField()

    class Meta(Model.Meta):
        """The table of the rows."""

        table = "subscription_entries"


class SubscriptionEntryRow(db.Row):
    """A ledger entry as lists return it."""

    graphql_type = "SubscriptionEntry"

    id: UUID
    account_id: UUID
    days: int
    kind: str
    counterpart_id: UUID | None
    actor_id: UUID | None
    created_at: datetime
    valid_until_before: datetime
    valid_until_after: datetime


COLUMNS: Final = db.columns_of("e", SubscriptionEntryRow)
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM subscription_entries e WHERE e.id = ANY($1::uuid[])"


async def entries_by_ids(ids: list[UUID]) -> list[SubscriptionEntryRow | None]:
    """The ledger entries with these ids, in this order. The caller checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=SubscriptionEntryRow))


def days_left(until: datetime, now: datetime) -> int:
    """The whole days from `now` to `until`, never negative."""
    return max(0, (until - now) // timedelta(days=1))


# ---- The ledger ------------------------------------------------------------------------------

_EVENTS: Final = {
    SubscriptionEntryKind.VOUCHER: EventType.SUBSCRIPTION_REDEEM,
    SubscriptionEntryKind.TRANSFER_OUT: EventType.SUBSCRIPTION_GIVE,
    SubscriptionEntryKind.TRANSFER_IN: EventType.SUBSCRIPTION_EXTEND,
    SubscriptionEntryKind.CREDIT: EventType.OPERATOR_SUBSCRIPTION_CREDIT,
}
"""The event that is recorded with an entry. A trial has none: it is part of opening the account."""


class _SubscriptionEnd(db.Row):
    subscription_until: datetime


_END: Final = "SELECT subscription_until FROM accounts WHERE id = $1"
_SET_END: Final = "UPDATE accounts SET subscription_until = $2 WHERE id = $1"


async def load_end(account_id: UUID) -> datetime:
    """The end of an account's subscription, past or future."""
    (row,) = await db.fetch(_END, account_id, row=_SubscriptionEnd)
    return row.subscription_until


async def book(
    caller: Caller,
    account_id: UUID,
    days: int,
    kind: SubscriptionEntryKind,
    *,
    role: Role | None = None,
    counterpart_id: UUID | None = None,
    reference: str | None = None,
    field: str = "days",
) -> SubscriptionEntry:
    """Add an entry to an account's ledger, with the new end and the event, under the account's lock.

    Positive `days` are added to the later of now and the end. Negative `days` are subtracted from the end.

    Raises Refusal: OUT_OF_RANGE, for the input field `field`, if the new end is more than ten years ahead.
    """
    before = await load_end(account_id)
    after = (before if days < 0 else max(caller.now, before)) + timedelta(days=days)
    if after > caller.now + MAX_END:
        raise refuse(UserErrorCode.OUT_OF_RANGE, field, mark("A subscription cannot end more than ten years from now."))
    await db.execute(_SET_END, account_id, after)
    entry = await SubscriptionEntry.create(
        account_id=account_id,
        days=days,
        kind=kind,
        counterpart_id=counterpart_id,
        actor_id=caller.user_id,
        reference=reference,
        created_at=caller.now,
        valid_until_before=before,
        valid_until_after=after,
    )
    if kind in _EVENTS:
        await event.record(
            caller,
            _EVENTS[kind],
            account_id=account_id,
            role=role,
            before={"valid_until": before},
            after={"valid_until": after, "days": days, **({"reference": reference} if reference else {})},
        )
    return entry


async def start_trial(caller: Caller, account_id: UUID) -> None:
    """Add the trial days of a new account, within the transaction that opens it. The entry has no actor."""
    if caller.config.trial_days:
        _ = await book(replace(caller, user_id=None), account_id, caller.config.trial_days, SubscriptionEntryKind.TRIAL)


# ---- Transfers -------------------------------------------------------------------------------


@declares_permission(Permission.SUBSCRIPTION_WRITE, EventType.SUBSCRIPTION_GIVE)
async def extend(
    caller: Caller,
    account_id: UUID,
    *,
    payer_account_id: UUID,
    days: int,
    idempotency_key: str | None = None,
) -> UUID:
    """Transfer `days` (10-365) from the payer's subscription to the account's. Returns the id of the account's entry.

    The caller needs SUBSCRIPTION_WRITE in the payer account, and an active grant on the receiving account. The days are
    added to the later of now and the receiving account's end. A repeated call with the same idempotency key and input
    returns the first outcome, for at least a day. A call without a key is always a new transfer.

    Raises:
        Refusal: OUT_OF_RANGE, SAME_ACCOUNT, NOT_FOUND, INSUFFICIENT_DAYS, IDEMPOTENCY_KEY_REUSED.
        Forbidden: no SUBSCRIPTION_WRITE in the payer account.
    """
    user_id = caller.user()
    with Validation() as check:
        check.whole_number("days", days, minimum=MIN_DAYS, maximum=MAX_DAYS)
        if idempotency_key is not None:
            idempotency_key = check.line("idempotency_key", idempotency_key)
    async with db.transaction():
        if idempotency_key is not None:
            arguments = orjson.dumps([str(account_id), str(payer_account_id), days])
            first_entry_id = await _claim_key(user_id, idempotency_key, arguments, now=caller.now)
            if first_entry_id is not None:
                return first_entry_id
        entry_id = await _transfer(caller, user_id, payer_account_id, account_id, days)
        if idempotency_key is not None:
            await db.execute(_STORE_OUTCOME, user_id, idempotency_key, entry_id)
        return entry_id


async def _transfer(caller: Caller, user_id: UUID, payer_id: UUID, receiver_id: UUID, days: int) -> UUID:
    # Checked before the locks, so that a caller cannot lock accounts that they cannot enter, and again under the
    # locks, because the access may have ended while the operation waited for them.
    await _require_access(caller, user_id, payer_id, receiver_id)
    if payer_id == receiver_id:
        raise refuse(UserErrorCode.SAME_ACCOUNT, "payer_account_id", mark("An account cannot pay itself."))
    await locks.lock_accounts(payer_id, receiver_id)
    payer, receiver = await _require_access(caller, user_id, payer_id, receiver_id)
    available_days = days_left(await load_end(payer_id), caller.now)
    if available_days < days:
        raise refuse(
            UserErrorCode.INSUFFICIENT_DAYS,
            "days",
            mark("The paying account has only %(days)d days left."),
            days=available_days,
        )
    kinds = SubscriptionEntryKind
    _ = await book(caller, payer_id, -days, kinds.TRANSFER_OUT, role=payer.role, counterpart_id=receiver_id)
    entry = await book(caller, receiver_id, days, kinds.TRANSFER_IN, role=receiver.role, counterpart_id=payer_id)
    return entry.id


async def _require_access(
    caller: Caller, user_id: UUID, payer_id: UUID, receiver_id: UUID
) -> tuple[access.Access, access.Access]:
    """The caller's access to payer and receiver. Raises Refusal NOT_FOUND, for the receiver first, and Forbidden."""
    receiver, payer = await access.require_access(
        user_id, ("account_id", receiver_id), ("payer_account_id", payer_id), now=caller.now
    )
    require(payer, extend.permission)
    return payer, receiver


# ---- Idempotency -----------------------------------------------------------------------------


class _Outcome(db.Row):
    input_digest: bytes
    entry_id: UUID | None


# Waits for a concurrent transaction that claims the same key, and then conflicts with its row.
_CLAIM_KEY: Final = """
INSERT INTO idempotency_keys (user_id, key, input_digest, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, key) DO NOTHING
"""
_READ_KEY: Final = "SELECT input_digest, entry_id FROM idempotency_keys WHERE user_id = $1 AND key = $2"
_STORE_OUTCOME: Final = "UPDATE idempotency_keys SET entry_id = $3 WHERE user_id = $1 AND key = $2"
_DELETE_OLD_KEYS: Final = "DELETE FROM idempotency_keys WHERE user_id = $1 AND created_at < $2"


async def _claim_key(user_id: UUID, key: str, arguments: bytes, *, now: datetime) -> UUID | None:
    """The entry id of an earlier call with this key. None if this call is the first."""
    digest = hashlib.sha256(arguments).digest()
    await db.execute(_DELETE_OLD_KEYS, user_id, now - KEY_RETENTION)
    if await db.execute(_CLAIM_KEY, user_id, key, digest, now):
        return None
    outcome = await db.fetch_one(_READ_KEY, user_id, key, row=_Outcome)
    if outcome is None or outcome.entry_id is None or outcome.input_digest != digest:
        raise refuse(
            UserErrorCode.IDEMPOTENCY_KEY_REUSED,
            "idempotency_key",
            mark("This key was used for another transfer."),
        )
    return outcome.entry_id


# ---- The operator ----------------------------------------------------------------------------


async def credit(caller: Caller, number: int, days: int, *, reference: str) -> datetime:
    """Add `days` (1-3650) that the operator sold to an account. Returns the new end of its subscription.

    Raises:
        Refusal: NOT_FOUND, OUT_OF_RANGE, ALREADY_EXISTS for a reference that was used before.
    """
    with Validation() as check:
        check.whole_number("days", days, minimum=1, maximum=3650)
        reference = check.line("reference", reference)
    try:
        async with db.transaction():
            account_id = await locks.lock_by_number(number)
            entry = await book(caller, account_id, days, SubscriptionEntryKind.CREDIT, reference=reference)
            return entry.valid_until_after
    except IntegrityError as error:
        raise refuse(UserErrorCode.ALREADY_EXISTS, "reference", mark("This reference was used before.")) from error
