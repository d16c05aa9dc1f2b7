"""Raw bytes to a server in this process, and what comes back: for what no client of HTTP would send."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from server import connection, shutdown
from server.access_log import AccessLog, AccessLogMiddleware
from server.connection import Connection
from server.dispatcher import Dispatcher
from server.headers import Headers
from server.hosts import Hosts
from server.request_guard import RequestGuard
from server.shutdown import Shutdown

HOST = "fullmakt.example.com"
QUICK_SECONDS = 0.3
"""The ten seconds of a client, in tests."""
GATE = RequestGuard(Hosts((HOST, "10.1.2.3", "[::1]")), seconds=QUICK_SECONDS, keep_alive_seconds=QUICK_SECONDS)
NAMED = f"Host: {HOST}\r\n".encode()
GET = b"GET /echo HTTP/1.1\r\n" + NAMED
POST = b"POST /echo HTTP/1.1\r\n" + NAMED
WHOLE = GET + b"\r\n"
HANDSHAKE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


@dataclass(frozen=True)
class Answer:
    """One answer on a connection."""

    status: int
    headers: dict[str, str]
    text: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        (error,) = self.body["errors"]
        code: str = error["extensions"]["code"]
        return code


@dataclass
class Wire:
    """A connection of a client that does as he likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def answer(self) -> Answer:
        """The next answer. Raises IncompleteReadError where there is none."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            text = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, text)

    async def rest(self) -> bytes:
        """What comes until the server closes the connection."""
        async with asyncio.timeout(5):
            return await self.reader.read()


@dataclass
class Listening:
    """A server, and an application that does as its paths say.

    /echo    what was asked and by whom      /held    nothing, until `release` is set
    /early   an answer before the body       /large   four megabytes
    """

    port: int
    server: uvicorn.Server
    release: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    """The paths that reached the application."""

    @asynccontextmanager
    async def wire(self) -> AsyncGenerator[Wire]:
        """A connection to it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()

    async def say(self, *parts: bytes) -> Answer:
        """The one answer to some bytes on a connection of their own."""
        async with self.wire() as wire:
            wire.send(*parts)
            return await wire.answer()

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.asked.append(path)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": str(scope["client"][0])})
            await send({"type": "websocket.close"})
            return
        body = b""
        while path != "/early":
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        if path == "/held":
            await self.release.wait()
        told = {"path": path, "body": len(body), "client": scope["client"][0]}
        told["headers"] = [name.decode() for name, _ in scope["headers"]]
        text = b"x" * (4 << 20) if path == "/large" else json.dumps(told).encode()
        headers = [(b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def listen(gate: RequestGuard) -> AsyncGenerator[Listening]:
    """A server with that gate on a free port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await listening.application(scope, receive, send)

        journal = AccessLog(which="none", slow_seconds=1)
        config = uvicorn.Config(
            _with_state(Headers(AccessLogMiddleware(Dispatcher(application, application), journal), https=True), gate),
            http=Connection,
            ws="websockets-sansio",
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        listening = Listening(bound.getsockname()[1], uvicorn.Server(config))
        running = asyncio.create_task(listening.server.serve(sockets=[bound]))
        while not listening.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        try:
            yield listening
        finally:
            listening.release.set()
            listening.server.should_exit = True
            await running


def _with_state(application: ASGIApp, gate: RequestGuard) -> ASGIApp:
    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        scope["state"] |= {connection.STATE: gate, shutdown.STATE: Shutdown(lambda: None)}
        for moment in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{moment}.complete"})

    return lifespan
