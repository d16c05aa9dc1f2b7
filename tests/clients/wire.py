"""A wire between the clients and a real server that can be cut, and moved to a server started anew.

Clients speak to `port`; what they say goes on to the server. A script asks for a cut on the port `orders`: one
word and a line break, answered by `done` when it has happened.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 64 * 1024
Order = Callable[[], Awaitable[None]]


class Wire:
    """Both directions of every connection; the server's port may change."""

    def __init__(self) -> None:
        self.port = 0
        self.orders = 0
        self.upstream: int | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def cut(self) -> None:
        """End every connection at once, as a dying network does."""
        for writer in list(self._open):
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        self._open.add(writer)
        try:
            if self.upstream is None:
                return
            answers, asks = await asyncio.open_connection("127.0.0.1", self.upstream)
            self._open.add(asks)
            try:
                both = [asyncio.create_task(_pump(reader, asks)), asyncio.create_task(_pump(answers, writer))]
                _ = await asyncio.wait(both, return_when=asyncio.ALL_COMPLETED)
            finally:
                self._open.discard(asks)
                asks.close()
        except OSError:
            return
        finally:
            self._open.discard(writer)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(CHUNK_BYTES):
            writer.write(part)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@asynccontextmanager
async def wire() -> AsyncGenerator[Wire]:
    """A wire on a free port of this machine, to no server yet."""
    made = Wire()
    async with await asyncio.start_server(made.carry, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        try:
            yield made
        finally:
            await made.cut()


@asynccontextmanager
async def taking_orders(made: Wire, orders: Mapping[str, Order]) -> AsyncGenerator[None]:
    """Carry out what scripts ask for, by its word."""

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        word = (await reader.readline()).decode().strip()
        await orders[word]()
        writer.write(b"done\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(obey, "127.0.0.1", 0) as server:
        made.orders = server.sockets[0].getsockname()[1]
        yield
