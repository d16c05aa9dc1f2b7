"""Client accounts without an owner: what the bureau that opened one may do until the client takes it over.

    create --> pending --the client follows the link--> taken over
                  |----correct----> pending: a new address gets a new link
                  |----withdraw---> CLOSED, its numbers are free

Only the bureau that opened the account decides, also after the engagement has ended. The link stops working with the
engagement. So an address that was never proved does not become the owner behind the bureau's back. The bureau then
sends a new link, corrects the address, or withdraws the account.

The days of a withdrawn account that are left after its trial go to the bureau. Its trial days are lost.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from auth.policy import Permission, Role
from database import db
from i18n import mark
from models.access import access, grant_operation, reauthentication
from models.access.access import Access
from models.access.grant_rules import Authority, Exemption
from models.access.operation import declares_permission
from models.access.reauthentication import ReauthenticationCase
from models.accounts.account import Account, store_closed
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.base.errors import UserErrorCode, not_found, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from models.billing import subscription
from models.billing.subscription import SubscriptionEntryKind
from models.bureaus import engagement
from models.bureaus.engagement import EngagementRow
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from models.people import mailed_link, placeholder_owner
from models.people.user import User

LINK_LIFETIME: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class PendingClient:
    """A client account without an owner, its placeholder, and the active engagement, if any. Both sides are locked."""

    account: Account
    placeholder: User
    bureau_id: UUID
    engagement: EngagementRow | None


async def send_link(caller: Caller, owner: User, account_id: UUID, bureau: Account, account_name: str) -> None:
    """Mail the placeholder's address a link that takes the account over. The previous link becomes invalid.

    Raises RateLimited: the bureau or the address has reached its limit of mailed offers.
    """
    sender = await User.get(id=caller.user())
    await mailed_link.send(
        caller,
        owner,
        MessageKind.CLIENT_ACTIVATION,
        LinkPurpose.ACTIVATION,
        account_id=account_id,
        by_account=bureau.id,
        lifetime=LINK_LIFETIME,
        sender_email=naming.address(sender.email),
        account_name=naming.text(account_name, account_id),
        bureau_name=naming.text(bureau.name, bureau.id),
    )


# ---- Links and addresses ---------------------------------------------------------------------


@idempotent("resendClientActivation")
@declares_permission(Permission.SETTINGS_WRITE, EventType.CLIENT_RESEND)
async def resend(caller: Caller, bureau_account_id: UUID, *, client_account_id: UUID) -> UUID:
    """Mail a new link to a client who has not claimed the account. The previous link becomes invalid.

    Raises:
        Refusal: NOT_FOUND, INVALID_STATE (the account is claimed, or another bureau opened it),
            SUBSCRIPTION_EXPIRED (the bureau's).
        RateLimited: the bureau or the address has reached its limit of mailed offers.
        Forbidden: the caller lacks SETTINGS_WRITE in the bureau.
    """
    async with db.transaction():
        client, bureau_access = await _lock(caller, bureau_account_id, client_account_id, resend.permission)
        if client.placeholder.erased_at is not None:
            raise refuse(
                UserErrorCode.INVALID_STATE,
                "client_account_id",
                mark("The owner's address was erased. Correct the address first."),
            )
        await _record(caller, EventType.CLIENT_RESEND, bureau_access, client)
        await _send_link(caller, client, client.placeholder)
    return client_account_id


@idempotent("correctClientOwner")
@declares_permission(Permission.SETTINGS_WRITE, EventType.CLIENT_CORRECT, reauthentication=ReauthenticationCase.ALWAYS)
async def correct(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    client_account_id: UUID,
    owner_email: str,
    owner_name: str | None = None,
) -> UUID:
    """Change the address of a client who has not claimed the account, and mail the link to the new address.

    The previous link becomes invalid. `owner_name` None keeps the name. The trial counts for the new address.

    Raises:
        Refusal: NOT_FOUND, INVALID_STATE (the account is claimed, or another bureau opened it),
            SUBSCRIPTION_EXPIRED (the bureau's), or another error of the input.
        RateLimited: the bureau or the address has reached its limit of mailed offers.
        Forbidden: the caller lacks SETTINGS_WRITE in the bureau.
    """
    await _require_bureau_access(caller, bureau_account_id, correct.permission)
    await reauthentication.require(caller)
    with Validation() as check:
        owner_email = check.email("owner_email", owner_email)
        owner_name = None if owner_name is None else check.line("owner_name", owner_name)
    async with db.transaction():
        client, bureau_access = await _lock(caller, bureau_account_id, client_account_id, correct.permission)
        former = client.placeholder
        if former.erased_at is not None and owner_name is None:
            raise refuse(UserErrorCode.REQUIRED, "owner_name", mark("The owner's name was erased. Give a name."))
        owner = await placeholder_owner.replace(
            caller, client_account_id, former, owner_name or former.name, owner_email, bureau_account_id
        )
        key = str(client_account_id)
        await event.record(
            caller,
            EventType.CLIENT_CORRECT,
            account_id=bureau_account_id,
            role=bureau_access.role,
            before={"client": key, "email": naming.address(former.email)},
            after={"client": key, "email": naming.address(owner_email)},
        )
        await _send_link(caller, client, owner)
    return client_account_id


async def _send_link(caller: Caller, client: PendingClient, owner: User) -> None:
    bureau = await Account.get(id=client.bureau_id)
    await send_link(caller, owner, client.account.id, bureau, client.account.name)


# ---- Withdrawing -----------------------------------------------------------------------------


@declares_permission(Permission.USERS_WRITE, EventType.CLIENT_WITHDRAW, reauthentication=ReauthenticationCase.ALWAYS)
async def withdraw(caller: Caller, bureau_account_id: UUID, *, client_account_id: UUID) -> UUID:
    """Close an account that the client has not claimed. Its link becomes invalid. Returns the id of the engagement.

    The engagement and all grants end, and the account's registered numbers are free. Days that are left after the
    trial go to the bureau. The account cannot be opened again.

    Raises:
        Refusal: NOT_FOUND, INVALID_STATE (the account is claimed, or another bureau opened it).
        Forbidden: the caller lacks USERS_WRITE in the bureau.
    """
    await _require_bureau_access(caller, bureau_account_id, withdraw.permission)
    await reauthentication.require(caller)
    async with db.transaction():
        client, bureau_access = await _lock(caller, bureau_account_id, client_account_id, withdraw.permission)
        days = await _return_days(caller, client, bureau_access.role)
        await _close(caller, client, taker=Exemption.BUREAU)
        await _record(caller, EventType.CLIENT_WITHDRAW, bureau_access, client, days=days)
    (row,) = await db.fetch(_LAST_ENGAGEMENT, bureau_account_id, client_account_id, row=_Id)
    return row.id


class _Id(db.Row):
    id: UUID


_LAST_ENGAGEMENT: Final = "SELECT id FROM engagements WHERE bureau_id = $1 AND client_id = $2 ORDER BY id DESC LIMIT 1"
_PENDING_OF_BUREAU: Final = """
SELECT a.id FROM accounts a JOIN users u ON u.id = a.owner_id
WHERE a.created_by_bureau_id = $1 AND a.closed_at IS NULL AND starts_with(u.email_key, $2)
"""


async def withdraw_all(caller: Caller, bureau_id: UUID) -> None:
    """Close the accounts of a bureau that has closed and that no client has claimed. Each has its own transaction.

    Their days are lost: no account is left that could get them.
    """
    for row in await db.fetch(_PENDING_OF_BUREAU, bureau_id, placeholder_owner.KEY_PREFIX, row=_Id):
        async with db.transaction():
            await locks.lock_accounts(bureau_id, row.id)
            client = await _load(bureau_id, row.id)
            if client is not None:
                await _close(caller, client, taker=Exemption.CLOSURE)


async def _return_days(caller: Caller, client: PendingClient, role: Role) -> int:
    """Move the days after the trial to the bureau. Returns their number."""
    account, bureau_id = client.account, client.bureau_id
    days = subscription.transferable_days(account.subscription_until, account.trial_until, caller.now)
    if days:
        kinds, field = SubscriptionEntryKind, "client_account_id"
        _ = await subscription.book(caller, account.id, -days, kinds.TRANSFER_OUT, counterpart_id=bureau_id)
        _ = await subscription.book(
            caller, bureau_id, days, kinds.TRANSFER_IN, role=role, counterpart_id=account.id, field=field
        )
    return days


async def _close(caller: Caller, client: PendingClient, *, taker: Authority) -> None:
    """Close the account: end its engagement and its grants, free its numbers, and forget the placeholder."""
    account = client.account
    if client.engagement is not None:
        access_by_account = await engagement.load_access(caller, client.bureau_id, account.id)
        await engagement.finish(caller, client.engagement, access_by_account, taker=taker)
    await store_closed(account, caller.now)
    await grant_operation.end_all(caller, account.id)
    await placeholder_owner.forget(client.placeholder, caller.now)
    await event.record(caller, EventType.ACCOUNT_CLOSE, account_id=account.id)


# ---- Parts of operations ---------------------------------------------------------------------


async def _lock(
    caller: Caller, bureau_id: UUID, client_id: UUID, permission: Permission
) -> tuple[PendingClient, Access]:
    """Lock a pending client and its bureau. Returns it, and the caller's access to the bureau.

    Raises:
        Refusal: NOT_FOUND for the bureau, for a client of another bureau, and for a claimed account without an active
            engagement; INVALID_STATE for a client that is not pending, or that another bureau opened.
        Forbidden: the caller lacks `permission` in the bureau.
    """
    # Checked before the locks, so that a caller cannot block accounts of strangers.
    await _require_bureau_access(caller, bureau_id, permission)
    if await _load(bureau_id, client_id) is None and await engagement.load_active(bureau_id, client_id) is None:
        raise not_found("client_account_id")
    await locks.lock_accounts(bureau_id, client_id)
    bureau_access = await _require_bureau_access(caller, bureau_id, permission)
    client = await _load(bureau_id, client_id)
    if client is not None:
        return client, bureau_access
    if await engagement.load_active(bureau_id, client_id) is None:
        raise not_found("client_account_id")
    raise refuse(UserErrorCode.INVALID_STATE, "client_account_id", mark("This account is not waiting for its owner."))


async def _load(bureau_id: UUID, client_id: UUID) -> PendingClient | None:
    """The pending client that the bureau opened. None for any other account."""
    account = await Account.filter(id=client_id, created_by_bureau_id=bureau_id, closed_at=None).first()
    owner = await User.get(id=account.owner_id) if account is not None else None
    if account is None or owner is None or not placeholder_owner.is_placeholder(owner):
        return None
    return PendingClient(account, owner, bureau_id, await engagement.load_active(bureau_id, client_id))


async def is_pending(bureau_id: UUID, client_id: UUID) -> bool:
    """True if the bureau opened the client account, and the client has not claimed it."""
    return await _load(bureau_id, client_id) is not None


async def _require_bureau_access(caller: Caller, bureau_id: UUID, permission: Permission) -> Access:
    bureau_access = await access.load_one(caller.user(), bureau_id, now=caller.now)
    return engagement.require_access(bureau_access, permission, "bureau_account_id")


async def _record(
    caller: Caller, event_type: EventType, bureau_access: Access, client: PendingClient, **facts: object
) -> None:
    """Record an event on the bureau that names the client."""
    await event.record(
        caller,
        event_type,
        account_id=client.bureau_id,
        role=bureau_access.role,
        after={"client": str(client.account.id), **facts},
    )
