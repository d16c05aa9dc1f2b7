"""Limits of a GraphQL request, checked before validation.

The document is walked once, and the size of each fragment is remembered. Walking a fragment again at every spread would
double the time with each nested fragment, so that the check itself could be attacked.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The maximum of each count. Settings can change some of them.

    For comparison, the introspection query of GraphiQL has 229 fields, 15 levels and 183 tokens.
    """

    bytes: int = 64 * 1024
    """Of a request body or a query string."""
    tokens: int = 1000
    comments: int = 100
    comparisons: int = 100_000
    """Comparisons of fields with the same response name, as graphql-core counts them during validation."""
    operations: int = 10
    fragments: int = 50
    fields: int = 300
    """Of one operation. Fields of a fragment count at each spread, as do its aliases and levels."""
    depth: int = 15
    aliases: int = 30
    introspection: int = 1
    """`__schema` and `__type` fields of one operation."""
    directives: int = 20
    """Of the whole document, with each fragment counted once. The same holds for variables."""
    variables: int = 100
    items: int = 100
    """Of one list or object in an argument or a variable."""
    characters: int = 10_000
    """Of one string in an argument or a variable."""
    nesting: int = 10
    """Levels of lists and objects in one argument or variable."""
    seconds: float = 10
    """For the execution of one operation, after the caller is authenticated."""
    cost: int = 10_000
    """Of one operation: the objects that its response can hold and the rows that it may read, see `server.cost`."""


DEFAULT: Final = Limits()

_NOUNS: Final = {
    "tokens": "tokens",
    "cost": "objects in its response, counting 100 rows that it may read as one",
    "comments": "comments",
    "comparisons": "comparisons of fields with the same response name",
    "operations": "operations",
    "fragments": "fragments",
    "fields": "fields, counting fragments at each spread",
    "depth": "levels of fields",
    "aliases": "aliases, counting fragments at each spread",
    "introspection": "introspection fields",
    "directives": "directives",
    "variables": "variables",
    "items": "entries in a list",
    "characters": "characters in a string",
    "nesting": "levels of lists and objects",
    "brackets": "levels of brackets",
}
VALUE_LIMITS: Final = frozenset({"items", "characters", "nesting"})
"""Limits of argument and variable values. Their violation is BAD_USER_INPUT, others are QUERY_TOO_COMPLEX."""
_ABORTING_LIMITS: Final = frozenset({"tokens", "comments", "comparisons", "brackets"})
"""Counting stops at these limits, so that the actual number is unknown."""
_MAX_COUNT: Final = 1_000_000
"""Counts are capped here. Otherwise nested fragments could make numbers of a thousand digits."""
_MAX_WALK_DEPTH: Final = 100
"""Nested fields and fragments, far below the recursion limit of Python."""


class LimitViolation(NamedTuple):
    """A limit that a request exceeds, and the actual number."""

    limit: str
    maximum: int
    actual: int

    @property
    def extensions(self) -> dict[str, Any]:
        """The extensions of the error beside its code."""
        return {"limit": self.limit, "most": self.maximum, "found": self.actual}

    @property
    def message(self) -> str:
        """The error message."""
        at_least = "at least " if self.limit in _ABORTING_LIMITS or self.actual >= _MAX_COUNT else ""
        return f"The request has {at_least}{self.actual:,} {_NOUNS[self.limit]}. The maximum is {self.maximum:,}."


def check_document(document: DocumentNode, limits: Limits = DEFAULT) -> LimitViolation | None:
    """The first limit that the document exceeds. None if it is within all limits."""
    return _first_violation(_DocumentWalk(document).counts(), limits)


def check_variables(variables: Mapping[str, Any], limits: Limits = DEFAULT) -> LimitViolation | None:
    """The first limit that the variables exceed. They need not be coerced yet."""
    values = _ValueSizes()
    values.add_variables(variables.values())
    return _first_violation([("variables", len(variables)), *values.counts()], limits)


def _first_violation(counts: Iterable[tuple[str, int]], limits: Limits) -> LimitViolation | None:
    for limit, number in counts:
        maximum: int = getattr(limits, limit)
        if number > maximum:
            return LimitViolation(limit, maximum, min(number, _MAX_COUNT))
    return None


class _SelectionSize(NamedTuple):
    """The counts of a selection set with its fragments spread."""

    fields: int = 0
    depth: int = 0
    aliases: int = 0
    introspection: int = 0


_EMPTY: Final = _SelectionSize()
_TOO_DEEP: Final = _SelectionSize(depth=_MAX_WALK_DEPTH)
_INTROSPECTION: Final = frozenset({"__schema", "__type"})


