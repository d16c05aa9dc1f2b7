"""What every answer carries, whoever gives it: a request id, and headers that keep browsers careful."""

import os
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC: Final = "/static/"
_ALWAYS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# For answers that are no pages. A page brings its own, which stays.
_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# Files of ours may be kept, if asked for again each time; anything else may not.
_NOT_KEPT: Final = (b"cache-control", b"no-store")
_ASKED_AGAIN: Final = (b"cache-control", b"no-cache")
_HTTPS: Final = (b"strict-transport-security", b"max-age=63072000")  # two years


class Headers:
    """Wraps an application. The request's id is `scope["state"]["request_id"]` inside, X-Request-Id outside.

    It is always ours: a client's own would let it write into the log, or take another request's.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._always = [*_ALWAYS, _HTTPS] if https else _ALWAYS
        self._ours = {b"x-request-id", *(name for name, _ in self._always)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = os.urandom(16).hex()
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        unless_given = (_POLICY, _ASKED_AGAIN if scope["path"].startswith(STATIC) else _NOT_KEPT)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [header for header in message["headers"] if header[0] not in self._ours]
                names = {name for name, _ in given}
                missing = [header for header in unless_given if header[0] not in names]
                message["headers"] = [*given, (b"x-request-id", request_id.encode()), *self._always, *missing]
            await send(message)

        await self._app(scope, receive, send_with_headers)
