"""The parts of a plan: an operation as a tree of selections.

    Plan -> Selection (one object type) -> Field -> Shape (leaf, list, object, abstract) -> Selection ...

Fragments are merged, @skip and @include are decided, rules and resolvers are looked up. Only walking the levels is
left. A selection below an abstract type is compiled when a type first occurs.
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
    """An object whose type depends on its value. `of` compiles the selection for a type at first use."""

    type: GraphQLAbstractType
    of: Callable[[GraphQLObjectType], "Selection"]
    nullable: bool


Shape: TypeAlias = Leaf | Items | Object | Abstract


# ---- Fields and selections -------------------------------------------------------------------


@dataclass(slots=True, eq=False, repr=False)
class Field:
    """One response key of a selection: its rule, its resolver and its shape."""

    key: str
    index: int
    parent_type: GraphQLObjectType
    definition: GraphQLField
    nodes: list[FieldNode]
    shape: Shape
    needs: int | None = None  # None: no rule; 0: refused to all callers
    refuse: Callable[[Sequence[Any], Any], Sequence[Exception]] | None = None
    batch: Resolver | None = None
    column: Resolver | None = None
    resolve: Resolver | None = None
    attribute: str | None = None
    convert: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    constant: object = None
    fixed_arguments: dict[str, Any] | None = None
    may_wait: bool = True
    """False if the field and everything below it certainly never wait."""

    @property
    def name(self) -> str:
        """The field's name in the schema."""
        return self.nodes[0].name.value

    def arguments(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments for one run, as the resolver takes them. Raises GraphQLError."""
        if self.fixed_arguments is not None:
            return self.fixed_arguments
        arguments = get_argument_values(self.definition, self.nodes[0], variables)
        return self.convert(arguments) if self.convert and arguments else arguments


@dataclass(slots=True, eq=False, repr=False)
class Selection:
    """The selected fields of objects of one type, in the order of the response.

    `failure` is the error of a condition that cannot be decided. There are no fields then, and each object fails with
    it.
    """

    type: GraphQLObjectType
    fields: list[Field]
    build: Callable[..., list[dict[str, Any]]]
    rights: Callable[[Sequence[Any], Any], Sequence[int]] | None
    failure: GraphQLError | None = None
    columns_by_path: dict[tuple[str, ...], frozenset[str]] = field(
        default_factory=dict[tuple[str, ...], frozenset[str]]
    )


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
        """True if the fields of the root run one after the other."""
        return self.operation.operation is OperationType.MUTATION
