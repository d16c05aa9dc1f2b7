"""Sign-in with a password, and with a one-time code if the user has a second factor.

Sign-in does not reveal whether an address has a login: response, time and counters are the same.
"""

from auth import passwords
from database import db
from i18n import mark
from models import throttle
from models.access import one_time_code as codes
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import email_key
from models.people import session, user, user_password
from models.people.session import NewSession
from models.people.user import User
from models.throttle import Counter


async def sign_in(caller: Caller, *, email: str, password: str, one_time_code: str | None = None) -> NewSession:
    """Start a session. An unknown address and a wrong password get the same response after the same work.

    `one_time_code` is required if the user has an active second factor. Only a caller with the correct password
    learns this.

    Raises:
        Refusal: INVALID_CREDENTIALS, NOT_ACTIVATED, ONE_TIME_CODE_REQUIRED.
        RateLimited: too many wrong passwords or codes.
    """
    address_key = email_key(email.strip())
    login = await User.filter(email_key=address_key).first()
    attempt = await throttle.attempt(caller, *await _counters(caller, address_key, login))
    password_hash = login.password_hash if login else None
    if not await user_password.is_correct(attempt, password, password_hash) or login is None or password_hash is None:
        raise refuse(UserErrorCode.INVALID_CREDENTIALS, None, mark("The address or the password is wrong."))
    if login.activated_at is None:
        raise refuse(
            UserErrorCode.NOT_ACTIVATED,
            "email",
            mark("This login is not activated yet. Follow the link in the mail we sent."),
        )
    new_hash = await passwords.hash_password(password) if passwords.is_outdated(password_hash) else password_hash
    async with db.transaction():
        is_unchanged = await User.filter(id=login.id, password_hash=password_hash).update(password_hash=new_hash)
        refusal = await codes.verify(caller, login.id, one_time_code) if is_unchanged else None
        if is_unchanged and refusal is None:
            return await session.start(caller, login.id, has_verified_factor=True)
    if refusal is not None:
        raise refusal  # outside of the transaction: a rollback would undo the count of the wrong code
    # The password was changed or rehashed during the check. Check against the current hash.
    return await sign_in(caller, email=email, password=password, one_time_code=one_time_code)


async def _counters(caller: Caller, address_key: str, login: User | None) -> list[Counter]:
    """The counters of a password attempt: the user's own on a trusted network, the shared ones elsewhere."""
    if await user.is_on_trusted_network(caller, login) and login is not None:
        return [throttle.trusted_network(caller, login.id)]
    return [
        throttle.counter(caller, throttle.SIGN_IN_FROM, throttle.network(caller)),
        throttle.counter(caller, throttle.SIGN_IN_OF, address_key),
        throttle.counter(caller, throttle.SIGN_IN),
    ]
