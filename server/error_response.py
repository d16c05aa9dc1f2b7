"""JSON error responses to requests that fail outside GraphQL execution."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import i18n
from server import access_log, errors
from server.errors import RequestError

_MESSAGES: Final = {404: "There is nothing at this address.", 405: "This method is not supported here."}
_CODES: Final = {404: errors.NOT_FOUND}


def request_id(request: Request) -> str:
    """The id of a request, as in the log and in X-Request-Id."""
    value: str = request.scope["state"]["request_id"]
    return value


async def http_exception(request: Request, error: Exception) -> Response:
    """Respond to an HTTPException of the router: an unknown path or a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for HTTPException only
    status = error.status_code
    message = _MESSAGES.get(status, "The request cannot be processed.")
    request_error = RequestError(status, message, _CODES.get(status, errors.BAD_USER_INPUT), headers=error.headers)
    return _respond(request, request_error)


async def connection_rejection(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application that responds with the RequestError of a rejecting connection, `scope["rejection"]`."""
    await _respond(Request(scope), scope["rejection"])(scope, receive, send)


async def unexpected_exception(request: Request, error: Exception) -> Response:
    """Respond to an unexpected exception of a page or a probe. It is logged and masked."""
    return _respond(
        request,
        errors.to_request_error(error, request_id(request), i18n.negotiate(request.headers.get("accept-language"))),
    )


def _respond(request: Request, request_error: RequestError) -> Response:
    response = request_error.to_response(request_id(request))
    access_log.entry_of(request.scope).errors = response["errors"]
    return json_response(request_error.status, response, request_error.headers)


class JSONResponse(Response):
    """A JSON response that skips the general header handling of Starlette's Response, for speed."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str], media_type: str) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"%s; charset=utf-8" % media_type.encode()),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()),
        ]


def json_response(
    status: int,
    body: dict[str, Any],
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = "application/json",
) -> Response:
    """A JSON response. `body` is encoded by orjson."""
    return JSONResponse(status, orjson.dumps(body, option=orjson.OPT_UTC_Z), headers or {}, media_type)
