"""What every answer carries, whoever gives it: a request id, and headers that keep browsers careful."""

from typing import Final
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC: Final = "/static/"
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# For answers that are no pages. A page brings its own, which stays.
_NOTHING_RUNS: Final = "default-src 'none'; frame-ancestors 'none'"
_TWO_YEARS: Final = "max-age=63072000"


class Headers:
    """Wraps an application. The request's id is `scope["state"]["request_id"]` inside, X-Request-Id outside.

    It is always ours: a client's own would let it write into the log, or take another request's.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._always = _ALWAYS | ({"Strict-Transport-Security": _TWO_YEARS} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid4().hex
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.update(self._always)
                headers.setdefault("Content-Security-Policy", _NOTHING_RUNS)
                # Files of ours may be kept, if asked for again each time; anything else may not.
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith(STATIC) else "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
