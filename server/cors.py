"""Pages of other origins: to those that are allowed by name, browsers are told so; to all others nothing is said.

`Cross-Origin-Resource-Policy: same-origin` stays on all answers: it binds what a page embeds, and not what it asks for
with fetch, which is what the headers here allow.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.dispatcher import GRAPHQL

_MAY_SEND: Final = (
    "Accept, Accept-Language, Authorization, Content-Type, X-Account, X-Session, X-View-As, "
    # What Apollo's client and tracing in the browser add.
    "Apollo-Require-Preflight, ApolloGraphQL-Client-Name, ApolloGraphQL-Client-Version, Traceparent, Tracestate"
)
_MAY_READ: Final = "X-Request-Id, Retry-After"
_VARY: Final = (b"vary", b"Origin")
_ASKED_AGAIN_AFTER: Final = 600  # seconds


class Cors:
    """Wraps an application whose /graphql pages of the `allowed` origins may ask, with their users' cookies."""

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self._app = app
        self._allowed = frozenset(origin.encode() for origin in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does; to an allowed origin so that the browser hands it over."""
        if scope["type"] != "http" or scope["path"] != GRAPHQL:
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        origin: bytes | None = sent.get(b"origin")
        told = [_VARY, *_granted(origin)] if origin is not None and origin in self._allowed else [_VARY]

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *told]
            await send(message)

        if len(told) > 1 and scope["method"] == "OPTIONS" and b"access-control-request-method" in sent:
            await send_with_origin({"type": "http.response.start", "status": 204, "headers": _PREFLIGHT})
            await send({"type": "http.response.body"})
        else:
            await self._app(scope, receive, send_with_origin)


def _granted(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", _MAY_READ.encode()),
    ]


_PREFLIGHT: Final = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", _MAY_SEND.encode()),
    (b"access-control-max-age", str(_ASKED_AGAIN_AFTER).encode()),
]
