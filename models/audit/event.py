"""Events: an append-only record of each change, with its actor and role, written in the transaction of the change.

`event_type` lists the types. No event is ever changed or deleted, and none contains a secret: callers pass plain facts,
never tokens or passwords. Rows have all facts: `event_facts` cuts what a reader may not read.

    account:  event 1 <-hash- event 2 <-hash- event 3        also: a chain for each user, outside of accounts

The database chains the events of an account when they are committed. Each hash covers the event, its position, and the
previous hash. Free text and IP addresses may identify a person: the hash covers only salted digests of them, one for
each fact, so that a fact can be erased without breaking the chain. Ids, roles, numbers and timestamps stay.

Each text names the event's account or, outside of accounts, its actor. A text that names
another person is marked by `models/base/naming.py`. `forget` takes the texts that name an erased person. A record of
the parts that it took is itself an event of each account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Final, TypeVar
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.models import Model

from auth.policy import Role
from database import db, keys
from models import throttle
from models.audit import event_facts, event_scope
from models.audit.event_type import EventTypeEnum, of_refusal
from models.base import naming
from models.base.caller import Caller
from models.base.errors import Forbidden

R = TypeVar("R", bound=db.Row)


class Event(Model):
    """A change that was recorded."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    type = fields.TextField()
    occurred_at = fields.DatetimeField()
    actor_id: UUID | None = fields.UUIDField(null=True)
    actor_role: str | None = fields.TextField(null=True)
    account_id: UUID | None = fields.UUIDField(null=True)
    request_id: str | None = fields.TextField(null=True)
    before = fields.JSONField[dict[str, object]](null=True)
    after = fields.JSONField[dict[str, object]](null=True)
    origin = fields.JSONField[dict[str, object]](null=True)
    personal = fields.JSONField[dict[str, object]](null=True)

    class Meta(Model.Meta):
        """The table."""

        table = "events"


_INSERT = """
INSERT INTO events (id, type, occurred_at, actor_id, actor_role, account_id, request_id,
                    before, after, origin, personal, creator_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11::jsonb, $12)
"""
PARAMETER_COUNT: Final = 12
"""The number of parameters of `_INSERT`. The SQL of `record_change` numbers its own parameters after them."""


async def record(
    caller: Caller,
    event_type: EventTypeEnum,
    *,
    account_id: UUID | None = None,
    role: Role | None = None,
    actor_id: UUID | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    creator_id: UUID | None = None,
) -> None:
    """Record a change, inside its transaction. The actor is the caller if `actor_id` is None.

    `creator_id` is the creator of the row that the event is about. A type with a row scope requires it.
    """
    values = _values(caller, event_type, account_id, role, actor_id, before, after, creator_id)
    await db.execute(_INSERT, *values)


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """A change in one account, by the caller in `role`."""

    account_id: UUID
    role: Role | None
    before: Mapping[str, object]
    after: Mapping[str, object]


_INSERT_ALL: Final = """
INSERT INTO events (id, type, occurred_at, actor_id, actor_role, account_id, request_id,
                    before, after, origin, personal, creator_id)
SELECT e.id, e.type, e.at, e.actor_id, e.role, e.account_id, e.request_id,
    e.before::jsonb, e.after::jsonb, e.origin::jsonb, e.personal::jsonb, e.creator_id
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::uuid[])
    AS e (id, type, at, actor_id, role, account_id, request_id, before, after, origin, personal, creator_id)
"""


async def record_all(caller: Caller, event_type: EventTypeEnum, changes: Sequence[AccountEvent]) -> None:
    """Record changes of the same type in many accounts, with one statement."""
    rows = [
        _values(caller, event_type, change.account_id, change.role, None, change.before, change.after)
        for change in changes
    ]
    if rows:
        await db.execute(_INSERT_ALL, *(list(column) for column in zip(*rows, strict=True)))


