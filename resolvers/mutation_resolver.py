"""Mutation resolvers: each runs one operation and returns its payload."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from auth.policy import Permission
from database import db
from models.access.reauthentication import ReauthenticationCase
from models.audit import event
from models.audit.event_type import EventTypeEnum
from models.base.errors import Forbidden, Problem, Refusal
from resolvers import rights
from resolvers.context import Context

Operation = Callable[..., Awaitable[Any]]
LoadPayload = Callable[[Context, Any], Awaitable[dict[str, object]]]


class Payload:
    """The payload of a mutation: the changed entities by field name, and the errors that the caller can fix."""

    __slots__ = ("entities", "errors")

    def __init__(self, entities: dict[str, object], errors: tuple[Problem, ...] = ()) -> None:
        self.entities = entities
        self.errors = errors

    def __getattr__(self, name: str) -> object:
        """An entity. None if the operation failed."""
        return self.entities.get(name)


@dataclass(frozen=True, slots=True)
class MutationResolver:
    """The resolver of a mutation: the operation, and the function that loads the payload of its outcome."""

    operation: Operation
    load_payload: LoadPayload
    refusal_payload: Mapping[str, object] = field(default_factory=dict[str, object])
    """The payload of a failed operation, besides its errors."""

    @property
    def permission(self) -> Permission | None:
        """The permission that the operation requires in its account. The field's directive is derived from it."""
        return getattr(self.operation, "permission", None)

    @property
    def event_type(self) -> EventTypeEnum | None:
        """The type of the event that the operation writes, if it requires a permission."""
        return getattr(self.operation, "event_type", None)

    @property
    def reauthentication(self) -> ReauthenticationCase | None:
        """The case in which the operation needs a recent proof, None for never. The directive is derived from it."""
        return getattr(self.operation, "reauthentication", None)

    async def __call__(self, context: Context, **arguments: Any) -> Payload:
        """Run the operation and return its payload.

        A Refusal becomes the payload's errors, with its outcome. Forbidden is recorded as an event and raised.
        """
        try:
            outcome = await self.operation(context.caller, **arguments)
        except Refusal as refusal:
            context.refusal_codes.extend(problem.code.value for problem in refusal.problems)
            entities = dict(self.refusal_payload)
            if refusal.outcome is not None:
                entities = rights.hide_invisible(await self.load_payload(context, refusal.outcome), context)
            return Payload(entities, refusal.problems)
        except Forbidden as refusal:
            if self.event_type is not None:
                await event.record_refusal(context.caller, self.event_type, refusal)
            raise
        context.clear_caches()
        entities = rights.hide_invisible(await self.load_payload(context, outcome), context)
        if self.permission is not None:
            context.note_use(_account_ids(arguments, entities))
        return Payload(entities)


def mutation_resolver(operation: Operation, load_payload: LoadPayload, **refusal_payload: object) -> MutationResolver:
    """The resolver of a mutation that runs `operation`. A failed operation returns `refusal_payload`."""
    return MutationResolver(operation, load_payload, refusal_payload)


def _account_ids(arguments: Mapping[str, Any], entities: Mapping[str, object]) -> Iterator[UUID]:
    """The accounts that an operation names in its arguments, and those of its entities."""
    for name, value in arguments.items():
        if name.endswith("account_id") and isinstance(value, UUID):
            yield value
    for entity in entities.values():
        if isinstance(entity, db.Row) and "account_id" in entity.keys():  # noqa: SIM118 - a record, not a dict
            yield entity["account_id"]


async def empty_payload(_: Context, __: object) -> dict[str, object]:
    """The payload of operations that must not reveal their outcome."""
    return {}
