"""Ownership of an account moves in two steps: its owner offers it, a member of the account accepts.

    offer --> PENDING --accept----> ACCEPTED    the receiver owns the account, the former owner administers it
                 |-----decline----> DECLINED
                 |-----withdraw---> WITHDRAWN   by the owner, also by offering it anew
                 `----------------> LAPSED      the receiver's access has ended: the database sees to it
    expired: derived from `expires_at`; stored by the clock's job, or by the offer that takes its place

An account has at most one pending offer. Every commit leaves it with exactly one owner, which the
database holds too. Everything is decided under the account's lock.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import GrantStatus, Permission, Role
from database import db, keys
from i18n import mark
from models.access import access, derived_grant, grant, seat
from models.access.access import OperationContext, declares_permission, requires
from models.access.grant import Grant
from models.accounts import registered_number
from models.accounts.account import Account
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.outbox import message
from models.outbox.message import MessageKind
from models.people import user
from models.people.user import User

LASTS: Final = timedelta(days=7)


class TransferStatus(StrEnum):
    """Where an offer stands."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    LAPSED = "LAPSED"
    EXPIRED = "EXPIRED"


class OwnershipTransfer(Model):
    """An offer of an account's ownership."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    owner_id = fields.UUIDField()
    receiver_id = fields.UUIDField()
    grant_id = fields.UUIDField()
    status = fields.CharEnumField(TransferStatus, max_length=10)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()

    class Meta(Model.Meta):
        """Where the rows are."""

        table = "ownership_transfers"


class OwnershipTransferRow(db.Row):
    """A pending offer as its two sides see it."""

    graphql_type = "OwnershipTransfer"

    id: UUID
    account_id: UUID
    owner_id: UUID
    receiver_id: UUID
    created_at: datetime
    expires_at: datetime


_PENDING: Final = """
SELECT t.id, t.account_id, t.owner_id, t.receiver_id, t.created_at, t.expires_at
FROM ownership_transfers t JOIN grants g ON g.id = t.grant_id
WHERE t.status = 'PENDING' AND t.expires_at > $3 AND (g.valid_until IS NULL OR g.valid_until > $3)
  AND $2 IN (t.owner_id, t.receiver_id)
"""
_OF_ACCOUNTS: Final = f"{_PENDING} AND t.account_id = ANY($1::uuid[])"
_BY_IDS: Final = f"{_PENDING} AND t.id = ANY($1::uuid[])"


async def of_accounts(ids: list[UUID], *, seen_by: UUID, now: datetime) -> list[OwnershipTransferRow | None]:
    """The pending offer of each account, in this order, where `seen_by` is one of its two sides."""
    return db.in_order(ids, await db.fetch(_OF_ACCOUNTS, ids, seen_by, now, row=OwnershipTransferRow), by="account_id")


async def by_ids(ids: list[UUID], *, seen_by: UUID, now: datetime) -> list[OwnershipTransferRow | None]:
    """Those of these offers that are pending and that `seen_by` is a side of, in this order."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, seen_by, now, row=OwnershipTransferRow))


# ---- Offering --------------------------------------------------------------------------------


@declares_permission(Permission.OWNERSHIP)
async def offer(caller: Caller, account_id: UUID, *, user_id: UUID, password: str) -> UUID:
    """Offer an account to a member for seven days, with the owner's password. Returns the account's id.

    An offer that is pending is withdrawn: there is one at a time.

    Raises Refusal: INVALID_CREDENTIALS, NOT_FOUND for who never had access, INVALID_STATE for who has
    none now or while the account waits for its owner, NOT_ACTIVATED, ORGANIZATION_NUMBER_TAKEN or
    BANK_ACCOUNT_TAKEN while another account of the owner has the same number.
    """
    # Before the password, so that it can only be tried where it matters; again under the lock.
    found = await access.load_one(caller.user(), account_id, now=caller.now)
    if found is None:
        raise not_found("account_id")
    access.require(found, offer.permission)
    owner = await user.proved(caller, password, field="password")
    async with db.transaction():
        act = await access.enter(caller, account_id, offer.permission)
        await user.lock_proved(owner, field="password")
        receiver = await _receiver(act, user_id)
        await registered_number.require_unshared(account_id)
        await _make_room(act, user_id)
        made = await OwnershipTransfer.create(
            account_id=account_id,
            owner_id=act.user_id,
            receiver_id=user_id,
            grant_id=receiver.grant["id"],
            status=TransferStatus.PENDING,
            created_at=act.now,
            expires_at=act.now + LASTS,
        )
        await act.record("account:ownership:offer", after=_terms(made))
        await _tell(caller, made, MessageKind.OWNERSHIP_OFFERED)
    return account_id


