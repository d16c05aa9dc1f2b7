"""Holding events against their chains: what was changed, left out, moved or put in between is found.

The hashes are computed here a second time, from nothing but the rows, so that a database whose
functions were tampered with is found out too. Whoever may rewrite the whole database can compute
every hash anew, or cut off a chain's end; that shows only against an anchor: heads of the chains
that an earlier run found, kept elsewhere.
"""

import hashlib
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from database import db

BATCH: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain reaches, and the hash of its last link."""

    chain: UUID
    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """The first place of a chain that is not what was written, the event there if any, and what is wrong."""

    position: int
    event_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one chain: its head, or its first break."""

    chain: UUID
    head: Head | None
    broken: Break | None
    events: int
    forgotten: int
    """Events of which something personal was taken out; that part of them is vouched for no more."""


class _Link(db.Row):
    """A link, and its event, whose columns are None where it is gone."""

    chain: UUID
    position: int
    event_id: UUID
    hash: bytes
    id: UUID | None
    type: str
    occurred_at: datetime
    actor_id: UUID | None
    actor_role: str | None
    account_id: UUID | None
    request_id: str | None
    before: str | None
    after: str | None
    origin: str | None
    origin_digest: bytes | None
    personal: str | None
    personal_digest: bytes | None


async def verify(anchor: Iterable[Head] = (), *, only: UUID | None = None) -> AsyncIterator[Checked]:
    """Every chain, or `only` one, held against its events and the heads of an anchor.

    In the order of their ids, in which the anchor has to be too; a batch of rows in memory at a time.
    """
    kept = _Kept(iter(anchor))
    walk: _Walk | None = None
    async for link in _links(only):
        if walk is None or walk.chain != link.chain:
            if walk is not None:
                yield walk.end()
            for head in kept.before(link.chain):
                yield _Walk(head.chain, head).end()
            walk = _Walk(link.chain, kept.at(link.chain))
        walk.step(link)
    if walk is not None:
        yield walk.end()
    for head in kept.before(None):
        yield _Walk(head.chain, head).end()


async def unlinked(account_id: UUID | None = None) -> UUID | None:
    """An event of all, or of one account, that is in no chain; None where each is."""
    last = UUID(int=0)
    while rows := await db.fetch(_EVENTS, last, account_id, row=_Place):
        for row in rows:
            if row.event_id is None:
                return row.id
        last = rows[-1].id
    return None


class _Kept:
    """The heads of an anchor, taken one after the other."""

    def __init__(self, heads: Iterator[Head]) -> None:
        self._heads = heads
        self._next = next(heads, None)

    def before(self, chain: UUID | None) -> Iterator[Head]:
        """Those that come before a chain, or all that are left."""
        while self._next is not None and (chain is None or self._next.chain < chain):
            yield self._next
            self._next = next(self._heads, None)

    def at(self, chain: UUID) -> Head | None:
        """The one of a chain."""
        found = self._next if self._next is not None and self._next.chain == chain else None
        if found is not None:
            self._next = next(self._heads, None)
        return found


class _Walk:
    """A chain on the way from its first link to its last."""

    def __init__(self, chain: UUID, kept: Head | None) -> None:
        self.chain = chain
        self._kept = kept
        self._position = 0
        self._hash: bytes | None = None
        self._broken: Break | None = None
        self._events = 0
        self._forgotten = 0

    def step(self, link: _Link) -> None:
        """The next link."""
        self._events += 1
        self._forgotten += _has_forgotten(link)
        if self._broken is None and (reason := self._fault(link)):
            at = min(link.position, self._position + 1)
            self._broken = Break(at, link.event_id if at == link.position else None, reason)
        self._position, self._hash = link.position, link.hash

    def _fault(self, link: _Link) -> str | None:
        if link.position != self._position + 1:
            return "the event at this place was taken out"
        if reason := _difference(link, self._hash):
            return reason
        if self._kept and self._kept.position == link.position and self._kept.hash != link.hash:
            return "the anchor saw another event at this place"
        return None

    def end(self) -> Checked:
        """What came of it."""
        if self._broken is None and self._kept is not None and self._kept.position > self._position:
            self._broken = Break(
                self._position + 1, None, "the anchor saw events from this place on; they were cut off"
            )
        head = None if self._broken or self._hash is None else Head(self.chain, self._position, self._hash)
        return Checked(self.chain, head, self._broken, self._events, self._forgotten)


