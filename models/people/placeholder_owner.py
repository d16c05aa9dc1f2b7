"""A placeholder owns an account that a bureau opened, until the client follows the mailed activation link.

    create --> PENDING_ACTIVATION, owned by a placeholder --take_over, by the mailed link--> ACTIVE, owned by the client

The placeholder is a user with the name and address that the bureau gave. Sign-in as a placeholder is impossible,
because its key is not an address. So the account does not reveal whether the address has a login. The activation link
gives the account to the login of that address. Without such a login, a new one is created. With one, its user has to
be signed in. The placeholder is deleted afterwards.
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
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import email_key
from models.outbox.message import LinkPurpose
from models.people import mailed_link, registration, session, user_password
from models.people.session import NewSession
from models.people.user import User

_KEY_PREFIX: Final = "STAND-IN "
"""The start of a placeholder's key. Keys of addresses are in lower case."""


async def create(caller: Caller, name: str, email: str) -> User:
    """Create a placeholder for an owner with this name and address."""
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
    """True if a user is a placeholder, whose account the client has not activated yet."""
    return owner.email_key.startswith(_KEY_PREFIX)


async def take_over(caller: Caller, placeholder: User, token: str, password_hash: str | None) -> NewSession:
    """Give the placeholder's account to the login of the placeholder's address, and sign the user in.

    Raises Refusal: TOKEN_INVALID; SIGN_IN_REQUIRED if the address has a login and the caller is not signed in with
    it; REQUIRED if the address has no login and no password is given.
    """
    async with db.transaction():
        account = await Account.filter(owner_id=placeholder.id).first()
        if account is None:
            raise mailed_link.invalid_link()
        await locks.lock_accounts(account.id)
        await mailed_link.consume(caller, LinkPurpose.ACTIVATION, token)
        owner_id = await _get_or_create_login(caller, placeholder, password_hash)
        await _end_former_access(caller, account.id, owner_id)
        await registered_number.hand_over(account.id, placeholder.id, owner_id)
        await Account.filter(id=account.id).update(owner_id=owner_id, activated_at=caller.now)
        await Grant.filter(account_id=account.id, user_id=placeholder.id).update(user_id=owner_id)
        await User.filter(id=placeholder.id).delete()
        await event.record(
            caller, EventType.ACCOUNT_ACTIVATE, account_id=account.id, actor_id=owner_id, role=Role.OWNER
        )
        # A caller who is signed in has already verified the second factor, if the user has one.
        has_signed_in = caller.user_id == owner_id
        return await session.start(caller, owner_id, account_id=account.id, has_verified_factor=has_signed_in)


async def _get_or_create_login(caller: Caller, placeholder: User, password_hash: str | None) -> UUID:
    """The id of the login of the placeholder's address: the caller's own login, or a new one with the password."""
    login = await User.filter(email_key=email_key(placeholder.email)).first()
    if login is not None and login.activated_at is not None:
        if caller.user_id != login.id:
            raise _sign_in_required()
        return login.id
    if password_hash is None:
        raise user_password.missing_password()
    login_id = await registration.create_login(
        caller, email=placeholder.email, name=placeholder.name, password_hash=password_hash, locale=placeholder.locale
    )
    if login_id is None:
        raise _sign_in_required()
    return login_id


def _sign_in_required() -> Refusal:
    return refuse(
        UserErrorCode.SIGN_IN_REQUIRED, None, mark("You have a login already. Sign in, then follow the link again.")
    )


_REVOKE_FORMER_GRANTS: Final = """
UPDATE grants SET status = 'REVOKED', ended_at = $3
WHERE account_id = $1 AND user_id = $2 AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS') RETURNING id
"""


async def _end_former_access(caller: Caller, account_id: UUID, owner_id: UUID) -> None:
    """Revoke the new owner's grants on the account: they may have been a guest or a consultant there."""
    for row in await db.fetch(_REVOKE_FORMER_GRANTS, account_id, owner_id, caller.now, row=db.Row):
        grant_change = {"grant": str(row["id"]), "status": GrantStatus.REVOKED}
        await event.record(caller, EventType.GRANT_REVOKE, account_id=account_id, actor_id=owner_id, after=grant_change)