async def record_change(
    caller: Caller,
    event_type: EventTypeEnum,
    change: str,
    *arguments: object,
    row: type[R],
    account_id: UUID,
    role: Role | None,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> R:
    """Make a change and record it in one statement. Returns the changed row.

    `change` is an UPDATE and a SELECT of its result: `WITH changed AS (UPDATE ... RETURNING ...) SELECT ...`.
    """
    values = _values(caller, event_type, account_id, role, None, before, after)
    (result,) = await db.fetch(_with_event(change), *values, *arguments, row=row)
    return result


@cache
def _with_event(change: str) -> str:
    return change.replace("WITH ", f"WITH new_event AS ({_INSERT}), ", 1)


def _values(
    caller: Caller,
    event_type: str,
    account_id: UUID | None,
    role: Role | None,
    actor_id: UUID | None,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
    creator_id: UUID | None = None,
) -> tuple[object, ...]:
    """The values of an event's columns, in the order of the statement. Raises UndeclaredFact, MissingCreator."""
    event_facts.require_declared(event_type, before)
    event_facts.require_declared(event_type, after)
    plain_before, personal_before = _split_personal(before)
    plain_after, personal_after = _split_personal(after)
    return (
        keys.uuid7(),
        event_type,
        caller.now,
        actor_id or caller.user_id,
        role,
        account_id,
        caller.request_id,
        None if before is None else _json(plain_before),
        None if after is None else _json(plain_after),
        _json({"ip_address": caller.ip_address}) if caller.ip_address else None,
        _json(_personal(personal_before, personal_after)) if personal_before or personal_after else None,
        event_scope.stored_creator(event_type, creator_id),
    )


_INSERT_IN_ACCOUNTS: Final = """
INSERT INTO events (id, type, occurred_at, actor_id, actor_role, account_id, request_id, origin)
SELECT e.id, $4, $5, $6, e.actor_role, e.account_id, $7, $8::jsonb
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS e (id, actor_role, account_id)
"""


async def record_in_accounts(caller: Caller, event_type: EventTypeEnum, roles: Mapping[UUID, Role]) -> None:
    """Record the same event without facts in several accounts, with one statement. `roles` has the caller's in each."""
    ids = [keys.uuid7() for _ in roles]
    origin = _json({"ip_address": caller.ip_address}) if caller.ip_address else None
    facts = (event_type, caller.now, caller.user_id, caller.request_id, origin)
    await db.execute(_INSERT_IN_ACCOUNTS, ids, [*roles.values()], [*roles], *facts)


async def record_refusal(caller: Caller, event_type: EventTypeEnum, refusal: Forbidden) -> None:
    """Record that the caller lacked the permission for an operation that writes events of `event_type`.

    Nothing else is written then. Of one user's refusals in one account, the first hundred in an hour are recorded.
    A row that the caller may not create would have been the caller's.
    """
    counter = throttle.counter(caller, throttle.REFUSAL, refusal.account_id, user_id=caller.user_id)
    if await throttle.attempt_or_none(caller, counter) is None:
        return
    after = {"permission": refusal.decision.permission}
    creator_id = refusal.creator_id or caller.user_id
    values = _values(caller, of_refusal(event_type), refusal.account_id, refusal.role, None, None, after, creator_id)
    await db.execute(_INSERT, *values)


def _split_personal(facts: Mapping[str, object] | None) -> tuple[dict[str, object], dict[str, object]]:
    """Split facts into those that are stored for ever and free text, which may identify a person."""
    plain: dict[str, object] = {}
    personal: dict[str, object] = {}
    for name, value in (facts or {}).items():
        (plain if _is_impersonal(value) else personal)[name] = value
    return plain, personal


def _is_impersonal(value: object) -> bool:
    """True if a value cannot identify a person: an id, enum value, number or timestamp, or a list of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_impersonal, value))
    if isinstance(value, str) and not isinstance(value, Enum):
        return _is_id(value) and not isinstance(value, naming.NamingText)
    return value is None or isinstance(value, Enum | int | float | datetime | UUID)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _personal(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    """The texts of an event, and the places of texts that name another person or an address, by its id or key."""
    facts: dict[str, object] = {name: part for name, part in (("before", before), ("after", after)) if part}
    paths_by_subject: dict[str, list[str]] = {}
    for side, part in (("before", before), ("after", after)):
        for name, value in part.items():
            for subject in naming.subjects(value)[:1]:
                paths_by_subject.setdefault(subject, []).append(f"{side}.{name}")
    return facts | ({"named": paths_by_subject} if paths_by_subject else {})


async def forget(user_id: UUID, event_ids: Sequence[UUID], now: datetime) -> int:
    """Take from events what names a user who is being erased. Returns the number of events that changed.

    This is the user's IP addresses; texts that name the user or their address; and, in accounts that were closed with
    the user, texts that name the account. The database records the parts as an event of each account.
    """
    row = await db.fetch_one("SELECT forget_person($1, $2, $3) AS count", user_id, event_ids, now, row=db.Row)
    count: int = row["count"] if row else 0
    return count


def _json(facts: Mapping[str, object]) -> str:
    return orjson.dumps(facts).decode()


class EventRow(db.Row):
    """An event as it is read. `before` and `after` are JSON texts, or None."""

    graphql_type = "Event"

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
    creator_id: UUID | None


COLUMNS: Final = db.columns_of(
    "e",
    EventRow,
    {
        "ip_address": "e.origin ->> 'ip_address'",
        "before": "e.before || COALESCE(e.personal -> 'before', '{}')",
        "after": "e.after || COALESCE(e.personal -> 'after', '{}')",
    },
)
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM events e WHERE e.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[EventRow | None]:
    """The events with these ids, in this order, with None for an unknown id. Callers check the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=EventRow))
