"""What open streams look at: whether they may go on, and what has happened since they last looked.

A stream of an account's events follows the account's chain, whose places leave no gap and are taken
in the order of commits. A stream of one's own grants follows `grant_changes` from snapshot to
snapshot. Both places are read from the database and trusted alone: a notification only says when to
look. Everything here is for many streams at once: one statement, however many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database import db
from models.access import access
from models.audit import event
from models.audit.event import EventRow
from models.base.errors import Forbidden, Refused, Unauthenticated
from models.people import session

EVENTS: Final = Permission.EVENTS_READ
"""What somebody needs in an account to follow its events."""
BATCH: Final = 100
"""How many events of a chain are read at once."""


class AccessChangeKind(StrEnum):
    """What became of a grant."""

    GIVEN = "GIVEN"
    CHANGED = "CHANGED"
    REVOKED = "REVOKED"
    RESTORED = "RESTORED"
    RESIGNED = "RESIGNED"
    EXPIRED = "EXPIRED"


class StreamKey(NamedTuple):
    """By what a stream lives: a session, and the right to an account's events where it is of one."""

    session_id: UUID
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a look shows of a watch: why it ends, if it does; whose it is; how far the account's chain reaches."""

    refused: Refused | None
    user_id: UUID | None
    head: int


_GRANT: Final = {f"grant_{name}": sql.partition(" AS ")[0] for name, sql in access.COLUMNS.items()}
_LOOK: Final = f"""
SELECT s.user_id AS holder_id, {", ".join(f"{sql} AS {name}" for name, sql in _GRANT.items())},
    (SELECT max(l.position) FROM event_links l WHERE l.chain = w.account_id) AS head
FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS w (session_id, account_id, place)
LEFT JOIN sessions s ON s.id = w.session_id AND {session.OPEN.format("$1")}
LEFT JOIN (grants g JOIN accounts a ON a.id = g.account_id AND a.closed_at IS NULL)
    ON g.user_id = s.user_id AND g.account_id = w.account_id AND g.status = 'ACTIVE'
    AND (g.valid_until IS NULL OR g.valid_until > $1)
ORDER BY w.place
"""


async def load_states(watches: Sequence[StreamKey], now: datetime) -> list[StreamState]:
    """What is true of each watch now, in their order; rights and places as of one instant."""
    sessions, accounts = [one.session_id for one in watches], [one.account_id for one in watches]
    rows = await db.fetch(_LOOK, now, sessions, accounts, row=db.Row)
    return [
        StreamState(_refused(watch, row, now), row.holder_id, row.head or 0)
        for watch, row in zip(watches, rows, strict=True)
    ]


def _refused(watch: StreamKey, row: db.Row, now: datetime) -> Refused | None:
    """Why a watch may not go on."""
    if row.holder_id is None:
        return Unauthenticated()
    if watch.account_id is None:
        return None
    grant = {name: row[f"grant_{name}"] for name in access.COLUMNS}
    standing = access.grant_facts(grant, now) if grant["id"] else None
    decision = policy.decide(EVENTS, standing)
    return None if decision.allowed else Forbidden(decision, standing.role if standing else None)


# ---- Events of accounts ----------------------------------------------------------------------


class ChainedEvent(EventRow):
    """An event at its place in its account's chain, read from the place `behind` on."""

    behind: int
    position: int


class EventRange(NamedTuple):
    """A part of an account's chain: the places from `behind` on, up to `until`."""

    account_id: UUID
    behind: int
    until: int


_WRITTEN: Final = f"""
SELECT w.behind, l.position, {", ".join(event.COLUMNS.values())}
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS w (chain, behind, until)
JOIN event_links l ON l.chain = w.chain AND l.position > w.behind
    AND l.position <= LEAST(w.until, w.behind + {BATCH})
JOIN events e ON e.id = l.event_id ORDER BY l.chain, l.position
"""


async def load_events(stretches: Sequence[EventRange]) -> list[ChainedEvent]:
    """The events of parts of chains, each in its order, the first BATCH of each part."""
    return await db.fetch(_WRITTEN, *map(list, zip(*stretches, strict=True)), row=ChainedEvent)


# ---- Changes of grants -----------------------------------------------------------------------


class Change(db.Row):
    """What became of a grant, and whose it is."""

    snapshot: str
    grant_id: UUID | None
    user_id: UUID
    kind: str


# A row that came by a dump has a number of another database: one that is not given out yet is none of ours.
_CHANGES: Final = """
SELECT pg_current_snapshot()::text AS snapshot, c.* FROM (VALUES (1)) AS always LEFT JOIN (
    SELECT c.id, c.grant_id, c.kind, g.user_id FROM grant_changes c JOIN grants g ON g.id = c.grant_id
    WHERE c.transaction >= pg_snapshot_xmin($1::text::pg_snapshot)
        AND c.transaction < pg_snapshot_xmax(pg_current_snapshot())
        AND NOT pg_visible_in_snapshot(c.transaction, $1::text::pg_snapshot) AND g.user_id = ANY($2::uuid[])
) c ON TRUE ORDER BY c.id
"""
_SNAPSHOT: Final = "SELECT pg_current_snapshot()::text AS snapshot"


async def snapshot() -> str:
    """The place from which changes of grants are new from now on."""
    (row,) = await db.fetch(_SNAPSHOT, row=db.Row)
    return str(row.snapshot)


async def changes(since: str, user_ids: Sequence[UUID]) -> tuple[str, list[Change]]:
    """The next place, and what became of these users' grants up to it, in the order in which it was done."""
    rows = await db.fetch(_CHANGES, since, user_ids, row=Change)
    return rows[0].snapshot, [row for row in rows if row.grant_id is not None]
