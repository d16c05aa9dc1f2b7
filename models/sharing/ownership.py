"""Ownership of an account is transferred in two steps: the owner offers it, and a member of the account accepts.

    offer --> PENDING --accept----> ACCEPTED    the receiver is the owner, the former owner is an ADMINISTRATOR
                 |-----decline----> DECLINED
                 |-----withdraw---> WITHDRAWN   by the owner, also by making a new offer
                 `----------------> LAPSED      the receiver's access has ended; set by a trigger
    expired: derived from `expires_at`; stored by the scheduled job, or by the next offer

An account has at most one pending offer and, at every commit, exactly one owner. The database enforces both. All
changes are made under the account's lock.
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
from models import throttle
from models.access import access, derived_grant, grant, grant_rules, grant_store, operation, reauthentication, seat
from models.access.grant import Grant
from models.access.grant_rules import Exemption, Terms
from models.access.operation import OperationContext, declares_permission, requires
from models.access.reauthentication import ReauthenticationCase, reauthenticates
from models.accounts import registered_number
from models.accounts.account import Account
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, not_found, refuse
from models.base.idempotency import idempotent
from models.outbox import message
from models.outbox.message_kind import MessageKind
from models.people import user_password
from models.people.user import User

LIFETIME: Final = timedelta(days=7)


class TransferStatus(StrEnum):
    """The status of an offer."""

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
        """Table mapping."""

        table = "ownership_transfers"


class OwnershipTransferRow(db.Row):
    """A pending offer. Only the owner and the receiver see it."""

    graphql_type = "OwnershipTransfer"

    id: UUID
    account_id: UUID
    owner_id: UUID
    receiver_id: UUID
    created_at: datetime
    expires_at: datetime


_PENDING_OFFERS: Final = f"""
SELECT {db.select_list(db.columns_of("t", OwnershipTransferRow))}
FROM ownership_transfers t JOIN grants g ON g.id = t.grant_id
WHERE t.status = 'PENDING' AND t.expires_at > $3 AND (g.valid_until IS NULL OR g.valid_until > $3)
  AND $2 IN (t.owner_id, t.receiver_id)
"""
_OF_ACCOUNTS: Final = f"{_PENDING_OFFERS} AND t.account_id = ANY($1::uuid[])"
_BY_IDS: Final = f"{_PENDING_OFFERS} AND t.id = ANY($1::uuid[])"


async def of_accounts(ids: list[UUID], *, viewer_id: UUID, now: datetime) -> list[OwnershipTransferRow | None]:
    """The pending offer of each account, in this order. None unless the viewer is its owner or receiver."""
    return db.in_order(
        ids, await db.fetch(_OF_ACCOUNTS, ids, viewer_id, now, row=OwnershipTransferRow), by="account_id"
    )


async def by_ids(ids: list[UUID], *, viewer_id: UUID, now: datetime) -> list[OwnershipTransferRow | None]:
    """The offers with these ids, in this order. None unless pending and the viewer is the owner or receiver."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, viewer_id, now, row=OwnershipTransferRow))


# ---- Offer -----------------------------------------------------------------------------------


@idempotent("transferOwnership", undigested="password")
@declares_permission(
    Permission.OWNERSHIP, EventType.OWNERSHIP_OFFER, reauthentication=ReauthenticationCase.SECOND_FACTOR
)
async def offer(caller: Caller, account_id: UUID, *, user_id: UUID, password: str) -> UUID:
    """Offer an account to a member for seven days. Needs the owner's password. Returns the account's id.

    Withdraws a pending offer.

    Raises:
        Refusal: INVALID_CREDENTIALS; NOT_FOUND if the user never had access; INVALID_STATE if the user has no access
            now, or the account is not activated; NOT_ACTIVATED if the user is not; ORGANIZATION_NUMBER_TAKEN or
            BANK_ACCOUNT_TAKEN if another account of the owner has the same number; ACCOUNT_CLOSING.
        RateLimited: the owner has entered too many wrong passwords, or made too many offers.
    """
    # Checked before the password, so that only an owner can try passwords. Checked again under the lock.
    caller_access = await access.load_one(caller.user(), account_id, now=caller.now)
    if caller_access is None:
        raise not_found("account_id")
    operation.require(caller_access, offer.permission)
    await reauthentication.require_factor(caller)
    owner = await user_password.verify(caller, password, field="password")
    async with db.transaction():
        context = await operation.enter(caller, account_id, offer.permission)
        await user_password.lock_unchanged(owner, field="password")
        receiver_access = await _require_receiver(context, user_id)
        await registered_number.require_unshared(account_id)
        _ = await throttle.attempt(caller, throttle.counter(caller, throttle.OWNERSHIP, user_id=context.user_id))
        await _end_former_offer(context, user_id)
        transfer = await OwnershipTransfer.create(
            account_id=account_id,
            owner_id=context.user_id,
            receiver_id=user_id,
            grant_id=receiver_access.grant["id"],
            status=TransferStatus.PENDING,
            created_at=context.now,
            expires_at=context.now + LIFETIME,
        )
        await context.record(EventType.OWNERSHIP_OFFER, after=_event_facts(transfer))
        await _mail_both_sides(caller, transfer, MessageKind.OWNERSHIP_OFFERED)
    return account_id