def _difference(link: _Link, previous: bytes | None) -> str | None:
    """What is not as it was when the link was made."""
    if link.id is None:
        return "the event at this place was deleted"
    if link.chain != _chain_of(link):
        return "the event at this place is another chain's"
    if link.hash != _hash(link, previous):
        return "the event at this place was changed, moved or put in"
    if not _holds(link.origin, link.origin_digest) or not _holds(link.personal, link.personal_digest):
        return "the personal part of the event at this place was changed"
    return None


def _has_forgotten(link: _Link) -> bool:
    parts = ((link.origin, link.origin_digest), (link.personal, link.personal_digest))
    return any(part is None and digest is not None for part, digest in parts)


def _holds(part: str | None, digest: bytes | None) -> bool:
    """Whether a personal part is what its digest was made of; one that was taken out may have been anything."""
    return part is None or hashlib.sha256(part.encode()).digest() == digest


def _chain_of(link: _Link) -> UUID:
    """As `event_chain` in the database has it."""
    return link.account_id or link.actor_id or UUID(int=link.event_id.int & 0xFF)


def _hash(link: _Link, previous: bytes | None) -> bytes:
    """As `event_hash` in the database has it."""
    instant = (link.occurred_at - _EPOCH) // _MICROSECOND
    texts = (link.type, link.actor_role, link.request_id, link.before, link.after)
    kind, role, request, before, after = (None if text is None else text.encode() for text in texts)
    actor, account = (None if key is None else key.bytes for key in (link.actor_id, link.account_id))
    fixed = link.chain.bytes + struct.pack(">q", link.position) + link.event_id.bytes + struct.pack(">q", instant)
    parts = (kind, actor, role, account, request, before, after, link.origin_digest, link.personal_digest)
    return hashlib.sha256(_field(previous) + fixed + b"".join(map(_field, parts))).digest()


def _field(value: bytes | None) -> bytes:
    return b"\0" if value is None else b"\1" + struct.pack(">i", len(value)) + value


# ---- Reading ---------------------------------------------------------------------------------

_COLUMNS: Final = {
    **db.columns("l", "chain position event_id hash"),
    **db.columns("e", "id type occurred_at actor_id actor_role account_id request_id before after"),
    **db.columns("e", "origin origin_digest personal personal_digest"),
}
_LINKS: Final = f"""
SELECT {", ".join(_COLUMNS.values())} FROM event_links l LEFT JOIN events e ON e.id = l.event_id
WHERE (l.chain, l.position) > ($1, $2) AND ($3::uuid IS NULL OR l.chain = $3)
ORDER BY l.chain, l.position LIMIT {BATCH}
"""


async def _links(only: UUID | None) -> AsyncIterator[_Link]:
    chain, position = only or UUID(int=0), 0
    while rows := await db.fetch(_LINKS, chain, position, only, row=_Link):
        for row in rows:
            yield row
        chain, position = rows[-1].chain, rows[-1].position


class _Place(db.Row):
    id: UUID
    event_id: UUID | None


_EVENTS: Final = f"""
SELECT e.id, l.event_id FROM (
    SELECT id FROM events WHERE id > $1 AND ($2::uuid IS NULL OR account_id = $2) ORDER BY id LIMIT {BATCH}
) e LEFT JOIN event_links l ON l.event_id = e.id ORDER BY e.id
"""
