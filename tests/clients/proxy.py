"""A TCP proxy between the clients and a real server. It can cut connections, and switch to a restarted server.

Clients connect to `port`, and the proxy forwards their bytes to the server. A script sends commands to `command_port`:
one word and a line break. The reply is `done` after the command was executed.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 64 * 1024
Command = Callable[[], Awaitable[None]]


class Proxy:
    """Forwards both directions of each connection. The port of the server may change."""

    def __init__(self) -> None:
        self.port = 0
        self.command_port = 0
        self.server_port: int | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def cut(self) -> None:
        """End all connections at once, like a lost network."""
        for writer in list(self._open):
            writer.transport.abort()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side ends it."""
        self._open.add(writer)
        try:
            if self.server_port is None:
                return
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
            self._open.add(server_writer)
            try:
                to_server = asyncio.create_task(_copy(reader, server_writer))
                to_client = asyncio.create_task(_copy(server_reader, writer))
                _ = await asyncio.wait([to_server, to_client], return_when=asyncio.ALL_COMPLETED)
            finally:
                self._open.discard(server_writer)
                server_writer.close()
        except OSError:
            return
        finally:
            self._open.discard(writer)
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@asynccontextmanager
async def run_proxy() -> AsyncGenerator[Proxy]:
    """Run a proxy on a free port of this machine. It has no server yet."""
    proxy = Proxy()
    async with await asyncio.start_server(proxy.forward, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            await proxy.cut()


@asynccontextmanager
async def accept_commands(proxy: Proxy, commands: Mapping[str, Command]) -> AsyncGenerator[None]:
    """Execute the commands of scripts, by name."""

    async def run_command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = (await reader.readline()).decode().strip()
        await commands[command]()
        writer.write(b"done\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(run_command, "127.0.0.1", 0) as server:
        proxy.command_port = server.sockets[0].getsockname()[1]
        yield
