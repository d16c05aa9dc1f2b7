"""What every mutation answers: the thing that it changed, and errors that the caller can mend."""

from typing import TypeVar, dataclass_transform

import strawberry

import i18n
from models.base.errors import Problem, UserErrorCode
from resolvers.context import Info
from schema.declare import ANYONE, field, graph_type

strawberry.enum(UserErrorCode, description="What went wrong, for programs.")


def _message(problem: Problem, info: Info) -> str:
    return i18n.translate(info.context.caller.locale, problem.text, **problem.params)


def _path(problem: Problem, _: Info) -> list[str] | None:
    return None if problem.field is None else [camel(problem.field)]


def camel(name: str) -> str:
    """A Python name as the graph spells it."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


@graph_type(
    ANYONE,
    description="An outcome that the caller can act on. What nobody may know or fix is a top-level error instead.",
)
class UserError:
    """A problem."""

    code: UserErrorCode = field(description="For programs.")
    message: str = field(resolve=_message, description="For people, in the caller's language.")
    path: list[str] | None = field(name="field", resolve=_path, description="The path into the input.")


T = TypeVar("T")


@graph_type(ANYONE, description="What every payload has.")
class Payload:
    """The base of payloads."""

    errors: list[UserError] = field(cost_size=1, description="Empty when it was done.")


@dataclass_transform(kw_only_default=True)
def payload(cls: type[T]) -> type[T]:
    """A mutation's payload; what it shows is guarded by its own type's rules."""
    return graph_type(ANYONE, description="What the mutation changed, and errors.")(cls)
