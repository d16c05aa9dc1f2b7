"""Comparison of passwords with their hashes. The caller has counted the attempt."""

from auth import passwords
from models import throttle
from models.base.caller import Caller
from models.throttle import Attempt


async def is_correct(caller: Caller, attempt: Attempt, password: str, password_hash: str | None) -> bool:
    """True if a password matches its hash. Refunds the attempt if it does, or if the password was not checked."""
    matches = await matches_hash(caller, attempt, password, password_hash)
    if matches:
        await attempt.refund()
    return matches


async def matches_hash(caller: Caller, attempt: Attempt, password: str, password_hash: str | None) -> bool:
    """True if a password matches its hash. Refunds the attempt only if the password was not checked."""
    try:
        return await passwords.verify(password, password_hash, client=throttle.largest_network(caller))
    except passwords.Busy:
        await attempt.refund()
        raise
