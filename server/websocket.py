"""WebSockets of uvicorn, whose connection does not outlive the conversation by much.

Closing a connection waits until the other side has taken what is left for it. Who takes nothing would keep his place,
and what was written for him, for as long as he likes.
"""

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_SECONDS: Final = 12.0
"""How long the other side has to take the last words, its own closing included."""


class WebSocket(WebSocketsSansIOProtocol):
    """A connection that is a WebSocket."""

    linger_seconds = LINGER_SECONDS

    async def run_asgi(self) -> None:
        """Let the application talk; then cut the connection, if it is there still."""
        await super().run_asgi()
        self.loop.call_later(self.linger_seconds, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Cut who does not answer: he takes no last words either."""
        super().keepalive_timeout()
        self.transport.abort()
