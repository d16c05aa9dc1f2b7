"""Activation of a login by a mailed link, and mailing of a new link.

The link belongs to a user who registered, or to the placeholder owner of an account that a bureau opened for a client.
It proves the address, not who registered it. So the password of the registration is kept only for the client that
registered. Otherwise the holder of the link chooses one.
"""

from database import db
from i18n import mark
from models import throttle
from models.accounts import account
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import Validation, email_key
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from models.people import mailed_link, placeholder_owner, session, used_link, user, user_password
from models.people.mailed_link import InvalidLink
from models.people.session import NewSession
from models.people.user import User


async def activate(
    caller: Caller, *, token: str, password: str | None = None, registration_secret: str | None = None
) -> NewSession:
    """Activate the login of an activation link, and sign the user in. Closes the other links of the login.

    `password` replaces the password of the registration. It is required unless `registration_secret` is the secret of
    the registration. A placeholder's link hands the account over to the client. A client who already has a login has to
    sign in first.

    Raises:
        Refusal: TOKEN_INVALID, TOKEN_EXPIRED, REQUIRED, SIGN_IN_REQUIRED, TOO_SHORT, TOO_LONG, TOO_WEAK; ALREADY_ACTIVE
            if the login is active, and the caller is signed in with it or gives its password or secret.
        RateLimited: the caller's network has sent too many invalid tokens.
    """
    try:
        return await _activate(caller, token, password, registration_secret)
    except InvalidLink as refusal:
        link_user = await used_link.find(LinkPurpose.ACTIVATION, token)
        if not await used_link.is_proved(caller, link_user, password=password, registration_secret=registration_secret):
            raise
        await refusal.refund()
        raise _already_active() from refusal


async def _activate(caller: Caller, token: str, password: str | None, secret: str | None) -> NewSession:
    login = await mailed_link.find_user(caller, LinkPurpose.ACTIVATION, token)
    password_hash = await user_password.hash_new(caller, "password", password, login) if password is not None else None
    if placeholder_owner.is_placeholder(login):
        return await placeholder_owner.take_over(caller, login, token, password_hash)
    async with db.transaction():
        login = await user.lock(login.id)
        await mailed_link.consume(caller, LinkPurpose.ACTIVATION, token)
        if login.activated_at is not None:
            raise InvalidLink
        has_secret = used_link.matches_secret(secret, login.registration_secret_digest)
        if password_hash is None and not (has_secret and login.password_hash):
            raise user_password.missing_password()
        await User.filter(id=login.id).update(
            activated_at=caller.now,
            password_hash=password_hash or login.password_hash,
            registration_secret_digest=login.registration_secret_digest if has_secret else None,
        )
        await mailed_link.close_all(login.id, caller.now)
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


def _already_active() -> Refusal:
    return refuse(UserErrorCode.ALREADY_ACTIVE, "token", mark("Your login is active already. Sign in."))
