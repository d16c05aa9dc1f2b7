"""What an operation may cost: how many objects its answer can hold, by the sizes of the lists that it asks for.

    10 accounts of 20 grants each, with their users      10 + 10 * 20 * 2 = 410

A page has as many entries as `first` or `last` say, 50 where they are left out; what is done to many at once counts
by the list of their ids, ten for each; other lists have the size that they declare. Connections, edges and scalars
count nothing. Fields that are answered once although they are written several times count once.

Compiled once for each operation of a document. What then depends on variables is worked out for each request, in
microseconds: a sum of products.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
    value_from_ast_untyped,
)

from database.listing import DEFAULT_SIZE, MAX_SIZE
from schema.declare import PAGE

INTROSPECTION: Final = 1000
"""What __schema and __type cost: about as much time as so many objects."""
CHANGE: Final = 10
"""What one change costs, or a change to one of many."""
SATURATED: Final = 1_000_000_000

Variables: TypeAlias = Mapping[str, Any]
Amount: TypeAlias = Callable[[Variables], int]


@dataclass(slots=True)
class Cost:
    """A number, and what is added to it by amounts that variables decide."""

    fixed: int = 0
    parts: list[tuple[Amount, "Cost"]] = field(default_factory=list[tuple[Amount, "Cost"]])

    def __call__(self, variables: Variables) -> int:
        """The cost with these variables, as they were sent."""
        found = self.fixed
        for amount, inner in self.parts:
            times = amount(variables)
            if times:
                found += times * inner(variables)
        return min(found, SATURATED)

    def add(self, amount: "int | Amount", inner: "Cost") -> None:
        """Add `inner` so many times."""
        if isinstance(amount, int) and not inner.parts:
            self.fixed = min(self.fixed + amount * inner.fixed, SATURATED)
        elif isinstance(amount, int):
            self.parts.append((lambda _: amount, inner))
        else:
            self.parts.append((amount, inner))


def compile_cost(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
    """The cost of one operation of a document that is valid and within its limits."""
    fragments = {n.name.value: n for n in document.definitions if isinstance(n, FragmentDefinitionNode)}
    defaults = {
        variable.variable.name.value: value_from_ast_untyped(variable.default_value)
        for variable in operation.variable_definitions or ()
        if variable.default_value is not None
    }
    root = schema.get_root_type(operation.operation)
    change = CHANGE if operation.operation is OperationType.MUTATION else 0
    return _Compiler(schema, fragments, defaults).selection([(root, operation.selection_set)], DEFAULT_SIZE, change)


_Condition: TypeAlias = tuple[str, bool]
"""A variable, and the value with which something is included."""
_Conditions: TypeAlias = tuple[_Condition, ...]


@dataclass(slots=True)
class _Group:
    """The nodes that are answered as one field."""

    definition: GraphQLField
    node: FieldNode
    sets: list[tuple[Any, SelectionSetNode]]
    conditions: list[_Conditions]


class _Compiler:
    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], defaults: Variables
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._defaults = defaults

    def selection(self, sets: Iterable[tuple[Any, SelectionSetNode]], page: "int | Amount", change: int = 0) -> Cost:
        """The cost of one object's fields; `page` is how many entries the page around it has."""
        found = Cost()
        groups: dict[tuple[object, ...], _Group] = {}
        visited: set[tuple[str, _Conditions]] = set()
        for type_, selected in sets:
            self._collect(type_, selected, (), groups, visited)
        for group in groups.values():
            amount, cost = self._field(group, page, change)
            if () not in group.conditions:
                once = Cost()
                once.add(amount, cost)
                amount, cost = self._included(group.conditions), once
            found.add(amount, cost)
        return found

    # ---- One field ---------------------------------------------------------------------------

    def _field(self, group: _Group, page: "int | Amount", change: int) -> "tuple[int | Amount, Cost]":
        """How many objects a field has, and what each of them costs."""
        if group.node.name.value.startswith("__"):
            return 1, Cost(INTROSPECTION)
        type_: Any = get_named_type(group.definition.type)
        given = self._given(group)
        below = self.selection(group.sets, DEFAULT_SIZE if given is None else given)
        below.fixed += 1 if type_.extensions.get("counts", True) else 0
        if change:
            whole = Cost(below.fixed, below.parts)
            whole.add(1 if given is None else given, Cost(change))
            return 1, whole
        return self._size(group.definition, given, page), below

    def _size(self, definition: GraphQLField, given: "int | Amount | None", page: "int | Amount") -> "int | Amount":
        type_ = definition.type
        if not is_list_type(type_.of_type if is_non_null_type(type_) else type_):
            return 1
        declared = definition.extensions.get("size")
        if isinstance(declared, int):
            return declared
        return page if declared == PAGE or given is None else given

    def _given(self, group: _Group) -> "int | Amount | None":
        """How many are asked for in a field's arguments: the entries of a page, or the ids of many."""
        arguments = {argument.name.value: argument.value for argument in group.node.arguments or ()}
        if "first" in group.definition.args:
            named = [arguments[name] for name in ("first", "last") if name in arguments]
            named = [value for value in named if not isinstance(value, NullValueNode)]
            return _largest([self._page(value) for value in named])
        for name, argument in group.definition.args.items():
            for path in _lists_of_ids(argument.type):
                return self._count(arguments.get(name), path)
        return None

    def _page(self, value: ValueNode) -> "int | Amount":
        if isinstance(value, IntValueNode):
            return _entries(int(value.value[:10]))
        if isinstance(value, VariableNode):
            name, default = value.name.value, self._defaults.get(value.name.value)
            return lambda variables: _entries(variables.get(name, default))
        return DEFAULT_SIZE

    def _count(self, value: ValueNode | None, path: tuple[str, ...]) -> "int | Amount":
        """How long a list is that stands in an argument, or in an object there."""
        if isinstance(value, VariableNode):
            name, default = value.name.value, self._defaults.get(value.name.value)
            return lambda variables: _length(variables.get(name, default), path)
        if isinstance(value, ObjectValueNode) and path:
            inner = {entry.name.value: entry.value for entry in value.fields}
            return self._count(inner.get(path[0]), path[1:])
        return len(value.values) if isinstance(value, ListValueNode) else 1

    # ---- Collecting --------------------------------------------------------------------------

    def _collect(
        self,
        type_: Any,
        selected: SelectionSetNode,
        conditions: _Conditions,
        groups: dict[tuple[object, ...], _Group],
        visited: set[tuple[str, _Conditions]],
    ) -> None:
        for node in selected.selections:
            here = self._conditions(node.directives, conditions)
            if here is None:
                continue
            if isinstance(node, FieldNode):
                self._gather(type_, node, here, groups)
            elif isinstance(node, InlineFragmentNode):
                inner = self._schema.get_type(node.type_condition.name.value) if node.type_condition else type_
                self._collect(inner, node.selection_set, here, groups, visited)
            elif isinstance(node, FragmentSpreadNode) and (node.name.value, here) not in visited:
                visited.add((node.name.value, here))
                fragment = self._fragments[node.name.value]
                inner = self._schema.get_type(fragment.type_condition.name.value)
                self._collect(inner, fragment.selection_set, here, groups, visited)

    def _gather(
        self, type_: Any, node: FieldNode, conditions: _Conditions, groups: dict[tuple[object, ...], _Group]
    ) -> None:
        name = node.name.value
        definition = self._schema.get_field(type_, name)
        if definition is None or not is_composite_type(get_named_type(definition.type)):
            return
        # Objects of other types can have other arguments under the same key.
        key = (node.alias.value if node.alias else name, name, type_.name)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(definition, node, [], [])
        group.conditions.append(conditions)
        if node.selection_set:
            group.sets.append((get_named_type(definition.type), node.selection_set))

    def _conditions(self, directives: Iterable[DirectiveNode] | None, outer: _Conditions) -> _Conditions | None:
        """What has to hold for a node beside what holds around it; None for what is never included."""
        found = set(outer)
        for directive in directives or ():
            wanted = directive.name.value == "include"
            if not wanted and directive.name.value != "skip":
                continue
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    found.add((argument.value.name.value, wanted))
                elif isinstance(argument.value, BooleanValueNode) and argument.value.value is not wanted:
                    return None
        return tuple(sorted(found))

    def _included(self, conditions: list[_Conditions]) -> Amount:
        defaults = self._defaults

        def included(variables: Variables) -> int:
            return any(
                all(variables.get(name, defaults.get(name)) is not (not wanted) for name, wanted in each)
                for each in conditions
            )

        return included


