"""Limits of the accounts that users open, and of the registered numbers that they claim.

A user opens at most `accounts_per_day` accounts within a day, and claims as many numbers, because accounts are free and
numbers are scarce. An owner of an account with paid days has five times as many. The age of a login gives no more: it
costs nothing.

An established bureau opens accounts for its clients within the limit of the mails to their owners. That is the limit
CLIENT_ACCOUNTS, which the operator can raise: see `models/outbox/mail_limit.py`.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from models import throttle
from models.base.caller import Caller
from models.base.limit_name import LimitName
from models.outbox import mail_limit
from models.throttle import Limit

PAID_FACTOR: Final = 5
_DAY: Final = timedelta(days=1)


async def attempt_opening(caller: Caller, bureau_id: UUID | None) -> bool:
    """Count an account that the caller opens, for a client if `bureau_id` is given. Raises RateLimited.

    Returns False if the limit of mails to the owners of client accounts counts it instead, with its numbers.
    """
    name = LimitName.ACCOUNTS if bureau_id is None else LimitName.CLIENT_ACCOUNTS
    opener = await mail_limit.load_sender(caller, bureau_id, name)
    if bureau_id is not None and opener.is_known:
        return False
    await _attempt(caller, "accounts-opened", name, has_paid=opener.has_paid)
    return True


async def attempt_claim(caller: Caller) -> None:
    """Count a claim of numbers that the owner did not have. Raises RateLimited."""
    opener = await mail_limit.load_sender(caller)
    await _attempt(caller, "number:claim", LimitName.REGISTERED_NUMBERS, has_paid=opener.has_paid)


async def _attempt(caller: Caller, kind: str, name: LimitName, *, has_paid: bool) -> None:
    count = caller.config.accounts_per_day * (PAID_FACTOR if has_paid else 1)
    counter = throttle.counter(caller, Limit(kind, count, _DAY, name), user_id=caller.user())
    _ = await throttle.attempt(caller, counter)
