"""Declarations of types, fields, inputs and enums: each with its rule, its resolver and its description.

A rule on a type is the default for all of its fields. A type also declares how to find the caller's
rights on one of its objects.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from enum import StrEnum
from typing import Any, Final, TypeVar, cast, dataclass_transform

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.schema_directive import Location
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

from auth import labels
from auth.policy import Permission
from auth.rules import AUTHENTICATED, AUTHENTICATED_BIT, PUBLIC, Rule, needs
from database.rows import key_hex
from models.access.reauthentication import ReauthenticationCase
from resolvers import ids, rights
from resolvers.live import Source
from resolvers.mutation_resolver import MutationResolver
from resolvers.rights import RightsOf

__all__ = [
    "AUTHENTICATED",
    "IDS",
    "PAGE",
    "PUBLIC",
    "IdsOr",
    "field",
    "graph_enum",
    "graph_part",
    "graph_type",
    "input_field",
    "make_arguments",
    "mutation",
    "needs",
    "subscription",
]


# ---- Enums -----------------------------------------------------------------------------------

E = TypeVar("E", bound=StrEnum)


def graph_enum(enum: type[E], description: str, values: Mapping[E, str]) -> None:
    """Make an enum of the domain a type of the graph. `values` describes each of its members.

    Raises KeyError for a member without a description.
    """
    _ = strawberry.enum(enum, description=description)
    definition = cast("StrawberryEnumDefinition", getattr(enum, "__strawberry_definition__"))  # noqa: B009 - set by Strawberry
    for value in definition.values:
        value.description = values[enum[value.name]]


graph_enum(Permission, "A permission in an account.", labels.PERMISSIONS)


# ---- Directives ------------------------------------------------------------------------------

_LOCATIONS: Final = [Location.OBJECT, Location.FIELD_DEFINITION]


@strawberry.schema_directive(
    locations=_LOCATIONS,
    name="hasPermission",
    description="The caller needs this permission in the account that the object belongs to. "
    "On a type: the default for all of its fields.",
)
class PermissionDirective:
    """A permission is needed."""

    permission: Permission
    or_self: bool | None = strawberry.directive_field(name="orSelf", default=strawberry.UNSET)


@strawberry.schema_directive(locations=_LOCATIONS, name="authenticated", description="For all signed-in users.")
class AuthenticatedDirective:
    """A session is needed."""


@strawberry.schema_directive(
    locations=_LOCATIONS, name="self", description="Only for the user that the data belongs to."
)
class SelfDirective:
    """The data must be the caller's own."""


