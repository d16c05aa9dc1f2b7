"""Slow and large requests, many connections, and many requests on one, as bytes on a real socket."""

import asyncio
import time
from dataclasses import replace

import pytest

from server import request_guard as limits
from server.connection import LONGEST_BODY
from server.hosts import Hosts
from server.request_guard import RequestGuard
from tests.server.sockets import GATE, GET, HOST, NAMED, POST, QUICK_SECONDS, WHOLE, Listening, Wire, listen

# ---- Slow --------------------------------------------------------------------------------------


async def test_ten_seconds_are_the_default() -> None:
    gate = RequestGuard(Hosts(()))

    assert (gate.seconds, gate.keep_alive_seconds) == (10, 10)


CUT: list[tuple[bytes, int | None]] = [
    (b"", None),
    (b"\r\n", None),
    (b"G", 408),
    (GET, 408),
    (GET + b"X: a", 408),
    (POST + b"Content-Length: 10\r\n\r\n", 408),
    (POST + b"Content-Length: 10\r\n\r\nabc", 408),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", 408),
    (b"POST /early HTTP/1.1\r\n" + NAMED + b"Content-Length: 10\r\n\r\nabc", 200),
    (WHOLE, 200),
    (WHOLE + b"GET", 200),
]
"""What a client sends who then says no more, and what he is answered, if anything."""


async def test_whoever_does_not_go_on_is_cut(listening: Listening) -> None:
    async def stop_after(sent: bytes, status: int | None) -> None:
        async with listening.wire() as wire:
            started = time.monotonic()
            wire.send(sent)
            if status is not None:
                answer = await wire.answer()
                assert answer.status == status
                assert (answer.headers.get("connection") == "close") == (status == 408)

            rest = await wire.rest()

            assert QUICK_SECONDS * 0.9 < time.monotonic() - started < QUICK_SECONDS + 2
            assert (b" 408 " in rest) == sent.endswith(b"GET")

    async with asyncio.TaskGroup() as group:
        for sent, status in CUT:
            group.create_task(stop_after(sent, status))


async def test_a_drop_now_and_then_does_not_help(listening: Listening) -> None:
    async def drip(wire: Wire) -> None:
        while True:
            wire.send(b"a")
            await asyncio.sleep(QUICK_SECONDS / 10)

    for sent in (GET + b"X: ", POST + b"Content-Length: 1000\r\n\r\n"):
        async with listening.wire() as wire:
            started = time.monotonic()
            wire.send(sent)
            dripping = asyncio.create_task(drip(wire))

            assert (await wire.answer()).status == 408

            assert QUICK_SECONDS * 0.9 < time.monotonic() - started < QUICK_SECONDS + 2
            dripping.cancel()


async def test_whoever_waits_for_us_is_not_cut(listening: Listening) -> None:
    async with listening.wire() as wire:
        wire.send(b"GET /held HTTP/1.1\r\n", NAMED, b"\r\n", GET)
        await asyncio.sleep(QUICK_SECONDS * 2.5)

        listening.release.set()
        wire.send(b"\r\n")

        assert [(await wire.answer()).body["path"] for _ in range(2)] == ["/held", "/echo"]


async def test_an_answer_that_nobody_reads_is_dropped(listening: Listening) -> None:
    async with listening.wire() as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined] # the base class has none
        wire.send(b"GET /large HTTP/1.1\r\n", NAMED, b"\r\n")
        await asyncio.sleep(QUICK_SECONDS)
        assert len(listening.server.server_state.connections) == 1

        async with asyncio.timeout(5):
            while listening.server.server_state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.05)


async def test_a_large_answer_reaches_whoever_reads_it(listening: Listening) -> None:
    answer = await listening.say(b"GET /large HTTP/1.1\r\n", NAMED, b"\r\n")

    assert len(answer.text) == 4 << 20


# ---- Many --------------------------------------------------------------------------------------


