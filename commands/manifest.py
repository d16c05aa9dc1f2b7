"""Reads the files that contain the operations of a client.

    *.graphql, *.gql   one GraphQL document each, which may use fragments of the other files
    *.json             persisted.json of Relay, {id: text}, or a persisted query manifest of Apollo

A text is read byte for byte, because its SHA-256 identifies it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
)

from models.persisted_operation import SHA256_PREFIX, PersistedOperation
from server import operation_file

APOLLO: Final = "apollo-persisted-query-manifest"
_HEX_DIGITS: Final = 64


class ManifestError(Exception):
    """A file is unusable. The text is one line with the location of the error."""


@dataclass(frozen=True, slots=True)
class SourceOperation:
    """An operation of a file, with its location for error messages."""

    location: str
    operation: PersistedOperation


def read(paths: Sequence[Path], *, each: bool = False) -> list[SourceOperation]:
    """Return the operations of all files in order. Raises ManifestError.

    With `each`, every operation of a GraphQL file is a document of its own. Otherwise the file is one document.
    """
    sources = {path: _read_text(path) for path in paths}
    syntax_trees = {path: _parse(path, text) for path, text in sources.items() if path.suffix != ".json"}
    fragments = _Fragments(syntax_trees)
    operations: list[SourceOperation] = []
    for path, text in sources.items():
        if path.suffix == ".json":
            operations += _read_manifest(path, text)
        elif each:
            operations += fragments.split(path)
        elif any(isinstance(node, OperationDefinitionNode) for node in syntax_trees[path].definitions):
            operations.append(SourceOperation(str(path), PersistedOperation(fragments.complete(path, text))))
    return operations


def format_error(error: GraphQLError, location: str) -> str:
    """Format an error of a document as `file:line:column: message`."""
    position = "".join(f":{location.line}:{location.column}" for location in (error.locations or ())[:1])
    return f"{location}{position}: {error.message}"


def _read_text(path: Path) -> str:
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ManifestError(f"{path}: the file is not UTF-8.") from None
    return text


def _parse(path: Path, text: str) -> DocumentNode:
    try:
        return parse(text)
    except GraphQLError as error:
        raise ManifestError(format_error(error, str(path))) from None


# ---- GraphQL ---------------------------------------------------------------------------------


class _Fragments:
    """The fragment definitions of all files by their names."""

    def __init__(self, syntax_trees: Mapping[Path, DocumentNode]) -> None:
        self._syntax_trees = syntax_trees
        self._definitions: dict[str, dict[Path, FragmentDefinitionNode]] = {}
        for path, document in syntax_trees.items():
            for node in document.definitions:
                if isinstance(node, FragmentDefinitionNode):
                    self._definitions.setdefault(node.name.value, {})[path] = node

    def complete(self, path: Path, text: str) -> str:
        """Return the operations of a file with all fragments that they use.

        Returns the text of the file unchanged if it contains exactly these definitions.
        """
        definitions = self._syntax_trees[path].definitions
        nodes = operation_file.with_fragments(self._operations(path), lambda name: self._fragment(name, path))
        if {id(node) for node in nodes} == {id(node) for node in definitions}:
            return text
        return operation_file.source(nodes)

    def split(self, path: Path) -> Iterator[SourceOperation]:
        """Yield each operation of a file with the fragments that it uses, as the panel sends it."""
        for node in self._operations(path):
            if node.name is None:
                raise ManifestError(f"{path}: an operation has no name.")
            nodes = operation_file.with_fragments([node], lambda name: self._fragment(name, path))
            yield SourceOperation(f"{path}: {node.name.value}", PersistedOperation(operation_file.source(nodes)))

    def _operations(self, path: Path) -> list[OperationDefinitionNode]:
        definitions = self._syntax_trees[path].definitions
        return [node for node in definitions if isinstance(node, OperationDefinitionNode)]

    def _fragment(self, name: str, path: Path) -> FragmentDefinitionNode:
        definitions = self._definitions.get(name, {})
        if path in definitions:
            return definitions[path]
        if not definitions:
            raise ManifestError(f"{path}: no file defines the fragment {name}.")
        if len(definitions) > 1:
            raise ManifestError(
                f"{path}: several files define the fragment {name}: {', '.join(map(str, definitions))}."
            )
        (definition,) = definitions.values()
        return definition


# ---- Manifests -------------------------------------------------------------------------------


def _read_manifest(path: Path, text: str) -> Iterator[SourceOperation]:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"{path}:{error.lineno}:{error.colno}: the file is not valid JSON.") from None
    for name, body in _id_text_pairs(path, content):
        location = f"{path}: {name}"
        if not isinstance(name, str) or not isinstance(body, str):
            raise ManifestError(f"{location}: an entry needs an id and a text, both strings.")
        digits, digest = name.removeprefix(SHA256_PREFIX), _digest(location, body)
        if len(digits) == _HEX_DIGITS and digits != digest:
            raise ManifestError(f"{location}: the id is not the SHA-256 of the text, {digest}.")
        yield SourceOperation(location, PersistedOperation(body, None if digits == digest else name))


def _id_text_pairs(path: Path, content: Any) -> Iterator[tuple[object, object]]:
    """Yield the ids and texts of a decoded file. Their types are not checked yet."""
    if not isinstance(content, dict):
        raise ManifestError(f"{path}: the file is neither {{id: text}} of Relay nor a manifest of Apollo.")
    if content.get("format") != APOLLO:
        yield from content.items()
        return
    operations = content.get("operations")
    if content.get("version") != 1 or not isinstance(operations, list):
        raise ManifestError(f"{path}: the file is not a manifest of version 1.")
    for operation in operations:
        fields = operation if isinstance(operation, dict) else {}
        yield fields.get("id"), fields.get("body")


def _digest(location: str, text: str) -> str:
    try:
        return sha256(text.encode()).hexdigest()
    except UnicodeEncodeError:
        raise ManifestError(f"{location}: the text contains an unpaired surrogate.") from None
