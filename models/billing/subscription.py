"""A subscription is the instant until which an account can be changed, and the ledger of its days.

    TRIAL, VOUCHER, CREDIT  -> days appear          TRANSFER_OUT + TRANSFER_IN  -> days move
    the sum of all entries is what was ever credited; nothing ever changes an entry

A day is 86,400 seconds: a transfer moves the very time that it takes from its payer.
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
from models.access.access import declares_permission, require
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import MAX_END, Validation

FEWEST_DAYS: Final = 10
MOST_DAYS: Final = 365
KEYS_KEPT: Final = timedelta(days=2)


class SubscriptionEntryKind(StrEnum):
    """Where days came from, or went."""

    TRIAL = "TRIAL"
    VOUCHER = "VOUCHER"
    TRANSFER_OUT = "TRANSFER_OUT"
    TRANSFER_IN = "TRANSFER_IN"
    CREDIT = "CREDIT"


class SubscriptionEntry(Model):
    """One line of an account's ledger."""

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
        """Where the rows are."""

        table = "subscription_entries"


class SubscriptionEntryRow(db.Row):
    """A line of the ledger as it is listed."""

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


COLUMNS: Final = db.columns(
    "e",
    "id account_id days kind counterpart_id actor_id created_at valid_until_before valid_until_after",
)
_BY_IDS: Final = f"SELECT {', '.join(COLUMNS.values())} FROM subscription_entries e WHERE e.id = ANY($1::uuid[])"


async def entries_by_ids(ids: list[UUID]) -> list[SubscriptionEntryRow | None]:
    """These lines of ledgers, in this order; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=SubscriptionEntryRow))


def days_left(until: datetime, now: datetime) -> int:
    """Whole days from `now` to `until`, never negative."""
    return max(0, (until - now) // timedelta(days=1))


# ---- The ledger ------------------------------------------------------------------------------

_EVENTS: Final = {
    SubscriptionEntryKind.VOUCHER: "account:subscription:redeem",
    SubscriptionEntryKind.TRANSFER_OUT: "account:subscription:give",
    SubscriptionEntryKind.TRANSFER_IN: "account:subscription:extend",
    SubscriptionEntryKind.CREDIT: "operator:subscription:credit",
}
"""What is recorded of a line; a trial is part of opening the account, which is recorded anyway."""


class _End(db.Row):
    subscription_until: datetime


_END: Final = "SELECT subscription_until FROM accounts WHERE id = $1"
_SET_END: Final = "UPDATE accounts SET subscription_until = $2 WHERE id = $1"


async def end(account_id: UUID) -> datetime:
    """When an account's subscription ends, or ended."""
    (found,) = await db.fetch(_END, account_id, row=_End)
    return found.subscription_until


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
    """Write a line of an account's ledger: its new end, the line, the event; within the account's lock.

    Days that come are added to the later of now and the end; days that go are taken from the end.

    Raises Refusal: OUT_OF_RANGE, in the input's `field`, for an end more than ten years ahead.
    """
    before = await end(account_id)
    after = (before if days < 0 else max(caller.now, before)) + timedelta(days=days)
    if after > caller.now + MAX_END:
        raise refuse(UserErrorCode.OUT_OF_RANGE, field, mark("A subscription ends within ten years at most."))
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
    """The first line of a new account's ledger, within the transaction that opens it; nobody's doing."""
    if caller.config.trial_days:
        _ = await book(replace(caller, user_id=None), account_id, caller.config.trial_days, SubscriptionEntryKind.TRIAL)


# ---- Moving days from one account to another -------------------------------------------------


@declares_permission(Permission.SUBSCRIPTION_WRITE)
async def extend(
    caller: Caller,
    account_id: UUID,
    *,
    payer_account_id: UUID,
    days: int,
    idempotency_key: str | None = None,
) -> UUID:
    """Move `days` (10-365) from the payer's subscription to the account's. Returns the entry's id.

    The caller needs SUBSCRIPTION_WRITE in the payer, and an active grant on the receiver. They are
    added to the later of now and the receiver's end. The same key with the same input gives the
    first outcome again, at once or a day later; a call without a key is a transfer of its own.

    Raises:
        Refusal: OUT_OF_RANGE, SAME_ACCOUNT, NOT_FOUND, INSUFFICIENT_DAYS, IDEMPOTENCY_KEY_REUSED.
        Forbidden: no SUBSCRIPTION_WRITE in the payer.
    """
    user_id = caller.user()
    with Validation() as check:
        check.whole_number("days", days, least=FEWEST_DAYS, most=MOST_DAYS)
        if idempotency_key is not None:
            idempotency_key = check.line("idempotency_key", idempotency_key)
    async with db.transaction():
        if idempotency_key is not None:
            asked = orjson.dumps([str(account_id), str(payer_account_id), days])
            done = await _claim_key(user_id, idempotency_key, asked, now=caller.now)
            if done is not None:
                return done
        entry_id = await _transfer(caller, user_id, payer_account_id, account_id, days)
        if idempotency_key is not None:
            await db.execute(_KEEP_OUTCOME, user_id, idempotency_key, entry_id)
        return entry_id