class _ValueSizes:
    """The largest list, string and nesting of all values, in literals or variables."""

    def __init__(self) -> None:
        self.items = self.characters = self.depth = 0

    def counts(self) -> list[tuple[str, int]]:
        return [("items", self.items), ("characters", self.characters), ("nesting", self.depth)]

    def add_variables(self, values: Collection[object]) -> None:
        """Measure the values of variables, level by level. One loop for each object would take eight times as long.

        They need no bound of their own: they are no larger than the request body.
        """
        level = 0
        while values:
            lists = [value for value in values if isinstance(value, list)]
            objects = [value for value in values if isinstance(value, dict)]
            level += 1
            if lists or objects:
                self.items, self.depth = max(self.items, *map(len, lists), *map(len, objects)), max(self.depth, level)
            self.characters = max(self.characters, *(len(value) for value in values if isinstance(value, str)), 0)
            values = [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, objects))]

    def add_literal(self, value: ValueNode) -> None:
        """Measure a literal."""
        todo = [(value, 1)]
        while todo:
            value, level = todo.pop()
            if isinstance(value, StringValueNode):
                self.characters = max(self.characters, len(value.value))
            elif isinstance(value, ListValueNode | ObjectValueNode):
                entries = value.values if isinstance(value, ListValueNode) else [f.value for f in value.fields]
                self.items, self.depth = max(self.items, len(entries)), max(self.depth, level)
                todo.extend((entry, level + 1) for entry in entries)


class _DocumentWalk:
    """One pass over a document that counts every node once."""

    def __init__(self, document: DocumentNode) -> None:
        nodes = document.definitions
        self._operations = [node for node in nodes if isinstance(node, OperationDefinitionNode)]
        self._fragment_nodes = [node for node in nodes if isinstance(node, FragmentDefinitionNode)]
        self._fragments = {node.name.value: node for node in self._fragment_nodes}
        self._fragment_sizes: dict[str, _SelectionSize] = {}
        self._values = _ValueSizes()
        self._directives = 0

    def counts(self) -> list[tuple[str, int]]:
        """The count for each limit."""
        sizes = [self._operation_size(node) for node in self._operations]
        for name in self._fragments:
            self._fragment_size(name, 0)
        maxima = [(name, max((getattr(size, name) for size in sizes), default=0)) for name in _SelectionSize._fields]
        variables = sum(len(node.variable_definitions or ()) for node in self._operations)
        return [
            ("operations", len(self._operations)),
            ("fragments", len(self._fragment_nodes)),
            *maxima,
            ("directives", self._directives),
            ("variables", variables),
            *self._values.counts(),
        ]

    def _operation_size(self, node: OperationDefinitionNode) -> _SelectionSize:
        self._add_directives(node.directives)
        for variable in node.variable_definitions or ():
            self._add_directives(variable.directives)
            if variable.default_value is not None:
                self._values.add_literal(variable.default_value)
        return self._size(node.selection_set, 0)

    def _fragment_size(self, name: str, level: int) -> _SelectionSize:
        if name not in self._fragment_sizes:
            # A fragment cycle or an unknown fragment counts nothing here. Validation rejects both.
            self._fragment_sizes[name] = _EMPTY
            if name in self._fragments:
                self._add_directives(self._fragments[name].directives)
                self._fragment_sizes[name] = self._size(self._fragments[name].selection_set, level + 1)
        return self._fragment_sizes[name]

    def _size(self, selection_set: SelectionSetNode | None, level: int) -> _SelectionSize:
        if selection_set is None:
            return _EMPTY
        if level > _MAX_WALK_DEPTH:
            return _TOO_DEEP
        fields = depth = aliases = introspection = 0
        for node in selection_set.selections:
            self._add_directives(node.directives)
            if isinstance(node, FieldNode):
                inner_size = self._size(node.selection_set, level + 1)
                fields, aliases = fields + 1, aliases + (node.alias is not None)
                depth = max(depth, 1)
                introspection += node.name.value in _INTROSPECTION
                for argument in node.arguments or ():
                    self._values.add_literal(argument.value)
                own_level = 1
            else:
                inner_size = self._spread_size(node, level)
                own_level = 0
            fields, aliases = fields + inner_size.fields, aliases + inner_size.aliases
            depth, introspection = max(depth, own_level + inner_size.depth), introspection + inner_size.introspection
        return _SelectionSize(
            min(fields, _MAX_COUNT), min(depth, _MAX_COUNT), min(aliases, _MAX_COUNT), min(introspection, _MAX_COUNT)
        )

    def _spread_size(self, node: object, level: int) -> _SelectionSize:
        if isinstance(node, FragmentSpreadNode):
            return self._fragment_size(node.name.value, level)
        if isinstance(node, InlineFragmentNode):
            return self._size(node.selection_set, level + 1)
        raise TypeError(type(node))

    def _add_directives(self, directives: Iterable[DirectiveNode] | None) -> None:
        for directive in directives or ():
            self._directives += 1
            for argument in directive.arguments or ():
                self._values.add_literal(argument.value)
