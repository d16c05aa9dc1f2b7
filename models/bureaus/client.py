"""A bureau opens an account for its client, and works in it before the client has ever been there.

The account belongs to a placeholder until the client follows the mailed link: `people/placeholder_owner`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus, Permission, Role
from database import db
from i18n import mark
from models import throttle
from models.access import access
from models.access.access import Access, declares_permission
from models.accounts import account
from models.accounts.account import Account, AccountKind
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import Validation, email_key
from models.bureaus import consultant, engagement
from models.outbox.message import LinkPurpose, MessageKind
from models.people import placeholder_owner, user
from models.people.user import User

LINK_LASTS: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Created:
    """A client's account, and the grant by which its bureau works in it."""

    account_id: UUID
    grant_id: UUID


# ---- Opening ---------------------------------------------------------------------------------


@declares_permission(Permission.SETTINGS_WRITE)
async def create(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    name: str,
    owner_name: str,
    owner_email: str,
    organization_number: str | None = None,
    country: str | None = None,
) -> Created:
    """Open an account that belongs to a client, engaged from the start; the caller is its COLLABORATOR.

    The client gets a link by which he takes it over. Known and unknown addresses are treated alike.

    Raises:
        Refusal: NOT_FOUND, INVALID (no bureau), SUBSCRIPTION_EXPIRED (the bureau's), what is wrong
            with the input, ORGANIZATION_NUMBER_TAKEN.
        RateLimited: the bureau has mailed as many offers as it may within a day.
        Forbidden: no SETTINGS_WRITE in the bureau.
    """
    await _demanded(caller, bureau_account_id)
    with Validation() as check:
        owner_name, owner_email = check.line("owner_name", owner_name), check.email("owner_email", owner_email)
        details = account.checked(check, name=name, organization_number=organization_number, country=country)
    async with db.transaction():
        await locks.accounts(bureau_account_id)
        entered = await _demanded(caller, bureau_account_id)
        bureau = await Account.get(id=bureau_account_id)
        if bureau.kind is not AccountKind.BUREAU:
            raise refuse(UserErrorCode.INVALID, "bureau_account_id", mark("This account is not a bureau."))
        owner = await placeholder_owner.create(caller, owner_name, owner_email)
        account_id = await account.open_for(
            caller, owner.id, details, activated_at=None, created_by_bureau_id=bureau.id
        )
        found = await engagement.begin_with(caller, bureau.id, account_id)
        grant_id = await consultant.create_derived(
            caller, found, caller.user(), role=Role.COLLABORATOR, status=GrantStatus.ACTIVE
        )
        await event.record(
            caller,
            "account:client:create",
            account_id=bureau.id,
            role=entered.role,
            after={"client": str(account_id), "engagement": str(found.id)},
        )
        await _send_link(caller, owner, account_id, bureau, details.name)
    return Created(account_id, grant_id)


async def _demanded(caller: Caller, bureau_id: UUID) -> Access:
    found = await access.load_one(caller.user(), bureau_id, now=caller.now)
    return engagement.demanded(found, create.permission, "bureau_account_id")


@declares_permission(Permission.SETTINGS_WRITE)
async def resend(caller: Caller, bureau_account_id: UUID, *, client_account_id: UUID) -> UUID:
    """Mail the link again to a client who has not taken his account over; the old one dies.

    Raises:
        Refusal: NOT_FOUND, INVALID_STATE, SUBSCRIPTION_EXPIRED (the bureau's).
        Forbidden: no SETTINGS_WRITE in the bureau.
    """
    async with db.transaction():
        place = await consultant.enter(
            caller, bureau_account_id, client_account_id, permission=resend.permission, field="client_account_id"
        )
        house = await Account.get(id=client_account_id)
        owner = await User.get(id=house.owner_id)
        waits = placeholder_owner.is_placeholder(owner) and owner.erased_at is None
        if house.created_by_bureau_id != bureau_account_id or not waits:
            raise refuse(
                UserErrorCode.INVALID_STATE, "client_account_id", mark("This account does not wait for its owner.")
            )
        bureau = await Account.get(id=bureau_account_id)
        await place.record("client:resend")
        await _send_link(caller, owner, house.id, bureau, house.name)
    return client_account_id


async def _send_link(caller: Caller, owner: User, account_id: UUID, bureau: Account, name: str) -> None:
    await throttle.attempt_offer(caller, bureau.id, email_key(owner.email))
    await user.send_link(
        caller,
        owner,
        MessageKind.CLIENT_ACTIVATION,
        LinkPurpose.ACTIVATION,
        account_id=account_id,
        lasts=LINK_LASTS,
        account_name=name,
        bureau_name=bureau.name,
    )
