"""A placeholder owns an account that a bureau opened, until the client follows the mailed activation link.

    create --> PENDING_ACTIVATION, owned by a placeholder --take_over, by the mailed link--> ACTIVE, owned by the client
                                                  |--replace: a new placeholder with another address
                                                  `--forget, when the bureau withdraws the account--> erased

The placeholder is a user with the name and address that the bureau gave. Sign-in as a placeholder is impossible,
because its key is not an address. So the account does not reveal whether the address has a login. The activation link
gives the account to the login of that address. Without such a login, a new one is created. With one, its user has to
be signed in. The placeholder is deleted afterwards.

A registration that was not activated becomes a placeholder if another login gets its address by `email_change`.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import GrantStatus, Role
from database import db, keys
from i18n import mark
from models.access import grant_rules, grant_store
from models.access.grant import LIVE, Grant
from models.access.grant_rules import Exemption
from models.accounts import registered_number
from models.accounts.account import Account
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import email_key
from models.billing import trial
from models.outbox.message import ERASED_DOMAIN, LinkPurpose
from models.people import mailed_link, registration, session, user_password
from models.people.mailed_link import InvalidLink
from models.people.session import NewSession
from models.people.user import User

KEY_PREFIX: Final = "STAND-IN "
"""The start of a placeholder's key. Keys of addresses are in lower case."""


async def create(caller: Caller, name: str, email: str) -> User:
    """Create a placeholder for an owner with this name and address."""
    key = keys.uuid7()
    return await User.create(
        id=key,
        email=email,
        email_key=f"{KEY_PREFIX}{key}",
        name=name,
        locale=caller.locale,
        created_at=caller.now,
    )


def is_placeholder(owner: User) -> bool:
    """True if a user is a placeholder, whose account the client has not activated yet."""
    return owner.email_key.startswith(KEY_PREFIX)


async def replace(caller: Caller, account_id: UUID, placeholder: User, name: str, email: str, bureau_id: UUID) -> User:
    """Give the account to a new placeholder with another name and address, under the account's lock. Returns it.

    The links of the former placeholder stop working.
    """
    successor = await create(caller, name, email)
    await _hand_over(account_id, placeholder.id, successor.id)
    await trial.count_for_owner(caller, account_id, successor.id, bureau_id=bureau_id)
    await mailed_link.close_all(placeholder.id, caller.now)
    # An erased user keeps their id.
    await User.filter(id=placeholder.id, erased_at=None).delete()
    return successor


async def forget(placeholder: User, now: datetime) -> None:
    """Close the links of a placeholder and remove its name and address: its account was withdrawn."""
    await mailed_link.close_all(placeholder.id, now)
    await User.filter(id=placeholder.id).update(
        email=f"{placeholder.id}@{ERASED_DOMAIN}", name=_FORGOTTEN_NAME, erased_at=now
    )


_FORGOTTEN_NAME: Final = "Erased user"
_CLOSE_LINKS: Final = """
UPDATE user_tokens t SET used_at = $3 FROM accounts a JOIN users u ON u.id = a.owner_id
WHERE a.id = $1 AND a.created_by_bureau_id = $2 AND starts_with(u.email_key, $4) AND t.user_id = u.id
    AND t.used_at IS NULL
"""


async def close_links(account_id: UUID, bureau_id: UUID, now: datetime) -> None:
    """Close the link to an account that the bureau opened, unless the client has taken the account over."""
    await db.execute(_CLOSE_LINKS, account_id, bureau_id, now, KEY_PREFIX)


async def take_over(caller: Caller, placeholder: User, token: str, password_hash: str | None) -> NewSession:
    """Give the placeholder's account to the login of the placeholder's address, and sign the user in.

    Raises InvalidLink; Refusal SIGN_IN_REQUIRED if the address has a login and the caller is not signed in with
    it; REQUIRED if the address has no login and no password is given.
    """
    async with db.transaction():
        account = await Account.filter(owner_id=placeholder.id, closed_at=None).first()
        if account is None:
            raise InvalidLink
        await locks.lock_accounts(account.id)
        await mailed_link.consume(caller, LinkPurpose.ACTIVATION, token)
        owner_id = await _get_or_create_login(caller, placeholder, password_hash)
        await _end_former_access(caller, account.id, owner_id)
        await _hand_over(account.id, placeholder.id, owner_id)
        await Account.filter(id=account.id).update(activated_at=caller.now)
        await trial.count_for_owner(caller, account.id, owner_id)
        await mailed_link.hand_over(LinkPurpose.ACTIVATION, token, owner_id)
        await User.filter(id=placeholder.id).delete()
        await event.record(
            caller, EventType.ACCOUNT_ACTIVATE, account_id=account.id, actor_id=owner_id, role=Role.OWNER
        )
        # A caller who is signed in has already verified the second factor, if the user has one.
        has_signed_in = caller.user_id == owner_id
        return await session.start(
            caller, owner_id, account_id=account.id, has_verified_factor=has_signed_in, keeps_proof=has_signed_in
        )


async def _hand_over(account_id: UUID, placeholder_id: UUID, owner_id: UUID) -> None:
    """Give the account, with its numbers and the owner's grant, to another user."""
    await registered_number.hand_over(account_id, placeholder_id, owner_id)
    await Account.filter(id=account_id).update(owner_id=owner_id)
    await grant_store.hand_over(account_id, placeholder_id, owner_id)


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


async def _end_former_access(caller: Caller, account_id: UUID, owner_id: UUID) -> None:
    """Revoke the new owner's grants on the account: they may have been a guest or a consultant there."""
    former_grants = await Grant.filter(account_id=account_id, user_id=owner_id, status__in=LIVE)
    permits = {row.id: grant_rules.permit(Exemption.HOLDER, grant_rules.terms_of(row), None) for row in former_grants}
    await grant_store.end(permits, GrantStatus.REVOKED, now=caller.now)
    for grant_id in permits:
        grant_change = {"grant": str(grant_id), "status": GrantStatus.REVOKED}
        await event.record(caller, EventType.GRANT_REVOKE, account_id=account_id, actor_id=owner_id, after=grant_change)
