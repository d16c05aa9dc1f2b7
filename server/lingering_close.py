"""Closes a connection so that the client can still read the last response.

If bytes of a client arrive at a closed connection, the system answers with a reset, and the client's system then drops
what the client has not read yet (RFC 9112, section 9.6). So the server ends its own side first. It discards what still
arrives and closes when the client does, at the latest after MAX_SECONDS or MAX_BYTES.
"""

import asyncio
from typing import Final

MAX_SECONDS: Final = 2.0
MAX_BYTES: Final = 4 * 1024 * 1024


class LingeringClose:
    """The transport of a connection's last response. Its `close` waits for the client."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._discarded_bytes = 0

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._transport.write(data)

    def is_closing(self) -> bool:
        """True if the connection is closed or closing."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the server's side, and close the connection later."""
        if self._transport.is_closing():
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(MAX_SECONDS, self._transport.close)

    def discard(self, byte_count: int) -> None:
        """Count received bytes that are dropped. Close the connection at once if they are too many."""
        self._discarded_bytes += byte_count
        if self._discarded_bytes > MAX_BYTES:
            self._transport.close()
