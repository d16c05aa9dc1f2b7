"""How much one request may ask for, told before anything else looks at it.

One walk over the document with a memory for each fragment: walking a fragment again at every spread takes
twice as long with each one that is added, which makes such a limit the very hole that it should close.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    """The most that is taken of each; what settings can change, they name.

    The introspection of GraphiQL has 229 fields in 15 levels and 183 tokens.
    """

    bytes: int = 64 * 1024
    """Of a body, or of an address."""
    tokens: int = 1000
    comments: int = 100
    comparisons: int = 100_000
    """Of fields with the same name in an answer, by the rule that they must not differ; in units of graphql-core."""
    operations: int = 10
    fragments: int = 50
    fields: int = 300
    """Of one operation, those of a fragment at each spread; so are aliases and levels."""
    depth: int = 15
    aliases: int = 30
    introspection: int = 1
    """How often __schema or __type stand in one operation."""
    directives: int = 20
    """Of the whole document, as written; so are variables."""
    variables: int = 100
    items: int = 100
    """Of one list in an argument or a variable."""
    characters: int = 10_000
    nesting: int = 10
    """Of lists and objects within each other in one argument or variable."""
    seconds: float = 10
    """For the whole of one operation, once it is known who asks."""
    cost: int = 10_000
    """Of one operation: how many objects its answer can hold, see `server.cost`."""


DEFAULT: Final = Limits()

_WHAT: Final = {
    "tokens": "tokens",
    "cost": "objects that its answer can hold",
    "comments": "comments",
    "comparisons": "comparisons of fields with the same name",
    "operations": "operations",
    "fragments": "fragments",
    "fields": "fields, those of a fragment at each spread",
    "depth": "levels of fields",
    "aliases": "aliases, those of a fragment at each spread",
    "introspection": "introspections",
    "directives": "directives",
    "variables": "variables",
    "items": "entries in a list",
    "characters": "characters in a text",
    "nesting": "lists and objects within each other",
    "brackets": "brackets within each other",
}
OF_VALUES: Final = frozenset({"items", "characters", "nesting"})
"""Limits of what is given, not of what is asked for."""
_STOPPED: Final = frozenset({"tokens", "comments", "comparisons", "brackets"})
_ENOUGH: Final = 1_000_000  # Sums would otherwise grow to numbers of a thousand digits.
# Fragments and fields within each other, far from where Python's stack ends.
_DEEPEST_WALK: Final = 100


class Excess(NamedTuple):
    """One limit that is not kept."""

    limit: str
    most: int
    found: int

    @property
    def shown(self) -> dict[str, Any]:
        """What the extensions of the error say beside the code."""
        return self._asdict()

    @property
    def message(self) -> str:
        """What there is too much of, and how much would not be."""
        least = "at least " if self.limit in _STOPPED or self.found >= _ENOUGH else ""
        return f"The request has {least}{self.found:,} {_WHAT[self.limit]}; {self.most:,} are the most."


def excess(document: DocumentNode, limits: Limits = DEFAULT) -> Excess | None:
    """What `document` has too much of; None when it is within bounds."""
    return _first(_Walk(document).found(), limits)


def excess_of(variables: Mapping[str, Any], limits: Limits = DEFAULT) -> Excess | None:
    """The same for the variables, as they were sent."""
    found = _Values()
    for value in variables.values():
        if isinstance(value, str | list | dict):
            found.given(value)
    return _first([("variables", len(variables)), *found.found()], limits)


def _first(found: Iterable[tuple[str, int]], limits: Limits) -> Excess | None:
    for limit, number in found:
        most: int = getattr(limits, limit)
        if number > most:
            return Excess(limit, most, min(number, _ENOUGH))
    return None


class _Size(NamedTuple):
    """What a selection comes to once its fragments are spread."""

    fields: int = 0
    depth: int = 0
    aliases: int = 0
    introspection: int = 0


_NOTHING: Final = _Size()
_TOO_DEEP: Final = _Size(depth=_DEEPEST_WALK)
_INTROSPECTION: Final = frozenset({"__schema", "__type"})


class _Values:
    """The greatest of what was seen in values, written or sent."""

    def __init__(self) -> None:
        self.items = self.characters = self.nesting = 0

    def found(self) -> list[tuple[str, int]]:
        return [("items", self.items), ("characters", self.characters), ("nesting", self.nesting)]

    def given(self, value: object) -> None:
        """Look at a variable. Whatever was sent is no longer than its body, and is not walked twice."""
        todo = [(value, 1)]
        while todo:
            value, level = todo.pop()
            if isinstance(value, str):
                self.characters = max(self.characters, len(value))
            elif isinstance(value, dict | list):
                self.items, self.nesting = max(self.items, len(value)), max(self.nesting, level)
                entries = value.values() if isinstance(value, dict) else value
                todo.extend((entry, level + 1) for entry in entries if isinstance(entry, str | list | dict))

    def written(self, value: ValueNode) -> None:
        """Look at a literal."""
        todo = [(value, 1)]
        while todo:
            value, level = todo.pop()
            if isinstance(value, StringValueNode):
                self.characters = max(self.characters, len(value.value))
            elif isinstance(value, ListValueNode | ObjectValueNode):
                entries = value.values if isinstance(value, ListValueNode) else [f.value for f in value.fields]
                self.items, self.nesting = max(self.items, len(entries)), max(self.nesting, level)
                todo.extend((entry, level + 1) for entry in entries)


class _Walk:
    """One pass over a document, everything in it looked at once."""

    def __init__(self, document: DocumentNode) -> None:
        nodes = document.definitions
        self._operations = [node for node in nodes if isinstance(node, OperationDefinitionNode)]
        self._spread = [node for node in nodes if isinstance(node, FragmentDefinitionNode)]
        self._fragments = {node.name.value: node for node in self._spread}
        self._known: dict[str, _Size] = {}
        self._values = _Values()
        self._directives = 0

    def found(self) -> list[tuple[str, int]]:
        """How much there is of everything."""
        sizes = [self._of_operation(node) for node in self._operations]
        for name in self._fragments:
            self._of_fragment(name, 0)
        whole = [(name, max((getattr(size, name) for size in sizes), default=0)) for name in _Size._fields]
        variables = sum(len(node.variable_definitions or ()) for node in self._operations)
        return [
            ("operations", len(self._operations)),
            ("fragments", len(self._spread)),
            *whole,
            ("directives", self._directives),
            ("variables", variables),
            *self._values.found(),
        ]

    def _of_operation(self, node: OperationDefinitionNode) -> _Size:
        self._look(node.directives)
        for variable in node.variable_definitions or ():
            self._look(variable.directives)
            if variable.default_value is not None:
                self._values.written(variable.default_value)
        return self._size(node.selection_set, 0)

    def _of_fragment(self, name: str, level: int) -> _Size:
        if name not in self._known:
            # A fragment within itself counts nothing here; validation refuses it, as it does one that is missing.
            self._known[name] = _NOTHING
            if name in self._fragments:
                self._look(self._fragments[name].directives)
                self._known[name] = self._size(self._fragments[name].selection_set, level + 1)
        return self._known[name]

    def _size(self, selected: SelectionSetNode | None, level: int) -> _Size:
        if selected is None:
            return _NOTHING
        if level > _DEEPEST_WALK:
            return _TOO_DEEP
        fields = depth = aliases = introspection = 0
        for node in selected.selections:
            self._look(node.directives)
            if isinstance(node, FieldNode):
                below = self._size(node.selection_set, level + 1)
                fields, aliases = fields + 1, aliases + (node.alias is not None)
                depth = max(depth, 1)
                introspection += node.name.value in _INTROSPECTION
                for argument in node.arguments or ():
                    self._values.written(argument.value)
                deeper = 1
            else:
                below = self._of_spread(node, level)
                deeper = 0
            fields, aliases = fields + below.fields, aliases + below.aliases
            depth, introspection = max(depth, deeper + below.depth), introspection + below.introspection
        return _Size(min(fields, _ENOUGH), min(depth, _ENOUGH), min(aliases, _ENOUGH), min(introspection, _ENOUGH))

    def _of_spread(self, node: object, level: int) -> _Size:
        if isinstance(node, FragmentSpreadNode):
            return self._of_fragment(node.name.value, level)
        if isinstance(node, InlineFragmentNode):
            return self._size(node.selection_set, level + 1)
        raise TypeError(type(node))

    def _look(self, directives: Iterable[DirectiveNode] | None) -> None:
        for directive in directives or ():
            self._directives += 1
            for argument in directive.arguments or ():
                self._values.written(argument.value)
