"""Sign-in with a password, and with a one-time code if the user has a second factor; the same again in a session.

Sign-in with a passkey is in `models/people/passkey_assertion.py`.

Sign-in does not reveal whether an address has a login: response, time and counters are the same.

Wrong passwords are counted for the address, the network and all users. The counter of one address in one network
refuses further attempts. The other counters can be exhausted by strangers, so they refuse no user. Beyond them a
password counts only together with a code, which is mailed if the password is right, or with the second factor. All
other responses are then the same, so that further guesses teach nothing.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from auth import passwords
from database import db
from i18n import mark
from models import throttle
from models.access import one_time_code as codes
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import RateLimited, Refusal, UserErrorCode, refuse
from models.base.validation import email_key
from models.people import mailed_code, passkey_assertion, password_check, session, user, user_password
from models.people.session import NewSession
from models.people.user import User
from models.throttle import Attempt, Counter


async def sign_in(caller: Caller, *, email: str, password: str, one_time_code: str | None = None) -> NewSession:
    """Start a session. An unknown address and a wrong password get the same response after the same work.

    `one_time_code` is required if the user has an active second factor. Only a caller with the correct password
    learns this. It is required of all callers while too many wrong passwords are sent.

    Raises:
        Refusal: INVALID_CREDENTIALS, NOT_ACTIVATED, ONE_TIME_CODE_REQUIRED.
        RateLimited: too many wrong passwords or codes.
    """
    address_key = email_key(email.strip())
    login = await User.filter(email_key=address_key).first()
    count = await _count(caller, address_key, login)
    if count.needs_code:
        return await _sign_in_with_code(caller, count.attempt, login, password, one_time_code)
    password_hash = login.password_hash if login else None
    is_correct = await password_check.is_correct(caller, count.attempt, password, password_hash)
    if not is_correct or login is None or password_hash is None:
        raise refuse(UserErrorCode.INVALID_CREDENTIALS, None, mark("The address or the password is wrong."))
    if login.activated_at is None:
        raise refuse(
            UserErrorCode.NOT_ACTIVATED,
            "email",
            mark("This login is not activated yet. Follow the link in the mail we sent."),
        )
    new_hash = password_hash
    if passwords.is_outdated(password_hash):
        new_hash = await passwords.hash_password(password, client=throttle.largest_network(caller))
    async with db.transaction():
        is_unchanged = await User.filter(id=login.id, password_hash=password_hash).update(password_hash=new_hash)
        refusal = await codes.verify(caller, login.id, one_time_code) if is_unchanged else None
        if is_unchanged and refusal is None:
            return await session.start(caller, login.id, has_verified_factor=True)
    if refusal is not None:
        raise refusal  # outside of the transaction: a rollback would undo the count of the wrong code
    # The password was changed or rehashed during the check. Check against the current hash.
    return await sign_in(caller, email=email, password=password, one_time_code=one_time_code)


async def reauthenticate(
    caller: Caller, *, password: str | None = None, code: str | None = None, passkey: str | None = None
) -> UUID:
    """Renew the proof of the caller's session: `models/access/reauthentication.py`. Returns the session's id.

    A user with a second factor gives a one-time code or a passkey, any other user the password. Each secret that is
    given is checked.

    Raises:
        Refusal: INVALID_CREDENTIALS, CONFLICT, REQUIRED without the password, ONE_TIME_CODE_REQUIRED without the code.
        RateLimited: too many wrong passwords of the user, or wrong codes and passkeys in the session.
        Unauthenticated: the session has ended.
    """
    user_id = caller.user()
    login = await user_password.verify(caller, password, field="password") if password is not None else None
    proof = await passkey_assertion.verify_in_session(caller, passkey) if passkey is not None else None
    async with db.transaction():
        if login is not None:
            await user_password.lock_unchanged(login, field="password")
        else:
            _ = await user.lock(user_id)
        if login is None and proof is None and not await codes.is_required(user_id):
            raise refuse(UserErrorCode.REQUIRED, "password", mark("Enter your password."))
        refusal = None
        if proof is not None and not await passkey_assertion.consume(caller, proof):
            refusal = passkey_assertion.refusal_in_session()
        elif proof is None or code is not None:
            refusal = await codes.verify(caller, user_id, code, field="code", in_session=True)
        if refusal is None:
            session_id = await session.renew_proof(caller)
            await event.record(caller, EventType.SESSION_REAUTHENTICATE)
            return session_id
    raise refusal  # outside of the transaction: a rollback would undo the count of the wrong code


async def _sign_in_with_code(
    caller: Caller, attempt: Attempt, login: User | None, password: str, code: str | None
) -> NewSession:
    """Sign in with a password and a code. Each refusal is the same."""
    password_hash = login.password_hash if login else None
    is_correct = await password_check.matches_hash(caller, attempt, password, password_hash)
    active_login = login if is_correct and login is not None and login.activated_at is not None else None
    async with db.transaction():
        if active_login is None:
            await mailed_code.send(caller, None)
        elif await _is_unchanged(active_login) and await _is_proven(caller, active_login, code):
            await attempt.refund()
            return await session.start(caller, active_login.id, has_verified_factor=True)
    raise _code_required()  # outside of the transaction: a rollback would undo the counts and the mail


async def _is_unchanged(login: User) -> bool:
    """True if the login still has the password that was checked. Locks it."""
    return (await user.lock(login.id)).password_hash == login.password_hash


async def _is_proven(caller: Caller, login: User, code: str | None) -> bool:
    """True if the code is one of the user's second factor, or for a user without one, the mailed code.

    Without a code, one is mailed.
    """
    if await codes.is_required(login.id):
        try:
            return await codes.verify(caller, login.id, code) is None
        except RateLimited:
            return False
    if code is None or not codes.normalize(code):
        await mailed_code.send(caller, login)
        return False
    return await mailed_code.is_valid(caller, login.id, code)


def _code_required() -> Refusal:
    return refuse(
        UserErrorCode.ONE_TIME_CODE_REQUIRED,
        "one_time_code",
        mark(
            "Too many wrong passwords were tried. If this password is right, we have mailed you a code. Enter it, or "
            "the code of your authenticator app."
        ),
    )


@dataclass(frozen=True, slots=True)
class _CountedAttempt:
    """An attempt that was counted. `needs_code` if the password counts only together with a code."""

    attempt: Attempt
    needs_code: bool


async def _count(caller: Caller, address_key: str, login: User | None) -> _CountedAttempt:
    """Count an attempt: for the user alone on a trusted network, for all users elsewhere. Raises RateLimited."""
    if await user.is_on_trusted_network(caller, login) and login is not None:
        trusted_attempt = await throttle.attempt(caller, throttle.trusted_network(caller, login.id))
        return _CountedAttempt(trusted_attempt, needs_code=False)
    pair = throttle.counter(caller, throttle.SIGN_IN_PAIR, throttle.network(caller), address_key)
    # None if SIGN_IN_FROM has counted the address already.
    new_address = await throttle.attempt_or_none(
        caller, throttle.counter(caller, throttle.SIGN_IN_LOGIN, throttle.largest_network(caller), address_key)
    )
    shared_counters = [
        *(throttle.by_network(caller, throttle.SIGN_IN_FROM) if new_address is not None else []),
        *throttle.by_network(caller, throttle.SIGN_IN_NETWORK),
        throttle.counter(caller, throttle.SIGN_IN_OF, address_key),
        throttle.counter(caller, throttle.SIGN_IN),
    ]
    try:
        attempt = await throttle.attempt(caller, pair, *shared_counters)
    except RateLimited:
        if new_address is not None:
            await new_address.refund()
        code_counter = throttle.counter(caller, throttle.SIGN_IN_CODE, throttle.network(caller))
        return _CountedAttempt(await throttle.attempt(caller, pair, code_counter), needs_code=True)
    counters: tuple[Counter, ...] = attempt.counters if new_address is None else attempt.counters + new_address.counters
    return _CountedAttempt(replace(attempt, counters=counters), needs_code=False)
