"""The second factor of an authenticator app. Sign-in then needs a one-time code beside the password.

Passkeys, in `models/people/passkey.py`, are a second factor too. The recovery codes belong to both.

    none --enroll--> enrolling --confirm--> active --disable--> none
                      ^      |                ^  |
                      '------' enroll again   '--' renew the recovery codes

An enrolment has no effect until a code of the app confirms it within CONFIRM_WITHIN. A new enrolment replaces an
unconfirmed one and its secret. Confirmation ends the user's other sessions. So every open session of a user with a
second factor was started with it, or is the session that confirmed it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from auth import tokens, totp
from database import db
from i18n import mark
from models.access import one_time_code
from models.access.reauthentication import ReauthenticationCase, reauthenticates
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import email_key
from models.outbox.message_kind import MessageKind
from models.people import passkey, session, user, user_password
from models.people.user import User

ISSUER: Final = "Fullmakt"
CONFIRM_WITHIN: Final = timedelta(hours=1)


# ---- Reading ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The state of a user's app and recovery codes. Only that user sees it."""

    is_active: bool
    confirmed_at: datetime | None
    recovery_codes_left: int


class _Row(db.Row):
    confirmed_at: datetime | None
    recovery_codes_left: int


_FACTOR: Final = """
SELECT (SELECT f.confirmed_at FROM second_factors f WHERE f.user_id = $1) AS confirmed_at,
    (SELECT count(*)::int FROM recovery_codes r WHERE r.user_id = $1 AND r.used_at IS NULL) AS recovery_codes_left
"""


async def of_user(user_id: UUID) -> SecondFactor:
    """A user's app. An unconfirmed enrolment counts as no app. With passkeys alone, there are recovery codes."""
    (row,) = await db.fetch(_FACTOR, user_id, row=_Row)
    return SecondFactor(row.confirmed_at is not None, row.confirmed_at, row.recovery_codes_left)


# ---- Enrolment -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The secret for the authenticator app, as text to type and as the URI of a QR code. Available only once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


_ENROLL: Final = """
INSERT INTO second_factors AS f (user_id, seed, created_at) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO UPDATE SET seed = excluded.seed, created_at = excluded.created_at, last_step = NULL
WHERE f.confirmed_at IS NULL
"""


@reauthenticates(ReauthenticationCase.SECOND_FACTOR)
async def enroll(caller: Caller, *, password: str) -> Enrolment:
    """Create a secret for a new second factor. Replaces an unconfirmed enrolment.

    Raises:
        Refusal: INVALID_CREDENTIALS, CONFLICT, or INVALID_STATE if the caller has an app.
        RateLimited: the user has entered too many wrong passwords.
    """
    login = await user_password.verify(caller, password, field="password")
    seed = tokens.seed()
    async with db.transaction():
        await user_password.lock_unchanged(login, field="password")
        if not await db.execute(_ENROLL, login.id, seed, caller.now):
            raise _invalid_state(mark("You have an authenticator app. Disable it before you set up another."))
        await event.record(caller, EventType.SECOND_FACTOR_ENROLL)
    secret = one_time_code.secret(caller, seed)
    return Enrolment(totp.encode_secret(secret), totp.uri(secret, account=login.email, issuer=ISSUER))


_CONFIRM: Final = "UPDATE second_factors SET confirmed_at = $2 WHERE user_id = $1"


async def confirm(caller: Caller, *, code: str) -> list[str]:
    """Activate the enrolled second factor with a code of the app. Returns the recovery codes, available only once.

    Raises:
        Refusal: INVALID_CREDENTIALS for a wrong code, INVALID_STATE without an open enrolment.
        RateLimited: the user has entered too many wrong codes.
    """
    user_id = caller.user()
    async with db.transaction():
        _ = await user.lock(user_id)  # a concurrent sign-in waits, and then needs the factor
        enrolment = await one_time_code.lock(user_id)
        if (
            enrolment is None
            or enrolment.confirmed_at is not None
            or enrolment.created_at + CONFIRM_WITHIN <= caller.now
        ):
            raise _invalid_state(mark("There is nothing to confirm. Set up a second factor first."))
        is_correct = await one_time_code.consume(
            caller, enrolment, await one_time_code.attempt_code(caller, user_id), code
        )
        recovery_codes = await _activate(caller, user_id) if is_correct else []
    if not is_correct:
        raise one_time_code.wrong_code("code")
    return recovery_codes


