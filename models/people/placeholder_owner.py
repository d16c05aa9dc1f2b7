"""A placeholder owns an account that a bureau opened, until the client follows the mailed activation link.

    create --> PENDING_ACTIVATION, owned by a placeholder --take_over, by the mailed link--> ACTIVE, owned by the client

The placeholder is a user with the name and address that the bureau gave. Nobody can sign in as a placeholder,
because its key is not an address. So nothing shows whether the address has a login. The activation link gives the
account to the login of that address. Without such a login, a new one is made. With one, its holder has to be signed
in. The placeholder is deleted afterwards.
"""

from typing import Final
from uuid import UUID

from auth.policy import GrantStatus, Role
from database import db, keys
from i18n import mark
from models.access.grant import Grant
from models.accounts import registered_number
from models.accounts.account import Account
from models.audit import event
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import email_key
from models.outbox.message import LinkPurpose
from models.people import session, user
from models.people.session import SignedIn
from models.people.user import User

_KEY_PREFIX: Final = "STAND-IN "
"""The start of a placeholder's key. Keys of addresses are in lower case."""


async def create(caller: Caller, name: str, email: str) -> User:
    """A new placeholder for an owner with this name and address."""
    key = keys.uuid7()
    return await User.create(
        id=key,
        email=email,
        email_key=f"{_KEY_PREFIX}{key}",
        name=name,
        locale=caller.locale,
        created_at=caller.now,
    )


def is_placeholder(owner: User) -> bool:
    """Whether a user is the placeholder of an owner who has not activated the account yet."""
    return owner.email_key.startswith(_KEY_PREFIX)


async def take_over(caller: Caller, placeholder: User, token: str, password_hash: str | None) -> SignedIn:
    """Give the account to the login of the address to which the link was mailed, and sign its holder in.

    Raises Refusal: TOKEN_INVALID; SIGN_IN_REQUIRED where there is a login already, and another one or
    nobody asks; REQUIRED (a password) where there is none.
    """
    async with db.transaction():
        house = await Account.filter(owner_id=placeholder.id).first()
        if house is None:
            raise user.dead_link()
        await locks.accounts(house.id)
        await user.use_link(caller, LinkPurpose.ACTIVATION, token)
        owner_id = await _login(caller, placeholder, password_hash)
        await _end_former_access(caller, house.id, owner_id)
        await registered_number.hand_over(house.id, placeholder.id, owner_id)
        await Account.filter(id=house.id).update(owner_id=owner_id, activated_at=caller.now)
        await Grant.filter(account_id=house.id, user_id=placeholder.id).update(user_id=owner_id)
        await User.filter(id=placeholder.id).delete()
        await event.record(caller, "account:account:activate", account_id=house.id, actor_id=owner_id, role=Role.OWNER)
        # Who was asked to sign in first has shown his second factor then, if he has one.
        has_signed_in = caller.user_id == owner_id
        return await session.start(caller, owner_id, account_id=house.id, factor_shown=has_signed_in)


async def _login(caller: Caller, placeholder: User, password_hash: str | None) -> UUID:
    """The login of the placeholder's address: the caller's own, or a new one with a password."""
    there = await User.filter(email_key=email_key(placeholder.email)).first()
    if there is not None and there.activated_at is not None:
        if caller.user_id != there.id:
            raise _sign_in_required()
        return there.id
    if password_hash is None:
        raise user.password_required()
    made = await user.new_login(
        caller, email=placeholder.email, name=placeholder.name, password_hash=password_hash, locale=placeholder.locale
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
