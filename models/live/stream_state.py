"""Statements that poll for open streams: whether each may continue, and its new items.

A stream of an account's events follows the account's chain. Its positions have no gap and are assigned in commit
order. A stream of a user's own grants follows `grant_changes` from snapshot to snapshot. Only the database is trusted
for both; a notification only triggers a poll. Each function takes all streams at once and runs one statement.
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
from models.audit import event, event_scope
from models.audit.event import EventRow
from models.base.errors import Forbidden, OperationError, Unauthenticated
from models.people import session

EVENTS_PERMISSION: Final = Permission.EVENTS_READ
"""The permission to follow the events of an account."""
BATCH_SIZE: Final = 100
"""Maximum number of events of a chain that one poll reads."""


class AccessChangeKind(StrEnum):
    """The kind of a change of a grant."""

    GIVEN = "GIVEN"
    CHANGED = "CHANGED"
    REVOKED = "REVOKED"
    RESTORED = "RESTORED"
    RESIGNED = "RESIGNED"
    EXPIRED = "EXPIRED"


class StreamKey(NamedTuple):
    """A stream's session, and its account. `account_id` is None unless the stream follows an account's events."""

    session_id: UUID
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class StreamState:
    """The polled state of a stream.

    `error` is the reason to end the stream, or None. `user_id` is the session's user, or None if the session has ended.
    `head` is the last position of the account's chain, 0 without an account. `bits` are the user's permissions in it.
    """

    error: OperationError | None
    user_id: UUID | None
    head: int
    bits: int


_GRANT: Final = {f"grant_{name}": sql for name, sql in access.COLUMNS.items()}
_LOAD_STATES: Final = f"""
SELECT s.user_id AS holder_id, {db.select_list(_GRANT)},
    (SELECT max(l.position) FROM event_links l WHERE l.chain = w.account_id) AS head
FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS w (session_id, account_id, ordinal)
LEFT JOIN sessions s ON s.id = w.session_id AND {session.OPEN.format("$1")}
LEFT JOIN (grants g JOIN accounts a ON a.id = g.account_id AND {access.IS_OPEN.format("a", "$1")})
    ON g.user_id = s.user_id AND g.account_id = w.account_id AND g.status = 'ACTIVE'
    AND (g.valid_until IS NULL OR g.valid_until > $1)
ORDER BY w.ordinal
"""


async def load_states(keys: Sequence[StreamKey], now: datetime) -> list[StreamState]:
    """The state of each stream, in the order of `keys`. Access and chain heads are read from one snapshot."""
    session_ids, account_ids = [key.session_id for key in keys], [key.account_id for key in keys]
    rows = await db.fetch(_LOAD_STATES, now, session_ids, account_ids, row=db.Row)
    return [_state(key, row, now) for key, row in zip(keys, rows, strict=True)]


def _state(key: StreamKey, row: db.Row, now: datetime) -> StreamState:
    if row.holder_id is None:
        return StreamState(Unauthenticated(), None, 0, 0)
    if key.account_id is None:
        return StreamState(None, row.holder_id, 0, 0)
    grant = {name: row[f"grant_{name}"] for name in access.COLUMNS}
    facts = access.grant_facts(grant, now) if grant["id"] else None
    decision = policy.decide(EVENTS_PERMISSION, facts)
    error = None if decision.allowed else Forbidden(decision, facts.role if facts else None)
    return StreamState(error, row.holder_id, row.head or 0, policy.effective_bits(facts))


# ---- Events of accounts ----------------------------------------------------------------------


class ChainedEvent(EventRow):
    """An event with its position in its account's chain, and the `after_position` of the range it was read for."""

    after_position: int
    position: int

    def exists_for(self, user_id: UUID, bits: int) -> bool:
        """True if the event exists for a user with the permissions `bits` in its account."""
        return event_scope.exists(self.type, self.creator_id, user_id, bits)


class EventRange(NamedTuple):
    """A range of an account's chain: after `after_position`, up to and including `last_position`."""

    account_id: UUID
    after_position: int
    last_position: int


_LOAD_EVENTS: Final = f"""
SELECT w.after_position, l.position, {db.select_list(event.COLUMNS)}
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS w (chain, after_position, last_position)
JOIN event_links l ON l.chain = w.chain AND l.position > w.after_position
    AND l.position <= LEAST(w.last_position, w.after_position + {BATCH_SIZE})
JOIN events e ON e.id = l.event_id ORDER BY l.chain, l.position
"""


async def load_events(ranges: Sequence[EventRange]) -> list[ChainedEvent]:
    """The first BATCH_SIZE events of each range, in chain order."""
    return await db.fetch(_LOAD_EVENTS, *map(list, zip(*ranges, strict=True)), row=ChainedEvent)


# ---- Changes of grants -----------------------------------------------------------------------


class Change(db.Row):
    """A change of a grant. `user_id` is the grant's holder; `grant_id` is None in a row that has only the snapshot."""

    snapshot: str
    grant_id: UUID | None
    user_id: UUID
    kind: str


# A restored dump has transaction ids of another database. Ids that this database has not assigned yet are skipped.
_LOAD_CHANGES: Final = """
SELECT pg_current_snapshot()::text AS snapshot, c.* FROM (VALUES (1)) AS always LEFT JOIN (
    SELECT c.id, c.grant_id, c.kind, g.user_id FROM grant_changes c JOIN grants g ON g.id = c.grant_id
    WHERE c.transaction >= pg_snapshot_xmin($1::text::pg_snapshot)
        AND c.transaction < pg_snapshot_xmax(pg_current_snapshot())
        AND NOT pg_visible_in_snapshot(c.transaction, $1::text::pg_snapshot) AND g.user_id = ANY($2::uuid[])
) c ON TRUE ORDER BY c.id
"""
_SNAPSHOT: Final = "SELECT pg_current_snapshot()::text AS snapshot"


async def load_snapshot() -> str:
    """The current snapshot. Changes that it does not see are new."""
    (row,) = await db.fetch(_SNAPSHOT, row=db.Row)
    return str(row.snapshot)


async def load_changes(since: str, user_ids: Sequence[UUID]) -> tuple[str, list[Change]]:
    """The current snapshot, and the changes of these users' grants since the snapshot `since`, oldest first."""
    rows = await db.fetch(_LOAD_CHANGES, since, user_ids, row=Change)
    return rows[0].snapshot, [row for row in rows if row.grant_id is not None]
