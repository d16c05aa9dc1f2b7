"""Showing a plan as a tree: what runs on which level, behind which guard, and who answers it.

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
from executor.info import wanted
from executor.plan import Abstract, Field, Items, Leaf, Object, Plan, Selection, Shape

MOST_LINES: Final = 2000
"""A plan shares what is selected twice; as a tree it may have no end."""

Guard = Callable[[GraphQLField], str]


def bits(field: GraphQLField) -> str:
    """What a field needs, as a host that has no better word for it sees it."""
    return f"{field.extensions.get('needs', 0):#x}"


def explain(plan: Plan, guard: Guard = bits) -> str:
    """A plan as a readable tree; `guard` words what a field needs."""
    operation = plan.operation
    name = f" {operation.name.value}" if operation.name else ""
    tree = _Tree(plan, guard)
    lines = list(islice(tree.below(plan.root, 1), MOST_LINES + 1))
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = ["  ..."]
    levels, size = tree.levels(plan.root), plan.size
    counted = f"{size} field{'s' * (size != 1)} on {levels} level{'s' * (levels != 1)}"
    serially = ", one after the other" if plan.is_mutation else ""
    return "\n".join([f"{operation.operation.value}{name}: {counted}{serially}", str(plan.root.type), *lines])


def of_document(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, *, guard: Guard = bits
) -> str:
    """The plan of one operation of a valid document, with as much in it as conditions let in. Raises GraphQLError."""
    return explain(compile_plan(schema, document, operation, everything(document)), guard)


def everything(document: DocumentNode) -> dict[str, bool]:
    """The values by which @skip and @include let the most of a document in."""
    found: dict[str, bool] = {}
    todo = [d.selection_set for d in document.definitions if isinstance(d, ExecutableDefinitionNode)]
    while todo:
        for node in todo.pop().selections:
            for directive in node.directives or ():
                includes = directive.name.value == GraphQLIncludeDirective.name
                for argument in directive.arguments or ():
                    if isinstance(argument.value, VariableNode):
                        found[argument.value.name.value] = includes or found.get(argument.value.name.value, False)
            if inner := getattr(node, "selection_set", None):
                todo.append(inner)
    return found


class _Tree:
    def __init__(self, plan: Plan, guard: Guard) -> None:
        self._plan = plan
        self._guard = guard
        self._levels: dict[int, int] = {}

    def levels(self, selection: Selection) -> int:
        """How many levels a selection has, its own included."""
        found = self._levels.get(id(selection))
        if found is None:
            inner = [self.levels(one) for field in selection.fields for one in self._selections(field.shape)]
            found = self._levels[id(selection)] = 1 + max(inner, default=0)
        return found

    def _selections(self, shape: Shape) -> list[Selection]:
        shape = _named(shape)
        if isinstance(shape, Abstract):
            return [shape.of(type_) for type_ in self._plan.schema.get_possible_types(shape.type)]
        return [shape.selection] if isinstance(shape, Object) else []

    def below(self, selection: Selection, level: int) -> Iterator[str]:
        """The fields of one selection, and what is below them."""
        indent = "  " * level
        if selection.broken is not None:
            yield f"{indent}fails: {selection.broken.message}"
        for needs, keys in self._copied(selection).items():
            yield f"{indent}{len(keys)} {'leaf' if len(keys) == 1 else 'leaves'} copied: {', '.join(keys)}{needs}"
        for field in selection.fields:
            if not _is_copied(field):
                yield f"{indent}{self._described(field)}"
                yield from self._inside(field.shape, level + 1)

    def _copied(self, selection: Selection) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for field in selection.fields:
            if _is_copied(field):
                found.setdefault(self._needs(field), []).append(_keyed(field))
        return found

    def _described(self, field: Field) -> str:
        parts = [f"{_keyed(field)} -> {field.definition.type}", _answered(field) + self._needs(field)]
        if field.fixed_arguments is None:
            parts.append("arguments for each run")
        elif field.fixed_arguments is not NO_ARGUMENTS:
            parts.append("arguments fixed")
        if isinstance(_named(field.shape), Object):
            columns = wanted(field.shape, ())
            parts.append("all columns" if columns is None else f"columns {', '.join(sorted(columns)) or 'none'}")
        return "   ".join(parts)

    def _needs(self, field: Field) -> str:
        return f"   needs {self._guard(field.definition)}" if field.needs is not None else ""

    def _inside(self, shape: Shape, level: int) -> Iterator[str]:
        shape = _named(shape)
        if isinstance(shape, Object):
            yield from self.below(shape.selection, level)
        elif isinstance(shape, Abstract):
            alike: dict[tuple[str, ...], list[GraphQLObjectType]] = {}
            for type_ in self._plan.schema.get_possible_types(shape.type):
                lines = tuple(islice(self.below(shape.of(type_), level + 1), MOST_LINES))
                alike.setdefault(lines, []).append(type_)
            for lines, types in alike.items():
                yield f"{'  ' * level}{' | '.join(map(str, types))}"
                yield from lines


def _is_copied(field: Field) -> bool:
    return isinstance(field.shape, Leaf) and (field.attribute is not None or field.constant is not None)


def _named(shape: Shape) -> Shape:
    while isinstance(shape, Items):
        shape = shape.inner
    return shape


def _keyed(field: Field) -> str:
    return field.key if field.key == field.name else f"{field.key}: {field.name}"


def _answered(field: Field) -> str:
    for kind, resolver in (("batch", field.batch), ("column", field.column), ("each", field.resolve)):
        if resolver is not None:
            return f"{kind} {_called(resolver)}"
    return f"attribute {field.attribute}"


def _called(resolver: Any) -> str:
    """The last part of a module's name, and the function's."""
    name: str = getattr(resolver, "__qualname__", type(resolver).__qualname__)
    module: str = getattr(resolver, "__module__", "")
    return f"{module.rpartition('.')[2]}.{name}".replace("<locals>.", "")
