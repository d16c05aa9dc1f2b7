"""CORS: response headers that let pages of the allowed origins call /graphql.

A preflight of an allowed origin is granted all request headers that it names, because instrumentation adds headers that
no fixed list knows (`baggage`, `sentry-trace`, `x-datadog-*`). Headers decide nothing here that a program without a
browser could not send. Other origins get no CORS headers.

`Cross-Origin-Resource-Policy: same-origin` stays on all responses: it restricts embedding, while the headers here allow
`fetch`.
"""

import re
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.dispatcher import GRAPHQL

_REQUEST_HEADERS: Final = b"accept, accept-language, authorization, content-type, x-account, x-session, x-view-as"
"""The request headers that are always allowed."""
_HEADER_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
"""A list of header names as RFC 9110 writes them."""
_MAX_HEADER_NAMES_LENGTH: Final = 2_000
_RESPONSE_HEADERS: Final = "X-Request-Id, Retry-After"
_VARY: Final = (b"vary", b"Origin")
_MAX_AGE_SECONDS: Final = 600


class Cors:
    """ASGI middleware: pages of allowed origins may call /graphql with the cookie of their user."""

    def __init__(self, app: ASGIApp, is_allowed: Callable[[str], bool]) -> None:
        self._app = app
        self._is_allowed = is_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application and add CORS headers for an allowed origin. Answer a preflight request here."""
        if scope["type"] != "http" or scope["path"] != GRAPHQL:
            await self._app(scope, receive, send)
            return
        request_headers = dict(scope["headers"])
        origin: bytes | None = request_headers.get(b"origin")
        cors_headers = [_VARY]
        if origin is not None and self._is_allowed(origin.decode("latin-1")):
            cors_headers += _origin_headers(origin)
        is_preflight = scope["method"] == "OPTIONS" and b"access-control-request-method" in request_headers

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *cors_headers]
            await send(message)

        if len(cors_headers) > 1 and is_preflight:
            headers = _preflight_headers(request_headers.get(b"access-control-request-headers", b""))
            await send_with_origin({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body"})
        else:
            await self._app(scope, receive, send_with_origin)


def _origin_headers(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", _RESPONSE_HEADERS.encode()),
    ]


def _preflight_headers(header_names: bytes) -> list[tuple[bytes, bytes]]:
    """The response to a preflight that asks for `header_names`. A malformed or very long list is not repeated."""
    allowed = _REQUEST_HEADERS
    if len(header_names) <= _MAX_HEADER_NAMES_LENGTH and _HEADER_NAMES.fullmatch(header_names):
        allowed += b", " + header_names
    return [
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", allowed),
        (b"access-control-max-age", str(_MAX_AGE_SECONDS).encode()),
    ]
