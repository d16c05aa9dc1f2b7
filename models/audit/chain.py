"""Verification of the hash chains of events: find events that were changed, removed, moved or inserted.

The hashes are computed here again from the rows alone, so that tampered functions of the database are detected, too.
An attacker who can rewrite the whole database can recompute every hash, or cut off the end of a chain. That shows only
against an anchor: the heads of the chains from an earlier run, stored elsewhere. Personal data that is missing must be
listed by the record of an erasure: see `erasure_record`.
"""

import hashlib
import struct
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from database import db
from models.audit import erasure_record
from models.audit.erasure_record import ErasureCheck, Record

BATCH: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Head:
    """The position and the hash of a chain's last link."""

    chain: UUID
    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """The first broken position of a chain, with the reason. `event_id` is None if the position has no event."""

    position: int
    event_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of the verification of one chain: its head, or its first break."""

    chain: UUID
    head: Head | None
    first_break: Break | None
    events: int
    forgotten_events: int
    """The number of events whose personal data was erased. The chain no longer proves that part of them."""


class _Link(Record):
    """A link with its event. All columns of the event are None if it was deleted."""

    chain: UUID
    hash: bytes
    id: UUID | None
    actor_role: str | None
    request_id: str | None
    before: str | None
    creator_id: UUID | None
    account_exists: bool


async def verify(anchor: Iterable[Head] = (), *, chain_id: UUID | None = None) -> AsyncIterator[ChainReport]:
    """Verify all chains, or only the one with `chain_id`, against their events and the heads of an anchor.

    Chains are verified in the order of their ids; the anchor is in the same order, and can have several heads of a
    chain. One batch of rows is in memory at a time.
    """
    anchor_heads = _Anchor(iter(anchor))
    migrated_at = await erasure_record.load_migration()
    check: _ChainCheck | None = None
    async for link in _links(chain_id):
        if check is None or check.chain != link.chain:
            if check is not None:
                yield await check.report()
            for heads in anchor_heads.before(link.chain):
                yield await _ChainCheck(heads[0].chain, heads, migrated_at).report()
            check = _ChainCheck(link.chain, anchor_heads.at(link.chain), migrated_at)
        check.add(link)
    if check is not None:
        yield await check.report()
    for heads in anchor_heads.before(None):
        yield await _ChainCheck(heads[0].chain, heads, migrated_at).report()


async def find_unlinked(account_id: UUID | None = None) -> UUID | None:
    """Find an event, of all or of one account, that is in no chain. None if there is none."""
    last = UUID(int=0)
    while rows := await db.fetch(_EVENTS, last, account_id, row=_EventLink):
        for row in rows:
            if row.event_id is None:
                return row.id
        last = rows[-1].id
    return None


class _Anchor:
    """An iterator over the heads of an anchor, chain by chain."""

    def __init__(self, heads: Iterator[Head]) -> None:
        self._groups = ((chain, [*group]) for chain, group in groupby(heads, lambda head: head.chain))
        self._next = next(self._groups, None)

    def before(self, chain: UUID | None) -> Iterator[list[Head]]:
        """Yield the heads of each chain before a chain, or of all remaining ones if `chain` is None."""
        while self._next is not None and (chain is None or self._next[0] < chain):
            yield self._next[1]
            self._next = next(self._groups, None)

    def at(self, chain: UUID) -> list[Head]:
        """The heads of a chain. Empty if the anchor has none."""
        if self._next is None or self._next[0] != chain:
            return []
        _, heads = self._next
        self._next = next(self._groups, None)
        return heads


class _ChainCheck:
    """The verification of one chain, from its first link to its last."""

    def __init__(self, chain: UUID, anchor_heads: Sequence[Head], migrated_at: datetime | None) -> None:
        self.chain = chain
        self._erasures = ErasureCheck(chain, migrated_at)
        # After a cut, the anchor has two heads at one position: at most one is in the chain.
        self._anchor: dict[int, set[bytes]] = {}
        for head in anchor_heads:
            self._anchor.setdefault(head.position, set()).add(head.hash)
        self._position = 0
        self._hash: bytes | None = None
        self._first_break: Break | None = None
        self._events = 0
        self._forgotten_events = 0

    def add(self, link: _Link) -> None:
        """Verify the next link."""
        self._events += 1
        if link.id is not None:
            self._forgotten_events += self._erasures.add(link)
        if self._first_break is None and (reason := self._fault(link)):
            position = min(link.position, self._position + 1)
            self._first_break = Break(position, link.event_id if position == link.position else None, reason)
        self._position, self._hash = link.position, link.hash

    def _fault(self, link: _Link) -> str | None:
        if link.position != self._position + 1:
            return "the event at this position is missing"
        if reason := _difference(link, self._hash):
            return reason
        if self._anchor.get(link.position, {link.hash}) != {link.hash}:
            return "the anchor has another event at this position"
        return None

    async def report(self) -> ChainReport:
        """The result, after the last link."""
        if fault := await self._erasures.first_fault():
            position, event_id = fault
            if self._first_break is None or position < self._first_break.position:
                self._first_break = Break(position, event_id, _ERASURE_MISSING)
        if self._first_break is None and max(self._anchor, default=0) > self._position:
            self._first_break = Break(
                self._position + 1, None, "the anchor has events from this position on; they were cut off"
            )
        head = None if self._first_break or self._hash is None else Head(self.chain, self._position, self._hash)
        return ChainReport(self.chain, head, self._first_break, self._events, self._forgotten_events)


_ERASURE_MISSING: Final = (
    "personal data of the event at this position was removed, and no erasure of its person is recorded"
)


def _difference(link: _Link, previous: bytes | None) -> str | None:
    """The first difference between a link and its event; None if they match."""
    if link.id is None:
        return "the event at this position was deleted"
    if link.chain != _chain_of(link):
        return "the event at this position belongs to another chain"
    if link.hash != _hash(link, previous):
        return "the event at this position was changed, moved or inserted"
    if not _holds_personal_data(link):
        return "the personal data of the event at this position was changed"
    return None if link.account_exists else "the account of the event at this position was deleted"


def _holds_personal_data(link: _Link) -> bool:
    """True if the parts that the event has match their digests. Missing parts are held against records of erasures."""
    origin, personal = link.origin, link.personal
    if origin is not None and hashlib.sha256(origin.encode()).digest() != link.origin_digest:
        return False
    return personal is None or erasure_record.personal_digest(personal) == link.personal_digest


def _chain_of(link: _Link) -> UUID:
    """The chain of an event, as the database function `event_chain` computes it."""
    return link.account_id or link.actor_id or UUID(int=link.event_id.int & 0xFF)


def _hash(link: _Link, previous: bytes | None) -> bytes:
    """The hash of a link, as the database function `event_hash` computes it."""
    instant = (link.occurred_at - _EPOCH) // _MICROSECOND
    texts = (link.type, link.actor_role, link.request_id, link.before, link.after)
    kind, role, request, before, after = (None if text is None else text.encode() for text in texts)
    actor, account = (None if key is None else key.bytes for key in (link.actor_id, link.account_id))
    header = link.chain.bytes + struct.pack(">q", link.position) + link.event_id.bytes + struct.pack(">q", instant)
    parts: tuple[bytes | None, ...] = (
        kind,
        actor,
        role,
        account,
        request,
        before,
        after,
        link.origin_digest,
        link.personal_digest,
    )
    if link.creator_id is not None:  # older events have none, and hashes without this part
        parts = (*parts, link.creator_id.bytes)
    return hashlib.sha256(_field(previous) + header + b"".join(map(_field, parts))).digest()


def _field(value: bytes | None) -> bytes:
    return b"\0" if value is None else b"\1" + struct.pack(">i", len(value)) + value


# ---- Queries ---------------------------------------------------------------------------------

_COLUMNS: Final = db.columns_of(
    "e",
    _Link,
    db.columns("l", "chain position event_id hash")
    | {"account_exists": "e.account_id IS NULL OR EXISTS (SELECT FROM accounts a WHERE a.id = e.account_id)"},
)
_LINKS: Final = f"""
SELECT {db.select_list(_COLUMNS)} FROM event_links l LEFT JOIN events e ON e.id = l.event_id
WHERE (l.chain, l.position) > ($1, $2) AND ($3::uuid IS NULL OR l.chain = $3)
ORDER BY l.chain, l.position LIMIT {BATCH}
"""


async def _links(chain_id: UUID | None) -> AsyncIterator[_Link]:
    chain, position = chain_id or UUID(int=0), 0
    while rows := await db.fetch(_LINKS, chain, position, chain_id, row=_Link):
        for row in rows:
            yield row
        chain, position = rows[-1].chain, rows[-1].position


class _EventLink(db.Row):
    id: UUID
    event_id: UUID | None


_EVENTS: Final = f"""
SELECT e.id, l.event_id FROM (
    SELECT id FROM events WHERE id > $1 AND ($2::uuid IS NULL OR account_id = $2) ORDER BY id LIMIT {BATCH}
) e LEFT JOIN event_links l ON l.event_id = e.id ORDER BY e.id
"""
