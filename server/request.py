"""Reading a GraphQL request out of an HTTP request, and refusing what is none."""

from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import Request

from server.errors import BAD_USER_INPUT

MAX_BODY: Final = 128 * 1024


class NotARequest(Exception):
    """The HTTP request holds no GraphQL request; `status` and `code` say why."""

    def __init__(self, status: int, message: str, code: str = BAD_USER_INPUT) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Asked:
    """A GraphQL request."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


async def read(request: Request) -> Asked:
    """The GraphQL request of a POST. Raises NotARequest."""
    _check_headers(request)
    return asked(_decoded(await _body(request)))


def _check_headers(request: Request) -> None:
    content_type, _, parameters = request.headers.get("content-type", "").partition(";")
    if content_type.strip().lower() != "application/json":
        raise NotARequest(415, "Send Content-Type: application/json.")
    charset = parameters.strip().lower().partition("charset=")[2].strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise NotARequest(415, "Send the body in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise NotARequest(415, "Send the body without Content-Encoding.")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length[:20]) > MAX_BODY:
        raise _too_large()


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _decoded(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotARequest(400, "The body is not JSON in UTF-8.") from None


def asked(body: object) -> Asked:
    """The request that a decoded body holds. Raises NotARequest."""
    if not isinstance(body, dict):
        raise NotARequest(400, "The body is not a JSON object.")
    query, variables = body.get("query"), body.get("variables")
    operation_name = body.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise NotARequest(400, "The body has no query.")
    if variables is not None and not isinstance(variables, dict):
        raise NotARequest(400, "The variables are not a JSON object.")
    if operation_name is not None and not isinstance(operation_name, str):
        raise NotARequest(400, "The operationName is not a string.")
    return Asked(query, variables, operation_name or None)


def _too_large() -> NotARequest:
    return NotARequest(413, f"The body has more than {MAX_BODY} bytes.")
