"""Idempotency keys: a repeated request with the same key returns the first outcome and changes nothing.

    first request --claim the key--> the operation --store the outcome--> commit
    repeated      --waits for the first-----------------------------------> the outcome of the first
    refused       --release the key--> the next request with the key is a first one

A key belongs to one user and one mutation. Key, changes, events and mails are committed by one transaction, so a key
works in all server processes and after a crash. Only the ids of the outcome are stored, and a digest of the input.
A request without a key costs no statement.
"""

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import orjson

from database import db
from i18n import mark
from models.base.caller import Caller
from models.base.errors import OperationError, UserErrorCode, refuse
from models.base.validation import Validation

RETENTION: Final = timedelta(days=2)
"""The time for which keys are kept. Clients may rely on 24 hours."""

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

_KEY_PARAMETER: Final = inspect.Parameter(
    "idempotency_key", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="str | None"
)
_WHOLE: Final = UUID(int=0)  # the part that stands for the whole request


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The key of a request, with the digest of its input."""

    user_id: UUID
    mutation: str
    key: str
    input_digest: bytes


class _Claim(db.Row):
    input_digest: bytes
    outcome: list[UUID] | None


# Waits for a concurrent transaction that claims the same key, and then returns its row. The outcome of a row is null
# only in the transaction that has inserted it.
_CLAIM: Final = """
INSERT INTO idempotency_keys AS k (user_id, mutation, key, part, input_digest, created_at, outcome)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (user_id, mutation, key, part) DO UPDATE SET created_at = k.created_at
RETURNING k.input_digest, k.outcome
"""
_STORE: Final = """
UPDATE idempotency_keys SET outcome = $5 WHERE user_id = $1 AND mutation = $2 AND key = $3 AND part = $4
"""
_RELEASE: Final = "DELETE FROM idempotency_keys WHERE user_id = $1 AND mutation = $2 AND key = $3 AND part = $4"


def _key_of(caller: Caller, mutation: str, key: str, arguments: Mapping[str, object]) -> IdempotencyKey:
    """The key of a request. Raises Unauthenticated, and Refusal for an invalid key."""
    user_id = caller.user()
    with Validation() as check:
        key = check.line("idempotency_key", key)
    # Null means "not given", so both have the same digest.
    values = {name: value for name, value in arguments.items() if value is not None}
    digest = hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS, default=str)).digest()
    return IdempotencyKey(user_id, mutation, key, digest)


async def _claim(
    caller: Caller, key: IdempotencyKey, part: UUID, outcome: list[UUID] | None = None
) -> list[UUID] | None:
    """Claim a key until the end of the transaction. Returns the outcome of an earlier request, else `outcome`.

    Raises Refusal: IDEMPOTENCY_KEY_REUSED if the earlier request had another input.
    """
    values = key.user_id, key.mutation, key.key, part, key.input_digest, caller.now, outcome
    (claim,) = await db.fetch(_CLAIM, *values, row=_Claim)
    if claim.input_digest != key.input_digest:
        raise refuse(
            UserErrorCode.IDEMPOTENCY_KEY_REUSED,
            "idempotency_key",
            mark("This key was used with another input."),
        )
    return claim.outcome


async def _store(key: IdempotencyKey, part: UUID, outcome: list[UUID]) -> None:
    await db.execute(_STORE, key.user_id, key.mutation, key.key, part, outcome)


# ---- Whole operations ------------------------------------------------------------------------


def idempotent(
    mutation: str, outcome_type: Callable[..., object] | None = None, *, undigested: str = ""
) -> Callable[[F], F]:
    """Declare that an operation takes `idempotency_key`, under the name of its mutation.

    The outcome is an id, None, or a dataclass of ids (`outcome_type`). Without a key the operation runs as it is. With
    a key it runs inside one more transaction. The transactions of the operation become savepoints of it: a refusal
    keeps what the operation has committed, such as a counted attempt, and releases the key.

    `undigested` is an argument that is not part of the digest: a password could be guessed by its digest.

    Raises:
        Unauthenticated: there is no signed-in user.
        Refusal: IDEMPOTENCY_KEY_REUSED; REQUIRED, TOO_LONG or INVALID for the key.
    """

    def declare(operation: F) -> F:
        @wraps(operation)
        async def run(caller: Caller, *args: Any, idempotency_key: str | None = None, **arguments: Any) -> object:
            if idempotency_key is None:
                return await operation(caller, *args, **arguments)
            digested_arguments = {**arguments, undigested: None}
            key = _key_of(caller, mutation, idempotency_key, digested_arguments)
            refusal: OperationError | None = None
            outcome: object = None
            async with db.transaction():
                former_ids = await _claim(caller, key, _WHOLE)
                if former_ids is not None:
                    return _outcome(former_ids, outcome_type)
                try:
                    outcome = await operation(caller, *args, **arguments)
                except OperationError as error:
                    refusal = error
                    await db.execute(_RELEASE, key.user_id, key.mutation, key.key, _WHOLE)
                else:
                    await _store(key, _WHOLE, _ids(outcome))
            if refusal is not None:
                raise refusal
            return outcome

        signature = inspect.signature(operation)
        parameters = [*signature.parameters.values(), _KEY_PARAMETER]
        setattr(run, "__signature__", signature.replace(parameters=parameters))  # noqa: B010 - the schema reads it
        return cast("F", run)

    return declare


def _outcome(ids: list[UUID], outcome_type: Callable[..., object] | None) -> object:
    if outcome_type is not None:
        return outcome_type(*ids)
    return ids[0] if ids else None


def _ids(outcome: object) -> list[UUID]:
    """The ids of an outcome, in the order of its fields."""
    if is_dataclass(outcome) and not isinstance(outcome, type):
        return [getattr(outcome, field.name) for field in fields(outcome)]
    return [] if outcome is None else [cast("UUID", outcome)]


# ---- Operations in parts ---------------------------------------------------------------------


class _Part(db.Row):
    part: UUID
    outcome: list[UUID]


_PARTS: Final = """
SELECT part, outcome FROM idempotency_keys
WHERE user_id = $1 AND mutation = $2 AND key = $3 AND part <> $4 ORDER BY part
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an operation with one transaction and one outcome for each, such as one for each client.

    A repeated request gets the outcomes of the parts that are done, and does those that are not.
    """

    caller: Caller
    key: IdempotencyKey | None
    done: dict[UUID, UUID]
    """The outcome of each part that an earlier request with the key has done."""
    refused: frozenset[UUID] = frozenset()
    """The parts that were refused when an earlier request with the key tried them."""

    async def run(self, part: UUID, operation: Callable[[UUID], Awaitable[UUID]]) -> UUID:
        """Do a part within its transaction, unless another request with the key has done it. Returns its outcome."""
        if self.key is None:
            return await operation(part)
        former_ids = await _claim(self.caller, self.key, part)
        if former_ids:
            return former_ids[0]
        outcome = await operation(part)
        await _store(self.key, part, [outcome])
        return outcome

    async def refuse(self, part: UUID) -> None:
        """Remember that a part was refused: an empty outcome. A later request with the key tries it again."""
        if self.key is not None:
            key = self.key
            await db.execute(_REFUSE, key.user_id, key.mutation, key.key, part, key.input_digest, self.caller.now)

    async def release(self) -> None:
        """Release the key, because the whole operation is refused."""
        if self.key is not None:
            await db.execute(_RELEASE, self.key.user_id, self.key.mutation, self.key.key, _WHOLE)


_REFUSE: Final = """
INSERT INTO idempotency_keys (user_id, mutation, key, part, input_digest, created_at, outcome)
VALUES ($1, $2, $3, $4, $5, $6, '{}') ON CONFLICT DO NOTHING
"""


async def start_parts(caller: Caller, mutation: str, key: str | None, **arguments: object) -> Parts:
    """Claim the key of an operation in parts, after the checks that concern the whole of it, without a transaction.

    Raises Refusal: IDEMPOTENCY_KEY_REUSED; REQUIRED, TOO_LONG or INVALID for the key.
    """
    if key is None:
        return Parts(caller, None, {})
    whole = _key_of(caller, mutation, key, arguments)
    _ = await _claim(caller, whole, _WHOLE, [])
    rows = await db.fetch(_PARTS, whole.user_id, whole.mutation, whole.key, _WHOLE, row=_Part)
    done = {row.part: row.outcome[0] for row in rows if row.outcome}
    return Parts(caller, whole, done, frozenset(row.part for row in rows if not row.outcome))
