"""What may be tried only so often: a try is counted before anybody looks at it, and what was right is not counted.

    take --> counted, allowed --give_back--> not counted: it was right, or nobody looked at it
       `---> RateLimited, counted nowhere

Counting and allowing are one statement, and a counter is one row: so many at once, in whatever requests,
aliases or processes, are let through one by one, and survive a restart. Outside of a transaction the count
is kept whatever becomes of the operation; inside of one it goes with it, which is right for what is only
sent or written if the operation is done. A window slides: each try is forgotten when `within` is over.

Strangers can use up the counters of somebody's address, but not shut him out: where he has had a session,
or followed the link of a reset, he is at home, and has a counter of his own there. The subjects of counters,
such as addresses of mail and of clients, are digests under a key that is not in the database.
"""

import ipaddress
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final
from uuid import UUID

from auth import tokens
from database import db
from models.base.caller import Caller
from models.base.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Limit:
    """How many tries of a kind are allowed within any time so long."""

    kind: str
    most: int
    within: timedelta


_SHORT: Final = timedelta(minutes=5)
_DAY: Final = timedelta(days=1)

SIGN_IN_FROM: Final = Limit("sign-in:from", 10, _SHORT)
"""Wrong passwords from one network, whoever's."""
SIGN_IN_OF: Final = Limit("sign-in:of", 10, _SHORT)
"""Wrong passwords for one address of mail, from everywhere; there need not be such a login."""
SIGN_IN: Final = Limit("sign-in", 1000, _SHORT)
"""Wrong passwords in all."""
SIGN_IN_TRUSTED: Final = Limit("sign-in:home", 10, _SHORT)
"""Wrong passwords of somebody where he is at home; there, none of the three above counts."""
PASSWORD: Final = Limit("password", 10, _SHORT)
"""Wrong passwords of somebody who is signed in and gives it again."""
CODE: Final = Limit("code", 10, timedelta(minutes=15))
"""Wrong codes of a second factor, by somebody who knows the password."""
WARNING: Final = Limit("code:warning", 1, timedelta(minutes=15))
"""Mails that tell him of these."""
VOUCHER: Final = Limit("voucher", 10, timedelta(hours=1))
"""Wrong codes of vouchers, in whatever account."""
LINK: Final = Limit("link", 30, _SHORT)
"""Tokens of no mailed link, from one network; nobody guesses one, but looking has its price."""
MAIL_FROM: Final = Limit("mail:from", 60, _SHORT)
"""Mails that somebody asks for who is not signed in, from one network."""
MAIL_TO: Final = Limit("mail:to", 5, _DAY)
"""Of these, mails of one kind to one address; more are left out without a word."""
INVITATION: Final = Limit("invitation", 50, _DAY)
"""Offers that an account mails: invitations, and accounts for clients, the same one again too."""
INVITATION_TO: Final = Limit("invitation:to", 5, _DAY)
"""Of these, to one address."""
ENGAGEMENT: Final = Limit("engagement", 50, _DAY)
"""Engagements that an account asks for, whether there is anybody to ask or not."""
REQUESTED: Final = Limit("requested", 20, _DAY)
"""Requests for access to one account of which mails tell; of more, its list does."""
REFUSED: Final = Limit("refused", 100, timedelta(hours=1))
"""What is written down of all that somebody tries in one account and may not; it is refused however often."""

TRUST_LASTS: Final = timedelta(days=60)
"""How long a network is somebody's home after he has last signed in there."""
_SKEW: Final = timedelta(minutes=1)
"""What is later than that was counted by a clock that has been set back since."""


@dataclass(frozen=True, slots=True)
class Counter:
    """What counts the tries of one kind by one subject; with `user_id`, it goes with him when he is erased."""

    limit: Limit
    subject: bytes
    user_id: UUID | None = None


def counter(caller: Caller, limit: Limit, *subject: object, user_id: UUID | None = None) -> Counter:
    """The counter of a kind for whoever or whatever `subject` is, and `user_id`."""
    parts = [limit.kind, *map(str, subject), str(user_id)]
    digest = tokens.derive_bytes(caller.config.link_key, "guesses", "\x00".join(parts).encode(errors="replace"))
    return Counter(limit, digest, user_id)


