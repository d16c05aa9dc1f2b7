"""A closed-loop load generator: each connection sends its next request after the response to the last one.

Runs in its own process (`python -m benchmarks.load`, with the Load as JSON on standard input), so that it uses no time
of the server. When the time is over, no new request is sent, and the open requests are completed. The rate is computed
up to the last response. Otherwise slow responses at the end would not count.
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

from benchmarks.measurement import LOAD_CORE, pin_to_core
from benchmarks.server import ROOT

DRAIN_TIMEOUT_SECONDS: Final = 60


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The requests to send: the bodies in order, from a random one on."""

    url: str
    token: str
    bodies: list[str]
    connections: int = 16
    seconds: float = 4


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a load. Times are in milliseconds."""

    requests: int
    failures: int
    rate: float
    p50: float
    p99: float
    answer_bytes: int


class LoadError(Exception):
    """The load could not be generated, or a response had an HTTP error."""


def run_load(load: Load) -> Figures:
    """Generate the load in another process, on another core than the server's."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    pin_to_core(process.pid, LOAD_CORE)
    output, error = process.communicate(msgspec.json.encode(load))
    if process.returncode != 0:
        raise LoadError(error.decode()[-2000:])
    figures = msgspec.json.decode(output, type=Figures)
    if figures.failures:
        raise LoadError(f"{figures.failures} of {figures.requests} requests to {load.url} failed.")
    return figures


class _SharedState:
    """The state that all connections share."""

    def __init__(self, load: Load) -> None:
        parts = urlsplit(load.url)
        header_template = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {load.token}\r\n"
            "Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {}\r\n\r\n"
        )
        bodies = [body.encode() for body in load.bodies]
        self._requests = [header_template.format(len(body)).encode() + body for body in bodies]
        self._body_index = random.randrange(len(bodies))  # noqa: S311 - not a secret
        self.times: list[float] = []
        self.failures = 0
        self.received_bytes = 0
        self.started_at = self.ended_at = time.perf_counter()
        self.deadline = self.started_at + load.seconds

    def request(self) -> bytes:
        self._body_index = (self._body_index + 1) % len(self._requests)
        return self._requests[self._body_index]

    def figures(self) -> Figures:
        times = sorted(self.times) or [0.0]
        count = len(self.times)
        return Figures(
            requests=count,
            failures=self.failures,
            rate=count / max(self.ended_at - self.started_at, 1e-9),
            p50=times[len(times) // 2] * 1000,
            p99=times[len(times) * 99 // 100] * 1000,
            answer_bytes=self.received_bytes // max(count, 1),
        )


class _Connection(asyncio.Protocol):
    """One connection. Its parser calls `on_message_complete` for each response."""

    def __init__(self, state: _SharedState, closure: "asyncio.Future[None]") -> None:
        self._state = state
        self._closure = closure
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send(self._transport)

    def data_received(self, data: bytes) -> None:
        self._state.received_bytes += len(data)
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = self._state.ended_at = time.perf_counter()
        self._state.times.append(now - self._sent_at)
        self._state.failures += self._parser.get_status_code() != 200
        assert self._transport is not None
        if now < self._state.deadline:
            self._parser = httptools.HttpResponseParser(self)
            self._send(self._transport)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        # The client closes only after the deadline. An earlier end comes from the server.
        self._state.failures += exc is not None or time.perf_counter() < self._state.deadline
        if not self._closure.done():
            self._closure.set_result(None)

    def _send(self, transport: asyncio.Transport) -> None:
        self._sent_at = time.perf_counter()
        transport.write(self._state.request())


async def generate(load: Load) -> Figures:
    """Generate the load in this process."""
    event_loop = asyncio.get_running_loop()
    parts = urlsplit(load.url)
    state = _SharedState(load)
    closures: list[asyncio.Future[None]] = [event_loop.create_future() for _ in range(load.connections)]
    for closure in closures:
        await event_loop.create_connection(partial(_Connection, state, closure), parts.hostname or "", parts.port or 80)
    async with asyncio.timeout(load.seconds + DRAIN_TIMEOUT_SECONDS):
        await asyncio.gather(*closures)
    return state.figures()


if __name__ == "__main__":
    standard_input_load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(generate(standard_input_load))))
