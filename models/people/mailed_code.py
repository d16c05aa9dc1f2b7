"""Codes mailed to users who sign in while too many wrong passwords are sent.

A code is derived from the user, the network and the quarter of an hour. The database stores neither the code nor its
digest. It needs no mark of its use: after the sign-in the network is trusted, where no code is needed.
"""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from auth import tokens
from models import throttle
from models.access import one_time_code
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message_kind import MessageKind
from models.people.user import User

STEP: Final = timedelta(minutes=15)
"""A code works until the end of the step that follows its own."""
_PURPOSE: Final = "mailed-code"
_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


def code(link_key: str, seed: str) -> str:
    """The code of a seed: eight digits. The seed is public, the key is not in the database."""
    return tokens.derive_digits(link_key, _PURPOSE, bytes.fromhex(seed))


async def send(caller: Caller, user: User | None) -> None:
    """Mail a code to a user who has sent the right password. For None, do the same work without a mail.

    Runs in the caller's transaction. Beyond ten mails an hour, no mail is sent, and the last code still works.
    """
    subject = () if user is not None else (throttle.network(caller),)
    counter = throttle.counter(caller, throttle.MAILED_CODE_TO, *subject, user_id=user.id if user else None)
    if await throttle.attempt_or_none(caller, counter) is None or user is None:
        return
    step = _step(caller.now)
    await message.queue(
        caller,
        MessageKind.SIGN_IN_CODE,
        to=user,
        params={"code_seed": _seed(caller, user.id, step), "expires_at": (_EPOCH + (step + 2) * STEP).isoformat()},
    )


async def is_valid(caller: Caller, user_id: UUID, text: str) -> bool:
    """True if `text` is a code that was mailed for the caller's network. False after too many wrong codes."""
    attempt = await throttle.attempt_or_none(caller, throttle.counter(caller, throttle.MAILED_CODE, user_id=user_id))
    if attempt is None:
        return False
    step, typed = _step(caller.now), one_time_code.normalize(text)
    seeds = [_seed(caller, user_id, step), _seed(caller, user_id, step - 1)]
    matches = [hmac.compare_digest(code(caller.config.link_key, seed), typed) for seed in seeds]
    if any(matches):
        await attempt.refund()
    return any(matches)


def _step(now: datetime) -> int:
    return (now - _EPOCH) // STEP


def _seed(caller: Caller, user_id: UUID, step: int) -> str:
    subject = f"{user_id}\x00{throttle.network(caller)}\x00{step}"
    return tokens.derive_bytes(caller.config.link_key, "mailed-code-seed", subject.encode()).hex()
