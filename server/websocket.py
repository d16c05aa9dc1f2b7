"""WebSockets of uvicorn with a limited time to close.

Closing a connection waits until the client has read all data. Without a limit, a client that reads nothing would hold
the connection and its data in memory for ever.
"""

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_SECONDS: Final = 12.0
"""Maximum time for the client to read the last messages and to close its side."""


class WebSocket(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    linger_seconds = LINGER_SECONDS

    async def run_asgi(self) -> None:
        """Run the application, then close the connection after `linger_seconds`."""
        await super().run_asgi()
        self.loop.call_later(self.linger_seconds, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Close the connection at once: a client that does not answer a ping reads no last message either."""
        super().keepalive_timeout()
        self.transport.abort()
