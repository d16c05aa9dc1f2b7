"""Limits of the mails that users can cause to go to others, by the sender.

    OFFER      counted for the sender, the sending account, the receiver and the installation; else RateLimited
    DOCUMENT   counted for the sending account, its mails to the receiver and the installation, and for the receiver if
               the sender is new; else RateLimited
    REQUEST    counted for the sender, the sending account and the installation, else RateLimited; for the receiver,
               else omitted
    NOTICE     counted for the user who causes it and the receiver, else omitted

A new sender has lower bounds than an established sender, and bounds of new senders for one receiver or for the
installation are counted apart. So the mails of users who have just registered delay no established sender. Offers are
counted by address alone: their bound does not depend on whether the address has a login. Kinds that are limited by
their operation (`MailLimit.OPERATION`) are not counted here, so no user can use up the bound of a password reset.

The operator can raise a limit for one account and a time: see `models/accounts/limit_raise.py`. The raised limit has a
counter of its own, which counts instead of those of the user and of the account. The bounds of the receiver stay. Each
account has a quarter of the installation's mails of an hour, so no raise takes the mails of others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from database import db
from models import throttle
from models.base.caller import Caller
from models.base.limit_name import LimitName
from models.outbox.message_kind import MailLimit, MessageKind
from models.throttle import Counter, Limit

ESTABLISHED_AFTER: Final = timedelta(days=30)
"""Age of a login or an account, since its activation, at which it is an established sender."""
MAX_UNPROVED_TEXT: Final = 500
"""Characters of a new sender's message that are mailed."""
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)

PAIR: Final = Limit("invitation:to", 5, _DAY, LimitName.MAILS_TO_ADDRESS)
"""Offers of one account to one address."""


DOCUMENT_PAIR: Final = Limit("document:to", 50, _DAY, LimitName.MAILS_TO_ADDRESS)
"""Documents of one account to one address. A customer can get the invoices of a month on one day."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The bounds of a sender."""

    offers: Limit
    """Of one user, in all accounts."""
    account_offers: Limit
    """Of all users of one account."""
    address_offers: Limit
    """To one address, of all senders with the same sender."""
    documents: Limit
    """Of all users of one account."""
    requests: Limit
    """Of one user, for all accounts, whether or not the requested accounts exist."""
    access_requests: Limit
    """Of one user. They count as requests, too."""
    account_engagements: Limit
    """Requests of engagements by all users of one account. They count as requests, too."""
    address_requests: Limit
    """To one address, of all senders with the same sender."""
    notices: Limit
    """To one address, of one user, or of one kind by the scheduled jobs."""


NEW: Final = Allowance(
    offers=Limit("offer", 50, _DAY),
    account_offers=Limit("invitation", 50, _DAY),
    address_offers=Limit("offer:to:new", 10, _DAY, LimitName.MAILS, is_shared=True),
    documents=Limit("document", 50, _DAY, LimitName.SENT_DOCUMENTS),
    requests=Limit("request", 50, _DAY),
    access_requests=Limit("access-request", 20, _DAY),
    account_engagements=Limit("engagement", 50, _DAY),
    address_requests=Limit("request:to:new", 10, _DAY),
    notices=Limit("notice", 30, _DAY),
)
ESTABLISHED: Final = Allowance(
    offers=Limit("offer", 500, _DAY),
    account_offers=Limit("invitation", 500, _DAY),
    address_offers=Limit("offer:to", 20, _DAY, LimitName.MAILS, is_shared=True),
    documents=Limit("document", 2000, _DAY, LimitName.SENT_DOCUMENTS),
    requests=Limit("request", 500, _DAY),
    access_requests=Limit("access-request", 200, _DAY),
    account_engagements=Limit("engagement", 500, _DAY),
    address_requests=Limit("request:to", 50, _DAY),
    notices=Limit("notice", 200, _DAY),
)
INSTALLATION: Final = "mail:all"
INSTALLATION_NEW: Final = "mail:all:new"
"""The kinds of the installation's counters: of all senders, and of the new ones, who have half of the bound."""
ACCOUNT_SHARE: Final = 4
"""An account, or a user who sends for none, has one of this many parts of the installation's bound."""


