"""Subscriptions: the end of an account's paid time, and the ledger of its days.

    TRIAL, VOUCHER, CREDIT  -> days are added          TRANSFER_OUT + TRANSFER_IN  -> days move

After the end of the subscription an account is read-only. Ledger entries never change. A transfer adds exactly the days
that it takes from the payer. The sum of all entries is the number of days ever credited. A day is 86,400 seconds.

    now --- trial days ---> trial_until --- days that can be transferred ---> subscription_until

Trial days stay in their account: `models/billing/trial.py`.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.exceptions import IntegrityError
from tortoise.models import Model

from auth.policy import Permission, Role
from database import db, keys
from i18n import mark
from models.access import access, reauthentication
from models.access.operation import declares_permission, require, require_not_closing
from models.access.reauthentication import ReauthenticationCase
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import MAX_END, Validation, email_key
from models.outbox import message
from models.outbox.message_kind import MessageKind

MIN_DAYS: Final = 10
MAX_DAYS: Final = 365


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


def transferable_days(until: datetime, trial_until: datetime | None, now: datetime) -> int:
    """The whole days that a subscription can give to others at `now`: those after its trial, never negative."""
    return days_left(until, now if trial_until is None else max(now, trial_until))


# ---- The ledger ------------------------------------------------------------------------------

_EVENTS: Final = {
    SubscriptionEntryKind.VOUCHER: EventType.SUBSCRIPTION_REDEEM,
    SubscriptionEntryKind.TRANSFER_OUT: EventType.SUBSCRIPTION_GIVE,
    SubscriptionEntryKind.TRANSFER_IN: EventType.SUBSCRIPTION_EXTEND,
    SubscriptionEntryKind.CREDIT: EventType.OPERATOR_SUBSCRIPTION_CREDIT,
}
"""The event that is recorded with an entry. A trial has none: it is part of opening the account."""


class SubscriptionEnd(db.Row):
    """The end of an account's subscription, and that of its trial days. Past or future."""

    subscription_until: datetime
    trial_until: datetime | None


_END: Final = "SELECT subscription_until, trial_until FROM accounts WHERE id = $1"
_SET_END: Final = "UPDATE accounts SET subscription_until = $2 WHERE id = $1"


async def _load_end(account_id: UUID) -> SubscriptionEnd:
    (row,) = await db.fetch(_END, account_id, row=SubscriptionEnd)
    return row


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
    before = (await _load_end(account_id)).subscription_until
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


# ---- Transfers -------------------------------------------------------------------------------


@idempotent("extendSubscription")
@declares_permission(
    Permission.SUBSCRIPTION_WRITE, EventType.SUBSCRIPTION_GIVE, reauthentication=ReauthenticationCase.ALWAYS
)
async def extend(
    caller: Caller,
    account_id: UUID,
    *,
    payer_account_id: UUID,
    days: int,
) -> UUID:
    """Transfer `days` (10-365) from the payer's subscription to the account's. Returns the id of the account's entry.

    The caller needs SUBSCRIPTION_WRITE in the payer account, and an active grant on the receiving account. Only the
    payer's owner can pay for an account of their own. The payer's owner gets a mail about a transfer by another user.
    The days are added to the later of now and the receiving account's end.

    Raises:
        Refusal: OUT_OF_RANGE, SAME_ACCOUNT, NOT_FOUND, INSUFFICIENT_DAYS, ACCOUNT_CLOSING.
        Forbidden: no SUBSCRIPTION_WRITE in the payer account, or the caller owns the receiver and not the payer.
    """
    user_id = caller.user()
    with Validation() as check:
        check.whole_number("days", days, minimum=MIN_DAYS, maximum=MAX_DAYS)
    async with db.transaction():
        return await _transfer(caller, user_id, payer_account_id, account_id, days)