def network(caller: Caller) -> str:
    """Where the caller is, as far as one may be told from another: of IPv6 everybody has a /64 to choose from."""
    try:
        address = ipaddress.ip_address((caller.ip_address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address)


# ---- Counting --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that is allowed and counted; `is_last` if the next one will be refused."""

    counters: tuple[Counter, ...]
    at: datetime
    is_last: bool

    async def refund(self) -> None:
        """Count it no more. Others that were counted before stay."""
        for each in self.counters:
            await db.execute(_GIVE_BACK, each.limit.kind, each.subject, self.at)


class _Count(db.Row):
    count: int


class _Oldest(db.Row):
    at: datetime | None


_LIVE: Final = "t > $3::timestamptz - $4::interval AND t < $3::timestamptz + $5::interval"
_TRIED: Final = f"ARRAY(SELECT t FROM unnest(g.tried) t WHERE {_LIVE})"
_TAKE: Final = f"""
INSERT INTO guesses AS g (kind, subject, tried, kept_until, user_id)
VALUES ($1, $2, ARRAY[$3::timestamptz], $3::timestamptz + $4::interval, $7)
ON CONFLICT (kind, subject) DO UPDATE
    SET tried = {_TRIED} || $3::timestamptz, kept_until = greatest(g.kept_until, excluded.kept_until)
    WHERE cardinality({_TRIED}) < $6
RETURNING cardinality(tried) AS count
"""
_OLDEST: Final = f"""
SELECT min(t) AS at FROM guesses g, unnest(g.tried) t WHERE g.kind = $1 AND g.subject = $2 AND {_LIVE}
"""
_GIVE_BACK: Final = """
UPDATE guesses SET tried = tried[:array_position(tried, $3) - 1] || tried[array_position(tried, $3) + 1:]
WHERE kind = $1 AND subject = $2 AND array_position(tried, $3) IS NOT NULL
"""


async def attempt(caller: Caller, *counters: Counter) -> Attempt:
    """Count a try in all of `counters`; they come in the same order wherever they come together.

    Raises RateLimited, and counts in none, where one of them has had its most.
    """
    # One statement needs no transaction around it.
    async with db.transaction() if len(counters) > 1 else nullcontext():
        left = [await _count(caller.now, each) for each in counters]
    return Attempt(counters, caller.now, is_last=0 in left)


async def attempt_quietly(caller: Caller, *counters: Counter) -> Attempt | None:
    """Count a try if there is one left; for what is left undone without a word."""
    try:
        return await attempt(caller, *counters)
    except RateLimited:
        return None


async def attempt_link(caller: Caller) -> Attempt:
    """Count the token of a link, from whoever it comes. Raises RateLimited."""
    return await attempt(caller, counter(caller, LINK, network(caller)))


async def attempt_offer(caller: Caller, account_id: UUID, email_key: str) -> None:
    """Count a mail that offers something in an account's name. Raises RateLimited."""
    _ = await attempt(
        caller,
        counter(caller, INVITATION, account_id),
        counter(caller, INVITATION_TO, account_id, email_key),
    )


async def _count(now: datetime, counter: Counter) -> int:
    """Count a try. Returns how many more there may be. Raises RateLimited."""
    limit = counter.limit
    which = limit.kind, counter.subject, now, limit.within, _SKEW
    counted = await db.fetch_one(_TAKE, *which, limit.most, counter.user_id, row=_Count)
    if counted is not None:
        return limit.most - counted.count
    (oldest,) = await db.fetch(_OLDEST, *which, row=_Oldest)
    left = (oldest.at or now) + limit.within - now
    raise RateLimited(retry_after_seconds=max(1, ceil(left.total_seconds())))


# ---- At home ---------------------------------------------------------------------------------

_IS_HOME: Final = "SELECT FROM guesses WHERE kind = $1 AND subject = $2 AND kept_until > $3"
_MAKE_HOME: Final = """
INSERT INTO guesses (kind, subject, tried, kept_until, user_id) VALUES ($1, $2, '{}', $3, $4)
ON CONFLICT (kind, subject) DO UPDATE SET kept_until = excluded.kept_until
"""
_FORGET: Final = "UPDATE guesses SET tried = '{}' WHERE kind = $1 AND subject = $2"


def trusted_network(caller: Caller, user_id: UUID) -> Counter:
    """A user's own counter where the caller is."""
    return counter(caller, SIGN_IN_TRUSTED, network(caller), user_id=user_id)


async def is_trusted_network(caller: Caller, user_id: UUID) -> bool:
    """Whether the caller is where the user has signed in before."""
    place = trusted_network(caller, user_id)
    return bool(await db.fetch(_IS_HOME, place.limit.kind, place.subject, caller.now, row=db.Row))


async def trust_network(caller: Caller, user_id: UUID, *, afresh: bool = False) -> None:
    """Remember that a user has signed in where the caller is; `afresh` forgets what was wrong there."""
    place = trusted_network(caller, user_id)
    await db.execute(_MAKE_HOME, place.limit.kind, place.subject, caller.now + TRUST_LASTS, user_id)
    if afresh:
        await db.execute(_FORGET, place.limit.kind, place.subject)
