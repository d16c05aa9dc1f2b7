"""Tests of connection limits with raw bytes: slow and large requests, many connections, pipelined requests."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest

from server import request_guard
from server.connection import MAX_WIRE_BODY
from server.connection_limits import ConnectionLimits
from server.hosts import Hosts
from server.proxies import Proxies
from server.request_guard import RequestGuard
from tests.server.sockets import (
    COMPLETE_REQUEST,
    GET,
    GUARD,
    HANDSHAKE,
    HOST,
    HOST_HEADER,
    POST,
    TIMEOUT_SECONDS,
    ClientConnection,
    EchoServer,
    run_server,
)

# ---- Slow clients ------------------------------------------------------------------------------


async def test_default_timeouts_are_ten_seconds() -> None:
    guard = RequestGuard(Hosts(()))

    assert (guard.timeout_seconds, guard.keep_alive_seconds) == (10, 10)


INCOMPLETE_REQUESTS: list[tuple[bytes, int | None]] = [
    (b"", None),
    (b"\r\n", None),
    (b"G", 408),
    (GET, 408),
    (GET + b"X: a", 408),
    (POST + b"Content-Length: 10\r\n\r\n", 408),
    (POST + b"Content-Length: 10\r\n\r\nabc", 408),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", 408),
    (b"POST /early HTTP/1.1\r\n" + HOST_HEADER + b"Content-Length: 10\r\n\r\nabc", 200),
    (COMPLETE_REQUEST, 200),
    (COMPLETE_REQUEST + b"GET", 200),
]
"""The bytes of a client that then stays silent, and the status of the response, or None if there is none."""


async def test_silent_client_is_disconnected(echo_server: EchoServer) -> None:
    async def stop_after(request_bytes: bytes, status: int | None) -> None:
        async with echo_server.connect() as client:
            started_at = time.monotonic()
            client.send(request_bytes)
            if status is not None:
                response = await client.response()
                assert response.status == status
                assert (response.headers.get("connection") == "close") == (status == 408)

            remainder = await client.read_to_end()

            assert TIMEOUT_SECONDS * 0.9 < time.monotonic() - started_at < TIMEOUT_SECONDS + 2
            assert (b" 408 " in remainder) == request_bytes.endswith(b"GET")

    async with asyncio.TaskGroup() as group:
        for request_bytes, status in INCOMPLETE_REQUESTS:
            group.create_task(stop_after(request_bytes, status))


async def test_slow_trickle_of_bytes_times_out(echo_server: EchoServer) -> None:
    async def drip(client: ClientConnection) -> None:
        while True:
            client.send(b"a")
            await asyncio.sleep(TIMEOUT_SECONDS / 10)

    for request_bytes in (GET + b"X: ", POST + b"Content-Length: 1000\r\n\r\n"):
        async with echo_server.connect() as client:
            started_at = time.monotonic()
            client.send(request_bytes)
            dripper = asyncio.create_task(drip(client))

            assert (await client.response()).status == 408

            assert TIMEOUT_SECONDS * 0.9 < time.monotonic() - started_at < TIMEOUT_SECONDS + 2
            dripper.cancel()


async def test_client_waiting_for_a_response_stays_connected(echo_server: EchoServer) -> None:
    async with echo_server.connect() as client:
        client.send(b"GET /held HTTP/1.1\r\n", HOST_HEADER, b"\r\n", GET)
        await asyncio.sleep(TIMEOUT_SECONDS * 2.5)

        echo_server.release.set()
        client.send(b"\r\n")

        assert [(await client.response()).body["path"] for _ in range(2)] == ["/held", "/echo"]


async def test_connection_of_a_client_that_reads_nothing_is_closed(echo_server: EchoServer) -> None:
    async with echo_server.connect() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined] # the base class has none
        client.send(b"GET /large HTTP/1.1\r\n", HOST_HEADER, b"\r\n")
        await asyncio.sleep(TIMEOUT_SECONDS)
        assert len(echo_server.server.server_state.connections) == 1

        async with asyncio.timeout(5):
            while echo_server.server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.05)


async def test_large_response_is_delivered(echo_server: EchoServer) -> None:
    response = await echo_server.request(b"GET /large HTTP/1.1\r\n", HOST_HEADER, b"\r\n")

    assert len(response.content) == 4 << 20


# ---- Many connections --------------------------------------------------------------------------

BLOCKED_REQUEST = b"GET /held HTTP/1.1\r\n" + HOST_HEADER + b"\r\n"
PROBE = b"GET /livez HTTP/1.1\r\n" + HOST_HEADER + b"\r\n"
OTHER_ADDRESS = "127.0.0.2"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all addresses of 127.0.0.0/8")


async def test_requests_are_served_beside_four_hundred_half_open_connections() -> None:
    async with run_server(GUARD, ConnectionLimits(2000, 1000)) as echo_server:
        slow_clients = []
        for number in range(400):
            # Written at once: a machine under load may take longer for 400 connections than an idle one is kept.
            reader, writer = await asyncio.open_connection("127.0.0.1", echo_server.port)
            writer.write((b"", GET, POST + b"Content-Length: 9\r\n\r\n")[number % 3])
            slow_clients.append((reader, writer))

        started_at = time.monotonic()
        responses = [await echo_server.request(COMPLETE_REQUEST) for _ in range(20)]
        assert [response.status for response in responses] == [200] * 20
        assert time.monotonic() - started_at < 2

        async with asyncio.timeout(10):
            remainders = [await reader.read() for reader, _ in slow_clients]
        assert [remainder[9:12] for remainder in remainders] == [
            (b"", b"408", b"408")[number % 3] for number in range(400)
        ]
        for _, writer in slow_clients:
            writer.close()


async def test_over_the_limit_the_slowest_client_is_disconnected() -> None:
    async with (
        run_server(replace(GUARD, timeout_seconds=5), ConnectionLimits(4, 2)) as echo_server,
        echo_server.connect() as slow_client,
    ):
        slow_client.send(GET)
        await asyncio.sleep(0.05)
        async with echo_server.connect() as faster_client:
            faster_client.send(POST, b"Content-Length: 9\r\n\r\n")
            await asyncio.sleep(0.05)

            assert (await echo_server.request(COMPLETE_REQUEST)).status == 200

            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await slow_client.response()
            faster_client.send(b"123456789")
            assert (await faster_client.response()).body["body"] == 9


@LINUX
async def test_over_the_limit_requests_are_rejected_and_probes_served() -> None:
    async with (
        run_server(GUARD, ConnectionLimits(3, 2)) as echo_server,
        echo_server.connect() as busy_client,
        echo_server.connect(OTHER_ADDRESS) as other_busy_client,
        echo_server.connect("127.0.0.3") as third_busy_client,
    ):
        for client in (busy_client, other_busy_client, third_busy_client):
            client.send(BLOCKED_REQUEST)
        await asyncio.sleep(0.05)

        for address, status, code in (
            ("127.0.0.1", 429, "RATE_LIMITED"),
            ("127.0.0.4", 503, "SERVICE_UNAVAILABLE"),
        ):
            response = await echo_server.request(COMPLETE_REQUEST, address=address)
            assert (response.status, response.code, response.headers["retry-after"]) == (status, code, "1")
            probe = await echo_server.request(PROBE, address=address)
            assert (probe.status, probe.headers["connection"]) == (200, "close")
            for disguise in (PROBE.replace(b"GET", b"POST"), PROBE[:-2] + HANDSHAKE + b"\r\n"):
                assert (await echo_server.request(disguise, address=address)).status == status

        echo_server.release.set()
        assert (await busy_client.response()).body["path"] == "/held"
        assert (await echo_server.request(COMPLETE_REQUEST)).status == 200


@dataclass(eq=False)
class IdleConnection:
    """A connection that has sent nothing."""

    deadline: float
    is_waiting: bool = True
    is_aborted: bool = False

    def abort(self) -> None:
        self.is_aborted = True


def test_ipv6_client_is_counted_by_larger_networks_too() -> None:
    limits = ConnectionLimits(100, 3)
    connections = [IdleConnection(deadline=number) for number in range(60)]

    for number, connection in enumerate(connections):
        limits.add(connection, f"2001:db8:0:{number // 2:x}::{number}")

    # All networks are in one /56, which has twice the limit of a /64. The oldest connections are closed.
    assert [connection.is_aborted for connection in connections] == [True] * 54 + [False] * 6
    assert len(limits) == 6
    for number, connection in enumerate(connections):
        limits.add(connection, f"2001:db8:{number:x}::1")  # networks of different /48
    assert len(limits) == 60


@LINUX
async def test_network_loses_its_own_connections_before_those_of_others() -> None:
    async with (
        run_server(replace(GUARD, timeout_seconds=5, keep_alive_seconds=5), ConnectionLimits(10, 4)) as echo_server,
        echo_server.connect(OTHER_ADDRESS) as patient_client,
        AsyncExitStack() as stack,
    ):
        patient_client.send(COMPLETE_REQUEST)
        assert (await patient_client.response()).status == 200
        for number in range(50):
            client = await stack.enter_async_context(echo_server.connect(f"127.0.0.{3 + number % 2}"))
            client.send((b"", GET, COMPLETE_REQUEST)[number % 3])

        assert (await echo_server.request(PROBE, address=OTHER_ADDRESS)).status == 200
        assert len(echo_server.limits) <= 10

        patient_client.send(COMPLETE_REQUEST)
        assert (await patient_client.response()).status == 200


async def test_probes_are_served_during_a_flood_of_surplus_connections() -> None:
    async with (
        run_server(replace(GUARD, timeout_seconds=5), ConnectionLimits(2, 1, max_surplus=5)) as echo_server,
        echo_server.connect() as busy_client,
        AsyncExitStack() as stack,
    ):
        busy_client.send(BLOCKED_REQUEST)
        await asyncio.sleep(0.05)
        for _ in range(50):
            client = await stack.enter_async_context(echo_server.connect())
            client.send(GET)

        responses = [await echo_server.request(PROBE) for _ in range(5)]

        assert [response.status for response in responses] == [200] * 5
        assert len(echo_server.limits) <= 7


async def test_closing_socket_yields_to_another_connection() -> None:
    async with (
        run_server(replace(GUARD, timeout_seconds=5), ConnectionLimits(2, 1)) as echo_server,
        echo_server.connect() as socket_client,
    ):
        socket_client.send(GET, HANDSHAKE, b"\r\n")
        head = await socket_client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        await asyncio.sleep(0.1)  # The application has closed the socket, and the client has not.

        assert (await echo_server.request(COMPLETE_REQUEST)).status == 200


async def test_requests_of_a_client_behind_a_proxy_are_limited() -> None:
    def request(path: bytes, client: bytes) -> bytes:
        return b"GET " + path + b" HTTP/1.1\r\n" + HOST_HEADER + b"X-Forwarded-For: " + client + b"\r\n\r\n"

    guard = replace(GUARD, proxies=Proxies(("127.0.0.0/8",)), keep_alive_seconds=5)
    async with run_server(guard, ConnectionLimits(6, 2)) as echo_server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(echo_server.connect()) for _ in range(4)]
        for client in clients:  # Idle connections of the proxy belong to no client.
            client.send(request(b"/echo", b"2001:db8::1"))
            assert (await client.response()).status == 200
        for client in clients[:2]:
            client.send(request(b"/held", b"2001:db8::1"))
        await asyncio.sleep(0.05)

        clients[2].send(request(b"/echo", b"2001:db8::2"))  # an address of the same network
        response = await clients[2].response()
        clients[3].send(request(b"/echo", b"2001:db8:0:1::1"))

        assert (response.status, response.code) == (429, "RATE_LIMITED")
        assert (await clients[3].response()).status == 200
        assert (await echo_server.request(request(b"/livez", b"2001:db8::3"))).status == 200
        echo_server.release.set()
        for client in clients[:2]:
            assert (await client.response()).status == 200
        assert (await echo_server.request(request(b"/echo", b"2001:db8::2"))).status == 200


# ---- Pipelining ----------------------------------------------------------------------------------


async def test_pipelined_requests_are_answered_in_order(echo_server: EchoServer) -> None:
    async with echo_server.connect() as client:
        client.send(
            *(
                f"POST /echo?{n} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {n}\r\n\r\n".encode() + b"x" * n
                for n in range(50)
            )
        )

        assert [(await client.response()).body["body"] for _ in range(50)] == list(range(50))
        client.send(COMPLETE_REQUEST)
        assert (await client.response()).status == 200


@pytest.mark.parametrize(
    "invalid_request", [b"rubbish\r\n\r\n", b"GET /echo HTTP/1.1\r\n\r\n", POST + b"Content-Length: x\r\n\r\n"]
)
async def test_rejection_waits_for_earlier_responses(echo_server: EchoServer, invalid_request: bytes) -> None:
    async with echo_server.connect() as client:
        client.send(
            b"GET /held HTTP/1.1\r\n", HOST_HEADER, b"\r\n", COMPLETE_REQUEST, invalid_request, COMPLETE_REQUEST
        )
        await asyncio.sleep(0.05)
        echo_server.release.set()

        responses = [await client.response() for _ in range(3)]

        assert [response.status for response in responses][:2] == [200, 200]
        assert responses[2].status in {400, 501}
        assert await client.read_to_end() == b""
    assert echo_server.paths == ["/held", "/echo"]


async def test_pipeline_of_a_thousand_requests_is_limited(echo_server: EchoServer) -> None:
    async with echo_server.connect() as client:
        client.send(b"GET /held HTTP/1.1\r\n", HOST_HEADER, b"\r\n", COMPLETE_REQUEST * 1000)
        await asyncio.sleep(0.1)
        echo_server.release.set()
        remainder = await client.read_to_end()

    assert remainder.count(b"HTTP/1.1 200") == request_guard.MAX_PIPELINED_REQUESTS + 1
    assert remainder.count(b"HTTP/1.1 429") == 1


async def test_unread_body_over_the_limit_closes_the_connection(echo_server: EchoServer) -> None:
    async with echo_server.connect() as client:
        client.send(b"POST /early HTTP/1.1\r\n", HOST_HEADER, b"Content-Length: 100000000\r\n\r\n")
        assert (await client.response()).status == 200

        client.send(b"x" * 32 * MAX_WIRE_BODY)
        with pytest.raises(ConnectionError):
            await client.writer.drain()


async def test_unread_body_is_skipped_before_the_next_request(echo_server: EchoServer) -> None:
    async with echo_server.connect() as client:
        client.send(b"POST /early HTTP/1.1\r\n", HOST_HEADER, b"Content-Length: 6\r\n\r\nabc")
        assert (await client.response()).body["path"] == "/early"
        client.send(b"def", COMPLETE_REQUEST)
        assert (await client.response()).body["path"] == "/echo"