async def _require_receiver(context: OperationContext, user_id: UUID) -> access.Access:
    """The access of the future owner. Raises Refusal if the user cannot own the account."""
    if user_id == context.user_id:
        raise refuse(UserErrorCode.INVALID, "user_id", mark("You own this account already."))
    if not await Grant.exists(user_id=user_id, account_id=context.account_id):
        raise not_found("user_id")
    receiver_access = await access.load_one(user_id, context.account_id, now=context.now)
    if receiver_access is None:
        raise _invalid_state("user_id", mark("This user has no access to the account now. Give access first."))
    if await User.exists(id=user_id, activated_at=None):
        raise refuse(UserErrorCode.NOT_ACTIVATED, "user_id", mark("This user has not activated the login yet."))
    if await Account.exists(id=context.account_id, activated_at=None):
        raise _invalid_state("account_id", mark("This account is not activated yet."))
    return receiver_access


async def _end_former_offer(context: OperationContext, receiver_id: UUID) -> None:
    """Withdraw a pending offer. Mails both sides, unless the new offer has the same receiver."""
    await expire(context.caller, context.account_id)
    transfer = await OwnershipTransfer.filter(account_id=context.account_id, status=TransferStatus.PENDING).first()
    if transfer is not None:
        await _close(context, transfer, TransferStatus.WITHDRAWN, EventType.OWNERSHIP_WITHDRAW)
        if transfer.receiver_id != receiver_id:
            await _mail_both_sides(context.caller, transfer, MessageKind.OWNERSHIP_WITHDRAWN)


@requires(Permission.OWNERSHIP, EventType.OWNERSHIP_WITHDRAW, while_closing=True)
async def withdraw(context: OperationContext, account_id: UUID) -> UUID:
    """Withdraw the pending offer. Returns the account's id. Raises Refusal INVALID_STATE without one."""
    transfer = await _require_pending(context)
    await _close(context, transfer, TransferStatus.WITHDRAWN, EventType.OWNERSHIP_WITHDRAW)
    await _mail_both_sides(context.caller, transfer, MessageKind.OWNERSHIP_WITHDRAWN)
    return account_id


# ---- Decision --------------------------------------------------------------------------------


@reauthenticates(ReauthenticationCase.ALWAYS)
@locks.retry_if_accounts_change
async def accept(caller: Caller, account_id: UUID) -> UUID:
    """Make the caller the owner of an account that is offered to them. Returns the account's id.

    The former owner becomes an ADMINISTRATOR in the same transaction. The organization number and the bank account
    move to the new owner. That is refused while another account of the former owner has the same number.

    Raises Refusal: NOT_FOUND, INVALID_STATE, ACCOUNT_CLOSING, ORGANIZATION_NUMBER_TAKEN, BANK_ACCOUNT_TAKEN, or
    SEATS_EXHAUSTED if no seat is free for the former owner. The receiver's own seat becomes free.
    """
    offers_to_caller = OwnershipTransfer.filter(
        account_id=account_id, receiver_id=caller.user(), status=TransferStatus.PENDING
    )
    async with db.transaction():
        if unlocked_offer := await offers_to_caller.first():
            await locks.lock_grant_accounts(unlocked_offer.grant_id)
        context = await operation.enter(caller, account_id, Permission.ACCOUNT_READ)
        operation.require_not_closing(context.access, "account_id")
        transfer = await _require_pending(context, receiver_id=context.user_id)
        await registered_number.hand_over(account_id, transfer.owner_id, transfer.receiver_id)
        await _swap_roles(context, transfer.owner_id, transfer.grant_id)
        await derived_grant.reschedule(caller, transfer.receiver_id, account_id, None)
        await _close(context, transfer, TransferStatus.ACCEPTED, EventType.OWNERSHIP_ACCEPT)
        await Account.filter(id=account_id).update(owner_id=transfer.receiver_id)
        await _mail_both_sides(caller, transfer, MessageKind.OWNERSHIP_ACCEPTED)
    return account_id


async def _swap_roles(context: OperationContext, owner_id: UUID, grant_id: UUID) -> None:
    """Make the owner an ADMINISTRATOR, and the holder of the receiver's grant the owner.

    Both grants lose their allowlist, their end and their engagement. Raises Refusal SEATS_EXHAUSTED.
    """
    owner_grant = await Grant.get(
        account_id=context.account_id, user_id=owner_id, role=Role.OWNER, status=GrantStatus.ACTIVE
    )
    receiver_grant = await Grant.get(id=grant_id)
    is_consultant = receiver_grant.engagement_id is not None and receiver_grant.role is Role.CONSULTANT
    former_role = None if is_consultant else receiver_grant.role  # a bureau's consultant frees no seat
    # The owner's role changes first: a unique index allows one owner at every statement.
    await _set_role(context, owner_grant, Role.ADMINISTRATOR)
    await _set_role(context, receiver_grant, Role.OWNER)
    await seat.require_available(
        context.account_id, Role.ADMINISTRATOR, "account_id", now=context.now, former_role=former_role
    )