# ---- Amounts ---------------------------------------------------------------------------------


def _entries(size: object) -> int:
    """The entries of a page of some size; one that is refused when it is read costs as the largest."""
    if not isinstance(size, int | float):
        return DEFAULT_SIZE
    return MAX_SIZE if size >= MAX_SIZE else int(size) if size >= 1 else 1


def _length(value: Any, path: tuple[str, ...]) -> int:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return len(value) if isinstance(value, list) else 1


def _largest(amounts: "list[int | Amount]") -> "int | Amount":
    """Both `first` and `last` is refused when it is read; until then it costs as the larger."""
    if len(amounts) < 2:  # noqa: PLR2004 - one, or none
        return amounts[0] if amounts else DEFAULT_SIZE
    one, other = (_as_amount(amount) for amount in amounts)
    return lambda variables: max(one(variables), other(variables))


def _as_amount(amount: "int | Amount") -> Amount:
    return (lambda _: amount) if isinstance(amount, int) else amount


def _lists_of_ids(type_: Any) -> list[tuple[str, ...]]:
    """Where in an argument of this type there is a list of ids: the paths to them."""
    bare = type_.of_type if is_non_null_type(type_) else type_
    if is_list_type(bare):
        return [()] if get_named_type(bare).name == "ID" else []
    fields: Mapping[str, Any] = getattr(bare, "fields", {})
    return [(name,) for name, entry in fields.items() if _lists_of_ids(entry.type) == [()]]
