"""What a resolver learns of the field that it answers, and which columns are wanted below it."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from inspect import iscoroutine
from itertools import chain
from typing import Any

from graphql import FieldNode, GraphQLObjectType, GraphQLResolveInfoHelpers, GraphQLSchema, OperationDefinitionNode
from graphql.execution.values import VariableValues
from graphql.pyutils import gather_with_cancel, is_awaitable

from executor.plan import Field, Items, Object, Plan, Selection, Shape


class Info:
    """What resolvers learn of the field that they answer."""

    __slots__ = ("_field", "_plan", "context", "root_value", "variable_values")

    def __init__(
        self, plan: Plan, field: Field, *, context: Any, root_value: object, variables: VariableValues
    ) -> None:
        self._plan = plan
        self._field = field
        self.context = context
        self.root_value = root_value
        self.variable_values = variables

    @property
    def schema(self) -> GraphQLSchema:
        """The schema."""
        return self._plan.schema

    @property
    def field_name(self) -> str:
        """The field's name in the schema."""
        return self._field.name

    @property
    def field_nodes(self) -> list[FieldNode]:
        """The field's nodes in the document."""
        return self._field.nodes

    @property
    def parent_type(self) -> GraphQLObjectType:
        """The type that the field belongs to."""
        return self._field.parent_type

    @property
    def return_type(self) -> Any:
        """The field's type."""
        return self._field.definition.type

    @property
    def operation(self) -> OperationDefinitionNode:
        """The operation."""
        return self._plan.operation

    @property
    def fragments(self) -> dict[str, Any]:
        """The document's fragments."""
        return self._plan.fragments

    @property
    def is_awaitable(self) -> Callable[[Any], bool]:
        """Tells what must be awaited; graphql-core's own resolver of types asks for it."""
        return is_awaitable

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """Awaiting several together, and dropping what is not wanted any more; as `is_awaitable`."""
        return GraphQLResolveInfoHelpers(gather=_gathered, track=_dropped)

    def wanted(self, *path: str) -> frozenset[str] | None:
        """The columns that the fields selected under `path` take from their rows; None for all."""
        return wanted(self._field.shape, path)

    def selects(self, *names: str) -> bool:
        """Whether the field's objects are asked for one of these fields; yes where their type is not known."""
        shape = self._field.shape
        while isinstance(shape, Items):
            shape = shape.inner
        return not isinstance(shape, Object) or any(field.name in names for field in shape.selection.fields)


async def _gathered(values: Sequence[Awaitable[Any]]) -> list[Any]:
    return await gather_with_cancel(*values)


def _dropped(values: Sequence[Any]) -> None:
    for value in values:
        if iscoroutine(value):
            value.close()


def wanted(shape: Shape, path: Sequence[str]) -> frozenset[str] | None:
    """The columns that are taken from rows at `path` below a shape, by the marks of the fields there."""
    while isinstance(shape, Items):
        shape = shape.inner
    if not isinstance(shape, Object):
        return None
    selection = shape.selection
    known = selection.wanted.get(tuple(path))
    if known is None:
        found = _columns(selection) if not path else _below(selection, path)
        if found is None:
            return None
        known = selection.wanted[tuple(path)] = found
    return known


def _joined_columns(field: Field) -> Iterator[str]:
    """The columns of an object that can be joined to its parent's row, called `<joined_as>.<column>`."""
    joined_as = field.definition.extensions.get("joined_as")
    if joined_as is not None:
        yield from (f"{joined_as}.{name}" for name in wanted(field.shape, ()) or ())


def _below(selection: Selection, path: Sequence[str]) -> frozenset[str] | None:
    parts = [wanted(field.shape, path[1:]) for field in selection.fields if field.name == path[0]]
    if any(part is None for part in parts):
        return None
    return frozenset(chain.from_iterable(part for part in parts if part is not None))


def _columns(selection: Selection) -> frozenset[str] | None:
    names: set[str] = set()
    for field in selection.fields:
        columns = field.definition.extensions.get("columns")
        if field.attribute is not None:
            names.add(field.attribute)
        elif field.definition.extensions.get("is_same_row"):
            below = wanted(field.shape, ())
            if below is None:
                return None
            names |= below
        elif columns is not None:
            names.update(columns)
            names.update(_joined_columns(field))
        elif field.constant is None:
            return None
    return frozenset(names)
