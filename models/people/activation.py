"""Following the activation link, and having it mailed again.

The link is that of a user who registered, or of the stand-in for a client, for whom a bureau has
opened an account: `models/bureaus/client.py`.
"""

from database import db
from models import throttle
from models.accounts import account
from models.audit import event
from models.base.caller import Caller
from models.base.validation import Validation, email_key
from models.outbox.message import LinkPurpose, MessageKind
from models.people import placeholder_owner, session, user
from models.people.session import SignedIn
from models.people.user import User


async def activate(caller: Caller, *, token: str, password: str | None = None) -> SignedIn:
    """Follow the activation link: the login becomes active, and its holder is signed in.

    `password` replaces the one given at registration; it is required where there was none. A client
    takes his account over; one who has a login already signs in first.

    Raises Refusal: TOKEN_INVALID, TOKEN_EXPIRED, REQUIRED, SIGN_IN_REQUIRED, what is wrong with the password.
    """
    found = await user.user_of_link(caller, LinkPurpose.ACTIVATION, token)
    hashed = await user.checked_hash("password", password, found) if password is not None else None
    if placeholder_owner.is_placeholder(found):
        return await placeholder_owner.take_over(caller, found, token, hashed)
    async with db.transaction():
        await user.use_link(caller, LinkPurpose.ACTIVATION, token)
        found = await user.lock(found.id)
        if hashed is None and found.password_hash is None:
            raise user.password_required()
        await User.filter(id=found.id).update(
            activated_at=found.activated_at or caller.now,
            password_hash=hashed or found.password_hash,
        )
        await account.activate_owned(caller, found.id)
        await event.record(caller, "user:login:activate", actor_id=found.id)
        return await session.start(caller, found.id)


async def resend_activation(caller: Caller, *, email: str) -> None:
    """Mail the activation link again, if the address has a login that needs it; says nothing.

    Raises RateLimited: too many mails were asked for from the caller's network.
    """
    with Validation() as check:
        email = check.email("email", email)
    await user.take_mail(caller)
    async with db.transaction():
        found = await User.filter(email_key=email_key(email)).select_for_update(no_key=True).first()
        if (
            await throttle.attempt_quietly(caller, user.mail_to(caller, LinkPurpose.ACTIVATION, email_key(email)))
            is None
        ):
            return
        waits = found is not None and found.activated_at is None
        # Written for unknown addresses too: a commit takes the time that would tell them apart.
        await event.record(caller, "user:login:resend", actor_id=found.id if found else None)
        if found is not None and waits:
            await user.send_link(caller, found, MessageKind.ACTIVATION, LinkPurpose.ACTIVATION)
