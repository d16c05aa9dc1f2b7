"""Limits of the mails that users can cause to go to others.

    OFFER      counted for the sender, the sending account, the receiver and the installation; else RateLimited
    REQUEST    counted for the sender and the installation, else RateLimited; for the receiver, else omitted
    NOTICE     counted for the user who causes it and the receiver, else omitted

A new sender has lower bounds than an established sender, and bounds of new senders for one receiver or for the
installation are counted apart. So the mails of users who have just registered delay no established sender. Offers are
counted by address alone: their bound does not depend on whether the address has a login. Kinds that are limited by
their operation (`MailLimit.OPERATION`) are not counted here, so no user can use up the bound of a password reset.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from database import db
from models import throttle
from models.base.caller import Caller
from models.outbox.message_kind import MailLimit, MessageKind
from models.throttle import Counter, Limit

ESTABLISHED_AFTER: Final = timedelta(days=30)
"""Age of a login, since its activation, at which its user is an established sender."""
MAX_UNPROVED_TEXT: Final = 500
"""Characters of a new sender's message that are mailed."""
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)

PAIR: Final = Limit("invitation:to", 5, _DAY)
"""Offers of one account to one address."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The bounds of a sender."""

    offers: Limit
    """Of one user, in all accounts."""
    account_offers: Limit
    """Of all users of one account."""
    address_offers: Limit
    """To one address, of all senders with the same standing."""
    requests: Limit
    """Of one user, for all accounts, whether or not the requested accounts exist."""
    address_requests: Limit
    """To one address, of all senders with the same standing."""
    notices: Limit
    """To one address, of one user, or of one kind by the scheduled jobs."""


NEW: Final = Allowance(
    offers=Limit("offer", 50, _DAY),
    account_offers=Limit("invitation", 50, _DAY),
    address_offers=Limit("offer:to:new", 10, _DAY),
    requests=Limit("request", 50, _DAY),
    address_requests=Limit("request:to:new", 10, _DAY),
    notices=Limit("notice", 30, _DAY),
)
ESTABLISHED: Final = Allowance(
    offers=Limit("offer", 500, _DAY),
    account_offers=Limit("invitation", 500, _DAY),
    address_offers=Limit("offer:to", 20, _DAY),
    requests=Limit("request", 500, _DAY),
    address_requests=Limit("request:to", 50, _DAY),
    notices=Limit("notice", 200, _DAY),
)
INSTALLATION: Final = "mail:all"
INSTALLATION_NEW: Final = "mail:all:new"
"""The kinds of the installation's counters: of all senders, and of the new ones, who have half of the bound."""


class _Standing(db.Row):
    is_established: bool


# Days from a voucher or the operator count. Days of a trial or of another account do not: they cost nothing.
_STANDING: Final = """
SELECT EXISTS (SELECT FROM users WHERE id = $1 AND activated_at <= $3) OR EXISTS (
    SELECT FROM accounts a JOIN subscription_entries e ON e.account_id = a.id
    WHERE (a.owner_id = $1 OR a.id = $2) AND e.kind IN ('CREDIT', 'VOUCHER')) AS is_established
"""


async def allowance(caller: Caller, by_account: UUID | None = None) -> Allowance:
    """The bounds of the caller, who sends for `by_account`.

    A sender is established if the login is old enough, or if the caller owns an account with paid or credited days, or
    sends for such an account. A scheduled job is established.
    """
    if caller.user_id is None and caller.ip_address is None:
        return ESTABLISHED
    since: datetime = caller.now - ESTABLISHED_AFTER
    (standing,) = await db.fetch(_STANDING, caller.user_id, by_account, since, row=_Standing)
    return ESTABLISHED if standing.is_established else NEW


async def attempt_request(caller: Caller, by_account: UUID | None = None) -> None:
    """Count a request to an account that the caller may not see. Call it before the account is looked up.

    Raises RateLimited.
    """
    bounds = await allowance(caller, by_account)
    await _attempt_all(caller, [_of_caller(caller, bounds.requests), *_installation(caller, is_new=bounds is NEW)])


@dataclass(frozen=True, slots=True)
class Permit:
    """The mails that may be queued: one flag for each address, and the parameters that they may show."""

    is_allowed: list[bool]
    params: dict[str, object]


async def count(
    caller: Caller,
    kind: MessageKind,
    address_keys: Sequence[str],
    params: Mapping[str, object],
    by_account: UUID | None,
) -> Permit:
    """Count mails of a kind to addresses. Raises RateLimited for an offer beyond a bound.

    Runs the same number of statements for any number of addresses of a REQUEST or NOTICE.
    """
    is_allowed, params = [True] * len(address_keys), dict(params)
    if kind.limit in {MailLimit.OPERATION, MailLimit.REMINDER}:
        return Permit(is_allowed, params)
    bounds = await allowance(caller, by_account)
    if bounds is NEW and isinstance(text := params.get("message"), str) and len(text) > MAX_UNPROVED_TEXT:
        params["message"] = f"{text[: MAX_UNPROVED_TEXT - 1]}…"
    if kind.limit is MailLimit.OFFER:
        for address_key in address_keys:
            await _attempt_offer(caller, bounds, address_key, by_account)
        return Permit(is_allowed, params)
    limit, source = bounds.address_requests, ""
    if kind.limit is MailLimit.NOTICE:
        limit, source = bounds.notices, str(caller.user_id or kind)
    counters = [throttle.counter(caller, limit, source, address_key) for address_key in address_keys]
    counted_subjects = await throttle.attempt_each(caller, limit, counters)
    return Permit([counter.subject in counted_subjects for counter in counters], params)


async def _attempt_offer(caller: Caller, bounds: Allowance, address_key: str, by_account: UUID | None) -> None:
    counters = [
        _of_caller(caller, bounds.offers),
        throttle.counter(caller, bounds.account_offers, by_account),
        throttle.counter(caller, PAIR, by_account, address_key),
        throttle.counter(caller, bounds.address_offers, address_key),
        *_installation(caller, is_new=bounds is NEW),
    ]
    await _attempt_all(caller, counters)


async def _attempt_all(caller: Caller, counters: Iterable[Counter]) -> None:
    """Count in each counter. A refusal rolls back the operation, and with it the counters before."""
    for counter in counters:
        _ = await throttle.attempt(caller, counter)


def _of_caller(caller: Caller, limit: Limit) -> Counter:
    return throttle.counter(caller, limit, user_id=caller.user_id)


def _installation(caller: Caller, *, is_new: bool) -> list[Counter]:
    """The counters of the installation, the last of all, because every sender locks them until the commit."""
    most = caller.config.mails_per_hour
    limits = [Limit(INSTALLATION_NEW, most // 2, _HOUR)] if is_new else []
    return [throttle.counter(caller, limit) for limit in (*limits, Limit(INSTALLATION, most, _HOUR))]