class Sender(db.Row):
    """The user who sends a mail, or acts otherwise for others, and the account for which they act."""

    has_paid: bool
    """The account, or an account of the user, has days from a voucher or the operator.

    Days of a trial or of another account do not count: they cost nothing.
    """
    is_established: bool
    """The login or the account is old enough, or has paid."""
    raised_count: int | None
    """The number to which the operator has raised the limit for the account."""

    @property
    def allowance(self) -> Allowance:
        """The bounds of the sender, without the raised one."""
        return ESTABLISHED if self.is_established else NEW

    @property
    def is_known(self) -> bool:
        """True for an established sender, and for one whose limit the operator has raised."""
        return self.is_established or self.raised_count is not None


_SENDER: Final = """
SELECT has_paid, raised_count, has_paid OR is_old AS is_established FROM (SELECT
    EXISTS (SELECT FROM users WHERE id = $1 AND activated_at <= $3)
        OR EXISTS (SELECT FROM accounts WHERE id = $2 AND activated_at <= $3) AS is_old,
    EXISTS (SELECT FROM accounts a JOIN subscription_entries e ON e.account_id = a.id
        WHERE (a.owner_id = $1 OR a.id = $2) AND e.kind IN ('CREDIT', 'VOUCHER')) AS has_paid,
    (SELECT per_day FROM limit_raises WHERE account_id = $2 AND name = $4 AND ends_at > $5) AS raised_count) s
"""


async def load_sender(caller: Caller, by_account: UUID | None = None, name: LimitName | None = None) -> Sender:
    """The caller as a sender for `by_account`, at the limit `name`.

    A sender is established if the login or the account is old enough, or if the caller owns an account with paid or
    credited days, or acts for such an account.
    """
    since: datetime = caller.now - ESTABLISHED_AFTER
    (sender,) = await db.fetch(_SENDER, caller.user_id, by_account, since, name, caller.now, row=Sender)
    return sender


async def allowance(caller: Caller, by_account: UUID | None = None) -> Allowance:
    """The bounds of the caller, who sends for `by_account`, without raised ones. A scheduled job is established."""
    if caller.user_id is None and caller.ip_address is None:
        return ESTABLISHED
    return (await load_sender(caller, by_account)).allowance


async def attempt_engagement(caller: Caller, by_account: UUID) -> None:
    """Count the request of an engagement. Call it before the other account is looked up. Raises RateLimited."""
    sender = await load_sender(caller, by_account, LimitName.ENGAGEMENTS)
    bounds = sender.allowance
    counters = [throttle.counter(caller, bounds.account_engagements, by_account), _of_caller(caller, bounds.requests)]
    await _attempt(caller, sender, LimitName.ENGAGEMENTS, by_account, counters)


async def attempt_access_request(caller: Caller, by_account: UUID | None) -> None:
    """Count the request of access. Call it before the account is looked up. Raises RateLimited."""
    sender = await load_sender(caller, by_account, LimitName.ACCESS_REQUESTS)
    bounds = sender.allowance
    counters = [_of_caller(caller, bounds.access_requests), _of_caller(caller, bounds.requests)]
    await _attempt(caller, sender, LimitName.ACCESS_REQUESTS, by_account, counters)


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
    """Count mails of a kind to addresses. Raises RateLimited for an offer or a document beyond a bound.

    Runs the same number of statements for any number of addresses of a REQUEST or NOTICE.
    """
    is_allowed, params = [True] * len(address_keys), dict(params)
    if kind.limit in {MailLimit.OPERATION, MailLimit.REMINDER}:
        return Permit(is_allowed, params)
    if kind.limit is MailLimit.OFFER:
        name = LimitName.CLIENT_ACCOUNTS if kind is MessageKind.CLIENT_ACTIVATION else LimitName.INVITATIONS
        sender = await load_sender(caller, by_account, name)
        for address_key in address_keys:
            await _attempt_offer(caller, sender, name, address_key, by_account)
        return Permit(is_allowed, params if sender.is_known else _shorten(params))
    if kind.limit is MailLimit.DOCUMENT:
        for address_key in address_keys:
            await _attempt_document(caller, address_key, by_account)
        return Permit(is_allowed, params)
    bounds = await allowance(caller, by_account)
    if bounds is NEW:
        params = _shorten(params)
    limit, source = bounds.address_requests, ""
    if kind.limit is MailLimit.NOTICE:
        limit, source = bounds.notices, str(caller.user_id or kind)
    counters = [throttle.counter(caller, limit, source, address_key) for address_key in address_keys]
    counted_subjects = await throttle.attempt_each(caller, limit, counters)
    return Permit([counter.subject in counted_subjects for counter in counters], params)


