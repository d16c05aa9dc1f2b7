"""Rate limits for guessable secrets. An attempt is counted before it is checked and refunded if it was correct.

    attempt --> counted, allowed --refund--> not counted: it was correct, or never checked
          `---> RateLimited, not counted

One statement counts and checks an attempt, and a counter is one row. Concurrent attempts, in any number of requests,
aliases or processes, are therefore counted one by one, and survive a restart. Outside of a transaction the count stays
even if the operation fails. Inside of one it is rolled back with the operation, which is right for limits on what the
operation sends or writes. Windows slide: an attempt expires when the `window` of its limit is over.

Strangers can exhaust the counters of an address or of all users, but cannot lock users out. The networks where the user
had a session or followed a reset link are trusted, and have a counter of their own. In other networks the user then
needs a code besides the password: see `models/people/sign_in.py`. The subjects of counters, such as e-mail
and IP addresses, are stored as digests under a key that is not in the database.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Final
from uuid import UUID

from auth import tokens
from database import db
from models.base.caller import Caller
from models.base.errors import RateLimited
from models.base.limit_name import LimitName
from models.base.network import network_of, networks_of


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `max_attempts` attempts of a kind within any span of `window`.

    A refusal gives the `name`, and the time when the oldest attempt is over. If several users share the limit
    (`is_shared`), it gives the end of a whole window: the oldest attempt can be that of another user.
    """

    kind: str
    max_attempts: int
    window: timedelta
    name: LimitName = LimitName.ATTEMPTS
    is_shared: bool = False


_SHORT: Final = timedelta(minutes=5)
_DAY: Final = timedelta(days=1)

SIGN_IN_PAIR: Final = Limit("sign-in:pair", 10, _SHORT, LimitName.SIGN_INS)
"""Wrong passwords for one e-mail address from one network. Beyond it, the answer is RATE_LIMITED."""
SIGN_IN_FROM: Final = Limit("sign-in:from", 50, _SHORT, LimitName.SIGN_INS)
"""E-mail addresses for which one network sent wrong passwords. Beyond it and the next three, a code is needed."""
SIGN_IN_NETWORK: Final = Limit("sign-in:network", 200, _SHORT, LimitName.SIGN_INS)
"""Wrong passwords from one network, for any address."""
SIGN_IN_OF: Final = Limit("sign-in:of", 10, _SHORT, LimitName.SIGN_INS)
"""Wrong passwords for one e-mail address, from any network. A user with this address need not exist."""
SIGN_IN: Final = Limit("sign-in", 1000, _SHORT, LimitName.SIGN_INS)
"""Wrong passwords of all addresses and networks."""
SIGN_IN_LOGIN: Final = Limit("sign-in:login", 1, _SHORT, LimitName.SIGN_INS)
"""Marks an e-mail address that SIGN_IN_FROM has counted for a network, so that it counts each once."""
SIGN_IN_CODE: Final = Limit("sign-in:code", 100, _SHORT, LimitName.SIGN_INS)
"""Passwords from one network while a code is needed too. Beyond it, the answer is RATE_LIMITED."""
SIGN_IN_TRUSTED: Final = Limit("sign-in:home", 10, _SHORT, LimitName.SIGN_INS)
"""Wrong passwords of one user from a trusted network. The limits above do not apply there."""
MAILED_CODE: Final = Limit("mailed-code", 10, timedelta(minutes=15), LimitName.CODES)
"""Wrong mailed codes of one user, after the right password."""
MAILED_CODE_TO: Final = Limit("mailed-code:to", 10, timedelta(hours=1))
"""Mails with a code to one user, after the right password. Further ones are omitted silently."""
PASSWORD: Final = Limit("password", 10, _SHORT, LimitName.PASSWORDS)
"""Wrong passwords of a signed-in user who confirms an operation with the password."""
CODE: Final = Limit("code", 10, timedelta(minutes=15), LimitName.CODES)
"""Wrong codes of a second factor, after the right password."""
WARNING: Final = Limit("code:warning", 1, timedelta(minutes=15))
"""Mails that warn the user of wrong codes."""
PASSKEY: Final = Limit("passkey", 100, _SHORT, LimitName.SIGN_INS, is_shared=True)
"""Passkeys from one network that do not sign in. They cannot be guessed; this limits the cost of the checks."""
PASSKEY_CHALLENGE: Final = Limit("passkey:challenge", 300, _SHORT, LimitName.PASSKEYS, is_shared=True)
"""Sign-ins with a passkey that are begun in one network. Each page for signing in can begin one."""
PASSKEY_CHALLENGE_OF: Final = Limit("passkey:challenge-of", 30, _SHORT, LimitName.PASSKEYS)
"""New passkeys, and proofs by passkey in a session, that one user begins."""
VOUCHER: Final = Limit("voucher", 10, timedelta(hours=1), LimitName.VOUCHERS)
"""Wrong voucher codes of one user, in all accounts."""
LINK: Final = Limit("link", 30, _SHORT, LimitName.LINKS, is_shared=True)
"""Unknown tokens of mailed links, from one network. Tokens cannot be guessed; this limits the cost of the lookups."""
USED_LINK: Final = Limit("link:used", 10, _SHORT)
"""Wrong passwords of one user, sent with a link of theirs that was used. Further ones are not checked."""
MAIL_FROM: Final = Limit("mail:from", 60, _SHORT, LimitName.MAIL_REQUESTS, is_shared=True)
"""Mails that callers who are not signed in request from one network."""
MAIL_TO: Final = Limit("mail:to", 5, _DAY)
"""Of these, mails of one kind to one address. Further ones are omitted silently."""
OWNERSHIP: Final = Limit("ownership", 20, _DAY, LimitName.OWNERSHIP_OFFERS)
"""Offers of ownership by one user. Each is mailed to both sides, and so is its end."""
CLOSING: Final = Limit("closing", 5, _DAY, LimitName.CLOSINGS)
"""Closings that one user requests. Each is mailed to all users of the account, and so is its end."""
ACCESS_REQUEST: Final = Limit("requested", 20, _DAY)
"""Mails about access requests to one account. Further requests only appear in its list."""
EMAIL_CHANGE: Final = Limit("email-change", 5, _DAY, LimitName.EMAIL_CHANGES)
"""Changes of the address that one user requests. Each is mailed to the new address."""
EXPORT: Final = Limit("export", 5, timedelta(hours=1), LimitName.EXPORTS)
"""Exports of one user's data."""
ERASURE: Final = Limit("erasure", 5, timedelta(hours=1), LimitName.ERASURES)
"""Erasures that one user tries, for example while others still use the user's accounts."""
REFUSAL: Final = Limit("refused", 100, timedelta(hours=1))
"""Refusals of one user in one account that are recorded as events. Further attempts are refused, too."""

