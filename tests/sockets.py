"""The application on a real port of this process, and a WebSocket client for it."""

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


def application_of(api: Api) -> Starlette:
    """The application that an API client calls in this process."""
    transport = api.http._transport
    assert isinstance(transport, httpx2.ASGITransport)
    application: Starlette = transport.app  # type: ignore[assignment]  # tests pass a Starlette application
    return application


@asynccontextmanager
async def serve(application: Starlette, **options: Any) -> AsyncGenerator[int]:
    """Serve an application whose lifespan is already running. Yields the port."""
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
    """A client of graphql-transport-ws. It can also violate the protocol."""

    connection: ClientConnection
    messages_by_operation: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    frames: list[str] = field(default_factory=list[str])
    """All received messages as text."""

    async def send(self, message: object) -> None:
        """Send text and bytes unchanged, any other value as JSON."""
        frame = message if isinstance(message, str | bytes) else orjson.dumps(message).decode()
        await self.connection.send(frame)

    async def receive(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            self.frames.append(str(await self.connection.recv()))
        message: dict[str, Any] = orjson.loads(self.frames[-1])
        return message

    async def connect(self, by: Person | str, **extra_payload: str) -> Self:
        """Initialize the connection as a person or with a token."""
        token = by.token if isinstance(by, Person) else by
        await self.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}", **extra_payload}})
        assert await self.receive() == {"type": "connection_ack"}
        return self

    async def subscribe(self, key: str, query: str, variables: Mapping[str, Any] | None = None) -> None:
        """Start an operation."""
        payload = {"query": query, "variables": dict(variables or {})}
        await self.send({"id": key, "type": "subscribe", "payload": payload})

    async def wait_for_streams(self, api: Api, count: int) -> None:
        """Wait until `count` streams are open in this process. Each socket and each operation is one stream."""
        hub: Hub = application_of(api).state.hub
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(hub) != count:  # noqa: ASYNC110 - the hub has no event for it
                await asyncio.sleep(0.002)

    async def next(self, key: str) -> dict[str, Any]:
        """The next message of an operation, of any type."""
        while not self.messages_by_operation.get(key):
            message = await self.receive()
            self.messages_by_operation.setdefault(message["id"], []).append(message)
        return self.messages_by_operation[key].pop(0)

    async def wait_for_close(self) -> tuple[int, str]:
        """Wait until the server closes the connection. Returns the close code and reason."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    self.frames.append(str(await self.connection.recv()))
        except ConnectionClosed:
            return self.connection.close_code or 0, self.connection.close_reason or ""


@asynccontextmanager
async def open_socket(port: int, *, protocols: tuple[str, ...] = (PROTOCOL,), **options: Any) -> AsyncGenerator[Socket]:
    """Open a WebSocket connection to a local port."""
    subprotocols = [Subprotocol(name) for name in protocols] or None
    async with connect(
        f"ws://127.0.0.1:{port}/graphql", subprotocols=subprotocols, proxy=None, **options
    ) as connection:
        yield Socket(connection)
