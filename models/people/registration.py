"""Registration of users, each with a first account.

A registration gives its client a secret. The password of the registration works after the activation only if the same
secret is given: strangers can register any address, with a password that the holder of the address does not know.

A later registration of the address changes nothing of the first one. It mails another activation link, and the earlier
links still work. No response shows whether an address has a login, or a registration.
"""

from dataclasses import replace
from typing import Final
from uuid import UUID

from auth import passwords, tokens
from database import db, keys
from models import throttle
from models.accounts import account
from models.accounts.account import Details
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.validation import Validation, email_key
from models.outbox import message
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from models.people import mailed_link
from models.people.user import User


async def register(
    caller: Caller,
    *,
    name: str,
    email: str,
    password: str,
    account_name: str | None = None,
    organization_number: str | None = None,
    country: str | None = None,
    locale: str | None = None,
) -> str:
    """Create a user who owns one account, and mail the activation link. Returns the secret of the registration.

    The account has the user's name unless `account_name` is given. If the address has a login or a registration, the
    response and the work are the same, nothing is changed, and the secret is of no use. The address then gets a mail
    about the attempt, or another activation link. Once an address has received its maximum of mails a day, no mail is
    sent.

    Raises:
        Refusal: an invalid input field, or ORGANIZATION_NUMBER_TAKEN.
        RateLimited: the caller's network has requested too many mails.
    """
    await mailed_link.count_mail_request(caller)
    with Validation() as check:
        name = check.line("name", name)
        email = check.email("email", email)
        check.password("password", password, about=(name, email))
        details = account.check_details(
            check,
            name=name if account_name is None else account_name,
            name_field="name" if account_name is None else "account_name",
            organization_number=organization_number,
            country=country,
        )
        locale = caller.locale if locale is None else check.locale("locale", locale)
    password_hash = await passwords.hash_password(password, client=throttle.largest_network(caller))
    secret = tokens.random_token()
    async with db.transaction():
        user, is_new = await _claim_address(caller, email=email, name=name, locale=locale)
        mail_attempt = await throttle.attempt_or_none(
            caller, mailed_link.mail_counter(caller, LinkPurpose.ACTIVATION, user.email_key)
        )
        has_login = user.activated_at is not None
        if is_new:
            async with db.transaction():
                await User.filter(id=user.id).update(
                    password_hash=password_hash, registration_secret_digest=tokens.digest(secret)
                )
                await _open_first_account(caller, user.id, details)
        else:
            await _simulate_registration(caller, details, with_link=has_login and mail_attempt is not None)
        if mail_attempt is not None and has_login:
            await message.queue(caller, MessageKind.ADDRESS_TAKEN, to=user)
        elif mail_attempt is not None:
            kind, purpose = MessageKind.ACTIVATION, LinkPurpose.ACTIVATION
            await mailed_link.send(caller, user, kind, purpose, keeps_former=True)
    return secret


async def _open_first_account(caller: Caller, user_id: UUID, details: Details) -> None:
    await event.record(caller, EventType.USER_REGISTER, actor_id=user_id)
    await account.open_for(replace(caller, user_id=user_id), user_id, details, activated_at=None)


async def _simulate_registration(caller: Caller, details: Details, *, with_link: bool) -> None:
    """Do the work of a registration and roll it back: the same statements, with the same refusals.

    Without this, a known address would be visible in the response time.
    """
    async with db.rolled_back():
        user_id = keys.uuid7()
        feigned_key = f"{user_id}@feigned.invalid"
        await db.execute(_INSERT_USER, user_id, feigned_key, feigned_key, details.name, caller.locale, caller.now)
        await _open_first_account(caller, user_id, details)
        if with_link:
            purpose = LinkPurpose.ACTIVATION
            _ = await mailed_link.create(caller, user_id, purpose, caller.now + mailed_link.ACTIVATION_LIFETIME)


_INSERT_USER: Final = """
INSERT INTO users (id, email, email_key, name, locale, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (email_key) DO NOTHING
"""


async def _claim_address(caller: Caller, *, email: str, name: str, locale: str) -> tuple[User, bool]:
    """Create the user of an address, or load the existing one, and lock the row. The flag is true for a new user."""
    address_key = email_key(email)
    while True:
        row_count = await db.execute(_INSERT_USER, keys.uuid7(), email, address_key, name, locale, caller.now)
        user = await User.filter(email_key=address_key).select_for_update(no_key=True).first()
        if user is not None:
            return user, row_count == 1
        # A login has left the address between the two statements, by a change or an erasure.


async def create_login(caller: Caller, *, email: str, name: str, password_hash: str, locale: str) -> UUID | None:
    """Create an active login for an address that the caller has proved. Returns the user's id.

    Returns None if the address has an active login. Runs in the caller's transaction. A login that was registered but
    never activated is overwritten, with its secret: the person who registered it has not proved the address.
    """
    user, is_new = await _claim_address(caller, email=email, name=name, locale=locale)
    if user.activated_at is not None:
        return None
    await User.filter(id=user.id).update(
        name=name,
        locale=locale,
        password_hash=password_hash,
        registration_secret_digest=None,
        activated_at=caller.now,
    )
    await mailed_link.close_all(user.id, caller.now)
    await account.activate_first(caller, user.id)
    event_type = EventType.USER_REGISTER if is_new else EventType.USER_ACTIVATE
    await event.record(caller, event_type, actor_id=user.id)
    return user.id