@strawberry.schema_directive(locations=_LOCATIONS, name="public", description="For all clients, signed in or not.")
class PublicDirective:
    """Nothing is needed."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="reauthentication",
    description="The mutation needs a proof of the last ten minutes that it is the user: a sign-in, or reauthenticate. "
    "Without one it answers REAUTHENTICATION_REQUIRED.",
)
class ReauthenticationDirective:
    """A recent proof is needed."""

    always: bool = strawberry.directive_field(name="always")


_PLAIN_DIRECTIVES: Final = {"authenticated": AuthenticatedDirective, "self": SelfDirective, "public": PublicDirective}


def directive(rule: Rule) -> object:
    """The directive of `rule` in the printed schema."""
    if rule.permission is not None:
        return PermissionDirective(permission=rule.permission, or_self=True if rule.or_self else strawberry.UNSET)
    return _PLAIN_DIRECTIVES[str(rule)]()


PAGE: Final = "page"
"""The cost size of a list that is as long as the page, or the list of ids, that it belongs to."""
IDS: Final = "ids"
"""The cost size of a list that has one object for each id in the arguments."""


@dataclass(frozen=True, slots=True)
class IdsOr:
    """The cost size of a list that has one object for each id in the arguments, or `size` objects without ids."""

    size: int


# ---- Fields ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldDeclaration:
    """A field's rule, and its metadata for the executor. `rule` is None for the rule of the field's type."""

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
    cost_size: int | str | IdsOr | None = None,
    reads_rows: bool | int = False,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Any:
    """A field of an object type.

    Args:
        rule: None for the rule of the field's type.
        batch: Resolver of all objects at once.
        column: As `batch`, without awaiting.
        resolve: Resolver of one object.
        attr: Without a resolver: the attribute of the row; by default the one with the field's name.
        columns: The columns that a resolver reads from its rows. The executor selects these alone.
        is_same_row: The field's object is the row itself.
        joined_as: A list can have joined the field's object to its row, under this name.
        cost_size: The number of objects of a list when costs are computed: a number that is hardly ever exceeded,
            IDS, PAGE or IdsOr.
        reads_rows: True if the field reads more rows than it shows, up to the limit of a scan. A number: up to so
            many rows.
        arguments: Annotations by Python name.
        name: The field's GraphQL name, if Python does not allow it as an attribute.
        description: The description in the SDL. A field without one does not build.
    """
    metadata: dict[str, object] = {
        "batch": batch,
        "column": column,
        "resolve": resolve,
        "attribute": attr,
        "columns": columns,
        "is_same_row": is_same_row or None,
        "joined_as": joined_as,
        "cost_size": cost_size,
        "reads_rows": reads_rows or None,
    }
    return _field(
        FieldDeclaration(rule, {name: value for name, value in metadata.items() if value is not None}),
        arguments,
        name=name,
        description=description,
    )


def _field(
    declaration: FieldDeclaration,
    arguments: Mapping[str, Any] | None,
    *,
    description: str | None,
    name: str | None = None,
    directives: Sequence[object] = (),
) -> StrawberryField:
    strawberry_field = StrawberryField(
        graphql_name=name,
        description=description,
        directives=[*([directive(declaration.rule)] if declaration.rule else []), *directives],
        metadata={"declaration": declaration},
    )
    strawberry_field.arguments = make_arguments(arguments or {})
    return strawberry_field


def input_field(description: str) -> Any:
    """A field of an input type.

    Without `input_field` it has the description that `descriptions.SHARED` has for its name.
    """
    return strawberry.field(description=description)


def make_arguments(annotations: Mapping[str, Any]) -> list[StrawberryArgument]:
    """Arguments from Python names and annotations; `descriptions.SHARED` describes them."""
    return [
        StrawberryArgument(python_name=name, graphql_name=None, type_annotation=StrawberryAnnotation(annotation))
        for name, annotation in annotations.items()
    ]


def mutation(
    resolver: MutationResolver, input_type: type | None = None, *, rule: Rule | None = None, description: str
) -> Any:
    """A mutation with its operation and its input.

    The rule of an operation in an account comes from the operation itself: it checks the permission
    under the account's lock. `rule` is for all other operations. Whether it needs a recent proof comes from the
    operation too.
    """
    if resolver.permission is not None:
        rule = Rule(AUTHENTICATED_BIT, resolver.permission)
    declaration = FieldDeclaration(rule, {"mutation_resolver": resolver})
    arguments, case = {"input": input_type} if input_type else None, resolver.reauthentication
    if case is None:
        return _field(declaration, arguments, description=description)
    needs_proof = ReauthenticationDirective(always=case is ReauthenticationCase.ALWAYS)
    description = f"{description} Needs reauthentication{case.condition}."
    return _field(declaration, arguments, description=description, directives=[needs_proof])


def subscription(
    source: Source,
    batch: Callable[..., Awaitable[Any]],
    *,
    arguments: Mapping[str, Any] | None = None,
    description: str,
) -> Any:
    """A subscription: the source of its events, and the batch resolver that shows one.

    A source with a permission checks it at the start, and for as long as the stream is open.
    """
    declaration = FieldDeclaration(
        Rule(AUTHENTICATED_BIT, source.permission), {"batch": batch, "source": source.open_stream}
    )
    return _field(declaration, arguments, description=description)


# ---- Types -----------------------------------------------------------------------------------

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TypeRule:
    """The default rule of a type's fields, None for no default, and how to find the caller's rights on its objects."""

    rule: Rule | None
    rights: RightsOf
    has_cost: bool = True
    """True if its objects add to the cost of an operation."""


TYPE_RULES: Final[dict[type, TypeRule]] = {}


@dataclass_transform(kw_only_default=True)
def graph_type(
    rule: Rule | None, rights: RightsOf = rights.of_unowned, *, has_cost: bool = True, description: str
) -> Callable[[type[T]], type[T]]:
    """An object type. Without a rule each of its fields must have a rule.

    `has_cost` is False for a type that only wraps other objects.
    """

    def declare(cls: type[T]) -> type[T]:
        object_type = strawberry.type(cls, description=description, directives=[directive(rule)] if rule else [])
        TYPE_RULES[object_type] = TypeRule(rule, rights, has_cost)
        return object_type

    return declare


@dataclass_transform(kw_only_default=True)
def graph_part(cls: type[T]) -> type[T]:
    """Fields that a module adds to a type of the product: to Query, Mutation or Account. Each names its rule."""
    return strawberry.type(cls)


def global_id(type_name: str) -> Any:
    """The `id` field of an object of this type."""

    def column(rows: Sequence[Any], _: object) -> list[str]:
        return ids.encode_all(type_name, key_hex(rows, "id"))

    return field(column=column, columns=("id",), description="The global id: opaque, and never changed.")