def _shorten(params: dict[str, object]) -> dict[str, object]:
    text = params.get("message")
    if isinstance(text, str) and len(text) > MAX_UNPROVED_TEXT:
        return {**params, "message": f"{text[: MAX_UNPROVED_TEXT - 1]}…"}
    return params


async def _attempt_offer(
    caller: Caller, sender: Sender, name: LimitName, address_key: str, by_account: UUID | None
) -> None:
    bounds = sender.allowance
    own_counters = [_of_caller(caller, bounds.offers), throttle.counter(caller, bounds.account_offers, by_account)]
    address_limit = (ESTABLISHED if sender.is_known else NEW).address_offers
    receiver_counters = [
        throttle.counter(caller, PAIR, by_account, address_key),
        throttle.counter(caller, address_limit, address_key),
    ]
    await _attempt(caller, sender, name, by_account, own_counters, receiver_counters)


async def _attempt_document(caller: Caller, address_key: str, by_account: UUID | None) -> None:
    sender = await load_sender(caller, by_account, LimitName.SENT_DOCUMENTS)
    account_counter = throttle.counter(caller, sender.allowance.documents, by_account)
    receiver_counters = [throttle.counter(caller, DOCUMENT_PAIR, by_account, address_key)]
    if not sender.is_known:
        receiver_counters.append(throttle.counter(caller, NEW.address_offers, address_key))
    await _attempt(caller, sender, LimitName.SENT_DOCUMENTS, by_account, [account_counter], receiver_counters)


async def _attempt(
    caller: Caller,
    sender: Sender,
    name: LimitName,
    by_account: UUID | None,
    own_counters: Sequence[Counter],
    receiver_counters: Sequence[Counter] = (),
) -> None:
    """Count for the sender, the receiver and the installation. The name is that of the limit of the sender.

    A refusal rolls back the operation, and with it the counters before.
    """
    if sender.raised_count is not None:
        # A raise never lowers: the limit of the sender's standing can have grown since.
        per_day = max(sender.raised_count, *(counter.limit.max_attempts for counter in own_counters))
        raised_limit = Limit(f"raised:{name}", per_day, _DAY)
        own_counters = [throttle.counter(caller, raised_limit, by_account)]
    named_counters = [replace(counter, limit=replace(counter.limit, name=name)) for counter in own_counters]
    shared_counters = _installation(caller, by_account, is_new=not sender.is_known)
    for counter in (*named_counters, *receiver_counters, *shared_counters):
        _ = await throttle.attempt(caller, counter)


def _of_caller(caller: Caller, limit: Limit) -> Counter:
    return throttle.counter(caller, limit, user_id=caller.user_id)


def _installation(caller: Caller, by_account: UUID | None, *, is_new: bool) -> list[Counter]:
    """The counters of the installation, the last of all, because every sender locks them until the commit."""
    most = caller.config.mails_per_hour
    share = Limit("mail:all:account", max(1, most // ACCOUNT_SHARE), _HOUR, LimitName.MAILS_OF_ACCOUNT)
    limits = [Limit(INSTALLATION_NEW, most // 2, _HOUR)] if is_new else []
    limits.append(Limit(INSTALLATION, most, _HOUR))
    return [
        throttle.counter(caller, share, by_account or caller.user_id),
        *(throttle.counter(caller, replace(limit, name=LimitName.MAILS, is_shared=True)) for limit in limits),
    ]
