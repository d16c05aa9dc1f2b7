"""A one-time code proves that its holder has the user's second factor, right now and once.

It is a code of his authenticator app, each good for one sign-in, or one of his recovery codes. Guesses are
counted by `models/throttle.py`. Only who knows the password comes this far: nobody else can use them up.
The wait ends by itself, and sessions that are open go on.

A wrong code is returned, not raised: what is raised undoes the transaction, the count with it.
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
from models.audit import event
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.outbox import message
from models.outbox.message import MessageKind
from models.throttle import Attempt, Counter

_PURPOSE: Final = "second-factor"


class FactorRow(db.Row):
    """A second factor, locked."""

    user_id: UUID
    seed: bytes
    created_at: datetime
    confirmed_at: datetime | None
    last_step: int | None


def secret(caller: Caller, seed: bytes) -> bytes:
    """What the authenticator app and we share; the seed alone, without the site's key, is worth nothing."""
    return tokens.derive_bytes(caller.config.link_key, _PURPOSE, seed)[: totp.SECRET_BYTES]


# ---- Recovery codes --------------------------------------------------------------------------

RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
_RECOVERY_LENGTH: Final = 16


def recovery_code() -> str:
    """80 random bits for paper: 16 letters and digits in groups of four."""
    letters = b32encode(token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(letters[place : place + 4] for place in range(0, _RECOVERY_LENGTH, 4))


def plain(given: str) -> str:
    """A code as people type it, without its gaps: `123 456`, `abcd-efgh-...`."""
    return "".join(char for char in given if char.isascii() and char.isalnum()).upper()


_RENEW: Final = """
WITH old AS (DELETE FROM recovery_codes WHERE user_id = $1)
INSERT INTO recovery_codes (user_id, code_digest) SELECT $1, unnest($2::bytea[])
"""


async def renew_recovery_codes(user_id: UUID) -> list[str]:
    """New recovery codes in the place of all former ones; only their digests are kept."""
    codes = [recovery_code() for _ in range(RECOVERY_CODES)]
    await db.execute(_RENEW, user_id, [tokens.digest(plain(code)) for code in codes])
    return codes


# ---- Guesses ---------------------------------------------------------------------------------

_IS_ACTIVE: Final = "SELECT FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL"


async def is_demanded(user_id: UUID) -> bool:
    """Whether the user has a second factor that his sign-in needs."""
    return bool(await db.fetch(_IS_ACTIVE, user_id, row=db.Row))


async def verify(caller: Caller, user_id: UUID, given: str | None) -> Refusal | None:
    """Why `given` does not prove the user's second factor; None where it does, or where he has none.

    Within the transaction of the sign-in, which holds the user's row.

    Raises RateLimited, before anything is compared, when too many were wrong.
    """
    if not await is_demanded(user_id):
        return None
    if given is None or not plain(given):
        return refuse(
            UserErrorCode.ONE_TIME_CODE_REQUIRED,
            "one_time_code",
            mark("Enter the code that your authenticator app shows, or a recovery code."),
        )
    guess = await attempt_code(caller, user_id)
    factor = await lock(user_id)
    is_right = factor is not None and (
        await consume(caller, factor, guess, given) or await _recover(caller, factor, guess, given)
    )
    return None if is_right else wrong("one_time_code")


async def attempt_code(caller: Caller, user_id: UUID) -> Attempt:
    """Count a guess at a user's codes. Raises RateLimited."""
    return await throttle.attempt(caller, throttle.counter(caller, throttle.CODE, user_id=user_id))


_LOCK: Final = """
SELECT user_id, seed, created_at, confirmed_at, last_step FROM second_factors WHERE user_id = $1 FOR NO KEY UPDATE
"""


async def lock(user_id: UUID) -> FactorRow | None:
    """The user's second factor, which nobody else changes until the transaction ends; None where there is none."""
    return await db.fetch_one(_LOCK, user_id, row=FactorRow)


_ACCEPT: Final = "UPDATE second_factors SET last_step = $2 WHERE user_id = $1"


async def consume(caller: Caller, factor: FactorRow, guess: Attempt, given: str) -> bool:
    """Whether `given` is a code of the authenticator app now; then it never is again, and was no guess."""
    step = totp.matching(secret(caller, factor.seed), plain(given), now=caller.now, after=factor.last_step)
    if step is None:
        return False
    await db.execute(_ACCEPT, factor.user_id, step)
    await guess.refund()
    return True


_USE: Final = """
UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_digest = $2 AND used_at IS NULL
"""
_LEFT: Final = "SELECT count(*)::int AS left FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL"


async def _recover(caller: Caller, factor: FactorRow, guess: Attempt, given: str) -> bool:
    """Whether `given` is an unused recovery code of the user, which is used now; otherwise a wrong guess."""
    if await db.execute(_USE, factor.user_id, tokens.digest(plain(given)), caller.now):
        await guess.refund()
        counted = await db.fetch_one(_LEFT, factor.user_id, row=db.Row)
        left = counted["left"] if counted else 0
        await event.record(caller, "user:recovery-code:use", actor_id=factor.user_id, after={"left": left})
        await tell(caller, factor.user_id, MessageKind.RECOVERY_CODE_USED, codes_left=str(left))
        return True
    # A refusal that is written down: whoever guesses here has the password.
    await event.record(caller, "user:second-factor:refuse", actor_id=factor.user_id)
    if guess.is_last and await throttle.attempt_quietly(caller, _warned(caller, factor.user_id)):
        await tell(caller, factor.user_id, MessageKind.SECOND_FACTOR_GUESSED)
    return False


def _warned(caller: Caller, user_id: UUID) -> Counter:
    return throttle.counter(caller, throttle.WARNING, user_id=user_id)


def wrong(field: str) -> Refusal:
    """The refusal of a code that is wrong, or was used before."""
    return refuse(
        UserErrorCode.INVALID_CREDENTIALS,
        field,
        mark("This code is wrong, or has been used. Wait for the next one."),
    )


class _Person(db.Row):
    email: str
    name: str
    locale: str


_WHO: Final = "SELECT email, name, locale FROM users WHERE id = $1"


async def tell(caller: Caller, user_id: UUID, kind: MessageKind, **params: str) -> None:
    """Mail the user what has just happened to his second factor."""
    who = await db.fetch_one(_WHO, user_id, row=_Person)
    assert who is not None  # his factor refers to him  # noqa: S101
    await message.queue(caller, kind, to=who.email, name=who.name, locale=who.locale, params=params)
