"""Delivery of queued messages: leases, states, retries, and the view of the development mailbox.

    queue --> QUEUED --claim--> QUEUED, leased --mark_sent--> SENT
                ^                      |
                |----- retry_later ----+------- give_up ----> FAILED, with the reason in `failure`

Messages wait in lanes (`Lane`). In a lane, senders take turns: the 2,000 messages of one user or account do not delay
the message of another.

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
from models.outbox.message_kind import Lane

LEASE: Final = timedelta(minutes=2)
FIRST_WAIT: Final = timedelta(minutes=1)
MAX_WAIT: Final = timedelta(hours=4)
JITTER: Final = 0.2
GIVE_UP_AFTER: Final = timedelta(hours=48)
OBSOLETE: Final = "obsolete"
"""The failure of a message whose link stopped working before the mail was sent."""


class OutgoingRow(MessageRow):
    """A message with everything that is needed to send its mail. `queue_key` names the sender, for turns."""

    to_name: str | None
    locale: str
    link_purpose: str | None
    link_seed: bytes | None
    queue_key: str


QUEUE_KEY: Final = "coalesce(m.queue_key, m.account_id::text, m.to_address)"
"""The user who caused the message, else the account, else the receiver. The index `messages_queue` has it."""
_OUTGOING_COLUMNS: Final = (
    f"{db.select_list(COLUMNS)}, m.to_name, m.locale, m.link_purpose, m.link_seed, {QUEUE_KEY} AS queue_key"
)

# ---- Leases --------------------------------------------------------------------------------------

_CLAIM: Final = f"""
UPDATE messages m SET attempts = m.attempts + 1, leased_until = $3 WHERE m.id = (
    SELECT m.id FROM {SOURCE}
    WHERE m.status = 'QUEUED' AND m.lane = $2 AND {QUEUE_KEY} > $4 AND m.next_attempt_at <= $1
        AND (m.leased_until IS NULL OR m.leased_until <= $1)
    ORDER BY {QUEUE_KEY}, m.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING {_OUTGOING_COLUMNS}
"""


async def claim(now: datetime, lane: Lane, *, after: str = "", lease: timedelta = LEASE) -> OutgoingRow | None:
    """Lease the next due message of a lane until `now` + `lease`. No other worker gets it before that.

    It is the oldest message of the first sender behind `after`, the `queue_key` of the last claim, and after the last
    sender of the first one again. So each sender has its turn before any sender has a second one.
    """
    row = await db.fetch_one(_CLAIM, now, lane, now + lease, after, row=OutgoingRow)
    if row is None and after:
        return await db.fetch_one(_CLAIM, now, lane, now + lease, "", row=OutgoingRow)
    return row


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


async def give_up(row: OutgoingRow, failure: str) -> bool:
    """Mark a claimed message as failed. It is not tried again. False if another worker has claimed it since."""
    return bool(await db.execute(_GIVE_UP, row.id, row.attempts, failure))


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

    def oldest_in_lane_seconds(self, lane: Lane) -> float:
        """The age of the oldest queued mail of a lane. 0 if it has none."""
        seconds: float = self[_age_column(lane)]
        return seconds


def _age_column(lane: Lane) -> str:
    return f"oldest_{lane.lower()}_seconds"


_FILTER: Final = " FILTER (WHERE lane = '{}')"
_AGE: Final = "coalesce(extract(epoch FROM $1::timestamptz - min(created_at){}), 0)::float"
_LANE_AGES: Final = ", ".join(f"{_AGE.format(_FILTER.format(lane))} AS {_age_column(lane)}" for lane in Lane)
_BACKLOG: Final = f"""
SELECT count(*) AS queued_count, {_AGE.format("")} AS oldest_seconds, {_LANE_AGES},
       (SELECT count(*) FROM messages WHERE status = 'FAILED' AND created_at > $2) AS failed_count
FROM messages WHERE status = 'QUEUED'
"""


async def backlog(now: datetime) -> Backlog:
    """The number and ages of queued mails, and the number of mails that failed in the last three days."""
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
