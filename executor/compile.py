"""Compiling: an operation becomes a plan, once per document and shape.

The same selection sets on the same type are compiled once, so that fragments which spread others
twice do not double the plan with each of them.
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

NOTHING: Final = VariableValues({}, {})
NO_ARGUMENTS: Final[dict[str, Any]] = {}
MOST_FIELDS: Final = 10_000
MOST_LEVELS: Final = 75  # running takes up to ten frames of the stack for each
TOO_DEEP: Final = "Selections are nested too deeply. Execution aborted."
TOO_MANY: Final = "The operation selects too many fields. Execution aborted."


class TooLarge(GraphQLError):
    """The operation is beyond what is compiled."""


def compile_plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    conditions: Mapping[str, Any],
) -> Plan:
    """The plan of a validated operation, where its variables in @skip and @include are `conditions`.

    Raises GraphQLError: no such root, a condition at the root that cannot be decided, or TooLarge.
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
    except RecursionError:  # fragments in fragments, which take no level
        raise TooLarge(TOO_DEEP, operation) from None
    if root.broken is not None:
        raise root.broken
    return Plan(schema, document, operation, fragments, root, compiler.size)


def condition_variables(document: DocumentNode) -> tuple[str, ...]:
    """The names of the variables that decide about @skip and @include anywhere in a document."""
    found: dict[str, None] = {}
    todo = [d.selection_set for d in document.definitions if isinstance(d, ExecutableDefinitionNode)]
    while todo:
        for node in todo.pop().selections:
            for directive in node.directives or ():
                if directive.name.value in {"skip", "include"}:
                    for argument in directive.arguments or ():
                        if isinstance(argument.value, VariableNode):
                            found[argument.value.name.value] = None
            inner = getattr(node, "selection_set", None)
            if inner is not None:
                todo.append(inner)
    return tuple(found)


