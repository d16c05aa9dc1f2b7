"""The application on a real port of this process, and clients that follow something there."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2
import orjson
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from models.live.hub import Hub
from server.socket import PROTOCOL
from server.websocket import WebSocket
from tests.api import Api, Person

PATIENCE_SECONDS = 20


def running(api: Api) -> Starlette:
    """The application of a client in this process."""
    transport = api.http._transport
    assert isinstance(transport, httpx2.ASGITransport)
    application: Starlette = transport.app  # type: ignore[assignment]  # ours is one
    return application


@asynccontextmanager
async def listening(application: Starlette, **options: Any) -> AsyncGenerator[int]:
    """Serve an application, whose lifespan is somebody else's; yields the port."""
    config = uvicorn.Config(
        application, port=0, lifespan="off", log_level="error", ws=WebSocket, access_log=False, **options
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())  # without its signal handlers
    while not server.started:  # noqa: ASYNC110 - the library has no event for it
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


@dataclass
class Socket:
    """A client of graphql-transport-ws that does what the test says, right or wrong."""

    connection: ClientConnection
    waiting: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    heard: list[str] = field(default_factory=list[str])
    """Each message so far, as it came."""

    async def say(self, message: object) -> None:
        """Send something: text and bytes as they are, anything else as JSON."""
        plain = message if isinstance(message, str | bytes) else orjson.dumps(message).decode()
        await self.connection.send(plain)

    async def hear(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            self.heard.append(str(await self.connection.recv()))
        heard: dict[str, Any] = orjson.loads(self.heard[-1])
        return heard

    async def begin(self, by: Person | str, **more: str) -> Self:
        """Start the connection, as a person or with a token."""
        token = by.token if isinstance(by, Person) else by
        await self.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}", **more}})
        assert await self.hear() == {"type": "connection_ack"}
        return self

    async def subscribe(self, key: str, query: str, variables: Mapping[str, Any] | None = None) -> None:
        """Start an operation."""
        payload = {"query": query, "variables": dict(variables or {})}
        await self.say({"id": key, "type": "subscribe", "payload": payload})

    async def opened(self, api: Api, count: int) -> None:
        """Wait until so many streams are open in this process: each socket is one, and each operation."""
        hub: Hub = running(api).state.hub
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(hub) != count:  # noqa: ASYNC110 - the hub tells nobody
                await asyncio.sleep(0.002)

    async def next(self, key: str) -> dict[str, Any]:
        """What comes next for an operation, whatever its type."""
        while not self.waiting.get(key):
            heard = await self.hear()
            self.waiting.setdefault(heard["id"], []).append(heard)
        return self.waiting[key].pop(0)

    async def closed(self) -> tuple[int, str]:
        """The code and the reason with which the server closes, whatever it says before."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    self.heard.append(str(await self.connection.recv()))
        except ConnectionClosed:
            return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def socket(port: int, *, protocols: tuple[str, ...] = (PROTOCOL,), **options: Any) -> AsyncGenerator[Socket]:
    """A socket to a port of this machine."""
    spoken = [Subprotocol(name) for name in protocols] or None
    async with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=spoken, proxy=None, **options) as connection:
        yield Socket(connection)
