"""Registration of users, each with a first account.

Registration may be repeated until the user activates the login. The latest name and password replace the former
ones, and the former activation link stops working. No response shows whether an address has a login.
"""

from dataclasses import replace
from uuid import UUID

from auth import passwords
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
) -> None:
    """Create a user who owns one account, and mail the activation link.

    The account has the user's name unless `account_name` is given. If the address has an active login, the response
    and the work are the same, and the login's user gets a mail about the attempt. Once an address has received its
    maximum of mails a day, no new link is sent. The user then has to choose the password when following the last
    link, because the password of this registration may come from a stranger.

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
    async with db.transaction():
        user, _ = await _claim_address(caller, email=email, name=name, locale=locale)
        mail_attempt = await throttle.attempt_or_none(
            caller, mailed_link.mail_counter(caller, LinkPurpose.ACTIVATION, user.email_key)
        )
        if user.activated_at is not None:
            await _simulate_registration(caller, details)
            if mail_attempt is not None:
                await message.queue(caller, MessageKind.ADDRESS_TAKEN, to=user)
            return
        new_hash = None if mail_attempt is None else password_hash
        await User.filter(id=user.id).update(name=name, locale=locale, password_hash=new_hash)
        await _open_first_account(caller, user.id, details)
        if mail_attempt is not None:
            await mailed_link.send(caller, user, MessageKind.ACTIVATION, LinkPurpose.ACTIVATION)


async def _open_first_account(caller: Caller, user_id: UUID, details: Details) -> None:
    await event.record(caller, EventType.USER_REGISTER, actor_id=user_id)
    await account.open_first(replace(caller, user_id=user_id), user_id, details)


async def _simulate_registration(caller: Caller, details: Details) -> None:
    """Do the work of a registration and roll it back. Takes the same time and raises the same refusals.

    Without this, a taken address would be visible in the response time.
    """
    async with db.rolled_back():
        email = f"{keys.uuid7()}@feigned.invalid"
        simulated_user, _ = await _claim_address(caller, email=email, name=details.name, locale=caller.locale)
        await _open_first_account(caller, simulated_user.id, details)


_INSERT_USER = """
INSERT INTO users (id, email, email_key, name, locale, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (email_key) DO NOTHING
"""


async def _claim_address(caller: Caller, *, email: str, name: str, locale: str) -> tuple[User, bool]:
    """Create the user of an address, or load the existing one, and lock the row. The flag is true for a new user."""
    address_key = email_key(email)
    row_count = await db.execute(_INSERT_USER, keys.uuid7(), email, address_key, name, locale, caller.now)
    user = await User.filter(email_key=address_key).select_for_update(no_key=True).get()
    return user, row_count == 1


async def create_login(caller: Caller, *, email: str, name: str, password_hash: str, locale: str) -> UUID | None:
    """Create an active login for an address that the caller has proved. Returns the user's id.

    Returns None if the address has an active login. Runs in the caller's transaction. A login that was registered but
    never activated is overwritten: the person who registered it has not proved the address.
    """
    user, is_new = await _claim_address(caller, email=email, name=name, locale=locale)
    if user.activated_at is not None:
        return None
    await User.filter(id=user.id).update(name=name, locale=locale, password_hash=password_hash, activated_at=caller.now)
    await mailed_link.close_all(user.id, caller.now)
    await account.activate_first(caller, user.id)
    event_type = EventType.USER_REGISTER if is_new else EventType.USER_ACTIVATE
    await event.record(caller, event_type, actor_id=user.id)
    return user.id
