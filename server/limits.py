"""How much one document may ask for, told before anything else looks at it.

One walk with a memory for each fragment: walking a fragment again at every spread takes twice as long
with each one that is added, which makes such a limit the very hole that it should close.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

MAX_FIELDS: Final = 500
MAX_DEPTH: Final = 20
MAX_FRAGMENTS: Final = 50


class Size(NamedTuple):
    """What a selection comes to once its fragments are spread."""

    fields: int
    depth: int


_NOTHING: Final = Size(0, 0)
_TOO_DEEP: Final = Size(0, MAX_DEPTH + 1)
# Fragments and fields within each other, far from where Python's stack ends.
_DEEPEST_WALK: Final = 100


def excess(document: DocumentNode) -> str | None:
    """What `document` has too much of, in a sentence; None when it is within bounds."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    if len(fragments) > MAX_FRAGMENTS:
        return f"A document has at most {MAX_FRAGMENTS} fragments."
    known: dict[str, Size] = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            size = _size(node.selection_set, fragments, known, 0)
            if size.fields > MAX_FIELDS:
                return f"An operation selects at most {MAX_FIELDS} fields, those of a fragment at each spread."
            if size.depth > MAX_DEPTH:
                return f"An operation is at most {MAX_DEPTH} fields deep."
    return None


def _size(
    selected: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    known: dict[str, Size],
    level: int,
) -> Size:
    if selected is None:
        return _NOTHING
    if level > _DEEPEST_WALK:
        return _TOO_DEEP
    fields, depth = 0, 0
    for node in selected.selections:
        if isinstance(node, FragmentSpreadNode):
            inner = _of_fragment(node.name.value, fragments, known, level)
        elif isinstance(node, FieldNode):
            below = _size(node.selection_set, fragments, known, level + 1)
            inner = Size(1 + below.fields, 1 + below.depth)
        elif isinstance(node, InlineFragmentNode):
            inner = _size(node.selection_set, fragments, known, level + 1)
        else:
            raise TypeError(type(node))
        fields, depth = fields + inner.fields, max(depth, inner.depth)
    # Sums would otherwise grow to numbers of a thousand digits.
    return Size(min(fields, MAX_FIELDS + 1), min(depth, MAX_DEPTH + 1))


def _of_fragment(
    name: str, fragments: Mapping[str, FragmentDefinitionNode], known: dict[str, Size], level: int
) -> Size:
    if name not in known:
        # A fragment within itself counts nothing here; validation refuses it, as it does one that is missing.
        known[name] = _NOTHING
        if name in fragments:
            known[name] = _size(fragments[name].selection_set, fragments, known, level + 1)
    return known[name]
