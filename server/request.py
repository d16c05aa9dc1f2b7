"""Parsing of HTTP requests into GraphQL requests."""

from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect, Request

from server import limits
from server.errors import RequestError

MAX_BODY: Final = limits.DEFAULT.bytes

_OBJECT_KEYS: Final = ("variables", "extensions")
_ID_KEYS: Final = ("documentId", "id", "doc_id")
"""Keys for the id of a persisted operation: of the GraphQL-over-HTTP draft, and of Relay clients."""
_KEYS: Final = ("query", "operationName", *_OBJECT_KEYS, *_ID_KEYS)
_MAX_ID_LENGTH: Final = 300


class HTTPRequest(Request):
    """An HTTP request with faster access to its headers."""

    _by_name: dict[bytes, bytes] | None = None

    def header(self, name: str) -> str | None:
        """The first header of a lower-case name. None if it is missing."""
        by_name = self._by_name
        if by_name is None:
            by_name = self._by_name = dict(reversed(self.scope["headers"]))
        value = by_name.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def combined_header(self, name: str) -> str | None:
        """All headers of a lower-case name, joined by commas. None if it is missing."""
        first = self.header(name)
        if first is None or len(self._by_name or ()) == len(self.scope["headers"]):
            return first
        return ", ".join(self.headers.getlist(name))


@dataclass(slots=True)
class CachedOperation:
    """A persisted operation in the memory of this process."""

    text: str
    is_registered: bool
    fresh_until: float = 0
    """Monotonic time until which a registered operation is not looked up again."""
    is_public: bool | None = None
    """True if its response is the same for all callers. None if this was not computed yet."""


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A GraphQL request. With a `persisted_id` only, `query` is empty until PersistedOperations.resolve fills it."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    is_get: bool = False
    persisted_id: str | None = None
    is_automatic: bool = False
    """True if the id comes from Apollo's protocol: the client sends the text if the server does not know the hash."""
    cached_operation: CachedOperation | None = None
    """The persisted operation, after PersistedOperations.resolve has found it."""
    shows_cost: bool = False
    """True if the response includes the cost and the balance, by `extensions: {"cost": true}`."""

    @property
    def is_registered(self) -> bool:
        """True if the text is that of a registered operation, after PersistedOperations.resolve."""
        return self.cached_operation is not None and self.cached_operation.is_registered


async def read_request(request: HTTPRequest) -> GraphQLRequest:
    """The GraphQL request in the body of a POST or the query string of a GET. Raises RequestError.

    The connection enforces the timeout of the body: server/connection.py.
    """
    if request.method != "POST":
        return _parse_query_string(request)
    _check_headers(request)
    try:
        body = await _read_body(request)
    except ClientDisconnect:
        raise RequestError(400, "The body is incomplete.") from None
    return parse_request(_decode_json(body, "body"))


def _parse_query_string(request: HTTPRequest) -> GraphQLRequest:
    if len(request.scope["query_string"]) > MAX_BODY:
        raise _too_large(414, "query string", len(request.scope["query_string"]))
    parameters = request.query_params
    body: dict[str, object] = {}
    for name in _KEYS:
        texts = parameters.getlist(name)
        if len(texts) > 1:
            raise RequestError(400, f"The query string has {name} more than once.")
        if texts and texts[0]:
            body[name] = _decode_json(texts[0].encode(errors="replace"), name) if name in _OBJECT_KEYS else texts[0]
    return parse_request(body, is_get=True)


def _check_headers(request: HTTPRequest) -> None:
    content_type, _, parameters = (request.header("content-type") or "").partition(";")
    if content_type.strip().lower() != "application/json":
        raise RequestError(415, "Send Content-Type: application/json.")
    charset = parameters.strip().lower().partition("charset=")[2].strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise RequestError(415, "Send the body in UTF-8.")
    encoding = request.header("content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise RequestError(415, "Send the body without Content-Encoding.")
    length = request.header("content-length") or "0"
    if length.isdigit() and (declared_bytes := int(length[:15])) > MAX_BODY:
        raise _too_large(413, "body", declared_bytes)


async def _read_body(request: HTTPRequest) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _too_large(413, "body", size)
        parts.append(part)
    return b"".join(parts)


def _decode_json(text: bytes, source: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise RequestError(400, f"The {source} is not valid JSON in UTF-8.") from None


def parse_request(body: object, *, is_get: bool = False) -> GraphQLRequest:
    """The request in a decoded body. Unknown keys are ignored. Raises RequestError."""
    if isinstance(body, list):
        message = "Batches are not supported. Send each request separately."
        raise RequestError(400, message, limit="batch", most=1, found=len(body))
    if not isinstance(body, dict):
        raise RequestError(400, "The body is not a JSON object.")
    query, operation_name = body.get("query"), body.get("operationName")
    variables, extensions = body.get("variables"), body.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        raise RequestError(400, "The variables are not a JSON object.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise RequestError(400, "The operationName is not a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise RequestError(400, "The extensions are not a JSON object.")
    apollo_hash = _apollo_hash(extensions) if extensions else None
    persisted_id = apollo_hash or (None if query else _persisted_id(body))
    if not query and persisted_id is not None:
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise RequestError(400, "The request has no query.")
    shows_cost = extensions is not None and extensions.get("cost") is True
    return GraphQLRequest(
        query,
        variables,
        operation_name or None,
        is_get,
        persisted_id,
        is_automatic=apollo_hash is not None,
        shows_cost=shows_cost,
    )


def _apollo_hash(extensions: dict[str, Any]) -> str | None:
    """The hash of Apollo's protocol for automatic persisted queries. None without it."""
    protocol = extensions.get("persistedQuery")
    if protocol is None:
        return None
    if not isinstance(protocol, dict) or protocol.get("version") != 1:
        raise RequestError(400, "extensions.persistedQuery is not an object of version 1.")
    return _require_id(protocol.get("sha256Hash"), "extensions.persistedQuery.sha256Hash")


def _persisted_id(body: dict[str, Any]) -> str | None:
    """The id of a persisted operation under one of _ID_KEYS. None without one."""
    for key in _ID_KEYS:
        if (value := body.get(key)) is not None:
            return _require_id(value, key)
    return None


def _require_id(value: object, key: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID_LENGTH:
        raise RequestError(400, f"{key} is not a string of 1 to {_MAX_ID_LENGTH} characters.")
    return value


def _too_large(status: int, source: str, size: int) -> RequestError:
    message = f"The {source} has more than {MAX_BODY:,} bytes."
    return RequestError(status, message, limit="bytes", most=MAX_BODY, found=size)
