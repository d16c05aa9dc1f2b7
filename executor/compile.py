"""Compiling an operation into a plan, once for each document and each outcome of @skip and @include.

The same selection sets on the same type are compiled once, so that a fragment which spreads another twice does not
double the plan.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    default_field_resolver,
    get_directive_values,
    is_abstract_type,
    is_leaf_type,
    type_from_ast,
)
from graphql.execution.values import VariableValues

from executor.object_builder import builder
from executor.plan import Abstract, Field, Items, Leaf, Object, Plan, Selection, Shape

NO_VARIABLES: Final = VariableValues({}, {})
NO_ARGUMENTS: Final[dict[str, Any]] = {}
MAX_FIELDS: Final = 10_000
MAX_LEVELS: Final = 75  # running a level takes up to ten frames of the stack
TOO_DEEP: Final = "Selections are nested too deeply. Execution aborted."
TOO_MANY: Final = "The operation selects too many fields. Execution aborted."


class TooLarge(GraphQLError):
    """The operation is too large to be compiled."""


def compile_plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    conditions: Mapping[str, Any],
) -> Plan:
    """The plan of a validated operation. `conditions` are the values of its variables in @skip and @include.

    Raises GraphQLError: the schema has no such root, a condition at the root cannot be decided, or TooLarge.
    """
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    root_type = schema.get_root_type(operation.operation)
    if root_type is None:
        raise GraphQLError(f"Schema is not configured to execute {operation.operation.value} operation.", operation)
    compiler = _Compiler(schema, fragments, VariableValues({}, dict(conditions)))
    try:
        compiler.check_levels(operation.selection_set)
        root = compiler.selection(root_type, [operation.selection_set])
    except RecursionError:  # nested fragments, which count as no level
        raise TooLarge(TOO_DEEP, operation) from None
    if root.failure is not None:
        raise root.failure
    return Plan(schema, document, operation, fragments, root, compiler.size)


def condition_variables(document: DocumentNode) -> tuple[str, ...]:
    """The names of the variables in @skip and @include anywhere in a document."""
    names: dict[str, None] = {}
    selection_sets = [d.selection_set for d in document.definitions if isinstance(d, ExecutableDefinitionNode)]
    while selection_sets:
        for node in selection_sets.pop().selections:
            for directive in node.directives or ():
                if directive.name.value in {"skip", "include"}:
                    for argument in directive.arguments or ():
                        if isinstance(argument.value, VariableNode):
                            names[argument.value.name.value] = None
            inner = getattr(node, "selection_set", None)
            if inner is not None:
                selection_sets.append(inner)
    return tuple(names)


class _Compiler:
    """The state of one compilation."""

    def __init__(
        self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode], conditions: VariableValues
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.conditions = conditions
        self.size = 0
        self._selections: dict[tuple[object, ...], Selection] = {}
        self._levels: dict[int, int] = {}

    def check_levels(self, selection_set: SelectionSetNode, level: int = 1) -> int:
        """The number of levels of a selection set, for any types and conditions. Raises TooLarge."""
        depth = self._levels.get(id(selection_set))
        if depth is None:
            depth = self._levels[id(selection_set)] = max(
                (self._levels_of(node, level) for node in selection_set.selections), default=0
            )
        if level + depth > MAX_LEVELS:
            raise TooLarge(TOO_DEEP)
        return depth

    def _levels_of(self, node: Any, level: int) -> int:
        if isinstance(node, FragmentSpreadNode):
            fragment = self.fragments.get(node.name.value)
            return self.check_levels(fragment.selection_set, level) if fragment else 0
        if isinstance(node, FieldNode):
            return 1 + self.check_levels(node.selection_set, level + 1) if node.selection_set else 1
        return self.check_levels(node.selection_set, level)

    def selection(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> Selection:
        """The merged selection of several selection sets on one object type. Raises TooLarge."""
        key = (type_.name, *map(id, sets))
        selection = self._selections.get(key)
        if selection is None:
            selection = self._selections[key] = self._selection(type_, sets)
        return selection

    def _selection(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> Selection:
        fields: list[Field] = []
        failure: GraphQLError | None = None
        try:
            nodes_by_key = self._collect_fields(type_, sets)
        except TooLarge:
            raise
        except GraphQLError as error:
            nodes_by_key, failure = {}, error
        for key, nodes in nodes_by_key.items():
            definition = self.schema.get_field(type_, nodes[0].name.value)
            if definition is not None:
                fields.append(self._field(key, len(fields), type_, definition, nodes))
        return Selection(
            type=type_,
            fields=fields,
            build=builder(tuple(field.key for field in fields)),
            rights=type_.extensions.get("rights"),
            failure=failure,
        )

    def _collect_fields(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        nodes_by_key: dict[str, list[FieldNode]] = {}
        fragment_names: set[str] = set()
        for selection_set in sets:
            self._collect(type_, selection_set, nodes_by_key, fragment_names)
        self.size += len(nodes_by_key)
        if self.size > MAX_FIELDS:
            raise TooLarge(TOO_MANY)
        return nodes_by_key

    # ---- Collecting --------------------------------------------------------------------------

    def _collect(
        self,
        type_: GraphQLObjectType,
        selection_set: SelectionSetNode,
        nodes_by_key: dict[str, list[FieldNode]],
        fragment_names: set[str],
    ) -> None:
        for node in selection_set.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                nodes_by_key.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if self._applies(node, type_):
                    self._collect(type_, node.selection_set, nodes_by_key, fragment_names)
            else:
                self._spread(cast("FragmentSpreadNode", node).name.value, type_, nodes_by_key, fragment_names)

    def _spread(
        self, name: str, type_: GraphQLObjectType, nodes_by_key: dict[str, list[FieldNode]], fragment_names: set[str]
    ) -> None:
        fragment = self.fragments.get(name)
        if name in fragment_names or fragment is None or not self._applies(fragment, type_):
            return
        fragment_names.add(name)
        self._collect(type_, fragment.selection_set, nodes_by_key, fragment_names)

    def _is_included(self, node: Any) -> bool:
        if not node.directives:
            return True
        skip = get_directive_values(GraphQLSkipDirective, node, self.conditions)
        if skip and skip["if"]:
            return False
        include = get_directive_values(GraphQLIncludeDirective, node, self.conditions)
        return not (include and not include["if"])

    def _applies(self, fragment: FragmentDefinitionNode | InlineFragmentNode, type_: GraphQLObjectType) -> bool:
        if fragment.type_condition is None:
            return True
        condition = type_from_ast(self.schema, fragment.type_condition)
        if condition is type_:
            return True
        return isinstance(condition, GraphQLInterfaceType | GraphQLUnionType) and self.schema.is_sub_type(
            condition, type_
        )

    # ---- One field ---------------------------------------------------------------------------

    def _field(
        self, key: str, index: int, parent: GraphQLObjectType, definition: GraphQLField, nodes: list[FieldNode]
    ) -> Field:
        field = Field(key, index, parent, definition, nodes, self._shape(definition.type, nodes))
        metadata = definition.extensions
        if nodes[0].name.value == "__typename":
            field.constant = parent.name
        elif "needs" in metadata:
            if metadata["needs"] is not None and parent.extensions.get("rights") is None:
                raise TypeError(f"{parent.name}.{nodes[0].name.value} has a rule, but {parent.name} has no rights.")
            field.needs, field.refuse, field.convert = metadata["needs"], metadata["refuse"], metadata.get("convert")
            field.batch, field.column, field.resolve = (
                metadata.get("batch"),
                metadata.get("column"),
                metadata.get("resolve"),
            )
            if field.batch is None and field.column is None and field.resolve is None:
                field.attribute = metadata.get("attribute", nodes[0].name.value)
        else:
            field.resolve = definition.resolve or default_field_resolver
        field.fixed_arguments = _find_fixed_arguments(field)
        field.may_wait = _may_wait(field)
        return field

    def _shape(self, type_: Any, nodes: list[FieldNode], *, nullable: bool = True) -> Shape:
        if isinstance(type_, GraphQLNonNull):
            return self._shape(type_.of_type, nodes, nullable=False)
        if isinstance(type_, GraphQLList):
            return Items(self._shape(type_.of_type, nodes), nullable)
        if is_leaf_type(type_):
            return Leaf(type_, nullable)
        sets = [node.selection_set for node in nodes if node.selection_set]
        if is_abstract_type(type_):
            return Abstract(type_, self._by_type(sets), nullable)
        return Object(self.selection(cast("GraphQLObjectType", type_), sets), nullable)

    def _by_type(self, sets: list[SelectionSetNode]) -> Callable[[GraphQLObjectType], Selection]:
        selections: dict[str, Selection] = {}

        def select(type_: GraphQLObjectType) -> Selection:
            selection = selections.get(type_.name)
            if selection is None:
                selection = selections[type_.name] = self._select_at_run_time(type_, sets)
            return selection

        return select

    def _select_at_run_time(self, type_: GraphQLObjectType, sets: list[SelectionSetNode]) -> Selection:
        """Like `selection`, while the operation runs. An error fails only the objects of this type."""
        try:
            return self.selection(type_, sets)
        except TooLarge as error:
            return Selection(type_, [], builder(()), None, failure=error)
        except RecursionError:
            return Selection(type_, [], builder(()), None, failure=TooLarge(TOO_DEEP))


def _may_wait(field: Field) -> bool:
    if field.batch is not None or field.resolve is not None:
        return True
    if isinstance(field.shape, Object):
        below = field.shape.selection
        return below.type.is_type_of is not None or any(field.may_wait for field in below.fields)
    return not isinstance(field.shape, Leaf)  # items and their types may be awaitable


def _find_fixed_arguments(field_: Field) -> dict[str, Any] | None:
    """The arguments if they are the same in each run: none, or literals without variables. Else None.

    Lists and objects are created for each run, because a resolver could change them.
    """
    if not field_.definition.args:
        return NO_ARGUMENTS
    if _has_variables(field_.nodes[0]):
        return None
    try:
        arguments = field_.arguments(NO_VARIABLES)
    except Exception:  # noqa: BLE001 - raised again when the field runs, where it can be located
        return None
    return None if any(isinstance(value, list | dict) for value in arguments.values()) else arguments


def _has_variables(node: Any) -> bool:
    if isinstance(node, VariableNode):
        return True
    if isinstance(node, FieldNode):
        return any(_has_variables(argument.value) for argument in node.arguments or ())
    inner = getattr(node, "values", None) or getattr(node, "fields", None) or ()
    return any(_has_variables(getattr(entry, "value", entry)) for entry in inner if not isinstance(entry, str))