TRUST_DURATION: Final = timedelta(days=60)
"""Time that a network stays trusted after the user's last sign-in there."""
_SKEW: Final = timedelta(minutes=1)
"""Tolerance for attempts in the future. Later ones come from a clock that was set back, and are ignored."""


@dataclass(frozen=True, slots=True)
class Counter:
    """The counter of a limit for one subject. If it has a `user_id`, it is deleted when the user is erased."""

    limit: Limit
    subject: bytes
    user_id: UUID | None = None


def counter(caller: Caller, limit: Limit, *subject: object, user_id: UUID | None = None) -> Counter:
    """Make the counter of a limit for a subject and a user."""
    parts = [limit.kind, *map(str, subject), str(user_id)]
    digest = tokens.derive_bytes(caller.config.link_key, "guesses", "\x00".join(parts).encode(errors="replace"))
    return Counter(limit, digest, user_id)


def network(caller: Caller) -> str:
    """The caller's network: an IPv4 address, or a /64 network of IPv6, whose addresses one client can choose from."""
    return network_of(caller.ip_address) or ""


def largest_network(caller: Caller) -> str:
    """The caller's IPv4 address, or their /48 network of IPv6: the most that a provider assigns to one customer."""
    return (networks_of(caller.ip_address) or ("",))[-1]


def by_network(caller: Caller, limit: Limit) -> list[Counter]:
    """The counters of a limit for the caller's networks: each larger network of IPv6 has twice the limit.

    A customer of a provider may have 65,536 networks of /64. With their own counters alone, they would have no limit.
    """
    return [
        counter(caller, replace(limit, max_attempts=limit.max_attempts << size), subject)
        for size, subject in enumerate(networks_of(caller.ip_address) or ("",))
    ]


# ---- Counting --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was allowed and counted. `is_last` if the next one would be refused."""

    counters: tuple[Counter, ...]
    counted_at: datetime
    is_last: bool

    async def refund(self) -> None:
        """Remove the attempt from its counters. Earlier attempts stay."""
        for counter in self.counters:
            await db.execute(_REFUND, counter.limit.kind, counter.subject, self.counted_at)


class _Count(db.Row):
    count: int


class _Oldest(db.Row):
    at: datetime | None


