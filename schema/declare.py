"""Declaring types and fields: each names its rule, and how it is answered.

A rule on a type is the default of all its fields. Beside it stands how the caller's rights on one
object of the type are found.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any, Final, TypeVar, dataclass_transform

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.schema_directive import Location
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from auth.policy import Permission
from auth.rules import ANYONE, AUTHENTICATED, SIGNED_IN, Rule, needs
from database.rows import key_hex
from resolvers import ids, rights
from resolvers.live import Source
from resolvers.mutation_resolver import MutationResolver
from resolvers.rights import RightsOf

__all__ = [
    "ANYONE",
    "IDS",
    "PAGE",
    "SIGNED_IN",
    "field",
    "graph_type",
    "make_arguments",
    "mutation",
    "needs",
    "subscription",
]

strawberry.enum(Permission, description="One thing that somebody may do in an account.")


# ---- Directives ------------------------------------------------------------------------------

_PLACES: Final = [Location.OBJECT, Location.FIELD_DEFINITION]


@strawberry.schema_directive(
    locations=_PLACES,
    name="hasPermission",
    description="The caller needs this permission in the account that the object belongs to, or, "
    "with orSelf, the object is about himself. On a type: the default for all its fields.",
)
class HasPermission:
    """The rule of a permission."""

    permission: Permission
    or_self: bool | None = strawberry.directive_field(name="orSelf", default=strawberry.UNSET)


@strawberry.schema_directive(locations=_PLACES, name="authenticated", description="Any signed-in user.")
class Authenticated:
    """The rule of being signed in."""


@strawberry.schema_directive(locations=_PLACES, name="self", description="Only the user whose data this is.")
class Self:
    """The rule of oneself."""


@strawberry.schema_directive(locations=_PLACES, name="public", description="Anyone, signed in or not.")
class Public:
    """The rule of no rule."""


_PLAIN: Final = {"authenticated": Authenticated, "self": Self, "public": Public}


def directive(rule: Rule) -> object:
    """The directive that shows `rule` in the printed schema."""
    if rule.permission is not None:
        return HasPermission(permission=rule.permission, or_self=True if rule.or_self else strawberry.UNSET)
    return _PLAIN[str(rule)]()


PAGE: Final = "page"
IDS: Final = "ids"


# ---- Fields ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Declared:
    """What a field says of itself beside its type."""

    rule: Rule | None = None
    metadata: Mapping[str, object] = attribute(default_factory=dict[str, object])


def field(
    rule: Rule | None = None,
    *,
    batch: Callable[..., Awaitable[Any]] | None = None,
    column: Callable[..., Sequence[Any]] | None = None,
    resolve: Callable[..., object] | None = None,
    attr: str | None = None,
    columns: tuple[str, ...] | None = None,
    is_same_row: bool = False,
    joined_as: str | None = None,
    cost_size: int | str | None = None,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Any:
    """A field with its rule, or its type's when None.

    It is answered by a `batch` resolver (all objects at once), by a `column` (the same without
    waiting), by a plain `resolve` of one object, or by the attribute `attr` of the row, by default
    the one of the field's own name. `given` are its arguments, by Python name; `name` is for a name
    that Python would not allow. `uses` names the columns that a resolver takes from its rows; the
    executor then knows what to select; `same` says that the field's object is the row itself, `part` that
    lists can have joined it to the row under this name. `size` is how many objects a list has: a number that it
    hardly ever exceeds, IDS as many as its ids, PAGE as many as the page or the bulk that it belongs to.
    """
    marks: dict[str, object] = {
        "batch": batch,
        "column": column,
        "resolve": resolve,
        "attribute": attr,
        "uses": columns,
        "same": is_same_row or None,
        "part": joined_as,
        "size": cost_size,
    }
    made = StrawberryField(
        graphql_name=name,
        description=description,
        directives=[directive(rule)] if rule else [],
        metadata={"declared": Declared(rule, {k: v for k, v in marks.items() if v is not None})},
    )
    made.arguments = make_arguments(arguments or {})
    return made


def make_arguments(given: Mapping[str, Any]) -> list[StrawberryArgument]:
    """Arguments from Python names and annotations; those that allow None may be left out."""
    return [
        StrawberryArgument(
            python_name=name,
            graphql_name=None,
            type_annotation=StrawberryAnnotation(annotation),
            **({} if not _optional(annotation) else {"default": strawberry.UNSET}),
        )
        for name, annotation in given.items()
    ]


def _optional(annotation: object) -> bool:
    return type(None) in getattr(annotation, "__args__", ())


def mutation(
    resolver: MutationResolver, input_type: type | None = None, *, rule: Rule | None = None, description: str
) -> Any:
    """A mutation: its operation, its input, and its rule.

    An operation that demands a permission says so itself, and checks it under its account's lock;
    the directive shows what it says. `rule` is for the operations of a user.
    """
    if resolver.permission is not None:
        rule = Rule(AUTHENTICATED, resolver.permission)
    made = StrawberryField(
        description=description,
        directives=[directive(rule)] if rule else [],
        metadata={"declared": Declared(rule, {"performed": resolver})},
    )
    made.arguments = make_arguments({"input": input_type} if input_type else {})
    return made


def subscription(
    source: Source,
    shown: Callable[..., Awaitable[Any]],
    *,
    arguments: Mapping[str, Any] | None = None,
    description: str,
) -> Any:
    """A subscription: where its events come from, and the batch resolver that shows one.

    One that demands a permission checks it where it starts, and for as long as it is open; the directive
    shows what it says.
    """
    rule = Rule(AUTHENTICATED, source.permission)
    made = StrawberryField(
        description=description,
        directives=[directive(rule)],
        metadata={"declared": Declared(rule, {"batch": shown, "source": source.start})},
    )
    made.arguments = make_arguments(arguments or {})
    return made


# ---- Types -----------------------------------------------------------------------------------

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TypeRule:
    """The default rule of a type's fields, and how the caller's rights on its objects are found."""

    rule: Rule | None
    rights: RightsOf
    counts: bool = True
    """Whether its objects cost anything."""


TYPE_RULES: Final[dict[type, TypeRule]] = {}


@dataclass_transform(kw_only_default=True)
def graph_type(
    rule: Rule | None, rights: RightsOf = rights.of_anything, *, counts: bool = True, description: str
) -> Callable[[type[T]], type[T]]:
    """An object type of the graph. Without a rule each of its fields must have its own.

    What only wraps others does not count when an operation's cost is worked out.
    """

    def declare(cls: type[T]) -> type[T]:
        made = strawberry.type(cls, description=description, directives=[directive(rule)] if rule else [])
        TYPE_RULES[made] = TypeRule(rule, rights, counts)
        return made

    return declare


def global_id(type_name: str) -> Any:
    """The opaque id of an object of this type."""

    def column(rows: Sequence[Any], _: object) -> list[str]:
        return ids.encode_all(type_name, key_hex(rows, "id"))

    return field(column=column, columns=("id",), description="Opaque, and the same for as long as the object lives.")
