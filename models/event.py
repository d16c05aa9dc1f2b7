"""An event says what changed, who did it in which role, from where: written with the change itself.

Types read `source:subject:action`, for example `account:invitation:accept`. Nothing ever changes
or deletes an event. No secret is in one: callers pass plain facts, never tokens or passwords.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.models import Model

from auth.policy import Role
from models import db, keys
from models.caller import Caller


class Event(Model):
    """One change."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    type = fields.TextField()
    occurred_at = fields.DatetimeField()
    actor_id: UUID | None = fields.UUIDField(null=True)
    actor_role: str | None = fields.TextField(null=True)
    account_id: UUID | None = fields.UUIDField(null=True)
    ip_address: str | None = fields.TextField(null=True)
    request_id: str | None = fields.TextField(null=True)
    before = fields.JSONField[dict[str, object]](null=True)
    after = fields.JSONField[dict[str, object]](null=True)

    class Meta(Model.Meta):
        """Where the rows are."""

        table = "events"


_INSERT = """
INSERT INTO events (id, type, occurred_at, actor_id, actor_role, account_id, ip_address, request_id,
                    before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb)
"""


async def record(
    caller: Caller,
    type: str,  # noqa: A002 - the field's own name
    *,
    account_id: UUID | None = None,
    role: Role | None = None,
    actor_id: UUID | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Write down a change, inside its transaction; the actor is the caller unless given."""
    await db.execute(
        _INSERT,
        keys.uuid7(),
        type,
        caller.now,
        actor_id or caller.user_id,
        role,
        account_id,
        caller.ip_address,
        caller.request_id,
        _json(before),
        _json(after),
    )


def _json(facts: Mapping[str, object] | None) -> str | None:
    return None if facts is None else orjson.dumps(facts).decode()


class EventRow(db.Row):
    """An event as it is listed; `before` and `after` are JSON text."""

    id: UUID
    type: str
    occurred_at: datetime
    actor_id: UUID | None
    actor_role: str | None
    account_id: UUID | None
    ip_address: str | None
    request_id: str | None
    before: str | None
    after: str | None


COLUMNS: Final = db.columns(
    "e",
    "id type occurred_at actor_id actor_role account_id ip_address request_id before after",
)
_BY_IDS: Final = f"SELECT {', '.join(COLUMNS.values())} FROM events e WHERE e.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[EventRow | None]:
    """These events, in this order; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=EventRow))
