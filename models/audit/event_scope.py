"""The events that exist for a reader: an event about a row with a row scope has the scope of the row.

A type of event declares the scope (auth/row_scope.py), and each event of the type, or of its refusal, has the creator
of its row. Without the permission of the scope, an event about the row of another user does not exist: not in lists,
counts and cursors, not in streams, and not by its id.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Final
from uuid import UUID

from auth import policy
from auth.row_scope import RowScope
from database import db
from models.audit.event_type import all_types, of_refusal


class MissingCreator(Exception):
    """An operation records an event about a row with a scope, but not the creator of the row. The text is the type."""


@cache
def _scopes() -> Mapping[str, RowScope]:
    """The scope of each type that has one, and of its refusal."""
    return {
        type_text: event_type.scope
        for event_type in all_types()
        if event_type.scope is not None
        for type_text in (event_type.value, of_refusal(event_type))
    }


@lru_cache(maxsize=4096)
def hidden_types(bits: int) -> tuple[str, ...]:
    """The types of which a reader with the permissions `bits` has only the events about their own rows."""
    return tuple(type_text for type_text, scope in _scopes().items() if not scope.shows_all(bits))


def scoped_types() -> tuple[str, ...]:
    """All types with a scope."""
    return hidden_types(0)


def stored_creator(type_text: str, creator_id: UUID | None) -> UUID | None:
    """The creator that an event of this type stores. None for a type without a scope. Raises MissingCreator."""
    if type_text not in _scopes():
        return None
    if creator_id is None:
        raise MissingCreator(type_text)
    return creator_id


def exists(type_text: str, creator_id: UUID | None, user_id: UUID | None, bits: int) -> bool:
    """True if an event exists for a user with the permissions `bits` in its account."""
    scope = _scopes().get(type_text)
    return scope is None or scope.reaches(creator_id, user_id, bits)


def hides_none(bits: int) -> bool:
    """True if all events exist for a reader with the permissions `bits`."""
    return not hidden_types(bits & _scope_mask())


@cache
def _scope_mask() -> int:
    return policy.mask([scope.permission for scope in _scopes().values()])


# ---- SQL -------------------------------------------------------------------------------------

_OTHERS: Final = "e.creator_id IS NULL AND e.type <> ALL({}::text[])"
_OF_CREATOR: Final = "e.type = {} AND e.creator_id = {}"
_OF_ALL_CREATORS: Final = "e.type = {} AND e.creator_id IS NOT NULL"
Condition = tuple[str, tuple[object, ...]]
"""A condition with a `{}` for each of its values."""


def conditions(restricted_types: Sequence[str], creator_id: UUID, types: Sequence[str] | None) -> list[Condition]:
    """Conditions on the events `e` of an account, of which each event that exists for a reader satisfies one.

    `restricted_types` are the `hidden_types` of the reader, `creator_id` is the reader. `types` restricts the types,
    None does not. An index has the columns of each condition before the id.
    """
    if types is not None:
        return [
            (_OF_CREATOR, (type_text, creator_id)) if type_text in restricted_types else ("e.type = {}", (type_text,))
            for type_text in dict.fromkeys(types)
        ]
    return [
        (_OTHERS, (list(restricted_types),)),
        *(
            (_OF_CREATOR, (type_text, creator_id))
            if type_text in restricted_types
            else (_OF_ALL_CREATORS, (type_text,))
            for type_text in scoped_types()
        ),
    ]


class _Account(db.Row):
    id: UUID


# Each step finds the next account, however many events the accounts have.
_ACCOUNTS: Final = """
WITH RECURSIVE found AS (
    (SELECT account_id AS id FROM events WHERE actor_id = $1 AND creator_id <> actor_id ORDER BY account_id LIMIT 1)
    UNION ALL SELECT (SELECT e.account_id FROM events e WHERE e.actor_id = $1 AND e.creator_id <> e.actor_id
        AND e.account_id > f.id ORDER BY e.account_id LIMIT 1) FROM found f WHERE f.id IS NOT NULL)
SELECT id FROM found WHERE id IS NOT NULL
"""


async def accounts_with_rows_of_others(actor_id: UUID) -> list[UUID]:
    """The accounts in which a user's acts are recorded about rows with a scope that other users created."""
    return [row.id for row in await db.fetch(_ACCOUNTS, actor_id, row=_Account)]