async def _activate(caller: Caller, user_id: UUID) -> list[str]:
    await db.execute(_CONFIRM, user_id, caller.now)
    _ = await session.renew_proof(caller)
    await session.end_others(caller, user_id)
    await event.record(caller, EventType.SECOND_FACTOR_CONFIRM)
    await one_time_code.mail_user(caller, user_id, MessageKind.SECOND_FACTOR_ENABLED)
    return await one_time_code.renew_recovery_codes(user_id)


# ---- Changes ---------------------------------------------------------------------------------

_DISABLE: Final = "DELETE FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL"


@reauthenticates(ReauthenticationCase.SECOND_FACTOR)
async def disable(caller: Caller, *, password: str) -> None:
    """Remove the caller's app. Without a passkey, sign-in then needs the password alone, and recovery codes end.

    Raises:
        Refusal: INVALID_CREDENTIALS, CONFLICT, or INVALID_STATE without an app.
        RateLimited: the user has entered too many wrong passwords.
    """
    login = await user_password.verify(caller, password, field="password")
    async with db.transaction():
        await user_password.lock_unchanged(login, field="password")
        if not await db.execute(_DISABLE, login.id):
            raise _invalid_state(mark("You have no authenticator app."))
        await event.record(caller, EventType.SECOND_FACTOR_DISABLE)
        if not await _mail_disabled(caller, login.id):
            await one_time_code.delete_recovery_codes(login.id)


async def disable_lost(caller: Caller, email: str) -> None:
    """Remove a lost app and all passkeys, and end the user's sessions. The operator has verified the user's identity.

    Raises Refusal NOT_FOUND.
    """
    async with db.transaction():
        login = await User.filter(email_key=email_key(email)).select_for_update(no_key=True).first()
        if login is None or not await one_time_code.is_required(login.id):
            raise refuse(UserErrorCode.NOT_FOUND, "email", mark("No login with this address has a second factor."))
        await db.execute(_DISABLE, login.id)
        _ = await passkey.remove_since(caller, login.id, login.created_at)
        await one_time_code.delete_recovery_codes(login.id)
        await session.end_others(caller, login.id)
        await event.record(caller, EventType.OPERATOR_SECOND_FACTOR_DISABLE, after={"user": str(login.id)})
        await one_time_code.mail_user(caller, login.id, MessageKind.SECOND_FACTOR_DISABLED)


_DISABLE_SINCE: Final = "DELETE FROM second_factors WHERE user_id = $1 AND created_at >= $2"


async def disable_since(caller: Caller, user_id: UUID, since: datetime) -> None:
    """Remove an app and passkeys that a thief may have set up since an instant. Runs in the caller's transaction.

    The recovery codes end too, because the thief may have them. The user gets new ones for a factor that is left.
    """
    has_removed_app = await db.execute(_DISABLE_SINCE, user_id, since) > 0
    has_removed_passkeys = await passkey.remove_since(caller, user_id, since)
    if has_removed_app:
        await event.record(caller, EventType.SECOND_FACTOR_DISABLE, actor_id=user_id)
    if has_removed_app or has_removed_passkeys:
        await one_time_code.delete_recovery_codes(user_id)
        _ = await _mail_disabled(caller, user_id)


async def _mail_disabled(caller: Caller, user_id: UUID) -> bool:
    """Mail the user that a second factor was removed. True if another one is left."""
    has_factor = await one_time_code.is_required(user_id)
    params = {"has_factor": "yes"} if has_factor else {}
    await one_time_code.mail_user(caller, user_id, MessageKind.SECOND_FACTOR_DISABLED, **params)
    return has_factor


@reauthenticates(ReauthenticationCase.SECOND_FACTOR)
async def regenerate_recovery_codes(caller: Caller, *, password: str) -> list[str]:
    """Replace the caller's recovery codes. Returns the new codes, available only once.

    Raises:
        Refusal: INVALID_CREDENTIALS, CONFLICT, or INVALID_STATE without a second factor.
        RateLimited: the user has entered too many wrong passwords.
    """
    login = await user_password.verify(caller, password, field="password")
    async with db.transaction():
        await user_password.lock_unchanged(login, field="password")
        if not await one_time_code.is_required(login.id):
            raise _invalid_state(mark("You have no second factor."))
        recovery_codes = await one_time_code.renew_recovery_codes(login.id)
        await event.record(caller, EventType.RECOVERY_CODE_RENEW)
        await one_time_code.mail_user(caller, login.id, MessageKind.RECOVERY_CODES_RENEWED)
    return recovery_codes


def _invalid_state(text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, None, text)
