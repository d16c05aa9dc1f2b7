"""A bureau opens an account for its client, and works in it before the client has ever been there.

    create --> PENDING_ACTIVATION, owned by a stand-in --take_over, by the mailed link--> ACTIVE, the client's own

The stand-in is a user with the name and address that the bureau gave, who can sign in nowhere: his key
is no address. So nothing shows whether the address has a login, and nobody becomes an owner unless he
follows the link. Then the account goes to the login of that address, which is made if there is none;
where there is one, its holder has to be signed in. The stand-in is gone afterwards.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus, Permission, Role
from i18n import mark
from models import access, account, claim, consultant, db, engagement, event, guesses, keys, locks, session, user
from models.access import Access, demanding
from models.account import Account, AccountKind
from models.caller import Caller
from models.check import Checks, email_key
from models.errors import Refusal, UserErrorCode, refuse
from models.grant import Grant
from models.message import LinkPurpose, MessageKind
from models.session import SignedIn
from models.user import User

LINK_LASTS: Final = timedelta(days=7)
_STAND_IN: Final = "STAND-IN "
"""What a stand-in's key begins with: the keys of addresses are in small letters."""


@dataclass(frozen=True, slots=True)
class Created:
    """A client's account, and the grant by which its bureau works in it."""

    account_id: UUID
    grant_id: UUID


# ---- Opening ---------------------------------------------------------------------------------


@demanding(Permission.SETTINGS_WRITE)
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
    with Checks() as check:
        owner_name, owner_email = check.line("owner_name", owner_name), check.email("owner_email", owner_email)
        details = account.checked(check, name=name, organization_number=organization_number, country=country)
    async with db.transaction():
        await locks.accounts(bureau_account_id)
        entered = await _demanded(caller, bureau_account_id)
        bureau = await Account.get(id=bureau_account_id)
        if bureau.kind is not AccountKind.BUREAU:
            raise refuse(UserErrorCode.INVALID, "bureau_account_id", mark("This account is not a bureau."))
        owner = await _stand_in(caller, owner_name, owner_email)
        account_id = await account.open_for(
            caller, owner.id, details, activated_at=None, created_by_bureau_id=bureau.id
        )
        found = await engagement.begin_with(caller, bureau.id, account_id)
        grant_id = await consultant.hang(
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


async def _stand_in(caller: Caller, name: str, email: str) -> User:
    key = keys.uuid7()
    return await User.create(
        id=key,
        email=email,
        email_key=f"{_STAND_IN}{key}",
        name=name,
        locale=caller.locale,
        created_at=caller.now,
    )


def is_stand_in(found: User) -> bool:
    """Whether a user only stands in for a client who has not come yet."""
    return found.email_key.startswith(_STAND_IN)


@demanding(Permission.SETTINGS_WRITE)
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
        waits = is_stand_in(owner) and owner.erased_at is None
        if house.created_by_bureau_id != bureau_account_id or not waits:
            raise refuse(
                UserErrorCode.INVALID_STATE, "client_account_id", mark("This account does not wait for its owner.")
            )
        bureau = await Account.get(id=bureau_account_id)
        await place.record("client:resend")
        await _send_link(caller, owner, house.id, bureau, house.name)
    return client_account_id


async def _send_link(caller: Caller, owner: User, account_id: UUID, bureau: Account, name: str) -> None:
    await guesses.take_offer(caller, bureau.id, email_key(owner.email))
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


# ---- The client comes ------------------------------------------------------------------------


async def take_over(caller: Caller, stand_in: User, token: str, password_hash: str | None) -> SignedIn:
    """Give the account to the login of the address to which the link was mailed, and sign its holder in.

    Raises Refusal: TOKEN_INVALID; SIGN_IN_REQUIRED where there is a login already, and another one or
    nobody asks; REQUIRED (a password) where there is none.
    """
    async with db.transaction():
        house = await Account.filter(owner_id=stand_in.id).first()
        if house is None:
            raise user.dead_link()
        await locks.accounts(house.id)
        await user.use_link(caller, LinkPurpose.ACTIVATION, token)
        owner_id = await _login(caller, stand_in, password_hash)
        await _end_former_access(caller, house.id, owner_id)
        await claim.hand_over(house.id, stand_in.id, owner_id)
        await Account.filter(id=house.id).update(owner_id=owner_id, activated_at=caller.now)
        await Grant.filter(account_id=house.id, user_id=stand_in.id).update(user_id=owner_id)
        await User.filter(id=stand_in.id).delete()
        await event.record(caller, "account:account:activate", account_id=house.id, actor_id=owner_id, role=Role.OWNER)
        # Who was asked to sign in first has shown his second factor then, if he has one.
        has_signed_in = caller.user_id == owner_id
        return await session.start(caller, owner_id, account_id=house.id, factor_shown=has_signed_in)


async def _login(caller: Caller, stand_in: User, password_hash: str | None) -> UUID:
    """The login of the stand-in's address: the caller's own, or a new one with a password."""
    there = await User.filter(email_key=email_key(stand_in.email)).first()
    if there is not None and there.activated_at is not None:
        if caller.user_id != there.id:
            raise _sign_in_required()
        return there.id
    if password_hash is None:
        raise user.password_required()
    made = await user.new_login(
        caller, email=stand_in.email, name=stand_in.name, password_hash=password_hash, locale=stand_in.locale
    )
    if made is None:
        raise _sign_in_required()
    return made


def _sign_in_required() -> Refusal:
    return refuse(
        UserErrorCode.SIGN_IN_REQUIRED, None, mark("You have a login already. Sign in, then follow the link again.")
    )


_END_FORMER: Final = """
UPDATE grants SET status = 'REVOKED', ended_at = $3
WHERE account_id = $1 AND user_id = $2 AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS') RETURNING id
"""


async def _end_former_access(caller: Caller, account_id: UUID, owner_id: UUID) -> None:
    """Whoever becomes the owner may have been a guest, or a consultant, of his own account."""
    for row in await db.fetch(_END_FORMER, account_id, owner_id, caller.now, row=db.Row):
        ended = {"grant": str(row["id"]), "status": GrantStatus.REVOKED}
        await event.record(caller, "account:grant:revoke", account_id=account_id, actor_id=owner_id, after=ended)
