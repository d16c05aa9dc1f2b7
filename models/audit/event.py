"""An event says what changed, who did it in which role, from where: written with the change itself.

Types read `source:subject:action`, for example `account:invitation:accept`; one that was forbidden
reads `refused:invitation:issue`, and nothing else is written then. Nothing ever changes
or deletes an event. No secret is in one: callers pass plain facts, never tokens or passwords.

    account:  event 1 <-hash- event 2 <-hash- event 3        also: a chain for each user, outside of accounts

The database chains the events of an account as they are committed: each hash covers the event, its
place, and the hash before it. Where a person may be named, in free text and in the address that he
came from, it covers a salted digest instead, so that `forget` can take the text out and leave the
chain whole. Ids, roles, numbers and instants stay.
"""

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from models.base.caller import Caller
from models.base.errors import Forbidden
from models.base.validation import email_key

R = TypeVar("R", bound=db.Row)


class Event(Model):
    """One change."""

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
        """Where the rows are."""

        table = "events"


_INSERT = """
INSERT INTO events (id, type, occurred_at, actor_id, actor_role, account_id, request_id,
                    before, after, origin, personal)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11::jsonb)
"""
PARAMETERS: Final = 11
"""Those of an event; a change that `changing` writes with it numbers its own from the next one on."""


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
    facts = _values(caller, type, account_id, role, actor_id, before, after)
    await db.execute(_INSERT, *facts)


async def changing(
    caller: Caller,
    type: str,  # noqa: A002 - the field's own name
    change: str,
    *values: object,
    row: builtins.type[R],
    account_id: UUID,
    role: Role,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> R:
    """Make a change and write it down in one statement, which gives the changed row.

    `change` is an UPDATE and what is read of it: `WITH changed AS (UPDATE ... RETURNING ...) SELECT ...`.
    """
    facts = _values(caller, type, account_id, role, None, before, after)
    (changed,) = await db.fetch(_beside(change), *facts, *values, row=row)
    return changed


@cache
def _beside(change: str) -> str:
    return change.replace("WITH ", f"WITH told AS ({_INSERT}), ", 1)


def _values(
    caller: Caller,
    type: str,  # noqa: A002 - the field's own name
    account_id: UUID | None,
    role: Role | None,
    actor_id: UUID | None,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
) -> tuple[object, ...]:
    """An event's columns, in the order of the statement."""
    known_before, told_before = _parted(before)
    known_after, told_after = _parted(after)
    return (
        keys.uuid7(),
        type,
        caller.now,
        actor_id or caller.user_id,
        role,
        account_id,
        caller.request_id,
        None if before is None else _json(known_before),
        None if after is None else _json(known_after),
        _json({"ip_address": caller.ip_address}) if caller.ip_address else None,
        _json(_personal(told_before, told_after)) if told_before or told_after else None,
    )


async def record_refusal(caller: Caller, operation: Callable[..., object], refusal: Forbidden) -> None:
    """Write down that somebody tried in his account what he may not do there, on its own: nothing else happened.

    Its type is `refused:` with the operation's module and name: `refused:grant:update`. Of what he tries
    without end in one account, the first hundred in an hour.
    """
    counter = throttle.counter(caller, throttle.REFUSED, refusal.account_id, user_id=caller.user_id)
    if await throttle.attempt_quietly(caller, counter) is None:
        return
    subject = operation.__module__.rpartition(".")[2]
    await record(
        caller,
        f"refused:{subject}:{operation.__name__}",
        account_id=refusal.account_id,
        role=refusal.role,
        after={"permission": refusal.decision.permission},
    )


def _parted(facts: Mapping[str, object] | None) -> tuple[dict[str, object], dict[str, object]]:
    """What can stay for ever, and what may name a person: free text."""
    known: dict[str, object] = {}
    told: dict[str, object] = {}
    for name, value in (facts or {}).items():
        (known if _is_impersonal(value) else told)[name] = value
    return known, told


def _is_impersonal(value: object) -> bool:
    """Whether a value can name nobody: an id, a word of an enum, a number, an instant, or a list of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_impersonal, value))
    if isinstance(value, str) and not isinstance(value, Enum):
        return _is_id(value)
    return value is None or isinstance(value, Enum | int | float | datetime | UUID)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _personal(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    """The free text of an event, with the addresses in it in the form by which they are found."""
    facts: dict[str, object] = {name: part for name, part in (("before", before), ("after", after)) if part}
    addresses = {email_key(text) for text in {*_texts(facts)} if "@" in text}
    return facts | ({"addresses": sorted(addresses)} if addresses else {})


def _texts(value: object) -> Iterator[str]:
    """Every text in facts, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


async def forget(user_id: UUID, names: Sequence[str]) -> None:
    """Take out of all events what names a user who has just been marked as erased.

    Where he came from, what he was called, his address wherever it is, one of his `names` in accounts
    that he had to do with, and all free text of accounts that were closed with him.
    """
    await db.execute("SELECT forget_person($1, $2)", user_id, names)


def _json(facts: Mapping[str, object]) -> str:
    return orjson.dumps(facts).decode()


class EventRow(db.Row):
    """An event as it is listed; `before` and `after` are JSON text."""

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


COLUMNS: Final = {
    **db.columns("e", "id type occurred_at actor_id actor_role account_id request_id"),
    "ip_address": "e.origin ->> 'ip_address' AS ip_address",
    "before": "e.before || COALESCE(e.personal -> 'before', '{}') AS before",
    "after": "e.after || COALESCE(e.personal -> 'after', '{}') AS after",
}
_BY_IDS: Final = f"SELECT {', '.join(COLUMNS.values())} FROM events e WHERE e.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[EventRow | None]:
    """These events, in this order; whoever asks still checks the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=EventRow))
