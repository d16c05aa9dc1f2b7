"""Reading a GraphQL request out of an HTTP request, and refusing what is none."""

from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect, Request

from server import limits
from server.document_cache import PersistedDocument
from server.errors import Rejected

MAX_BODY: Final = limits.DEFAULT.bytes

_MAPS: Final = ("variables", "extensions")
_NAMES: Final = ("documentId", "id", "doc_id")
"""As the specification's draft on persisted documents calls it, and as Relay's users do."""
_TAKEN: Final = ("query", "operationName", *_MAPS, *_NAMES)
_LONGEST_NAME: Final = 300


class HTTPRequest(Request):
    """An HTTP request whose headers are looked at more than once."""

    _by_name: dict[bytes, bytes] | None = None

    def header(self, name: str) -> str | None:
        """The first header of a name in small letters."""
        found = self._by_name
        if found is None:
            found = self._by_name = dict(reversed(self.scope["headers"]))
        value = found.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def every(self, name: str) -> str | None:
        """All headers of a name in small letters as one, as lists may be sent."""
        first = self.header(name)
        if first is None or len(self._by_name or ()) == len(self.scope["headers"]):
            return first
        return ", ".join(self.headers.getlist(name))


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A GraphQL request.

    Its text is `query`, or what `name` names; then `query` is empty until server/persisted_operations.py has found it.
    """

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    is_get: bool = False
    name: str | None = None
    is_automatic: bool = False
    """Whether it is named as clients do that send the text when it is not known."""
    named: PersistedDocument | None = None
    """What is known of the text, once it was found by its name."""
    shows_cost: bool = False
    """Whether the answer shall say what it cost and what is left: `extensions: {"cost": true}`."""


async def read(request: HTTPRequest) -> GraphQLRequest:
    """The GraphQL request of a POST, or in the address of a GET. Raises Rejected.

    A body that does not come is cut by the connection: server/connection.py.
    """
    if request.method != "POST":
        return _in_address(request)
    _check_headers(request)
    try:
        body = await _body(request)
    except ClientDisconnect:
        raise Rejected(400, "The body is cut short.") from None
    return asked(_decoded(body, "body"))


def _in_address(request: HTTPRequest) -> GraphQLRequest:
    if len(request.scope["query_string"]) > MAX_BODY:
        raise _too_large(414, "address", len(request.scope["query_string"]))
    given = request.query_params
    found: dict[str, object] = {}
    for name in _TAKEN:
        texts = given.getlist(name)
        if len(texts) > 1:
            raise Rejected(400, f"The address has {name} more than once.")
        if texts and texts[0]:
            found[name] = _decoded(texts[0].encode(errors="replace"), name) if name in _MAPS else texts[0]
    return asked(found, is_get=True)


def _check_headers(request: HTTPRequest) -> None:
    content_type, _, parameters = (request.header("content-type") or "").partition(";")
    if content_type.strip().lower() != "application/json":
        raise Rejected(415, "Send Content-Type: application/json.")
    charset = parameters.strip().lower().partition("charset=")[2].strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise Rejected(415, "Send the body in UTF-8.")
    encoding = request.header("content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise Rejected(415, "Send the body without Content-Encoding.")
    length = request.header("content-length") or "0"
    if length.isdigit() and (announced := int(length[:15])) > MAX_BODY:
        raise _too_large(413, "body", announced)


async def _body(request: HTTPRequest) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _too_large(413, "body", size)
        parts.append(part)
    return b"".join(parts)


def _decoded(text: bytes, what: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Rejected(400, f"The {what} cannot be read as JSON in UTF-8.") from None


def asked(body: object, *, is_get: bool = False) -> GraphQLRequest:
    """The request that a decoded body holds; what else stands in it is left alone. Raises Rejected."""
    if isinstance(body, list):
        message = "Batches are not taken; send each request on its own."
        raise Rejected(400, message, limit="batch", most=1, found=len(body))
    if not isinstance(body, dict):
        raise Rejected(400, "The body is not a JSON object.")
    query, operation_name = body.get("query"), body.get("operationName")
    variables, extensions = body.get("variables"), body.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        raise Rejected(400, "The variables are not a JSON object.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise Rejected(400, "The operationName is not a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise Rejected(400, "The extensions are not a JSON object.")
    automatic = _automatic(extensions) if extensions else None
    name = automatic or (None if query else _name(body))
    if not query and name is not None:
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise Rejected(400, "The request has no query.")
    shows_cost = extensions is not None and extensions.get("cost") is True
    return GraphQLRequest(
        query,
        variables,
        operation_name or None,
        is_get,
        name,
        is_automatic=automatic is not None,
        shows_cost=shows_cost,
    )


def _automatic(extensions: dict[str, Any]) -> str | None:
    """The name that Apollo's protocol gives to a document."""
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        raise Rejected(400, "extensions.persistedQuery is no object of version 1.")
    return _checked(persisted.get("sha256Hash"), "extensions.persistedQuery.sha256Hash")


def _name(body: dict[str, Any]) -> str | None:
    """The name of a document that is no part of Apollo's protocol."""
    for name in _NAMES:
        if (given := body.get(name)) is not None:
            return _checked(given, name)
    return None


def _checked(name: object, where: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise Rejected(400, f"{where} is not a string of 1 to {_LONGEST_NAME} characters.")
    return name


def _too_large(status: int, what: str, found: int) -> Rejected:
    message = f"The {what} has more than {MAX_BODY:,} bytes."
    return Rejected(status, message, limit="bytes", most=MAX_BODY, found=found)
