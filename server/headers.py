"""Headers of every HTTP response: the request id, security headers and default Cache-Control."""

import os
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC: Final = "/static/"
_SECURITY_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# The default for responses that are no pages. A page sets its own policy.
_CONTENT_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# Static files may be stored but must be revalidated. Other responses must not be stored unless they say so.
_NO_STORE: Final = (b"cache-control", b"no-store")
_NO_CACHE: Final = (b"cache-control", b"no-cache")
_HTTPS: Final = (b"strict-transport-security", b"max-age=63072000")  # two years


class ResponseHeaders:
    """ASGI middleware. The request id is `scope["state"]["request_id"]`, and X-Request-Id in the response.

    The server always creates the id. An id of the client could forge log entries or repeat the id of another request.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._security_headers = [*_SECURITY_HEADERS, _HTTPS] if https else _SECURITY_HEADERS
        self._reserved_names = {b"x-request-id", *(name for name, _ in self._security_headers)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application and add the headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = os.urandom(16).hex()
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        defaults = (_CONTENT_POLICY, _NO_CACHE if scope["path"].startswith(STATIC) else _NO_STORE)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [header for header in message["headers"] if header[0] not in self._reserved_names]
                names = {name for name, _ in headers}
                default_headers = [header for header in defaults if header[0] not in names]
                message["headers"] = [
                    *headers,
                    (b"x-request-id", request_id.encode()),
                    *self._security_headers,
                    *default_headers,
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)
