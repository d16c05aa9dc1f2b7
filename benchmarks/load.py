"""A closed loop of load: some connections, each sending its next request when it has its answer.

Runs in a process of its own (`python -m benchmarks.load`, the Load as JSON on standard input), so that making the load
costs the server nothing. When the time is up nothing new is sent, what is under way is waited for, and the rate counts
until the last answer: otherwise answers that take long would be cut off at the end.
"""

import asyncio
import random
import subprocess
import sys
import time
from functools import partial
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from benchmarks.measure import LOAD_CORE, pin
from benchmarks.server import ROOT

LAST_ANSWERS_SECONDS: Final = 60


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: the bodies in turn, from a random one on."""

    url: str
    token: str
    bodies: list[str]
    connections: int = 16
    seconds: float = 4


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; times in milliseconds."""

    requests: int
    failed: int
    rate: float
    p50: float
    p99: float
    answer_bytes: int


class Failed(Exception):
    """The load could not be made, or was answered by errors of HTTP."""


def drive(load: Load) -> Figures:
    """Make the load from another process, on another core than the server's."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    pin(process.pid, LOAD_CORE)
    told, error = process.communicate(msgspec.json.encode(load))
    if process.returncode != 0:
        raise Failed(error.decode()[-2000:])
    figures = msgspec.json.decode(told, type=Figures)
    if figures.failed:
        raise Failed(f"{figures.failed} of {figures.requests} requests to {load.url} failed.")
    return figures


class _Loop:
    """What the connections share."""

    def __init__(self, load: Load) -> None:
        parts = urlsplit(load.url)
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {load.token}\r\n"
            "Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {}\r\n\r\n"
        )
        encoded = [body.encode() for body in load.bodies]
        self._requests = [head.format(len(body)).encode() + body for body in encoded]
        self._next = random.randrange(len(encoded))  # noqa: S311 - no secret
        self.times: list[float] = []
        self.failed = 0
        self.received = 0
        self.began = self.ended = time.perf_counter()
        self.deadline = self.began + load.seconds

    def request(self) -> bytes:
        self._next = (self._next + 1) % len(self._requests)
        return self._requests[self._next]

    def figures(self) -> Figures:
        times = sorted(self.times) or [0.0]
        count = len(self.times)
        return Figures(
            requests=count,
            failed=self.failed,
            rate=count / max(self.ended - self.began, 1e-9),
            p50=times[len(times) // 2] * 1000,
            p99=times[len(times) * 99 // 100] * 1000,
            answer_bytes=self.received // max(count, 1),
        )


class _Connection(asyncio.Protocol):
    """One connection; its parser calls back for each answer."""

    def __init__(self, loop: _Loop, closed: "asyncio.Future[None]") -> None:
        self._loop = loop
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send(self._transport)

    def data_received(self, data: bytes) -> None:
        self._loop.received += len(data)
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = self._loop.ended = time.perf_counter()
        self._loop.times.append(now - self._sent)
        self._loop.failed += self._parser.get_status_code() != 200
        assert self._transport is not None
        if now < self._loop.deadline:
            self._parser = httptools.HttpResponseParser(self)
            self._send(self._transport)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        # Closed by us only once the time is up: before that the server has hung up.
        self._loop.failed += exc is not None or time.perf_counter() < self._loop.deadline
        if not self._closed.done():
            self._closed.set_result(None)

    def _send(self, transport: asyncio.Transport) -> None:
        self._sent = time.perf_counter()
        transport.write(self._loop.request())


async def generate(load: Load) -> Figures:
    """Make the load in this process."""
    running = asyncio.get_running_loop()
    parts = urlsplit(load.url)
    loop = _Loop(load)
    closed: list[asyncio.Future[None]] = [running.create_future() for _ in range(load.connections)]
    for future in closed:
        await running.create_connection(partial(_Connection, loop, future), parts.hostname or "", parts.port or 80)
    async with asyncio.timeout(load.seconds + LAST_ANSWERS_SECONDS):
        await asyncio.gather(*closed)
    return loop.figures()


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(generate(given))))
