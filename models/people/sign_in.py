"""Signing in: a password, and a code where the user has a second factor, for a session.

Nobody learns whether an address has a login: the answer, the time and what is counted are the same.
"""

from auth import passwords
from database import db
from i18n import mark
from models import throttle
from models.access import one_time_code as codes
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import email_key
from models.people import session, user
from models.people.session import SignedIn
from models.people.user import User
from models.throttle import Counter


async def sign_in(caller: Caller, *, email: str, password: str, one_time_code: str | None = None) -> SignedIn:
    """Start a session. Unknown address and wrong password answer and cost the same.

    `one_time_code` is asked for where a second factor is active, of who knows the password.
    Raises RateLimited: too many passwords or codes were wrong.
    """
    key = email_key(email.strip())
    found = await User.filter(email_key=key).first()
    guess = await throttle.attempt(caller, *await _counters(caller, key, found))
    hashed = found.password_hash if found else None
    if not await user.is_right(guess, password, hashed) or found is None or hashed is None:
        raise refuse(UserErrorCode.INVALID_CREDENTIALS, None, mark("The address or the password is wrong."))
    if found.activated_at is None:
        raise refuse(
            UserErrorCode.NOT_ACTIVATED,
            "email",
            mark("This login is not activated yet. Follow the link in the mail we sent."),
        )
    fresh = await passwords.hash_password(password) if passwords.is_outdated(hashed) else hashed
    async with db.transaction():
        is_same = await User.filter(id=found.id, password_hash=hashed).update(password_hash=fresh)
        refusal = await codes.verify(caller, found.id, one_time_code) if is_same else None
        if is_same and refusal is None:
            return await session.start(caller, found.id, factor_shown=True)
    if refusal is not None:
        raise refusal  # not before: the guess that it answers is to stay counted
    # Changed, or hashed anew, while it was being checked: what is there now decides.
    return await sign_in(caller, email=email, password=password, one_time_code=one_time_code)


async def _counters(caller: Caller, key: str, found: User | None) -> list[Counter]:
    """What counts a password for an address: his own counter where its user is at home, elsewhere everybody's."""
    if await user.is_at_home(caller, found) and found is not None:
        return [throttle.trusted_network(caller, found.id)]
    return [
        throttle.counter(caller, throttle.SIGN_IN_FROM, throttle.network(caller)),
        throttle.counter(caller, throttle.SIGN_IN_OF, key),
        throttle.counter(caller, throttle.SIGN_IN),
    ]
