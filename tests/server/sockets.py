"""A server in this process and connections that send raw bytes, for requests that no HTTP client would send."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from server import connection, connection_limits, shutdown
from server.access_log import AccessLog, AccessLogMiddleware
from server.connection import HTTPConnection
from server.connection_limits import ConnectionLimits
from server.dispatcher import Dispatcher
from server.headers import ResponseHeaders
from server.hosts import Hosts
from server.request_guard import RequestGuard
from server.shutdown import Shutdown
from server.websocket import WebSocket

HOST = "fullmakt.example.com"
TIMEOUT_SECONDS = 0.3
"""The timeout of a client in tests. The default is ten seconds."""
GUARD = RequestGuard(
    Hosts((HOST, "10.1.2.3", "[::1]")), timeout_seconds=TIMEOUT_SECONDS, keep_alive_seconds=TIMEOUT_SECONDS
)
HOST_HEADER = f"Host: {HOST}\r\n".encode()
GET = b"GET /echo HTTP/1.1\r\n" + HOST_HEADER
POST = b"POST /echo HTTP/1.1\r\n" + HOST_HEADER
COMPLETE_REQUEST = GET + b"\r\n"
HANDSHAKE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


@dataclass(frozen=True)
class Response:
    """One response on a connection."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        (error,) = self.body["errors"]
        code: str = error["extensions"]["code"]
        return code


@dataclass
class ClientConnection:
    """A connection that sends any bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def response(self) -> Response:
        """Return the next response. Raises IncompleteReadError if there is none."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            status_line, *lines = head.decode("latin-1").strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            text = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Response(int(status_line.split()[1]), headers, text)

    async def read_to_end(self) -> bytes:
        """Return all bytes until the server closes the connection."""
        async with asyncio.timeout(5):
            return await self.reader.read()


@dataclass
class EchoServer:
    """A server whose application responds by path.

    /echo    the request and its client      /held    waits until `release` is set
    /early   responds before the body        /large   four megabytes
    """

    port: int
    server: uvicorn.Server
    limits: ConnectionLimits
    release: asyncio.Event = field(default_factory=asyncio.Event)
    paths: list[str] = field(default_factory=list)
    """The paths that reached the application."""

    @asynccontextmanager
    async def connect(self, address: str = "127.0.0.1") -> AsyncGenerator[ClientConnection]:
        """Open a connection to the server from a loopback address."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        try:
            yield ClientConnection(reader, writer)
        finally:
            writer.close()

    async def request(self, *parts: bytes, address: str = "127.0.0.1") -> Response:
        """Send bytes on a new connection and return the one response."""
        async with self.connect(address) as client:
            client.send(*parts)
            return await client.response()

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.paths.append(path)
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
        content = {"path": path, "body": len(body), "client": scope["client"][0]}
        content["headers"] = [name.decode() for name, _ in scope["headers"]]
        text = b"x" * (4 << 20) if path == "/large" else json.dumps(content).encode()
        headers = [(b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def run_server(guard: RequestGuard, limits: ConnectionLimits | None = None) -> AsyncGenerator[EchoServer]:
    """Run a server with this guard and these limits of connections on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))

        limits = ConnectionLimits() if limits is None else limits

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await server.application(scope, receive, send)

        access_log = AccessLog(log_filter="none", slow_seconds=1)
        uvicorn_config = uvicorn.Config(
            _with_state(
                ResponseHeaders(AccessLogMiddleware(Dispatcher(application, application), access_log), https=True),
                guard,
                limits,
            ),
            http=HTTPConnection,
            ws=WebSocket,
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = EchoServer(listener.getsockname()[1], uvicorn.Server(uvicorn_config), limits)
        task = asyncio.create_task(server.server.serve(sockets=[listener]))
        while not server.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        try:
            yield server
        finally:
            server.release.set()
            server.server.should_exit = True
            await task


def _with_state(application: ASGIApp, guard: RequestGuard, limits: ConnectionLimits) -> ASGIApp:
    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        scope["state"] |= {
            connection.STATE_KEY: guard,
            connection_limits.STATE_KEY: limits,
            shutdown.STATE_KEY: Shutdown(lambda: None),
        }
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})

    return lifespan
