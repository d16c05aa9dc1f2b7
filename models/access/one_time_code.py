"""One-time codes: proof of a user's second factor.

A one-time code is a code of the authenticator app (TOTP), valid for one sign-in, or a recovery code. A user whose
second factor is a passkey alone has recovery codes only. Guesses are
limited by `models/throttle.py`. Only a caller who knows the password can guess, so strangers cannot use up the
attempts. The wait ends by itself, and open sessions continue.

The refusal of a wrong code is returned, not raised: an exception would roll back the transaction and with it the count.
"""

from base64 import b32encode
from datetime import datetime
from secrets import token_bytes
from typing import Final
from uuid import UUID

from auth import tokens, totp
from database import db
from i18n import mark
from models import throttle
from models.access import factor_requirement
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.outbox import message
from models.outbox.message import RecipientRow
from models.outbox.message_kind import MessageKind
from models.throttle import Attempt

_PURPOSE: Final = "second-factor"


class FactorRow(db.Row):
    """A second factor, read under a lock."""

    user_id: UUID
    seed: bytes
    created_at: datetime
    confirmed_at: datetime | None
    last_step: int | None


def secret(caller: Caller, seed: bytes) -> bytes:
    """The TOTP secret, which the authenticator app shares. It cannot be derived from the seed without the link key."""
    return tokens.derive_bytes(caller.config.link_key, _PURPOSE, seed)[: totp.SECRET_BYTES]


# ---- Recovery codes --------------------------------------------------------------------------

RECOVERY_CODE_COUNT: Final = 10
_RECOVERY_BYTES: Final = 10
_RECOVERY_LENGTH: Final = 16


def new_recovery_code() -> str:
    """A recovery code to print: 80 random bits as 16 letters and digits in groups of four."""
    letters = b32encode(token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(letters[start : start + 4] for start in range(0, _RECOVERY_LENGTH, 4))


def normalize(code: str) -> str:
    """A typed code in upper case, without the separators: `123 456`, `abcd-efgh-...`."""
    return "".join(char for char in code if char.isascii() and char.isalnum()).upper()


_RENEW: Final = """
WITH old AS (DELETE FROM recovery_codes WHERE user_id = $1)
INSERT INTO recovery_codes (user_id, code_digest) SELECT $1, unnest($2::bytea[])
"""


async def renew_recovery_codes(user_id: UUID) -> list[str]:
    """Replace all recovery codes of a user. Returns the new codes. Only their digests are stored."""
    codes = [new_recovery_code() for _ in range(RECOVERY_CODE_COUNT)]
    await db.execute(_RENEW, user_id, [tokens.digest(normalize(code)) for code in codes])
    return codes


async def delete_recovery_codes(user_id: UUID) -> None:
    """Delete the recovery codes of a user, whose last second factor is removed."""
    await db.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)


# ---- Verifying -------------------------------------------------------------------------------

_HAS_FACTOR: Final = f"SELECT WHERE {factor_requirement.has_factor('$1')}"
_HAS_APP: Final = f"SELECT WHERE {factor_requirement.has_app('$1')}"


async def is_required(user_id: UUID) -> bool:
    """True if the user has a second factor, so that the password alone does not sign in."""
    return bool(await db.fetch(_HAS_FACTOR, user_id, row=db.Row))


async def has_app(user_id: UUID) -> bool:
    """True if the user has an authenticator app. False for a passkey alone, and for an app that is not confirmed."""
    return bool(await db.fetch(_HAS_APP, user_id, row=db.Row))


