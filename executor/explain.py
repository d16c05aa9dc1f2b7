"""A plan as a readable tree: the levels, the rule of each field and its resolver.

query Q: 9 fields on 4 levels
Query
  accounts -> AccountConnection   batch account.of_viewer   needs authenticated   arguments for each run
    nodes -> [Account!]!   attribute nodes   needs authenticated   columns id, name
      2 leaves copied: id, name   needs ACCOUNT_READ
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutableDefinitionNode,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
)

from executor.compile import NO_ARGUMENTS, compile_plan
from executor.info import selected_columns
from executor.plan import Abstract, Field, Items, Leaf, Object, Plan, Selection, Shape

MAX_LINES: Final = 2000
"""Maximum of lines. A plan shares repeated selections, but the tree repeats them."""

Guard = Callable[[GraphQLField], str]


def bits(field: GraphQLField) -> str:
    """The bits that a field needs, as text. The default of a host that has no names for them."""
    return f"{field.extensions.get('needs', 0):#x}"


def explain(plan: Plan, guard: Guard = bits) -> str:
    """A plan as a readable tree. `guard` returns the text of a field's rule."""
    operation = plan.operation
    name = f" {operation.name.value}" if operation.name else ""
    tree = _Tree(plan, guard)
    lines = list(islice(tree.below(plan.root, 1), MAX_LINES + 1))
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = ["  ..."]
    levels, size = tree.levels(plan.root), plan.size
    summary = f"{size} field{'s' * (size != 1)} on {levels} level{'s' * (levels != 1)}"
    serially = ", one after the other" if plan.is_mutation else ""
    return "\n".join([f"{operation.operation.value}{name}: {summary}{serially}", str(plan.root.type), *lines])


def of_document(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, *, guard: Guard = bits
) -> str:
    """The plan of one operation of a valid document, with the most fields that conditions allow.

    Raises GraphQLError.
    """
    return explain(compile_plan(schema, document, operation, widest_conditions(document)), guard)


def widest_conditions(document: DocumentNode) -> dict[str, bool]:
    """The values of variables with which @skip and @include select the most fields."""
    conditions: dict[str, bool] = {}
    selection_sets = [d.selection_set for d in document.definitions if isinstance(d, ExecutableDefinitionNode)]
    while selection_sets:
        for node in selection_sets.pop().selections:
            for directive in node.directives or ():
                includes = directive.name.value == GraphQLIncludeDirective.name
                for argument in directive.arguments or ():
                    if isinstance(argument.value, VariableNode):
                        conditions[argument.value.name.value] = includes or conditions.get(
                            argument.value.name.value, False
                        )
            if inner := getattr(node, "selection_set", None):
                selection_sets.append(inner)
    return conditions


class _Tree:
    def __init__(self, plan: Plan, guard: Guard) -> None:
        self._plan = plan
        self._guard = guard
        self._levels: dict[int, int] = {}

    def levels(self, selection: Selection) -> int:
        """The number of levels of a selection, including its own."""
        depth = self._levels.get(id(selection))
        if depth is None:
            inner = [self.levels(child) for field in selection.fields for child in self._selections(field.shape)]
            depth = self._levels[id(selection)] = 1 + max(inner, default=0)
        return depth

    def _selections(self, shape: Shape) -> list[Selection]:
        shape = _item_shape(shape)
        if isinstance(shape, Abstract):
            return [shape.of(type_) for type_ in self._plan.schema.get_possible_types(shape.type)]
        return [shape.selection] if isinstance(shape, Object) else []

    def below(self, selection: Selection, level: int) -> Iterator[str]:
        """The lines of a selection's fields and of everything below them."""
        indent = "  " * level
        if selection.failure is not None:
            yield f"{indent}fails: {selection.failure.message}"
        for needs, keys in self._copied_labels(selection).items():
            yield f"{indent}{len(keys)} {'leaf' if len(keys) == 1 else 'leaves'} copied: {', '.join(keys)}{needs}"
        for field in selection.fields:
            if not _is_copied(field):
                yield f"{indent}{self._describe(field)}"
                yield from self._inside(field.shape, level + 1)

    def _copied_labels(self, selection: Selection) -> dict[str, list[str]]:
        labels: dict[str, list[str]] = {}
        for field in selection.fields:
            if _is_copied(field):
                labels.setdefault(self._needs(field), []).append(_label(field))
        return labels

    def _describe(self, field: Field) -> str:
        parts = [f"{_label(field)} -> {field.definition.type}", _describe_resolver(field) + self._needs(field)]
        if field.fixed_arguments is None:
            parts.append("arguments for each run")
        elif field.fixed_arguments is not NO_ARGUMENTS:
            parts.append("arguments fixed")
        if isinstance(_item_shape(field.shape), Object):
            columns = selected_columns(field.shape, ())
            parts.append("all columns" if columns is None else f"columns {', '.join(sorted(columns)) or 'none'}")
        return "   ".join(parts)

    def _needs(self, field: Field) -> str:
        return f"   needs {self._guard(field.definition)}" if field.needs is not None else ""

    def _inside(self, shape: Shape, level: int) -> Iterator[str]:
        shape = _item_shape(shape)
        if isinstance(shape, Object):
            yield from self.below(shape.selection, level)
        elif isinstance(shape, Abstract):
            types_by_lines: dict[tuple[str, ...], list[GraphQLObjectType]] = {}
            for type_ in self._plan.schema.get_possible_types(shape.type):
                lines = tuple(islice(self.below(shape.of(type_), level + 1), MAX_LINES))
                types_by_lines.setdefault(lines, []).append(type_)
            for lines, types in types_by_lines.items():
                yield f"{'  ' * level}{' | '.join(map(str, types))}"
                yield from lines


def _is_copied(field: Field) -> bool:
    return isinstance(field.shape, Leaf) and (field.attribute is not None or field.constant is not None)


def _item_shape(shape: Shape) -> Shape:
    while isinstance(shape, Items):
        shape = shape.inner
    return shape


def _label(field: Field) -> str:
    return field.key if field.key == field.name else f"{field.key}: {field.name}"


def _describe_resolver(field: Field) -> str:
    for kind, resolver in (("batch", field.batch), ("column", field.column), ("each", field.resolve)):
        if resolver is not None:
            return f"{kind} {_qualified_name(resolver)}"
    return f"attribute {field.attribute}"


def _qualified_name(resolver: Any) -> str:
    """The last part of the module's name, and the name of the function."""
    name: str = getattr(resolver, "__qualname__", type(resolver).__qualname__)
    module: str = getattr(resolver, "__module__", "")
    return f"{module.rpartition('.')[2]}.{name}".replace("<locals>.", "")