async def _receiver(act: OperationContext, user_id: UUID) -> access.Access:
    """The access of who is to own the account. Raises Refusal where he cannot."""
    if user_id == act.user_id:
        raise refuse(UserErrorCode.INVALID, "user_id", mark("You own this account already."))
    if not await Grant.exists(user_id=user_id, account_id=act.account_id):
        raise not_found("user_id")
    found = await access.load_one(user_id, act.account_id, now=act.now)
    if found is None:
        raise _not_in_state("user_id", mark("This person has no access to the account now. Give it first."))
    if await User.exists(id=user_id, activated_at=None):
        raise refuse(UserErrorCode.NOT_ACTIVATED, "user_id", mark("This person has not activated the login yet."))
    if await Account.exists(id=act.account_id, activated_at=None):
        raise _not_in_state("account_id", mark("This account is not activated yet."))
    return found


async def _make_room(act: OperationContext, receiver_id: UUID) -> None:
    """End the offer that was there; its receiver is told unless he gets the new one."""
    await expire(act.caller, act.account_id)
    pending = await OwnershipTransfer.filter(account_id=act.account_id, status=TransferStatus.PENDING).first()
    if pending is not None:
        await _close(act, pending, TransferStatus.WITHDRAWN, "account:ownership:withdraw")
        if pending.receiver_id != receiver_id:
            await _tell(act.caller, pending, MessageKind.OWNERSHIP_WITHDRAWN)


@requires(Permission.OWNERSHIP)
async def withdraw(act: OperationContext, account_id: UUID) -> UUID:
    """Take the pending offer back. Returns the account's id."""
    pending = await _pending(act)
    await _close(act, pending, TransferStatus.WITHDRAWN, "account:ownership:withdraw")
    await _tell(act.caller, pending, MessageKind.OWNERSHIP_WITHDRAWN)
    return account_id


# ---- Deciding --------------------------------------------------------------------------------


@locks.starting_over
async def accept(caller: Caller, account_id: UUID) -> UUID:
    """Become the owner of an account that is offered to the caller. Returns the account's id.

    The former owner becomes an ADMINISTRATOR in the same transaction. Numbers that the law or a bank
    gives come along; they are refused while another account of the former owner has them too.

    Raises Refusal: NOT_FOUND, INVALID_STATE, ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN,
    SEATS_EXHAUSTED for a receiver who had none: the former owner needs one now.
    """
    mine = OwnershipTransfer.filter(
        account_id=account_id, receiver_id=caller.user(), status=TransferStatus.PENDING
    ).first()
    async with db.transaction():
        if found := await mine:
            await locks.tied(found.grant_id)
        act = await access.enter(caller, account_id, Permission.ACCOUNT_READ)
        offered = await _pending(act, receiver_id=act.user_id)
        await registered_number.hand_over(account_id, offered.owner_id, offered.receiver_id)
        await _hand_over(act, offered.owner_id, offered.grant_id)
        await derived_grant.reschedule(caller, offered.receiver_id, account_id, None)
        await _close(act, offered, TransferStatus.ACCEPTED, "account:ownership:accept")
        await Account.filter(id=account_id).update(owner_id=offered.receiver_id)
        await _tell(caller, offered, MessageKind.OWNERSHIP_ACCEPTED)
    return account_id


_HAND_OVER: Final = """
UPDATE grants SET role = $2, listed = NULL, valid_until = NULL, own_until = NULL, engagement_id = NULL WHERE id = $1
"""


