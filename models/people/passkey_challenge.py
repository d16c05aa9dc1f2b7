"""Challenges of passkeys: random bytes that a browser has signed, once and within five minutes.

    issue --> open --consume--> used        5 minutes --> expired

A challenge works for one purpose, and in the session that asked for it. Only sign-in has no session. The database has
a digest of the three, so a challenge of another session or purpose is an unknown one.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from secrets import token_bytes
from typing import Final

from auth import passkeys
from auth.passkeys import InvalidPasskeyError, RelyingParty
from database import db
from i18n import mark
from models import throttle
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse

LIFETIME: Final = timedelta(seconds=passkeys.TIMEOUT_SECONDS)


class Purpose(StrEnum):
    """The purpose of a challenge."""

    REGISTRATION = "registration"
    SIGN_IN = "sign-in"
    REAUTHENTICATION = "reauthentication"


def relying_party(caller: Caller) -> RelyingParty:
    """The site that passkeys belong to. Raises Refusal INVALID_STATE if the installation has no domain."""
    party = passkeys.relying_party(caller.config.public_url, caller.config.allowed_origins)
    if party is None:
        raise refuse(
            UserErrorCode.INVALID_STATE, None, mark("Passkeys need a domain name, and this installation has none.")
        )
    return party


_ISSUE: Final = "INSERT INTO passkey_challenges (digest, expires_at) VALUES ($1, $2)"


async def issue(caller: Caller, purpose: Purpose) -> bytes:
    """Store a new challenge. It is counted for the user, that of a sign-in for the caller's network.

    Raises RateLimited.
    """
    counters: Sequence[throttle.Counter] = (
        throttle.by_network(caller, throttle.PASSKEY_CHALLENGE)
        if purpose is Purpose.SIGN_IN
        else [throttle.counter(caller, throttle.PASSKEY_CHALLENGE_OF, user_id=caller.user())]
    )
    _ = await throttle.attempt(caller, *counters)
    challenge = token_bytes(passkeys.CHALLENGE_BYTES)
    await db.execute(_ISSUE, _digest(caller, purpose, challenge), caller.now + LIFETIME)
    return challenge


_CONSUME: Final = "DELETE FROM passkey_challenges WHERE digest = $1 AND expires_at > $2"


async def consume(caller: Caller, purpose: Purpose, challenge: bytes) -> None:
    """Use up a challenge. Runs outside of a transaction: a challenge stays used even if the operation is refused.

    Raises InvalidPasskeyError for one that is unknown, used, expired, or of another session or purpose.
    """
    if not await db.execute(_CONSUME, _digest(caller, purpose, challenge), caller.now):
        raise InvalidPasskeyError


def _digest(caller: Caller, purpose: Purpose, challenge: bytes) -> bytes:
    session = "" if purpose is Purpose.SIGN_IN else str(caller.session_id)
    return sha256(f"{purpose.value}\x00{session}\x00".encode() + challenge).digest()