async def test_four_hundred_half_open_connections_are_harmless(listening: Listening) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", listening.port) for _ in range(400)]
    for number, (_, writer) in enumerate(slow):
        writer.write((b"", GET, POST + b"Content-Length: 9\r\n\r\n")[number % 3])

    started = time.monotonic()
    answers = [await listening.say(WHOLE) for _ in range(20)]
    assert [answer.status for answer in answers] == [200] * 20
    assert time.monotonic() - started < 2

    async with asyncio.timeout(10):
        ends = [await reader.read() for reader, _ in slow]
    assert [end[9:12] for end in ends] == [(b"", b"408", b"408")[number % 3] for number in range(400)]
    for _, writer in slow:
        writer.close()


async def test_beyond_the_bound_the_one_who_dawdles_longest_makes_room() -> None:
    async with listen(replace(GATE, seconds=5, most_connections=2)) as listening, listening.wire() as first:
        first.send(GET)
        await asyncio.sleep(0.05)
        async with listening.wire() as second:
            second.send(POST, b"Content-Length: 9\r\n\r\n")
            await asyncio.sleep(0.05)

            assert (await listening.say(WHOLE)).status == 200

            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await first.answer()
            second.send(b"123456789")
            assert (await second.answer()).body["body"] == 9


async def test_where_everybody_is_being_answered_the_newcomer_is_sent_away() -> None:
    async with listen(replace(GATE, most_connections=1)) as listening, listening.wire() as held:
        held.send(b"GET /held HTTP/1.1\r\n", NAMED, b"\r\n")
        await asyncio.sleep(0.05)

        async with listening.wire() as late:
            answer = await late.answer()

        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "1")
        listening.release.set()
        assert (await held.answer()).body["path"] == "/held"


# ---- In line -------------------------------------------------------------------------------------


async def test_requests_sent_at_once_are_answered_in_order(listening: Listening) -> None:
    async with listening.wire() as wire:
        wire.send(
            *(
                f"POST /echo?{n} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {n}\r\n\r\n".encode() + b"x" * n
                for n in range(50)
            )
        )

        assert [(await wire.answer()).body["body"] for _ in range(50)] == list(range(50))
        wire.send(WHOLE)
        assert (await wire.answer()).status == 200


@pytest.mark.parametrize(
    "after", [b"rubbish\r\n\r\n", b"GET /echo HTTP/1.1\r\n\r\n", POST + b"Content-Length: x\r\n\r\n"]
)
async def test_a_refusal_waits_for_the_answers_before_it(listening: Listening, after: bytes) -> None:
    async with listening.wire() as wire:
        wire.send(b"GET /held HTTP/1.1\r\n", NAMED, b"\r\n", WHOLE, after, WHOLE)
        await asyncio.sleep(0.05)
        listening.release.set()

        answers = [await wire.answer() for _ in range(3)]

        assert [answer.status for answer in answers][:2] == [200, 200]
        assert answers[2].status in {400, 501}
        assert await wire.rest() == b""
    assert listening.asked == ["/held", "/echo"]


async def test_a_line_of_a_thousand_requests_is_cut(listening: Listening) -> None:
    async with listening.wire() as wire:
        wire.send(b"GET /held HTTP/1.1\r\n", NAMED, b"\r\n", WHOLE * 1000)
        await asyncio.sleep(0.1)
        listening.release.set()
        rest = await wire.rest()

    assert rest.count(b"HTTP/1.1 200") == limits.MOST_IN_LINE + 1
    assert rest.count(b"HTTP/1.1 429") == 1


async def test_a_body_that_nobody_wants_is_not_read_for_ever(listening: Listening) -> None:
    async with listening.wire() as wire:
        wire.send(b"POST /early HTTP/1.1\r\n", NAMED, b"Content-Length: 100000000\r\n\r\n")
        assert (await wire.answer()).status == 200

        wire.send(b"x" * 32 * LONGEST_BODY)
        with pytest.raises(ConnectionError):
            await wire.writer.drain()


async def test_the_rest_of_a_body_is_skipped_before_the_next_request(listening: Listening) -> None:
    async with listening.wire() as wire:
        wire.send(b"POST /early HTTP/1.1\r\n", NAMED, b"Content-Length: 6\r\n\r\nabc")
        assert (await wire.answer()).body["path"] == "/early"
        wire.send(b"def", WHOLE)
        assert (await wire.answer()).body["path"] == "/echo"
