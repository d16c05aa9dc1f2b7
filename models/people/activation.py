"""Activation of a login by a mailed link, and mailing of a new link.

The link belongs to a user who registered, or to the placeholder owner of an account that a bureau opened for a client.
"""

from database import db
from models import throttle
from models.accounts import account
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.validation import Validation, email_key
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from models.people import mailed_link, placeholder_owner, session, user, user_password
from models.people.session import NewSession
from models.people.user import User


async def activate(caller: Caller, *, token: str, password: str | None = None) -> NewSession:
    """Activate the login of an activation link, and sign the user in.

    `password` replaces the password of the registration. It is required if the login has none. A placeholder's link
    hands the account over to the client. A client who already has a login has to sign in first.

    Raises:
        Refusal: TOKEN_INVALID, TOKEN_EXPIRED, REQUIRED, SIGN_IN_REQUIRED, TOO_SHORT, TOO_LONG, TOO_WEAK.
        RateLimited: the caller's network has sent too many invalid tokens.
    """
    login = await mailed_link.find_user(caller, LinkPurpose.ACTIVATION, token)
    password_hash = await user_password.hash_new(caller, "password", password, login) if password is not None else None
    if placeholder_owner.is_placeholder(login):
        return await placeholder_owner.take_over(caller, login, token, password_hash)
    async with db.transaction():
        await mailed_link.consume(caller, LinkPurpose.ACTIVATION, token)
        login = await user.lock(login.id)
        if password_hash is None and login.password_hash is None:
            raise user_password.missing_password()
        await User.filter(id=login.id).update(
            activated_at=login.activated_at or caller.now,
            password_hash=password_hash or login.password_hash,
        )
        await account.activate_first(caller, login.id)
        await event.record(caller, EventType.USER_ACTIVATE, actor_id=login.id)
        return await session.start(caller, login.id)


async def resend_activation(caller: Caller, *, email: str) -> None:
    """Mail a new activation link, if the address has a login that is not active. The response is always the same.

    Raises RateLimited: the caller's network has requested too many mails.
    """
    with Validation() as check:
        email = check.email("email", email)
    await mailed_link.count_mail_request(caller)
    async with db.transaction():
        login = await User.filter(email_key=email_key(email)).select_for_update(no_key=True).first()
        counter = mailed_link.mail_counter(caller, LinkPurpose.ACTIVATION, email_key(email))
        if await throttle.attempt_or_none(caller, counter) is None:
            return
        is_unactivated = login is not None and login.activated_at is None
        # Recorded for unknown addresses too: the time of the commit would reveal which addresses have a login.
        await event.record(caller, EventType.USER_RESEND, actor_id=login.id if login else None)
        if login is not None and is_unactivated:
            await mailed_link.send(caller, login, MessageKind.ACTIVATION, LinkPurpose.ACTIVATION)
