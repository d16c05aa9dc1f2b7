"""Running an operation for a mutation field: one operation in, one payload out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auth.policy import Permission
from models.audit import event
from models.base.errors import Forbidden, Problem, Refusal
from resolvers import rights
from resolvers.context import Context

Operation = Callable[..., Awaitable[Any]]
Shown = Callable[[Context, Any], Awaitable[dict[str, object]]]


class Payload:
    """The entities that a mutation changed, by their field's name, and what the caller can mend."""

    __slots__ = ("entities", "errors")

    def __init__(self, entities: dict[str, object], errors: tuple[Problem, ...] = ()) -> None:
        self.entities = entities
        self.errors = errors

    def __getattr__(self, name: str) -> object:
        """An entity; None where the operation was refused."""
        return self.entities.get(name)


@dataclass(frozen=True, slots=True)
class MutationResolver:
    """A mutation's resolver: the operation, and how its outcome is shown."""

    operation: Operation
    show: Shown
    refused: Mapping[str, object] = field(default_factory=dict[str, object])
    """What the payload has where the operation was refused, beside its errors."""

    @property
    def permission(self) -> Permission | None:
        """What the operation demands in its account; its field's directive is made of it."""
        return getattr(self.operation, "permission", None)

    async def __call__(self, context: Context, **given: Any) -> Payload:
        """Do it; a refusal is an answer of its own, what is forbidden is recorded, everything else goes up."""
        try:
            outcome = await self.operation(context.caller, **given)
        except Refusal as refusal:
            context.refused.extend(problem.code.value for problem in refusal.problems)
            return Payload(dict(self.refused), refusal.problems)
        except Forbidden as refusal:
            await event.record_refusal(context.caller, self.operation, refusal)
            raise
        context.forget()
        return Payload(rights.existing(await self.show(context, outcome), context))


def mutation_resolver(operation: Operation, show: Shown, **refused: object) -> MutationResolver:
    """The resolver of a mutation that does `operation` and shows what came of it, or `refused`."""
    return MutationResolver(operation, show, refused)


async def empty_payload(_: Context, __: object) -> dict[str, object]:
    """For operations whose answer says nothing but that they were heard."""
    return {}