async def _hand_over(act: OperationContext, owner_id: UUID, grant_id: UUID) -> None:
    """Make the holder of an active grant the owner, for ever, and the owner an ADMINISTRATOR.

    A grant that hung on a bureau's engagement no longer does. Raises Refusal SEATS_EXHAUSTED.
    """
    former = await Grant.get(account_id=act.account_id, user_id=owner_id, role=Role.OWNER, status=GrantStatus.ACTIVE)
    heir = await Grant.get(id=grant_id)
    was = heir.role
    # In this order: an account never has two owners, not even within a transaction.
    for held, role in ((former, Role.ADMINISTRATOR), (heir, Role.OWNER)):
        before = grant.terms(held)
        held.role, held.listed, held.valid_until = role, None, None
        await db.execute(_HAND_OVER, held.id, role)
        await act.record(
            "account:grant:update",
            before={"grant": str(held.id), **before},
            after={"grant": str(held.id), **grant.terms(held)},
        )
    await seat.demand(act.account_id, Role.ADMINISTRATOR, "account_id", now=act.now, was=was)


async def decline(caller: Caller, account_id: UUID) -> UUID:
    """Turn down an account that is offered to the caller. Returns the account's id."""
    async with db.transaction():
        act = await access.enter(caller, account_id, Permission.ACCOUNT_READ)
        offered = await _pending(act, receiver_id=act.user_id)
        await _close(act, offered, TransferStatus.DECLINED, "account:ownership:decline")
        await _tell(caller, offered, MessageKind.OWNERSHIP_DECLINED)
    return account_id


async def expire(caller: Caller, account_id: UUID) -> bool:
    """Store that an account's offer has expired and tell both sides, under the account's lock.

    Whether there was one: of several who try, one does it.
    """
    over = OwnershipTransfer.filter(account_id=account_id, status=TransferStatus.PENDING, expires_at__lte=caller.now)
    found = await over.first()
    if found is None or not await over.update(status=TransferStatus.EXPIRED):
        return False
    nobody = replace(caller, user_id=None)
    after = {"transfer": str(found.id), "status": TransferStatus.EXPIRED}
    await event.record(nobody, "account:ownership:expire", account_id=account_id, before=_terms(found), after=after)
    await _tell(caller, found, MessageKind.OWNERSHIP_EXPIRED)
    return True


_OVERDUE: Final = "SELECT account_id AS id FROM ownership_transfers WHERE status = 'PENDING' AND expires_at <= $1"


async def run(caller: Caller) -> int:
    """The clock's job: every offer that has expired. Returns how many."""
    return await locks.for_each(_OVERDUE, caller.now, partial(expire, caller))


# ---- Small parts -----------------------------------------------------------------------------


async def _pending(act: OperationContext, *, receiver_id: UUID | None = None) -> OwnershipTransfer:
    """The offer to be decided: the account's, or only if it is for `receiver_id`."""
    found = await OwnershipTransfer.filter(account_id=act.account_id, status=TransferStatus.PENDING).first()
    if found is None or receiver_id not in {None, found.receiver_id}:
        raise _not_in_state("account_id", mark("There is no such offer, or no longer."))
    if found.expires_at <= act.now:
        raise _not_in_state("account_id", mark("This offer has expired."))
    return found


async def _close(act: OperationContext, pending: OwnershipTransfer, status: TransferStatus, done: str) -> None:
    await OwnershipTransfer.filter(id=pending.id).update(status=status)
    await act.record(done, before=_terms(pending), after={"transfer": str(pending.id), "status": status})


async def _tell(caller: Caller, about: OwnershipTransfer, kind: MessageKind) -> None:
    """Mail both sides what became of the ownership; each reads the same, in his language."""
    house = await Account.get(id=about.account_id)
    people = {person.id: person for person in await User.filter(id__in=[about.owner_id, about.receiver_id])}
    for person in (people[about.receiver_id], people[about.owner_id]):
        await message.queue(
            caller,
            kind,
            to=person.email,
            name=person.name,
            locale=person.locale,
            account_id=house.id,
            params={
                "account_name": house.name,
                "owner_name": people[about.owner_id].name,
                "receiver_name": people[about.receiver_id].name,
                "expires_at": about.expires_at.isoformat(),
            },
        )


def _not_in_state(field: str, text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, field, text)


def _terms(transfer: OwnershipTransfer) -> dict[str, object]:
    """An offer, as events show it."""
    return {
        "transfer": str(transfer.id),
        "owner": str(transfer.owner_id),
        "receiver": str(transfer.receiver_id),
        "expires_at": transfer.expires_at,
        "status": transfer.status,
    }
