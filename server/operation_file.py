"""Splits a GraphQL file with several operations into one document for each operation."""

from collections.abc import Callable, Iterable
from typing import Final

from graphql import (
    DefinitionNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    Visitor,
    parse,
    visit,
)

_SEPARATOR: Final = "\n\n"


def split(text: str) -> dict[str, str]:
    """The document of each named operation of the file, by the name of the operation.

    Raises:
        GraphQLSyntaxError: the file is no GraphQL document.
        KeyError: an operation uses a fragment that the file does not define.
    """
    definitions = parse(text).definitions
    fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
    return {
        node.name.value: source(with_fragments([node], fragments.__getitem__))
        for node in definitions
        if isinstance(node, OperationDefinitionNode) and node.name
    }


def with_fragments(
    operations: Iterable[OperationDefinitionNode], find_fragment: Callable[[str], FragmentDefinitionNode]
) -> list[DefinitionNode]:
    """The operations and all fragments that they use, each fragment once, in the order of their first use."""
    nodes: list[DefinitionNode] = list(operations)
    names: set[str] = set()
    for node in nodes:  # The list grows during the iteration.
        for name in _spread_names(node):
            if name not in names:
                names.add(name)
                nodes.append(find_fragment(name))
    return nodes


def source(definitions: Iterable[DefinitionNode]) -> str:
    """The text of a document with these definitions, each of them byte for byte as it is in its file."""
    return _SEPARATOR.join(_text(node) for node in definitions) + "\n"


class _SpreadFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.names.append(node.name.value)


def _spread_names(node: DefinitionNode) -> list[str]:
    finder = _SpreadFinder()
    _ = visit(node, finder)
    return finder.names


def _text(node: DefinitionNode) -> str:
    location = node.loc
    assert location is not None  # noqa: S101 - `parse` records locations
    return location.source.body[location.start : location.end]
