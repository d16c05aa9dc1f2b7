"""Proof of a user by a passkey: for sign-in, and again in a session.

The answer to every credential that proves nothing is the same: an unknown passkey, one of another user, a used or
expired challenge, a wrong signature, another site. It is counted for the network, or in a session with its wrong codes.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from auth import passkeys
from auth.passkeys import Assertion, Credential, InvalidPasskeyError
from database import db
from i18n import mark
from models import throttle
from models.access import one_time_code
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.people import passkey, passkey_challenge, session, user
from models.people.passkey_challenge import Purpose
from models.people.session import NewSession
from models.throttle import Attempt

# ---- Sign-in ---------------------------------------------------------------------------------


async def begin_sign_in(caller: Caller) -> str:
    """Return the options with which a browser signs in any user, as JSON. They are the same for every caller.

    Raises Refusal INVALID_STATE without a domain, or RateLimited.
    """
    party = passkey_challenge.relying_party(caller)
    challenge = await passkey_challenge.issue(caller, Purpose.SIGN_IN)
    return await asyncio.to_thread(passkeys.request_options, party, challenge)


async def sign_in(caller: Caller, *, credential: str) -> NewSession:
    """Start a session for the user of a passkey. It needs no password and no one-time code.

    Raises:
        Refusal: INVALID_CREDENTIALS.
        RateLimited: too many wrong passkeys from the caller's network.
    """
    attempt = await throttle.attempt(caller, *throttle.by_network(caller, throttle.PASSKEY))
    proof = await verify(caller, attempt, Purpose.SIGN_IN, credential)
    async with db.transaction():
        if await consume(caller, proof):
            return await session.start(caller, proof.user_id, has_verified_factor=True, passkey_id=proof.passkey_id)
    raise _refusal("credential")  # outside of the transaction: a rollback would undo the event


# ---- Reauthentication ------------------------------------------------------------------------


async def begin_reauthentication(caller: Caller) -> str:
    """Return the options with which a browser proves the caller by one of their passkeys, as JSON.

    Raises Refusal INVALID_STATE without a passkey or without a domain, or RateLimited.
    """
    party = passkey_challenge.relying_party(caller)
    credential_ids = await passkey.load_credential_ids(caller.user())
    if not credential_ids:
        raise refuse(UserErrorCode.INVALID_STATE, None, mark("You have no passkey."))
    challenge = await passkey_challenge.issue(caller, Purpose.REAUTHENTICATION)
    return await asyncio.to_thread(passkeys.request_options, party, challenge, credential_ids=credential_ids)


async def verify_in_session(caller: Caller, text: str) -> "Proof":
    """Verify a passkey of the caller in their session. Raises Refusal INVALID_CREDENTIALS, or RateLimited."""
    attempt = await one_time_code.attempt_code(caller, caller.user(), in_session=True)
    proof = await verify(caller, attempt, Purpose.REAUTHENTICATION, text)
    if proof.user_id != caller.user():
        raise _refusal("passkey")
    return proof


# ---- Verifying -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified assertion, and the passkey that made it. It counts when `consume` has compared the counter."""

    passkey_id: UUID
    user_id: UUID
    assertion: Assertion
    attempt: Attempt


class _Key(db.Row):
    id: UUID
    user_id: UUID
    public_key: bytes


_BY_CREDENTIAL: Final = "SELECT id, user_id, public_key FROM passkeys WHERE credential_id = $1"


async def verify(caller: Caller, attempt: Attempt, purpose: Purpose, text: str) -> Proof:
    """Verify a credential. Its challenge is used up by a refusal too. Raises Refusal INVALID_CREDENTIALS."""
    party = passkey_challenge.relying_party(caller)
    try:
        credential = passkeys.parse(text)
        await passkey_challenge.consume(caller, purpose, credential.challenge)
        key = await _load_key(credential, purpose)
        assertion = await asyncio.to_thread(passkeys.verify_assertion, party, credential, key.public_key)
    except InvalidPasskeyError as error:
        raise _refusal("credential" if purpose is Purpose.SIGN_IN else "passkey") from error
    return Proof(key.id, key.user_id, assertion, attempt)


async def _load_key(credential: Credential, purpose: Purpose) -> _Key:
    key = await db.fetch_one(_BY_CREDENTIAL, credential.id, row=_Key)
    # The device says whose passkey it is. It may omit this if the options have listed the user's passkeys.
    may_omit_user = purpose is Purpose.REAUTHENTICATION and credential.user_handle is None
    if key is None or not (may_omit_user or credential.user_handle == key.user_id.bytes):
        raise InvalidPasskeyError
    return key


class _Counter(db.Row):
    sign_count: int


_LOCK: Final = "SELECT sign_count FROM passkeys WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE"
_USE: Final = "UPDATE passkeys SET sign_count = $2, is_backed_up = $3, last_used_at = $4 WHERE id = $1"


async def consume(caller: Caller, proof: Proof) -> bool:
    """Accept a proof, within the caller's transaction. Locks the user. False if the passkey is removed meanwhile.

    Also False if its counter has not moved on: then two devices have the key, and one of them may be a thief's. An
    event tells the user. Most passkeys have no counter; it stays 0.
    """
    login = await user.lock(proof.user_id)
    stored = await db.fetch_one(_LOCK, proof.passkey_id, proof.user_id, row=_Counter)
    if stored is None or login.activated_at is None:
        return False
    sign_count = proof.assertion.sign_count
    if sign_count <= stored.sign_count and (sign_count, stored.sign_count) != (0, 0):
        await event.record(
            caller, EventType.PASSKEY_REFUSE, actor_id=proof.user_id, after={"passkey": str(proof.passkey_id)}
        )
        return False
    await db.execute(_USE, proof.passkey_id, sign_count, proof.assertion.is_backed_up, caller.now)
    await proof.attempt.refund()
    return True


def _refusal(field: str) -> Refusal:
    return refuse(
        UserErrorCode.INVALID_CREDENTIALS,
        field,
        mark("This passkey did not work. Try again, or use another way."),
    )


def refusal_in_session() -> Refusal:
    """The refusal of a passkey in a session that `consume` has not accepted."""
    return _refusal("passkey")