async def _transfer(caller: Caller, user_id: UUID, payer_id: UUID, receiver_id: UUID, days: int) -> UUID:
    # Checked before the locks, so that a caller cannot lock accounts that they cannot enter, and again under the
    # locks, because the access may have ended while the operation waited for them.
    await _require_access(caller, user_id, payer_id, receiver_id)
    await reauthentication.require(caller)
    if payer_id == receiver_id:
        raise refuse(UserErrorCode.SAME_ACCOUNT, "payer_account_id", mark("An account cannot pay itself."))
    await locks.lock_accounts(payer_id, receiver_id)
    payer, receiver = await _require_access(caller, user_id, payer_id, receiver_id)
    end = await _load_end(payer_id)
    available_days = transferable_days(end.subscription_until, end.trial_until, caller.now)
    if available_days < days:
        raise refuse(
            UserErrorCode.INSUFFICIENT_DAYS,
            "days",
            mark("The paying account can give only %(days)d days. Trial days cannot be transferred."),
            days=available_days,
        )
    kinds = SubscriptionEntryKind
    _ = await book(caller, payer_id, -days, kinds.TRANSFER_OUT, role=payer.role, counterpart_id=receiver_id)
    entry = await book(caller, receiver_id, days, kinds.TRANSFER_IN, role=receiver.role, counterpart_id=payer_id)
    await _mail_payer_owner(caller, user_id, payer_id, receiver_id, days)
    return entry.id


async def _require_access(
    caller: Caller, user_id: UUID, payer_id: UUID, receiver_id: UUID
) -> tuple[access.Access, access.Access]:
    """The caller's access to payer and receiver. Raises Refusal NOT_FOUND, for the receiver first, and Forbidden."""
    receiver, payer = await access.require_access(
        user_id, ("account_id", receiver_id), ("payer_account_id", payer_id), now=caller.now
    )
    require(payer, extend.permission)
    (owner,) = await db.fetch(_RECEIVING_OWNER, receiver_id, user_id, row=_ReceivingOwner)
    if owner.is_caller or email_key(owner.email) == owner.caller_key:
        require(payer, Permission.OWNERSHIP)
    require_not_closing(receiver, "account_id")
    return payer, receiver


class _ReceivingOwner(db.Row):
    """The owner of the receiving account. A placeholder has the address of the client, and no key of it."""

    is_caller: bool
    email: str
    caller_key: str


# An account that a bureau opened belongs to the bureau's owner until the client takes it over.
_RECEIVING_OWNER: Final = """
SELECT COALESCE(b.owner_id, a.owner_id) = c.id AS is_caller, o.email, c.email_key AS caller_key
FROM accounts a LEFT JOIN accounts b ON b.id = a.created_by_bureau_id AND a.activated_at IS NULL
JOIN users o ON o.id = a.owner_id JOIN users c ON c.id = $2 WHERE a.id = $1
"""


class _TransferFacts(db.Row):
    owner_id: UUID
    email: str
    name: str
    locale: str
    actor_name: str
    payer_name: str
    receiver_name: str
    receiver_number: int


_TRANSFER_FACTS: Final = """
SELECT o.id AS owner_id, o.email, o.name, o.locale, c.name AS actor_name, p.name AS payer_name,
    r.name AS receiver_name, r.number AS receiver_number
FROM accounts p LEFT JOIN accounts b ON b.id = p.created_by_bureau_id AND p.activated_at IS NULL
JOIN users o ON o.id = COALESCE(b.owner_id, p.owner_id) JOIN users c ON c.id = $2 JOIN accounts r ON r.id = $3
WHERE p.id = $1
"""


async def _mail_payer_owner(caller: Caller, user_id: UUID, payer_id: UUID, receiver_id: UUID, days: int) -> None:
    """Tell the payer's owner by mail, unless they are the caller."""
    (facts,) = await db.fetch(_TRANSFER_FACTS, payer_id, user_id, receiver_id, row=_TransferFacts)
    if facts.owner_id == user_id:
        return
    await message.queue(
        caller,
        MessageKind.DAYS_GIVEN,
        to=facts,
        account_id=payer_id,
        params={
            "actor_name": naming.text(facts.actor_name, user_id),
            "payer_name": naming.text(facts.payer_name, payer_id),
            "receiver_name": naming.text(facts.receiver_name, receiver_id),
            "receiver_number": str(facts.receiver_number),
            "days": str(days),
        },
    )


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
