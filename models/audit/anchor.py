"""The anchor: the heads of the chains of events, kept where an attacker with access to the database cannot write.

An attacker who rewrites the database can compute every hash again, cut off the end of a chain together with its head,
or remove an account with its chain. The anchor shows it: each chain must contain all its heads in the anchor. The last
head is not enough: after a cut, the chain grows again.

    head    <chain> <position> <hash>              one line for each head that changed since the last seal
    head    ...
    seal    seal <time> <transaction> <digest>     the digest covers the former digest and all lines since then

The file is only appended to. A scheduled job writes it, in batches of all heads that changed. Lines after the last seal
are heads, too, but a line that was cut off by a crash is removed by the next run. A file may consist of heads alone, as
a command receives them.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from database import db
from models.audit.chain import Head

_SEAL: Final = "seal"
_DIGEST_LENGTH: Final = 64
_TAIL_BYTES: Final = 65_536
_PAGE: Final = 1000
SEAL_INTERVAL: Final = timedelta(hours=1)
"""Time after which a seal is written without a changed head, so that a job that no longer runs is noticed."""


class InvalidAnchor(Exception):
    """A line of an anchor file is not as it was written. The text names the file and the line."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The end of a batch: its time, the first transaction that it does not cover, and the digest of the file so far."""

    sealed_at: datetime
    transaction: int
    digest: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The contents of an anchor file: all heads in the order of the chains and positions, and the last seal."""

    heads: list[Head]
    last_seal: Seal | None
    seal_count: int


# ---- The file --------------------------------------------------------------------------------


def read(path: Path) -> Anchor:
    """Read an anchor file and check its seals.

    Raises InvalidAnchor for a line that is malformed or was changed.
    """
    heads: set[Head] = set()
    seal: Seal | None = None
    seal_count, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break  # cut off by a crash
            if not line.startswith(f"{_SEAL} ".encode()):
                heads.add(_parse_head(line, path, number))
                digest.update(line)
                continue
            seal = _parse_seal(line, path, number)
            if _sealed(digest, seal.sealed_at, seal.transaction) != seal.digest:
                raise InvalidAnchor(f"{path}:{number}: a line before this seal was changed.")
            seal_count, digest = seal_count + 1, hashlib.sha256(seal.digest.encode())
    return Anchor(sorted(heads, key=lambda head: (head.chain, head.position)), seal, seal_count)


def read_last_seal(path: Path) -> Seal | None:
    """The last seal of an anchor file, from its end. None if there is no file or no seal."""
    try:
        with path.open("rb") as file:
            return _last_seal(file)[0]
    except FileNotFoundError:
        return None


def append(path: Path, heads: Sequence[Head], *, sealed_at: datetime, transaction: int, last_seal: Seal | None) -> bool:
    """Append a sealed batch to an anchor file, which is created if it does not exist.

    The heads are those that changed since `last_seal`. Processes wait for each other. Returns false, and writes
    nothing, if another process has sealed a batch since then: what it lacks follows with the next run.
    """
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        seal, end = _last_seal(file)
        if seal != last_seal:
            return False
        digest = hashlib.sha256(seal.digest.encode() if seal else b"")
        _ = file.seek(end)
        rest = file.read()
        whole_lines = rest[: rest.rfind(b"\n") + 1]
        if whole_lines != rest:
            _ = file.truncate(end + len(whole_lines))
        lines = "".join(map(head_line, heads)).encode()
        digest.update(whole_lines + lines)
        seal_line = f"{_SEAL} {sealed_at.isoformat()} {transaction} {_sealed(digest, sealed_at, transaction)}\n"
        _ = file.write(lines + seal_line.encode())
        file.flush()
        os.fsync(file.fileno())
    return True


def head_line(head: Head) -> str:
    """The line of a head."""
    return f"{head.chain} {head.position} {head.hash.hex()}\n"


def _sealed(lines: "hashlib._Hash", sealed_at: datetime, transaction: int) -> str:
    digest = lines.copy()
    digest.update(f"{sealed_at.isoformat()} {transaction}".encode())
    return digest.hexdigest()


def _last_seal(file: BinaryIO) -> tuple[Seal | None, int]:
    """The last seal, and the offset of its end. None and 0 if there is none."""
    size = file.seek(0, os.SEEK_END)
    for start in (max(0, size - _TAIL_BYTES), 0):
        _ = file.seek(start)
        tail = file.read()
        position = len(tail)
        while (position := tail.rfind(f"{_SEAL} ".encode(), 0, position)) >= 0:
            is_line_start = start + position == 0 or tail[position - 1 : position] == b"\n"
            end = tail.find(b"\n", position)
            if is_line_start and end >= 0:
                return _parse_seal(tail[position : end + 1], Path("anchor"), 0), start + end + 1
        if start == 0:
            break
    return None, 0


def _parse_head(line: bytes, path: Path, number: int) -> Head:
    try:
        chain, position, digest = line.decode().split()
        head = Head(UUID(chain), int(position), bytes.fromhex(digest))
    except ValueError:
        raise InvalidAnchor(f"{path}:{number} is not a line of an anchor file.") from None
    if len(digest) != _DIGEST_LENGTH:
        raise InvalidAnchor(f"{path}:{number} is not a line of an anchor file.")
    return head


def _parse_seal(line: bytes, path: Path, number: int) -> Seal:
    try:
        _, sealed_at, transaction, digest = line.decode().split()
        seal = Seal(datetime.fromisoformat(sealed_at), int(transaction), digest)
    except ValueError:
        raise InvalidAnchor(f"{path}:{number} is not a line of an anchor file.") from None
    if len(digest) != _DIGEST_LENGTH or seal.sealed_at.tzinfo is None:
        raise InvalidAnchor(f"{path}:{number} is not a line of an anchor file.")
    return seal


def changed_heads(heads: Iterable[Head], anchored: Iterable[Head]) -> Iterator[Head]:
    """Yield the heads that are not the last ones in the anchor, whose heads are in order."""
    positions = {head.chain: head.position for head in anchored}
    return (head for head in heads if positions.get(head.chain) != head.position)


# ---- The database ----------------------------------------------------------------------------


class _HeadRow(db.Row):
    chain: UUID
    position: int
    hash: bytes


class _Snapshot(db.Row):
    transaction: int


# Transactions below this one have ended. Their links are visible to each later statement.
_SNAPSHOT: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS transaction"
_CHANGED: Final = """
SELECT DISTINCT ON (chain) chain, position, hash FROM event_links WHERE transaction >= $1 AND transaction < $2
ORDER BY chain, position DESC
"""
# One chain after the other by the primary key, without reading the links before the heads.
_ALL: Final = f"""
WITH RECURSIVE heads AS (
    (SELECT chain, position, hash, 1 AS number FROM event_links WHERE chain > $1 ORDER BY chain, position LIMIT 1)
    UNION ALL
    SELECT l.chain, l.position, l.hash, h.number + 1 FROM heads h CROSS JOIN LATERAL (
        SELECT chain, position, hash FROM event_links WHERE chain > h.chain ORDER BY chain, position LIMIT 1) l
    WHERE h.number < {_PAGE}
)
SELECT h.chain, l.position, l.hash FROM heads h CROSS JOIN LATERAL (
    SELECT position, hash FROM event_links WHERE chain = h.chain ORDER BY position DESC LIMIT 1) l ORDER BY h.chain
"""


async def load_transaction() -> int:
    """The first transaction that has not ended. Links of all transactions before it can be read."""
    (row,) = await db.fetch(_SNAPSHOT, row=_Snapshot)
    transaction: int = row.transaction
    return transaction


async def load_heads(since: int | None, until: int) -> list[Head]:
    """The heads of the chains that transactions from `since` until before `until` changed.

    All heads if `since` is None, or later than `until`: then the database was restored from a backup.
    """
    if since is not None and since <= until:
        return [Head(*row) for row in await db.fetch(_CHANGED, since, until, row=_HeadRow)]
    heads: list[Head] = []
    chain = UUID(int=0)
    # The chain of the smallest id, of events without an actor, is read apart: the pages begin after an id.
    heads += [Head(*row) for row in await db.fetch(_SMALLEST, chain, row=_HeadRow)]
    while rows := await db.fetch(_ALL, chain, row=_HeadRow):
        heads += [Head(*row) for row in rows]
        chain = rows[-1].chain
    return heads


_SMALLEST: Final = "SELECT chain, position, hash FROM event_links WHERE chain = $1 ORDER BY position DESC LIMIT 1"
