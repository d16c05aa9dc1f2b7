"""Delivery of queued messages: leases, states, retries, and the view of the development mailbox.

    queue --> QUEUED --claim--> QUEUED, leased --mark_sent--> SENT
                ^                      |
                |----- retry_later ----+------- give_up ----> FAILED, with the reason in `failure`

A claim is a lease. Of several workers, one gets the row. If that worker dies, another one gets the row after LEASE.
The lease is longer than any attempt, so two workers never send the same row at once. `attempts` numbers the leases:
a worker that comes back after its lease has ended cannot change the state of the row.

`failure` contains no token, no text of the mail, and no address except the row's own.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from database import db
from models.outbox.message import COLUMNS, SOURCE, LinkPurpose, MessageRow

LEASE: Final = timedelta(minutes=2)
FIRST_WAIT: Final = timedelta(minutes=1)
MAX_WAIT: Final = timedelta(hours=4)
JITTER: Final = 0.2
GIVE_UP_AFTER: Final = timedelta(hours=48)
OBSOLETE: Final = "obsolete"
"""The failure of a message whose link stopped working before the mail was sent."""


class OutgoingRow(MessageRow):
    """A message with everything that is needed to render its mail. `params` is JSON text."""

    to_name: str | None
    locale: str
    params: str
    link_purpose: str | None
    link_seed: bytes | None


_OUTGOING_COLUMNS: Final = (
    f"{db.select_list(COLUMNS)}, m.to_name, m.locale, m.params::text, m.link_purpose, m.link_seed"
)

# ---- Leases --------------------------------------------------------------------------------------

_CLAIM: Final = f"""
WITH due AS (
    SELECT id FROM messages
    WHERE status = 'QUEUED' AND next_attempt_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
    ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE messages m SET attempts = m.attempts + 1, leased_until = $3 FROM due WHERE m.id = due.id
RETURNING {_OUTGOING_COLUMNS}
"""


async def claim(now: datetime, *, limit: int, lease: timedelta = LEASE) -> list[OutgoingRow]:
    """Lease up to `limit` due messages until `now` + `lease`. No other worker gets them before that."""
    return await db.fetch(_CLAIM, now, limit, now + lease, row=OutgoingRow)


_LIVE_INVITATION: Final = """
SELECT FROM invitations WHERE token_digest = $1 AND status = 'PENDING' AND expires_at > $2
"""
_LIVE_LINK: Final = """
SELECT FROM user_tokens WHERE token_digest = $1 AND used_at IS NULL AND expires_at > $2 AND purpose = $3
"""


async def is_current(row: OutgoingRow, link_digest: bytes | None, *, now: datetime) -> bool:
    """True if the link in a message still works, or if the message has no link.

    A link stops working when it is used, expires, is revoked, or is replaced by a newer one.
    """
    if link_digest is None:
        return True
    if row.link_purpose == LinkPurpose.INVITATION:
        return bool(await db.fetch(_LIVE_INVITATION, link_digest, now, row=db.Row))
    return bool(await db.fetch(_LIVE_LINK, link_digest, now, row.link_purpose, row=db.Row))


# ---- States --------------------------------------------------------------------------------------

_MARK_SENT: Final = """
UPDATE messages SET status = 'SENT', sent_at = $2, leased_until = NULL, failure = NULL
WHERE id = $1 AND status = 'QUEUED'
"""


async def mark_sent(row: OutgoingRow, *, now: datetime) -> None:
    """Record that the mail server accepted the mail, even if the lease has ended meanwhile."""
    await db.execute(_MARK_SENT, row.id, now)


_RETRY: Final = """
UPDATE messages SET next_attempt_at = $3, failure = $4, leased_until = NULL
WHERE id = $1 AND attempts = $2 AND status = 'QUEUED'
"""


async def retry_later(row: OutgoingRow, failure: str, *, at: datetime) -> None:
    """End the lease of a claimed message. It is due again `at`."""
    await db.execute(_RETRY, row.id, row.attempts, at, failure)


_GIVE_UP: Final = """
UPDATE messages SET status = 'FAILED', failure = $3, leased_until = NULL
WHERE id = $1 AND attempts = $2 AND status = 'QUEUED'
"""


async def give_up(row: OutgoingRow, failure: str) -> None:
    """Mark a claimed message as failed. It is not tried again."""
    await db.execute(_GIVE_UP, row.id, row.attempts, failure)


def next_attempt(
    row: OutgoingRow, *, now: datetime, random_fraction: Callable[[], float] = random.random
) -> datetime | None:
    """The time of the next attempt after a temporary failure. None once GIVE_UP_AFTER has passed.

    Waits double from FIRST_WAIT to MAX_WAIT. They vary by JITTER, so that messages that failed together are not
    retried together. `random_fraction` returns numbers from 0 to 1. The last attempt is at GIVE_UP_AFTER.
    """
    end = row.created_at + GIVE_UP_AFTER
    if now >= end:
        return None
    wait = min(FIRST_WAIT * (1 << min(row.attempts - 1, 16)), MAX_WAIT)
    return min(now + wait * (1 + JITTER * (2 * random_fraction() - 1)), end)


# ---- Monitoring ----------------------------------------------------------------------------------


class Backlog(db.Row):
    """The state of the outbox in numbers."""

    queued_count: int
    failed_count: int
    oldest_seconds: float


_BACKLOG: Final = """
SELECT count(*) AS queued_count,
       coalesce(extract(epoch FROM $1::timestamptz - min(created_at)), 0)::float AS oldest_seconds,
       (SELECT count(*) FROM messages WHERE status = 'FAILED' AND created_at > $2) AS failed_count
FROM messages WHERE status = 'QUEUED'
"""


async def backlog(now: datetime) -> Backlog:
    """The number of queued mails, the age of the oldest, and the number of mails that failed in the last three days."""
    (row,) = await db.fetch(_BACKLOG, now, now - timedelta(days=3), row=Backlog)
    return row


# ---- Mailbox -------------------------------------------------------------------------------------

_NEWEST: Final = f"""
SELECT {_OUTGOING_COLUMNS} FROM {SOURCE} WHERE $1::text IS NULL OR lower(m.to_address) = lower($1)
ORDER BY m.id DESC LIMIT $2
"""


async def newest(limit: int, *, to: str | None = None) -> list[OutgoingRow]:
    """The newest messages in any state, to one address, or to all addresses if `to` is None."""
    return await db.fetch(_NEWEST, to, limit, row=OutgoingRow)


_BY_ID: Final = f"SELECT {_OUTGOING_COLUMNS} FROM {SOURCE} WHERE m.id = $1"


async def by_id(message_id: UUID) -> OutgoingRow | None:
    """The message with this id and everything that is needed to render its mail. None if there is none."""
    return await db.fetch_one(_BY_ID, message_id, row=OutgoingRow)
