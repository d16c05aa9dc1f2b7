"""Removes what names an erased user from events and from messages to others, in batches.

Both record whom their texts name, by ids and keys of addresses. No text is compared. A batch selects what is left, so
an interrupted erasure goes on where it stopped. No batch locks an account.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from database import db
from models.audit import event
from models.privacy.personal_data import ERASED_USER_NAME, DataSubject

BATCH: Final = 500


class _Id(db.Row):
    id: UUID


# ---- Events ----------------------------------------------------------------------------------

# The events of the user with an IP address or, outside of accounts, a text; those of accounts that were closed with the
# user; and those that name the user or the address.
_NAMING_EVENTS: Final = (
    "SELECT id FROM events WHERE actor_id = $1 AND (origin IS NOT NULL OR account_id IS NULL AND personal IS NOT NULL)",
    """SELECT e.id FROM accounts a JOIN events e ON e.account_id = a.id
    WHERE a.owner_id = $1 AND a.closed_at IS NOT NULL AND e.personal IS NOT NULL""",
)
_NAMING_EVENTS_BY_KEY: Final = "SELECT id FROM events_about($1, $2) AS id"


async def redact_events(subject: DataSubject, now: datetime) -> None:
    """Take from events what names the user. Each batch is one statement, which also records what it took."""
    rows = [row for sql in _NAMING_EVENTS for row in await db.fetch(sql, subject.id, row=_Id)]
    rows += await db.fetch(_NAMING_EVENTS_BY_KEY, subject.id, subject.keys, row=_Id)
    ids = sorted({row.id for row in rows})
    for start in range(0, len(ids), BATCH):
        _ = await event.forget(subject.id, ids[start : start + BATCH], now)


# ---- Messages --------------------------------------------------------------------------------


class _MessageRow(db.Row):
    id: UUID
    params: str
    named: str
    subjects: list[str]
    """The ids and addresses by which the message names the user or a closed account."""


_CLOSED_ACCOUNTS: Final = "SELECT id FROM accounts WHERE owner_id = $1 AND closed_at IS NOT NULL"
# An address counts only if it named the user when the mail was written.
_NAMING_MESSAGES: Final = f"""
SELECT m.id, m.params, m.named, k.subjects FROM messages_naming($1) AS n (id) JOIN messages m ON m.id = n.id
CROSS JOIN LATERAL (SELECT array_agg(key) AS subjects FROM unnest($1) AS key WHERE m.named ? key
    AND (key NOT LIKE '%@%' OR address_named($3, key, m.created_at))) AS k
WHERE m.created_at <= $2 AND k.subjects IS NOT NULL LIMIT {BATCH}
"""
_UPDATE_MESSAGES: Final = """
UPDATE messages m SET params = n.params::jsonb, named = n.named::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (id, params, named) WHERE m.id = n.id
"""


async def redact_messages(subject: DataSubject) -> None:
    """Replace, in all messages, the parameters that name the user, the address or an account closed with the user."""
    closed_accounts = await db.fetch(_CLOSED_ACCOUNTS, subject.id, row=_Id)
    keys = [*subject.keys, *(str(row.id) for row in closed_accounts)]
    while rows := await db.fetch(_NAMING_MESSAGES, keys, subject.until, subject.id, row=_MessageRow):
        updates = [(row.id, *_redact(row, {*row.subjects})) for row in rows]
        ids, params, named = zip(*updates, strict=True)
        await db.execute(_UPDATE_MESSAGES, ids, params, named)


def _redact(row: _MessageRow, keys: set[str]) -> tuple[str, str]:
    """Redact the parameters that name one of `keys`. Returns the parameters, and the subjects of the others."""
    params: dict[str, object] = orjson.loads(row.params)
    named: dict[str, list[str]] = orjson.loads(row.named)
    removed = {name for key in keys & named.keys() for name in named[key]}
    for name in removed:
        # Free text is removed. A name is replaced, because the subject of the mail contains it.
        params[name] = None if name == "message" else ERASED_USER_NAME
    rest = {key: [name for name in names if name not in removed] for key, names in named.items() if key not in keys}
    return orjson.dumps(params).decode(), orjson.dumps({key: names for key, names in rest.items() if names}).decode()
