"""A second factor is an authenticator app whose codes a user's sign-in needs beside his password.

    none --enroll--> enrolling --confirm--> active --disable--> none
                      ^      |                ^  |
                      '------' enroll again   '--' renew the recovery codes

An enrolment is worth nothing until a code of the app confirms it, within CONFIRM_WITHIN; a new one
replaces it, and its secret dies. Confirming ends the user's other sessions, so that none goes on
that was started without the factor: a session of a user who has one has always shown it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from auth import tokens, totp
from database import db
from i18n import mark
from models.access import one_time_code
from models.audit import event
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import email_key
from models.outbox.message import MessageKind
from models.people import session, user
from models.people.user import User

ISSUER: Final = "Fullmakt"
CONFIRM_WITHIN: Final = timedelta(hours=1)


# ---- Reading ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """What a user sees of his own second factor; nobody else sees any of it."""

    is_active: bool
    confirmed_at: datetime | None
    recovery_codes_left: int


class _Row(db.Row):
    confirmed_at: datetime
    recovery_codes_left: int


_ACTIVE: Final = """
SELECT f.confirmed_at, (SELECT count(*)::int FROM recovery_codes r
    WHERE r.user_id = f.user_id AND r.used_at IS NULL) AS recovery_codes_left
FROM second_factors f WHERE f.user_id = $1 AND f.confirmed_at IS NOT NULL
"""


async def of_user(user_id: UUID) -> SecondFactor:
    """A user's second factor; one that is not confirmed is none."""
    row = await db.fetch_one(_ACTIVE, user_id, row=_Row)
    if row is None:
        return SecondFactor(is_active=False, confirmed_at=None, recovery_codes_left=0)
    return SecondFactor(True, row.confirmed_at, row.recovery_codes_left)


# ---- Setting it up ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The secret for the authenticator app, to type or as a QR code's content; shown this once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


_ENROLL: Final = """
INSERT INTO second_factors AS f (user_id, seed, created_at) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO UPDATE SET seed = excluded.seed, created_at = excluded.created_at, last_step = NULL
WHERE f.confirmed_at IS NULL
"""


async def enroll(caller: Caller, *, password: str) -> Enrolment:
    """Give the caller the secret of a second factor to come; a former enrolment dies."""
    proved = await user.proved(caller, password, field="password")
    seed = tokens.seed()
    async with db.transaction():
        await user.lock_proved(proved, field="password")
        if not await db.execute(_ENROLL, proved.id, seed, caller.now):
            raise _in_state(mark("You have a second factor. Disable it before you set up another."))
        await event.record(caller, "user:second-factor:enroll")
    secret = one_time_code.secret(caller, seed)
    return Enrolment(totp.shown(secret), totp.uri(secret, account=proved.email, issuer=ISSUER))


_CONFIRM: Final = "UPDATE second_factors SET confirmed_at = $2 WHERE user_id = $1"


async def confirm(caller: Caller, *, code: str) -> list[str]:
    """Make the enrolled factor active by a first code of the app. Returns the recovery codes, this once.

    Raises Refusal: INVALID_CREDENTIALS for a wrong code, INVALID_STATE where no enrolment waits for one.
    """
    user_id = caller.user()
    async with db.transaction():
        _ = await user.lock(user_id)  # as a sign-in does: none gets past the factor while it becomes active
        factor = await one_time_code.lock(user_id)
        if factor is None or factor.confirmed_at is not None or factor.created_at + CONFIRM_WITHIN <= caller.now:
            raise _in_state(mark("There is nothing to confirm. Set up a second factor first."))
        is_right = await one_time_code.consume(caller, factor, await one_time_code.attempt_code(caller, user_id), code)
        made = await _become_active(caller, user_id) if is_right else []
    if not is_right:
        raise one_time_code.wrong("code")
    return made


async def _become_active(caller: Caller, user_id: UUID) -> list[str]:
    await db.execute(_CONFIRM, user_id, caller.now)
    await session.end_others(caller, user_id)
    await event.record(caller, "user:second-factor:confirm")
    await one_time_code.tell(caller, user_id, MessageKind.SECOND_FACTOR_ENABLED)
    return await one_time_code.renew_recovery_codes(user_id)


# ---- Changing it -----------------------------------------------------------------------------

_DISABLE: Final = "DELETE FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL"


async def disable(caller: Caller, *, password: str) -> None:
    """Take the second factor away, with its recovery codes; the password is enough from now on."""
    proved = await user.proved(caller, password, field="password")
    async with db.transaction():
        await user.lock_proved(proved, field="password")
        if not await db.execute(_DISABLE, proved.id):
            raise _none()
        await event.record(caller, "user:second-factor:disable")
        await one_time_code.tell(caller, proved.id, MessageKind.SECOND_FACTOR_DISABLED)


async def take_away(caller: Caller, email: str) -> None:
    """Disable the second factor of a user who has lost it, and end his sessions: the operator knows him.

    Raises Refusal NOT_FOUND.
    """
    async with db.transaction():
        found = await User.filter(email_key=email_key(email)).select_for_update(no_key=True).first()
        if found is None or not await db.execute(_DISABLE, found.id):
            raise refuse(UserErrorCode.NOT_FOUND, "email", mark("No login with this address has a second factor."))
        await session.end_others(caller, found.id)
        await event.record(caller, "operator:second-factor:disable", after={"user": str(found.id)})
        await one_time_code.tell(caller, found.id, MessageKind.SECOND_FACTOR_DISABLED)


async def regenerate_recovery_codes(caller: Caller, *, password: str) -> list[str]:
    """New recovery codes, shown this once; the former ones die."""
    proved = await user.proved(caller, password, field="password")
    async with db.transaction():
        await user.lock_proved(proved, field="password")
        if not await one_time_code.is_demanded(proved.id):
            raise _none()
        made = await one_time_code.renew_recovery_codes(proved.id)
        await event.record(caller, "user:recovery-code:renew")
        await one_time_code.tell(caller, proved.id, MessageKind.RECOVERY_CODES_RENEWED)
    return made


def _none() -> Refusal:
    return _in_state(mark("You have no second factor."))


def _in_state(text: str) -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, None, text)