async def verify(
    caller: Caller, user_id: UUID, code: str | None, *, field: str = "one_time_code", in_session: bool = False
) -> Refusal | None:
    """Verify a one-time code. Returns None if it is right or if the user has no second factor, otherwise the refusal.

    Runs within the transaction of the sign-in, which locks the user's row. `in_session` verifies a code that confirms
    the caller's open session, without the password. Its attempts are counted for that session alone, so that a stolen
    session cannot keep the user from signing in.

    Raises RateLimited, before the code is compared, after too many wrong codes.
    """
    if not await is_required(user_id):
        return None
    if code is None or not normalize(code):
        text = (
            mark("Enter the code that your authenticator app shows, or a recovery code.")
            if await has_app(user_id)
            else mark("Use your passkey, or enter a recovery code.")
        )
        return refuse(UserErrorCode.ONE_TIME_CODE_REQUIRED, field, text)
    attempt = await attempt_code(caller, user_id, in_session=in_session)
    factor = await lock(user_id)
    # A user with a passkey can have an app that is not confirmed. Its codes prove nothing.
    app = factor if factor is not None and factor.confirmed_at is not None else None
    is_of_app = app is not None and await consume(caller, app, attempt, code)
    if is_of_app or await _consume_recovery_code(caller, user_id, attempt, code):
        return None
    # Recorded although it is a refusal: the caller knows the password, or has an open session.
    await event.record(caller, EventType.SECOND_FACTOR_REFUSE, actor_id=user_id)
    if not in_session and attempt.is_last:
        await _warn(caller, user_id)
    return wrong_code(field)


async def attempt_code(caller: Caller, user_id: UUID, *, in_session: bool = False) -> Attempt:
    """Count an attempt to guess a user's code, of the user or of the caller's session. Raises RateLimited."""
    subject = [caller.session_id] if in_session else []
    return await throttle.attempt(caller, throttle.counter(caller, throttle.CODE, *subject, user_id=user_id))


_LOCK: Final = """
SELECT user_id, seed, created_at, confirmed_at, last_step FROM second_factors WHERE user_id = $1 FOR NO KEY UPDATE
"""


async def lock(user_id: UUID) -> FactorRow | None:
    """The user's second factor, locked until the transaction ends. None if the user has none."""
    return await db.fetch_one(_LOCK, user_id, row=FactorRow)


_ACCEPT: Final = "UPDATE second_factors SET last_step = $2 WHERE user_id = $1"


async def consume(caller: Caller, factor: FactorRow, attempt: Attempt, code: str) -> bool:
    """Consume a code of the authenticator app, if it is valid now. A code that was consumed is never valid again."""
    step = totp.match_step(secret(caller, factor.seed), normalize(code), now=caller.now, after=factor.last_step)
    if step is None:
        return False
    await db.execute(_ACCEPT, factor.user_id, step)
    await attempt.refund()
    return True


_CONSUME_RECOVERY_CODE: Final = """
UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_digest = $2 AND used_at IS NULL
"""
_COUNT_RECOVERY_CODES: Final = (
    "SELECT count(*)::int AS count FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL"
)


async def _consume_recovery_code(caller: Caller, user_id: UUID, attempt: Attempt, code: str) -> bool:
    """Consume an unused recovery code of the user. False if the code is none."""
    if await db.execute(_CONSUME_RECOVERY_CODE, user_id, tokens.digest(normalize(code)), caller.now):
        await attempt.refund()
        row = await db.fetch_one(_COUNT_RECOVERY_CODES, user_id, row=db.Row)
        codes_left = row["count"] if row else 0
        await event.record(caller, EventType.RECOVERY_CODE_USE, actor_id=user_id, after={"left": codes_left})
        await mail_user(caller, user_id, MessageKind.RECOVERY_CODE_USED, codes_left=str(codes_left))
        return True
    return False


async def _warn(caller: Caller, user_id: UUID) -> None:
    """Mail the user that a stranger with their password guesses codes: at most one mail in the limit's window."""
    if await throttle.attempt_or_none(caller, throttle.counter(caller, throttle.WARNING, user_id=user_id)):
        await mail_user(caller, user_id, MessageKind.SECOND_FACTOR_GUESSED)


def wrong_code(field: str) -> Refusal:
    """The refusal of a code that is wrong or was used before."""
    return refuse(
        UserErrorCode.INVALID_CREDENTIALS,
        field,
        mark("This code is wrong, or has been used. Wait for the next one."),
    )


_RECIPIENT: Final = "SELECT email, name, locale FROM users WHERE id = $1"


async def mail_user(caller: Caller, user_id: UUID, kind: MessageKind, **params: str) -> None:
    """Tell the user by mail about an event of their second factor."""
    recipient = await db.fetch_one(_RECIPIENT, user_id, row=RecipientRow)
    assert recipient is not None  # a factor has a foreign key to the user  # noqa: S101
    await message.queue(caller, kind, to=recipient, params=params)