async def _set_role(context: OperationContext, member_grant: Grant, role: Role) -> None:
    former, terms = grant_rules.terms_of(member_grant), Terms(role, None, None)
    await grant_store.change_ownership(grant_rules.permit(Exemption.TRANSFER, former, terms), member_grant.id)
    await context.record(
        EventType.GRANT_UPDATE,
        before={"grant": str(member_grant.id), **grant.event_facts(former, member_grant.valid_until)},
        after={"grant": str(member_grant.id), **grant.event_facts(terms, terms.until)},
    )


async def decline(caller: Caller, account_id: UUID) -> UUID:
    """Decline an account that is offered to the caller. Returns the account's id. Raises Refusal INVALID_STATE."""
    async with db.transaction():
        context = await operation.enter(caller, account_id, Permission.ACCOUNT_READ)
        transfer = await _require_pending(context, receiver_id=context.user_id)
        await _close(context, transfer, TransferStatus.DECLINED, EventType.OWNERSHIP_DECLINE)
        await _mail_both_sides(caller, transfer, MessageKind.OWNERSHIP_DECLINED)
    return account_id


async def expire(caller: Caller, account_id: UUID) -> bool:
    """Store the expiry of an account's offer and mail both sides, under the account's lock.

    Returns false if there was no expired offer, or another transaction has stored it.
    """
    overdue = OwnershipTransfer.filter(account_id=account_id, status=TransferStatus.PENDING, expires_at__lte=caller.now)
    transfer = await overdue.first()
    if transfer is None or not await overdue.update(status=TransferStatus.EXPIRED):
        return False
    system_caller = replace(caller, user_id=None, ip_address=None)
    after = {"transfer": str(transfer.id), "status": TransferStatus.EXPIRED}
    await event.record(
        system_caller, EventType.OWNERSHIP_EXPIRE, account_id=account_id, before=_event_facts(transfer), after=after
    )
    await _mail_both_sides(caller, transfer, MessageKind.OWNERSHIP_EXPIRED)
    return True


_OVERDUE: Final = "SELECT account_id AS id FROM ownership_transfers WHERE status = 'PENDING' AND expires_at <= $1"


async def expire_all(caller: Caller) -> int:
    """Scheduled job: store the expiry of all expired offers. Returns the number of offers."""
    return await locks.for_each(_OVERDUE, caller.now, partial(expire, caller))


# ---- Helpers ---------------------------------------------------------------------------------


async def _require_pending(context: OperationContext, *, receiver_id: UUID | None = None) -> OwnershipTransfer:
    """The account's pending offer. With `receiver_id`, only an offer to that user. Raises Refusal INVALID_STATE."""
    transfer = await OwnershipTransfer.filter(account_id=context.account_id, status=TransferStatus.PENDING).first()
    if transfer is None or receiver_id not in {None, transfer.receiver_id}:
        raise _invalid_state("account_id", mark("There is no such offer, or it has ended."))
    if transfer.expires_at <= context.now:
        raise _invalid_state("account_id", mark("This offer has expired."))
    return transfer


async def _close(
    context: OperationContext, transfer: OwnershipTransfer, status: TransferStatus, event_type: EventType
) -> None:
    await OwnershipTransfer.filter(id=transfer.id).update(status=status)
    await context.record(
        event_type, before=_event_facts(transfer), after={"transfer": str(transfer.id), "status": status}
    )


async def _mail_both_sides(caller: Caller, transfer: OwnershipTransfer, kind: MessageKind) -> None:
    """Mail the same message to the receiver and the owner, each in their own language."""
    account_row = await Account.get(id=transfer.account_id)
    users = {user_row.id: user_row for user_row in await User.filter(id__in=[transfer.owner_id, transfer.receiver_id])}
    for recipient in (users[transfer.receiver_id], users[transfer.owner_id]):
        await message.queue(
            caller,
            kind,
            to=recipient,
            account_id=account_row.id,
            params={
                "account_name": naming.text(account_row.name, account_row.id),
                "owner_name": naming.text(users[transfer.owner_id].name, transfer.owner_id),
                "receiver_name": naming.text(users[transfer.receiver_id].name, transfer.receiver_id),
                "expires_at": transfer.expires_at.isoformat(),
            },
        )


def _invalid_state(field: str, text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, field, text)


def _event_facts(transfer: OwnershipTransfer) -> dict[str, object]:
    """The facts of an offer in events."""
    return {
        "transfer": str(transfer.id),
        "owner": str(transfer.owner_id),
        "receiver": str(transfer.receiver_id),
        "expires_at": transfer.expires_at,
        "status": transfer.status,
    }
