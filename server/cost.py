"""The cost of an operation: the number of objects that its response can hold, and the rows read besides.

    20 grants of an account, with their users            20 * 2 = 40
    the same with `totalCount`                           20 * 2 + 100 = 140
    the same for 10 accounts of the viewer               100 + 10 * (1 + 140) = 1,510

100 rows cost as much as an object. A list with a filter or an order, a list that is put together from several others,
and a total count read up to 10,000 rows each. Other fields declare how many rows they read. A page counts `first` or
`last` entries, or 50 without either. A mutation with a list of ids counts 10 for each id. Other lists count the size
that their field declares. Connections, edges and scalars count nothing. Fields that are merged in the response count
once.

The cost is compiled once per operation of a document into a sum of products. The part that depends on variables is
computed for each request, in microseconds.
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
from database.page_sql import SCAN_ROWS
from schema.declare import PAGE, IdsOr

INTROSPECTION_COST: Final = 1000
"""The cost of `__schema` or `__type`: each takes about as much time as this many objects."""
MUTATION_COST: Final = 10
"""The cost of a mutation field, or of each id if it takes a list of ids."""
SCAN_COST: Final = SCAN_ROWS // 100
"""The cost of rows that are read but not shown: those that a filter drops, a sort skips, or a count counts."""
MAX_COST: Final = 1_000_000_000

Variables: TypeAlias = Mapping[str, Any]
Amount: TypeAlias = Callable[[Variables], int]


@dataclass(slots=True)
class Cost:
    """A constant cost, plus terms of an amount that depends on variables and the cost of each unit."""

    base: int = 0
    terms: list[tuple[Amount, "Cost"]] = field(default_factory=list[tuple[Amount, "Cost"]])

    def __call__(self, variables: Variables) -> int:
        """The cost with the variables of a request, which are not coerced yet."""
        total = self.base
        for amount, inner in self.terms:
            factor = amount(variables)
            if factor:
                total += factor * inner(variables)
        return min(total, MAX_COST)

    def add(self, amount: "int | Amount", inner: "Cost") -> None:
        """Add `amount` times the cost `inner`."""
        if isinstance(amount, int) and not inner.terms:
            self.base = min(self.base + amount * inner.base, MAX_COST)
        elif isinstance(amount, int):
            self.terms.append((lambda _: amount, inner))
        else:
            self.terms.append((amount, inner))


def compile_cost(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
    """The cost of one operation of a document that is valid and within the limits."""
    fragments = {n.name.value: n for n in document.definitions if isinstance(n, FragmentDefinitionNode)}
    defaults = {
        variable.variable.name.value: value_from_ast_untyped(variable.default_value)
        for variable in operation.variable_definitions or ()
        if variable.default_value is not None
    }
    root = schema.get_root_type(operation.operation)
    mutation_cost = MUTATION_COST if operation.operation is OperationType.MUTATION else 0
    return _Compiler(schema, fragments, defaults).selection(
        [(root, operation.selection_set)], DEFAULT_SIZE, mutation_cost
    )


_PAGE_ARGUMENTS: Final = frozenset({"first", "after", "last", "before"})
_Condition: TypeAlias = tuple[str, bool]
"""A variable, and the value with which a node is included."""
_Conditions: TypeAlias = tuple[_Condition, ...]


@dataclass(slots=True)
class _Group:
    """The nodes that are merged into one field of the response."""

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

    def selection(
        self, sets: Iterable[tuple[Any, SelectionSetNode]], page_size: "int | Amount", mutation_cost: int = 0
    ) -> Cost:
        """The cost of the fields of one object. `page_size` is the size of the enclosing page."""
        total = Cost()
        groups: dict[tuple[object, ...], _Group] = {}
        visited_spreads: set[tuple[str, _Conditions]] = set()
        for type_, selection_set in sets:
            self._collect(type_, selection_set, (), groups, visited_spreads)
        for group in groups.values():
            is_certain = () in group.conditions
            cost = self._field(group, page_size, mutation_cost)
            total.add(1 if is_certain else self._inclusion(group.conditions), cost)
        return total

    # ---- One field ---------------------------------------------------------------------------

    def _field(self, group: _Group, page_size: "int | Amount", mutation_cost: int) -> Cost:
        """The cost of a field: of its objects, and of the rows that it reads once for all of them."""
        if group.node.name.value.startswith("__"):
            return Cost(INTROSPECTION_COST)
        type_: Any = get_named_type(group.definition.type)
        requested_size = self._requested_size(group)
        object_cost = self.selection(group.sets, DEFAULT_SIZE if requested_size is None else requested_size)
        object_cost.base += 1 if is_composite_type(type_) and type_.extensions.get("has_cost", True) else 0
        total = Cost()
        total.add(1 if mutation_cost else self._size(group.definition, requested_size, page_size), object_cost)
        self._add_scan(group, total)
        if mutation_cost:
            total.add(1 if requested_size is None else requested_size, Cost(mutation_cost))
        return total

    def _add_scan(self, group: _Group, cost: Cost) -> None:
        """Add the cost of the rows that a field reads and does not show."""
        if rows := group.definition.extensions.get("reads_rows"):
            cost.add(1, Cost(SCAN_COST if rows is True else rows // 100))
        elif is_connection(group.definition):
            arguments = {argument.name.value: argument.value for argument in group.node.arguments or ()}
            values = [value for name, value in arguments.items() if name not in _PAGE_ARGUMENTS]
            cost.add(self._is_any_present(values), Cost(SCAN_COST))

    def _is_any_present(self, values: list[ValueNode]) -> "int | Amount":
        """1 if one of the arguments is not null, else 0."""
        names = [value.name.value for value in values if isinstance(value, VariableNode)]
        if any(not isinstance(value, NullValueNode | VariableNode) for value in values):
            return 1
        defaults = self._defaults
        return (lambda variables: any(variables.get(n, defaults.get(n)) is not None for n in names)) if names else 0

    def _size(
        self, definition: GraphQLField, requested_size: "int | Amount | None", page_size: "int | Amount"
    ) -> "int | Amount":
        type_ = definition.type
        if not is_list_type(type_.of_type if is_non_null_type(type_) else type_):
            return 1
        declared_size = definition.extensions.get("cost_size")
        if isinstance(declared_size, int):
            return declared_size
        if isinstance(declared_size, IdsOr):
            return _or(page_size, declared_size.size)
        return page_size if declared_size == PAGE or requested_size is None else requested_size

    def _requested_size(self, group: _Group) -> "int | Amount | None":
        """The page size or the length of the list of ids in the arguments of a field. None without either."""
        arguments = {argument.name.value: argument.value for argument in group.node.arguments or ()}
        if is_connection(group.definition):
            sizes = [arguments[name] for name in ("first", "last") if name in arguments]
            sizes = [value for value in sizes if not isinstance(value, NullValueNode)]
            return _largest([self._page_size(value) for value in sizes])
        for name, argument in group.definition.args.items():
            for path in _id_list_paths(argument.type):
                return self._list_length(arguments.get(name), path)
        return None

    def _page_size(self, value: ValueNode) -> "int | Amount":
        if isinstance(value, IntValueNode):
            return _page_entries(int(value.value[:10]))
        if isinstance(value, VariableNode):
            name, default = value.name.value, self._defaults.get(value.name.value)
            return lambda variables: _page_entries(variables.get(name, default))
        return DEFAULT_SIZE

    def _list_length(self, value: ValueNode | None, path: tuple[str, ...]) -> "int | Amount":
        """The length of a list in an argument, or at a path in its input object. 1 if it is no list."""
        if isinstance(value, VariableNode):
            name, default = value.name.value, self._defaults.get(value.name.value)
            return lambda variables: _length(variables.get(name, default), path)
        if isinstance(value, ObjectValueNode) and path:
            inner = {entry.name.value: entry.value for entry in value.fields}
            return self._list_length(inner.get(path[0]), path[1:])
        return len(value.values) if isinstance(value, ListValueNode) else 1

    # ---- Collecting --------------------------------------------------------------------------

    def _collect(
        self,
        type_: Any,
        selection_set: SelectionSetNode,
        conditions: _Conditions,
        groups: dict[tuple[object, ...], _Group],
        visited_spreads: set[tuple[str, _Conditions]],
    ) -> None:
        for node in selection_set.selections:
            node_conditions = self._conditions(node.directives, conditions)
            if node_conditions is None:
                continue
            if isinstance(node, FieldNode):
                self._add_field(type_, node, node_conditions, groups)
            elif isinstance(node, InlineFragmentNode):
                fragment_type = self._schema.get_type(node.type_condition.name.value) if node.type_condition else type_
                self._collect(fragment_type, node.selection_set, node_conditions, groups, visited_spreads)
            elif isinstance(node, FragmentSpreadNode) and (node.name.value, node_conditions) not in visited_spreads:
                visited_spreads.add((node.name.value, node_conditions))
                fragment = self._fragments[node.name.value]
                fragment_type = self._schema.get_type(fragment.type_condition.name.value)
                self._collect(fragment_type, fragment.selection_set, node_conditions, groups, visited_spreads)

    def _add_field(
        self, type_: Any, node: FieldNode, conditions: _Conditions, groups: dict[tuple[object, ...], _Group]
    ) -> None:
        name = node.name.value
        definition = self._schema.get_field(type_, name)
        if definition is None:
            return
        if not is_composite_type(get_named_type(definition.type)):
            if definition.extensions.get("reads_rows"):  # all counts of a list share one statement
                groups.setdefault((type_.name,), _Group(definition, node, [], [])).conditions.append(conditions)
            return
        # Objects of different types can have different arguments under the same response key.
        key = (node.alias.value if node.alias else name, name, type_.name)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(definition, node, [], [])
        group.conditions.append(conditions)
        if node.selection_set:
            group.sets.append((get_named_type(definition.type), node.selection_set))

    def _conditions(self, directives: Iterable[DirectiveNode] | None, outer: _Conditions) -> _Conditions | None:
        """The conditions of a node together with those around it. None if the node is never included."""
        conditions = set(outer)
        for directive in directives or ():
            expected_value = directive.name.value == "include"
            if not expected_value and directive.name.value != "skip":
                continue
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    conditions.add((argument.value.name.value, expected_value))
                elif isinstance(argument.value, BooleanValueNode) and argument.value.value is not expected_value:
                    return None
        return tuple(sorted(conditions))

    def _inclusion(self, conditions: list[_Conditions]) -> Amount:
        defaults = self._defaults

        def is_included(variables: Variables) -> int:
            return any(
                all(variables.get(name, defaults.get(name)) is not (not value) for name, value in group)
                for group in conditions
            )

        return is_included


def is_connection(definition: GraphQLField) -> bool:
    """True if a field returns a page of a list."""
    return "first" in definition.args


# ---- Amounts ---------------------------------------------------------------------------------


def _page_entries(size: object) -> int:
    """The entries of a page. A size that the resolver rejects counts as the nearest valid size."""
    if not isinstance(size, int | float):
        return DEFAULT_SIZE
    return MAX_SIZE if size >= MAX_SIZE else int(size) if size >= 1 else 1


def _length(value: Any, path: tuple[str, ...]) -> int:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return len(value) if isinstance(value, list) else 1


def _or(amount: "int | Amount", size: int) -> "int | Amount":
    """An amount, or `size` if it is zero."""
    if isinstance(amount, int):
        return amount or size
    return lambda variables: amount(variables) or size


def _largest(amounts: "list[int | Amount]") -> "int | Amount":
    """The largest amount. Only the resolver rejects `first` together with `last`, so both can be here."""
    if len(amounts) < 2:  # noqa: PLR2004 - nothing to compare
        return amounts[0] if amounts else DEFAULT_SIZE
    functions = [_as_amount(amount) for amount in amounts]
    return lambda variables: max(amount(variables) for amount in functions)


def _as_amount(amount: "int | Amount") -> Amount:
    return (lambda _: amount) if isinstance(amount, int) else amount


def _id_list_paths(type_: Any) -> list[tuple[str, ...]]:
    """The paths to lists of ids in an argument of this type. The empty path is the argument itself."""
    nullable_type = type_.of_type if is_non_null_type(type_) else type_
    if is_list_type(nullable_type):
        return [()] if get_named_type(nullable_type).name == "ID" else []
    fields: Mapping[str, Any] = getattr(nullable_type, "fields", {})
    return [(name,) for name, entry in fields.items() if _id_list_paths(entry.type) == [()]]
