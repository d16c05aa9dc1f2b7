"""The `info` argument of resolvers: the field, the operation and the selected columns."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from inspect import iscoroutine
from itertools import chain
from typing import Any

from graphql import FieldNode, GraphQLObjectType, GraphQLResolveInfoHelpers, GraphQLSchema, OperationDefinitionNode
from graphql.execution.values import VariableValues
from graphql.pyutils import gather_with_cancel, is_awaitable

from executor.plan import Field, Items, Object, Plan, Selection, Shape


class Info:
    """The field that a resolver answers, with its operation and context."""

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
        """True for values that must be awaited. graphql-core's default type resolver uses it."""
        return is_awaitable

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """Helpers to await several values and to close unused coroutines, for the same resolver."""
        return GraphQLResolveInfoHelpers(gather=_gather, track=_cancel)

    def selected_columns(self, *path: str) -> frozenset[str] | None:
        """The columns that the fields selected under `path` read from their rows. None means all."""
        return selected_columns(self._field.shape, path)

    def selects(self, *names: str) -> bool:
        """True if one of these fields is selected, or if the type of the field's objects is not known."""
        shape = self._field.shape
        while isinstance(shape, Items):
            shape = shape.inner
        return not isinstance(shape, Object) or any(field.name in names for field in shape.selection.fields)


async def _gather(values: Sequence[Awaitable[Any]]) -> list[Any]:
    return await gather_with_cancel(*values)


def _cancel(values: Sequence[Any]) -> None:
    for value in values:
        if iscoroutine(value):
            value.close()


def selected_columns(shape: Shape, path: Sequence[str]) -> frozenset[str] | None:
    """The columns that the fields at `path` below a shape read, by the metadata of the fields. None means all."""
    while isinstance(shape, Items):
        shape = shape.inner
    if not isinstance(shape, Object):
        return None
    selection = shape.selection
    columns = selection.columns_by_path.get(tuple(path))
    if columns is None:
        columns = _columns(selection) if not path else _below(selection, path)
        if columns is not None:
            selection.columns_by_path[tuple(path)] = columns
    return columns


def _joined_columns(field: Field) -> Iterator[str]:
    """The columns of an object that can be joined to its parent's row, with the names `<joined_as>.<column>`."""
    joined_as = field.definition.extensions.get("joined_as")
    if joined_as is not None:
        yield from (f"{joined_as}.{name}" for name in selected_columns(field.shape, ()) or ())


def _below(selection: Selection, path: Sequence[str]) -> frozenset[str] | None:
    parts = [selected_columns(field.shape, path[1:]) for field in selection.fields if field.name == path[0]]
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
            below = selected_columns(field.shape, ())
            if below is None:
                return None
            names |= below
        elif columns is not None:
            names.update(columns)
            names.update(_joined_columns(field))
        elif field.constant is None:
            return None
    return frozenset(names)
