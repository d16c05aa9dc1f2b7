"""Tests of connection limits with raw bytes: slow and large requests, many connections, pipelined requests."""

import asyncio
import time
from dataclasses import replace

import pytest

from server import request_guard
from server.connection import MAX_WIRE_BODY
from server.hosts import Hosts
from server.request_guard import RequestGuard
from tests.server.sockets import (
    COMPLETE_REQUEST,
    GET,
    GUARD,
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


async def test_requests_are_served_beside_four_hundred_half_open_connections(echo_server: EchoServer) -> None:
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
    assert [remainder[9:12] for remainder in remainders] == [(b"", b"408", b"408")[number % 3] for number in range(400)]
    for _, writer in slow_clients:
        writer.close()


async def test_over_the_limit_the_slowest_client_is_disconnected() -> None:
    async with (
        run_server(replace(GUARD, timeout_seconds=5, max_connections=2)) as echo_server,
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


async def test_over_the_limit_a_new_client_is_rejected_if_all_others_are_served() -> None:
    async with run_server(replace(GUARD, max_connections=1)) as echo_server, echo_server.connect() as busy_client:
        busy_client.send(b"GET /held HTTP/1.1\r\n", HOST_HEADER, b"\r\n")
        await asyncio.sleep(0.05)

        async with echo_server.connect() as late_client:
            response = await late_client.response()

        assert (response.status, response.code, response.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "1")
        echo_server.release.set()
        assert (await busy_client.response()).body["path"] == "/held"


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