async def _transfer(caller: Caller, user_id: UUID, payer_id: UUID, account_id: UUID, days: int) -> UUID:
    # Asked before the locks, so that nobody holds up accounts that he cannot enter, and again
    # under them, because it may have been taken back while we waited.
    await _check_access(caller, user_id, payer_id, account_id)
    if payer_id == account_id:
        raise refuse(UserErrorCode.SAME_ACCOUNT, "payer_account_id", mark("An account cannot pay itself."))
    await locks.accounts(payer_id, account_id)
    payer, receiver = await _check_access(caller, user_id, payer_id, account_id)
    left = days_left(await end(payer_id), caller.now)
    if left < days:
        raise refuse(
            UserErrorCode.INSUFFICIENT_DAYS,
            "days",
            mark("The paying account has only %(days)d days left."),
            days=left,
        )
    kinds = SubscriptionEntryKind
    _ = await book(caller, payer_id, -days, kinds.TRANSFER_OUT, role=payer.role, counterpart_id=account_id)
    entry = await book(caller, account_id, days, kinds.TRANSFER_IN, role=receiver.role, counterpart_id=payer_id)
    return entry.id


async def _check_access(
    caller: Caller, user_id: UUID, payer_id: UUID, account_id: UUID
) -> tuple[access.Access, access.Access]:
    wanted = (("account_id", account_id), ("payer_account_id", payer_id))
    receiver, payer = await access.entered(user_id, *wanted, now=caller.now)
    require(payer, extend.permission)
    return payer, receiver


# ---- Idempotency -----------------------------------------------------------------------------


class _Outcome(db.Row):
    input_digest: bytes
    entry_id: UUID | None


# Waits for a transaction that is just claiming the same key, and finds what it left.
_CLAIM_KEY: Final = """
INSERT INTO idempotency_keys (user_id, key, input_digest, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id, key) DO NOTHING
"""
_READ_KEY: Final = "SELECT input_digest, entry_id FROM idempotency_keys WHERE user_id = $1 AND key = $2"
_KEEP_OUTCOME: Final = "UPDATE idempotency_keys SET entry_id = $3 WHERE user_id = $1 AND key = $2"
_FORGET: Final = "DELETE FROM idempotency_keys WHERE user_id = $1 AND created_at < $2"


async def _claim_key(user_id: UUID, key: str, asked: bytes, *, now: datetime) -> UUID | None:
    """The outcome of an earlier call with this key, or None when this call is the first."""
    digest = hashlib.sha256(asked).digest()
    await db.execute(_FORGET, user_id, now - KEYS_KEPT)
    if await db.execute(_CLAIM_KEY, user_id, key, digest, now):
        return None
    found = await db.fetch_one(_READ_KEY, user_id, key, row=_Outcome)
    if found is None or found.entry_id is None or found.input_digest != digest:
        raise refuse(
            UserErrorCode.IDEMPOTENCY_KEY_REUSED,
            "idempotency_key",
            mark("This key was used for another transfer."),
        )
    return found.entry_id


# ---- The operator ----------------------------------------------------------------------------


async def credit(caller: Caller, number: int, days: int, *, reference: str) -> datetime:
    """Give an account `days` (1-3650) that the operator sold it. Returns its new end.

    Raises:
        Refusal: NOT_FOUND, OUT_OF_RANGE, or ALREADY_EXISTS for a reference that was used before.
    """
    with Validation() as check:
        check.whole_number("days", days, least=1, most=3650)
        reference = check.line("reference", reference)
    try:
        async with db.transaction():
            account_id = await locks.number(number)
            entry = await book(caller, account_id, days, SubscriptionEntryKind.CREDIT, reference=reference)
            return entry.valid_until_after
    except IntegrityError as error:
        raise refuse(UserErrorCode.ALREADY_EXISTS, "reference", mark("This reference was used before.")) from error
