"""CORS: response headers that let pages of the allowed origins call /graphql.

Other origins get no such headers. `Cross-Origin-Resource-Policy: same-origin` stays on all responses: it restricts
embedding, while the headers here allow `fetch`.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.dispatcher import GRAPHQL

_REQUEST_HEADERS: Final = (
    "Accept, Accept-Language, Authorization, Content-Type, X-Account, X-Session, X-View-As, "
    # Sent by Apollo Client and by tracing in the browser.
    "Apollo-Require-Preflight, ApolloGraphQL-Client-Name, ApolloGraphQL-Client-Version, Traceparent, Tracestate"
)
_RESPONSE_HEADERS: Final = "X-Request-Id, Retry-After"
_VARY: Final = (b"vary", b"Origin")
_MAX_AGE_SECONDS: Final = 600


class Cors:
    """ASGI middleware: pages of the allowed `origins` may call /graphql with the cookie of their user."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application and add CORS headers for an allowed origin. Answer a preflight request here."""
        if scope["type"] != "http" or scope["path"] != GRAPHQL:
            await self._app(scope, receive, send)
            return
        request_headers = dict(scope["headers"])
        origin: bytes | None = request_headers.get(b"origin")
        cors_headers = [_VARY]
        if origin is not None and origin in self._origins:
            cors_headers += _origin_headers(origin)
        is_preflight = scope["method"] == "OPTIONS" and b"access-control-request-method" in request_headers

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *cors_headers]
            await send(message)

        if len(cors_headers) > 1 and is_preflight:
            await send_with_origin({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
            await send({"type": "http.response.body"})
        else:
            await self._app(scope, receive, send_with_origin)


def _origin_headers(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", _RESPONSE_HEADERS.encode()),
    ]


_PREFLIGHT: Final = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", _REQUEST_HEADERS.encode()),
    (b"access-control-max-age", str(_MAX_AGE_SECONDS).encode()),
]
