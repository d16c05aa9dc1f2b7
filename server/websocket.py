"""WebSockets of uvicorn with a limited time to close.

Closing a connection waits until the client has read all data. Without a limit, a client that reads nothing would hold
the connection and its data in memory for ever. Meanwhile the connection is a waiting one for `ConnectionLimits`.
"""

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_SECONDS: Final = 12.0
"""Maximum time for the client to read the last messages and to close its side."""


class WebSocket(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    linger_seconds = LINGER_SECONDS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.is_waiting = False
        self.deadline = 0.0
        self._on_loss: Callable[[WebSocket], None] | None = None

    def follow_loss(self, on_loss: "Callable[[WebSocket], None]") -> None:
        """Call `on_loss` with this connection when it is closed."""
        self._on_loss = on_loss

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the loss."""
        super().connection_lost(exc)
        if self._on_loss is not None:
            self._on_loss(self)

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    async def send(self, message: Any) -> None:
        """Send a message of the application."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # Otherwise uvicorn logs an error for each handshake that the application has refused.
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Run the application, then close the connection after `linger_seconds`."""
        await super().run_asgi()
        self.is_waiting, self.deadline = True, self.loop.time() + self.linger_seconds
        self.loop.call_later(self.linger_seconds, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Close the connection at once: a client that does not answer a ping reads no last message either."""
        super().keepalive_timeout()
        self.transport.abort()