_IN_WINDOW: Final = "t > $3::timestamptz - $4::interval AND t < $3::timestamptz + $5::interval"
_RECENT: Final = f"ARRAY(SELECT t FROM unnest(g.tried) t WHERE {_IN_WINDOW})"
_COUNT: Final = f"""
INSERT INTO guesses AS g (kind, subject, tried, kept_until, user_id)
VALUES ($1, $2, ARRAY[$3::timestamptz], $3::timestamptz + $4::interval, $7)
ON CONFLICT (kind, subject) DO UPDATE
    SET tried = {_RECENT} || $3::timestamptz, kept_until = greatest(g.kept_until, excluded.kept_until)
    WHERE cardinality({_RECENT}) < $6
RETURNING cardinality(tried) AS count
"""
_COUNT_EACH: Final = f"""
INSERT INTO guesses AS g (kind, subject, tried, kept_until)
SELECT $1, s, ARRAY[$3::timestamptz], $3::timestamptz + $4::interval FROM unnest($2::bytea[]) s
ON CONFLICT (kind, subject) DO UPDATE
    SET tried = {_RECENT} || $3::timestamptz, kept_until = greatest(g.kept_until, excluded.kept_until)
    WHERE cardinality({_RECENT}) < $6
RETURNING subject
"""
_OLDEST: Final = f"""
SELECT min(t) AS at FROM guesses g, unnest(g.tried) t WHERE g.kind = $1 AND g.subject = $2 AND {_IN_WINDOW}
"""
_REFUND: Final = """
UPDATE guesses SET tried = tried[:array_position(tried, $3) - 1] || tried[array_position(tried, $3) + 1:]
WHERE kind = $1 AND subject = $2 AND array_position(tried, $3) IS NOT NULL
"""


async def attempt(caller: Caller, *counters: Counter) -> Attempt:
    """Count an attempt in all of `counters`. Callers pass the same counters in the same order, or they could deadlock.

    Raises RateLimited, and counts in none of them, if one is exhausted.
    """
    # A single statement needs no transaction.
    async with db.transaction() if len(counters) > 1 else nullcontext():
        remaining_counts = [await _count(caller.now, counter) for counter in counters]
    return Attempt(counters, caller.now, is_last=0 in remaining_counts)


async def attempt_or_none(caller: Caller, *counters: Counter) -> Attempt | None:
    """Count an attempt, or return None if a counter is exhausted. For actions that are omitted silently."""
    try:
        return await attempt(caller, *counters)
    except RateLimited:
        return None


async def attempt_link(caller: Caller) -> Attempt:
    """Count the lookup of a mailed link's token from the caller's network. Raises RateLimited."""
    return await attempt(caller, *by_network(caller, LINK))


class _Subject(db.Row):
    subject: bytes


async def attempt_each(caller: Caller, limit: Limit, counters: Iterable[Counter]) -> set[bytes]:
    """Count an attempt in each counter of one limit that is not exhausted, with one statement.

    Returns the subjects of the counters that counted. For actions that are omitted silently, one by one.
    """
    subjects = sorted({counter.subject for counter in counters})  # in this order, or concurrent ones could deadlock
    arguments = limit.kind, subjects, caller.now, limit.window, _SKEW, limit.max_attempts
    return {row.subject for row in await db.fetch(_COUNT_EACH, *arguments, row=_Subject)}


async def _count(now: datetime, counter: Counter) -> int:
    """Count an attempt. Returns the number of remaining attempts. Raises RateLimited."""
    limit = counter.limit
    arguments = limit.kind, counter.subject, now, limit.window, _SKEW
    result = await db.fetch_one(_COUNT, *arguments, limit.max_attempts, counter.user_id, row=_Count)
    if result is not None:
        return limit.max_attempts - result.count
    attempted_at = now if limit.is_shared else (await db.fetch(_OLDEST, *arguments, row=_Oldest))[0].at
    seconds = max(1, ceil(((attempted_at or now) + limit.window - now).total_seconds()))
    raise RateLimited(limit.name, retry_after_seconds=seconds, retry_at=now + timedelta(seconds=seconds))


# ---- Trusted networks ------------------------------------------------------------------------

_IS_TRUSTED: Final = "SELECT FROM guesses WHERE kind = $1 AND subject = $2 AND kept_until > $3"
_TRUST: Final = """
INSERT INTO guesses (kind, subject, tried, kept_until, user_id) VALUES ($1, $2, '{}', $3, $4)
ON CONFLICT (kind, subject) DO UPDATE SET kept_until = excluded.kept_until
"""
_CLEAR: Final = "UPDATE guesses SET tried = '{}' WHERE kind = $1 AND subject = $2"


def trusted_network(caller: Caller, user_id: UUID) -> Counter:
    """The user's counter for the caller's network."""
    return counter(caller, SIGN_IN_TRUSTED, network(caller), user_id=user_id)


async def is_trusted_network(caller: Caller, user_id: UUID) -> bool:
    """True if the user has signed in from the caller's network before."""
    counter = trusted_network(caller, user_id)
    return bool(await db.fetch(_IS_TRUSTED, counter.limit.kind, counter.subject, caller.now, row=db.Row))


async def trust_network(caller: Caller, user_id: UUID, *, clear_attempts: bool = False) -> None:
    """Trust the caller's network for a user who has signed in there. `clear_attempts` resets its counter."""
    counter = trusted_network(caller, user_id)
    await db.execute(_TRUST, counter.limit.kind, counter.subject, caller.now + TRUST_DURATION, user_id)
    if clear_attempts:
        await db.execute(_CLEAR, counter.limit.kind, counter.subject)
