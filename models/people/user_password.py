"""Passwords of users: verification, change, and reset by a mailed link.

A new password closes the user's mailed links and ends the user's other sessions.
"""

from auth import passwords
from database import db
from i18n import mark
from models import throttle
from models.access.reauthentication import ReauthenticationCase, reauthenticates
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import Validation, email_key
from models.outbox import message
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from models.people import mailed_link, password_check, session, used_link
from models.people import user as users
from models.people.mailed_link import InvalidLink
from models.people.user import User


async def request_password_reset(caller: Caller, *, email: str) -> None:
    """Mail a link for choosing a new password, if the address has an active login. The response is always the same.

    An address receives a limited number of these mails a day. The link of the last one works until the next can be
    sent. Otherwise a stranger who uses up the limit would lock the user out. Mails requested from the user's trusted
    network are counted separately.

    Raises RateLimited: the caller's network has requested too many mails.
    """
    with Validation() as check:
        email = check.email("email", email)
    await mailed_link.count_mail_request(caller)
    async with db.transaction():
        user = await User.filter(email_key=email_key(email)).select_for_update(no_key=True).first()
        counter_parts = [throttle.network(caller)] if await users.is_on_trusted_network(caller, user) else []
        mail_attempt = await throttle.attempt_or_none(
            caller, mailed_link.mail_counter(caller, LinkPurpose.RESET, email_key(email), *counter_parts)
        )
        if mail_attempt is None:
            return
        is_active = user is not None and user.activated_at is not None
        await event.record(caller, EventType.PASSWORD_FORGET, actor_id=user.id if user else None)
        if user is not None and is_active:
            lifetime = throttle.MAIL_TO.window if mail_attempt.is_last else None
            await mailed_link.send(caller, user, MessageKind.PASSWORD_RESET, LinkPurpose.RESET, lifetime=lifetime)


async def reset_password(caller: Caller, *, token: str, password: str) -> None:
    """Set a new password with a mailed link. Ends every session of the user.

    Raises:
        Refusal: TOKEN_INVALID, TOKEN_EXPIRED, TOO_SHORT, TOO_LONG, TOO_WEAK; INVALID_STATE if the link has worked, and
            the caller is signed in as its user or gives the user's present password.
        RateLimited: the caller's network has sent too many invalid tokens.
    """
    try:
        await _reset(caller, token, password)
    except InvalidLink as refusal:
        link_user = await used_link.find(LinkPurpose.RESET, token)
        if not await used_link.is_proved(caller, link_user, password=password):
            raise
        await refusal.refund()
        text = mark("You have used this link already. Your password is changed.")
        raise refuse(UserErrorCode.INVALID_STATE, "token", text) from refusal


async def _reset(caller: Caller, token: str, password: str) -> None:
    user = await mailed_link.find_user(caller, LinkPurpose.RESET, token)
    password_hash = await hash_new(caller, "password", password, user)
    async with db.transaction():
        _ = await users.lock(user.id)  # before the link, as a change of the password that closes the link
        await mailed_link.consume(caller, LinkPurpose.RESET, token)
        await _set_password(caller, user, password_hash, EventType.PASSWORD_RESET)
        # A stranger's failed attempts must not keep the user from signing in now.
        await throttle.trust_network(caller, user.id, clear_attempts=True)


@reauthenticates(ReauthenticationCase.SECOND_FACTOR)
async def change_password(caller: Caller, *, current_password: str, new_password: str) -> None:
    """Set a new password for the caller. Ends every other session of the user.

    Raises:
        Refusal: INVALID_CREDENTIALS, CONFLICT, TOO_SHORT, TOO_LONG, TOO_WEAK.
        RateLimited: the user has entered too many wrong passwords.
    """
    user = await verify(caller, current_password, field="current_password")
    password_hash = await hash_new(caller, "new_password", new_password, user)
    async with db.transaction():
        await lock_unchanged(user, field="current_password")
        await _set_password(caller, user, password_hash, EventType.PASSWORD_CHANGE)


async def verify(caller: Caller, password: str, *, field: str) -> User:
    """Check the signed-in caller's password again. Returns the caller's user.

    Raises Refusal INVALID_CREDENTIALS, or RateLimited after too many wrong passwords.
    """
    user = await User.get(id=caller.user())
    attempt = await throttle.attempt(caller, throttle.counter(caller, throttle.PASSWORD, user_id=user.id))
    if not await password_check.is_correct(caller, attempt, password, user.password_hash):
        raise refuse(UserErrorCode.INVALID_CREDENTIALS, field, mark("This is not your password."))
    return user


async def lock_unchanged(user: User, *, field: str) -> None:
    """Lock a user whose password was verified. Raises Refusal CONFLICT if the password has changed since."""
    if (await users.lock(user.id)).password_hash != user.password_hash:
        raise refuse(UserErrorCode.CONFLICT, field, mark("Your password has just been changed."))


async def _set_password(caller: Caller, user: User, password_hash: str, event_type: EventType) -> None:
    await User.filter(id=user.id).update(password_hash=password_hash)
    await mailed_link.close_all(user.id, caller.now)  # an open reset link may be the reason for the change
    await session.end_others(caller, user.id)
    await event.record(caller, event_type, actor_id=user.id)
    await message.queue(caller, MessageKind.PASSWORD_CHANGED, to=user)


async def hash_new(caller: Caller, field: str, password: str, user: User) -> str:
    """Validate and hash a user's new password. Raises Refusal TOO_SHORT, TOO_LONG, TOO_WEAK."""
    with Validation() as check:
        check.password(field, password, about=(user.name, user.email))
    return await passwords.hash_password(password, client=throttle.largest_network(caller))


def missing_password() -> Refusal:
    """The refusal of an activation that would leave the login without a password."""
    return refuse(UserErrorCode.REQUIRED, "password", mark("Choose a password."))
