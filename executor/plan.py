"""What a plan is made of: an operation as a tree of selections.

    Plan -> Selection (one object type) -> Field -> Shape (leaf, list, object, abstract) -> Selection ...

Fragments are merged, @skip and @include decided, rules and resolvers looked up: what is left for
running is walking levels. Selections below abstract types are compiled when a type first turns up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_argument_values,
)
from graphql.execution.values import VariableValues

Resolver: TypeAlias = Callable[..., Any]


# ---- Shapes ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Leaf:
    """A scalar or an enum."""

    type: GraphQLLeafType
    nullable: bool


@dataclass(slots=True)
class Items:
    """A list."""

    inner: "Shape"
    nullable: bool


@dataclass(slots=True)
class Object:
    """An object of a known type."""

    selection: "Selection"
    nullable: bool


@dataclass(slots=True)
class Abstract:
    """An object whose type its value tells; `of` compiles the selection for each type on first sight."""

    type: GraphQLAbstractType
    of: Callable[[GraphQLObjectType], "Selection"]
    nullable: bool


Shape: TypeAlias = Leaf | Items | Object | Abstract


# ---- Fields and selections -------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class Field:
    """One response key of a selection: what is demanded, who answers, and in which shape."""

    key: str
    place: int
    parent_type: GraphQLObjectType
    definition: GraphQLField
    nodes: list[FieldNode]
    shape: Shape
    needs: int | None = None  # None: no rule at all; 0: nobody has it
    refuse: Callable[[Sequence[Any], Any], Sequence[Exception]] | None = None
    batch: Resolver | None = None
    column: Resolver | None = None
    resolve: Resolver | None = None
    attribute: str | None = None
    convert: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    constant: object = None
    fixed_arguments: dict[str, Any] | None = None
    waits: bool = True
    """Whether answering it, and what is below it, can have to wait; no is certain."""

    @property
    def name(self) -> str:
        """The field's name in the schema."""
        return self.nodes[0].name.value

    def arguments(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments for one run, as the resolver takes them. Raises GraphQLError."""
        if self.fixed_arguments is not None:
            return self.fixed_arguments
        given = get_argument_values(self.definition, self.nodes[0], variables)
        return self.convert(given) if self.convert and given else given


@dataclass(slots=True, eq=False, repr=False)
class Selection:
    """The fields wanted of objects of one type, in the order in which they are answered.

    `broken` says why there are none: a condition cannot be decided. Each object fails by it.
    """

    type: GraphQLObjectType
    fields: list[Field]
    build: Callable[..., list[dict[str, Any]]]
    rights: Callable[[Sequence[Any], Any], Sequence[int]] | None
    broken: GraphQLError | None = None
    wanted: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict[tuple[str, ...], frozenset[str]])


@dataclass(slots=True, eq=False, repr=False)
class Plan:
    """A compiled operation."""

    schema: GraphQLSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    root: Selection
    size: int

    @property
    def is_mutation(self) -> bool:
        """Whether the root's fields run one after the other."""
        return self.operation.operation is OperationType.MUTATION