class _Compiler:
    """What all parts of one compilation share."""

    def __init__(
        self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode], conditions: VariableValues
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.conditions = conditions
        self.size = 0
        self._known: dict[tuple[object, ...], Selection] = {}
        self._levels: dict[int, int] = {}

    def check_levels(self, selection_set: SelectionSetNode, level: int = 1) -> int:
        """How many levels a selection set has, whichever types and conditions. Raises TooLarge."""
        found = self._levels.get(id(selection_set))
        if found is None:
            found = self._levels[id(selection_set)] = max(
                (self._levels_of(node, level) for node in selection_set.selections), default=0
            )
        if level + found > MOST_LEVELS:
            raise TooLarge(TOO_DEEP)
        return found

    def _levels_of(self, node: Any, level: int) -> int:
        if isinstance(node, FragmentSpreadNode):
            fragment = self.fragments.get(node.name.value)
            return self.check_levels(fragment.selection_set, level) if fragment else 0
        if isinstance(node, FieldNode):
            return 1 + self.check_levels(node.selection_set, level + 1) if node.selection_set else 1
        return self.check_levels(node.selection_set, level)

    def selection(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> Selection:
        """The merged selection of several selection sets on one object type. Raises TooLarge."""
        known = (type_.name, *map(id, sets))
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = self._selection(type_, sets)
        return found

    def _selection(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> Selection:
        fields: list[Field] = []
        broken: GraphQLError | None = None
        try:
            grouped = self._grouped(type_, sets)
        except TooLarge:
            raise
        except GraphQLError as error:
            grouped, broken = {}, error
        for key, nodes in grouped.items():
            definition = self.schema.get_field(type_, nodes[0].name.value)
            if definition is not None:
                fields.append(self._field(key, len(fields), type_, definition, nodes))
        return Selection(
            type=type_,
            fields=fields,
            build=builder(tuple(field.key for field in fields)),
            rights=type_.extensions.get("rights"),
            broken=broken,
        )

    def _grouped(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        grouped: dict[str, list[FieldNode]] = {}
        visited: set[str] = set()
        for selection_set in sets:
            self._collect(type_, selection_set, grouped, visited)
        self.size += len(grouped)
        if self.size > MOST_FIELDS:
            raise TooLarge(TOO_MANY)
        return grouped

    # ---- Collecting --------------------------------------------------------------------------

    def _collect(
        self,
        type_: GraphQLObjectType,
        selection_set: SelectionSetNode,
        grouped: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        for node in selection_set.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                grouped.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if self._applies(node, type_):
                    self._collect(type_, node.selection_set, grouped, visited)
            else:
                self._spread(cast("FragmentSpreadNode", node).name.value, type_, grouped, visited)

    def _spread(
        self, name: str, type_: GraphQLObjectType, grouped: dict[str, list[FieldNode]], visited: set[str]
    ) -> None:
        fragment = self.fragments.get(name)
        if name in visited or fragment is None or not self._applies(fragment, type_):
            return
        visited.add(name)
        self._collect(type_, fragment.selection_set, grouped, visited)

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
        self, key: str, place: int, parent: GraphQLObjectType, definition: GraphQLField, nodes: list[FieldNode]
    ) -> Field:
        made = Field(key, place, parent, definition, nodes, self._shape(definition.type, nodes))
        marks = definition.extensions
        if nodes[0].name.value == "__typename":
            made.constant = parent.name
        elif "needs" in marks:
            if marks["needs"] is not None and parent.extensions.get("rights") is None:
                raise TypeError(f"{parent.name}.{nodes[0].name.value} has a rule, but {parent.name} has no rights.")
            made.needs, made.refuse, made.convert = marks["needs"], marks["refuse"], marks.get("convert")
            made.batch, made.column, made.resolve = marks.get("batch"), marks.get("column"), marks.get("resolve")
            if made.batch is None and made.column is None and made.resolve is None:
                made.attribute = marks.get("attribute", nodes[0].name.value)
        else:
            made.resolve = definition.resolve or default_field_resolver
        made.fixed_arguments = _fixed_arguments(made)
        made.waits = _waits(made)
        return made

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
        known: dict[str, Selection] = {}

        def of(type_: GraphQLObjectType) -> Selection:
            found = known.get(type_.name)
            if found is None:
                found = known[type_.name] = self._late(type_, sets)
            return found

        return of

    def _late(self, type_: GraphQLObjectType, sets: list[SelectionSetNode]) -> Selection:
        """As `selection`, while the operation runs: what goes wrong fails these objects alone."""
        try:
            return self.selection(type_, sets)
        except TooLarge as error:
            return Selection(type_, [], builder(()), None, broken=error)
        except RecursionError:
            return Selection(type_, [], builder(()), None, broken=TooLarge(TOO_DEEP))


def _waits(field: Field) -> bool:
    if field.batch is not None or field.resolve is not None:
        return True
    if isinstance(field.shape, Object):
        below = field.shape.selection
        return below.type.is_type_of is not None or any(each.waits for each in below.fields)
    return not isinstance(field.shape, Leaf)  # items may have to be awaited, and so may their types


def _fixed_arguments(field_: Field) -> dict[str, Any] | None:
    """The arguments if they are the same in every run: none, or literals without variables.

    Lists and objects are made anew for each run, lest a resolver that changes one changes it for all.
    """
    if not field_.definition.args:
        return NO_ARGUMENTS
    if _has_variables(field_.nodes[0]):
        return None
    try:
        made = field_.arguments(NOTHING)
    except Exception:  # noqa: BLE001 - said at the field when it runs, where it can be located
        return None
    return None if any(isinstance(value, list | dict) for value in made.values()) else made


def _has_variables(node: Any) -> bool:
    if isinstance(node, VariableNode):
        return True
    if isinstance(node, FieldNode):
        return any(_has_variables(argument.value) for argument in node.arguments or ())
    inner = getattr(node, "values", None) or getattr(node, "fields", None) or ()
    return any(_has_variables(getattr(entry, "value", entry)) for entry in inner if not isinstance(entry, str))
