"""Reading the files in which clients keep their operations.

    *.graphql, *.gql   a document each, with the fragments of the other files that it spreads
    *.json             Relay's persisted.json, {id: text}; Apollo's persisted query manifest

A text is taken byte for byte, for its digest is its name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from graphql import (
    DefinitionNode,
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    Visitor,
    parse,
    visit,
)

from models.persisted_operation import SHA256, Document

APOLLO: Final = "apollo-persisted-query-manifest"
_HEX_DIGITS: Final = 64


class Unreadable(Exception):
    """A file that cannot be taken; the text is one line that names the place."""


@dataclass(frozen=True, slots=True)
class Found:
    """A document, and where it stands."""

    place: str
    document: Document


def read(paths: Sequence[Path]) -> list[Found]:
    """The documents of all files, in their order. Raises Unreadable."""
    sources = {path: _source(path) for path in paths}
    parsed = {path: _parsed(path, text) for path, text in sources.items() if path.suffix != ".json"}
    fragments = _Fragments(parsed)
    found: list[Found] = []
    for path, text in sources.items():
        if path.suffix == ".json":
            found += _of_manifest(path, text)
        elif any(isinstance(node, OperationDefinitionNode) for node in parsed[path].definitions):
            found.append(Found(str(path), Document(fragments.complete(path, text))))
    return found


def place(error: GraphQLError, where: str) -> str:
    """An error of a document as a line of a log, `file:line:column: what`."""
    at = "".join(f":{location.line}:{location.column}" for location in (error.locations or ())[:1])
    return f"{where}{at}: {error.message}"


def _source(path: Path) -> str:
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: this is not UTF-8.") from None
    return text


def _parsed(path: Path, text: str) -> DocumentNode:
    try:
        return parse(text)
    except GraphQLError as error:
        raise Unreadable(place(error, str(path))) from None


# ---- GraphQL ---------------------------------------------------------------------------------


class _Fragments:
    """The fragments of all files."""

    def __init__(self, parsed: Mapping[Path, DocumentNode]) -> None:
        self._parsed = parsed
        self._places: dict[str, dict[Path, FragmentDefinitionNode]] = {}
        for path, document in parsed.items():
            for node in document.definitions:
                if isinstance(node, FragmentDefinitionNode):
                    self._places.setdefault(node.name.value, {})[path] = node

    def complete(self, path: Path, text: str) -> str:
        """The text of a file's operations with all that they spread; the file as it is where that is just this."""
        own = self._parsed[path].definitions
        needed: list[DefinitionNode] = [node for node in own if isinstance(node, OperationDefinitionNode)]
        names: set[str] = set()
        for node in needed:  # grows while it is walked
            for name in _spreads(node):
                if name not in names:
                    names.add(name)
                    needed.append(self._fragment(name, path))
        if {id(node) for node in needed} == {id(node) for node in own}:
            return text
        return "\n\n".join(_text(node) for node in needed) + "\n"

    def _fragment(self, name: str, path: Path) -> FragmentDefinitionNode:
        places = self._places.get(name, {})
        if path in places:
            return places[path]
        if not places:
            raise Unreadable(f"{path}: the fragment {name} is in none of the files.")
        if len(places) > 1:
            raise Unreadable(f"{path}: the fragment {name} is in {' and in '.join(map(str, places))}.")
        (found,) = places.values()
        return found


class _Spreads(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.names.append(node.name.value)


def _spreads(node: DefinitionNode) -> list[str]:
    visitor = _Spreads()
    visit(node, visitor)
    return visitor.names


def _text(node: DefinitionNode) -> str:
    assert node.loc is not None  # noqa: S101 - parsed with its places
    return node.loc.source.body[node.loc.start : node.loc.end]


# ---- Manifests -------------------------------------------------------------------------------


def _of_manifest(path: Path, text: str) -> Iterator[Found]:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"{path}:{error.lineno}:{error.colno}: this is no JSON.") from None
    for name, body in _entries(path, content):
        where = f"{path}: {name}"
        if not isinstance(name, str) or not isinstance(body, str):
            raise Unreadable(f"{where}: an id and a text belong together, both strings.")
        given, digest = name.removeprefix(SHA256), _digest(where, body)
        if len(given) == _HEX_DIGITS and given != digest:
            raise Unreadable(f"{where}: this is not the SHA-256 of the text, {digest}.")
        yield Found(where, Document(body, None if given == digest else name))


def _entries(path: Path, content: Any) -> Iterator[tuple[object, object]]:
    """Ids and texts of a decoded file."""
    if not isinstance(content, dict):
        raise Unreadable(f"{path}: this is neither Relay's {{id: text}} nor Apollo's manifest.")
    if content.get("format") != APOLLO:
        yield from content.items()
        return
    operations = content.get("operations")
    if content.get("version") != 1 or not isinstance(operations, list):
        raise Unreadable(f"{path}: this is no manifest of version 1.")
    for operation in operations:
        entry = operation if isinstance(operation, dict) else {}
        yield entry.get("id"), entry.get("body")


def _digest(where: str, text: str) -> str:
    try:
        return sha256(text.encode()).hexdigest()
    except UnicodeEncodeError:
        raise Unreadable(f"{where}: half a character stands in it.") from None
