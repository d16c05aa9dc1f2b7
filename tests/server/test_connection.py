"""Slow, large, broken and hostile connections, as bytes on a real socket."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server import gate as limits
from server.client import Proxies
from server.connection import LONGEST_BODY
from server.gate import Gate
from server.hosts import Hosts
from tests.server.sockets import HOST, QUICK_SECONDS, Listening, Wire, listen

GATE = Gate(Hosts((HOST, "10.1.2.3", "[::1]")), seconds=QUICK_SECONDS, keep_alive_seconds=QUICK_SECONDS)
NAMED = f"Host: {HOST}\r\n".encode()
GET = b"GET /echo HTTP/1.1\r\n" + NAMED
POST = b"POST /echo HTTP/1.1\r\n" + NAMED
WHOLE = GET + b"\r\n"
HANDSHAKE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    async with listen(GATE) as found:
        yield found


# ---- What is no request ----------------------------------------------------------------------


REFUSED = {
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01", 501),
    "a line of text": (b"hello, is anybody there?\r\n\r\n", 501),
    "a method of its own": (b"FOO /echo HTTP/1.1\r\n" + NAMED + b"\r\n", 501),
    "a method of others": (b"PROPFIND /echo HTTP/1.1\r\n" + NAMED + b"\r\n", 501),
    "TRACE": (b"TRACE /echo HTTP/1.1\r\n" + NAMED + b"\r\n", 405),
    "CONNECT": (b"CONNECT evil.example.com:443 HTTP/1.1\r\n" + NAMED + b"\r\n", 405),
    "HTTP/2 by itself": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /echo HTTP/2.0\r\n" + NAMED + b"\r\n", 505),
    "HTTP/0.9": (b"GET /echo\r\n\r\n", 505),
    "lines without CR": (b"GET /echo HTTP/1.1\nHost: a\n\n", 400),
    "a header on two lines": (GET + b"X: a\r\n b\r\n\r\n", 400),
    "a blank before the colon": (GET + b"X : a\r\n\r\n", 400),
    "NUL in a header": (GET + b"X: a\x00b\r\n\r\n", 400),
    "NUL in the address": (b"GET /ec\x00ho HTTP/1.1\r\n" + NAMED + b"\r\n", 400),
    "bytes over 127 in the address": (b"GET /ech\xff HTTP/1.1\r\n" + NAMED + b"\r\n", 400),
    "an address of another kind": (b"GET echo:443 HTTP/1.1\r\n" + NAMED + b"\r\n", 400),
    "a length and chunks": (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks and a length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "two lengths in one": (POST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    "a length with a sign": (POST + b"Content-Length: +3\r\n\r\nabc", 400),
    "a negative length": (POST + b"Content-Length: -3\r\n\r\nabc", 400),
    "a length in hexadecimal": (POST + b"Content-Length: 0x3\r\n\r\nabc", 400),
    "an empty length": (POST + b"Content-Length:\r\n\r\nabc", 400),
    "an endless length": (POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc", 400),
    "another encoding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "an encoding that is none": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunks of HTTP/1.0": (
        b"POST /echo HTTP/1.0\r\n" + NAMED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    "a chunk without its size": (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    "an address that is too long": (b"GET /" + b"a" * limits.LONGEST_TARGET + b" HTTP/1.1\r\n" + NAMED + b"\r\n", 414),
    "an address without end": (b"GET /" + b"a" * 2 * limits.LONGEST_HEAD, 414),
    "a header that is too long": (GET + b"X: " + b"a" * limits.LONGEST_HEAD + b"\r\n\r\n", 431),
    "a header without end": (GET + b"X: " + b"a" * 2 * limits.LONGEST_HEAD, 431),
    "too many headers": (GET + b"X: a\r\n" * limits.MOST_HEADERS + b"\r\n", 431),
    "headers without end": (GET + b"X: a\r\n" * 10_000, 431),
    "no host": (b"GET /echo HTTP/1.1\r\n\r\n", 400),
    "no host of HTTP/1.0": (b"GET /echo HTTP/1.0\r\n\r\n", 400),
    "an empty host": (b"GET /echo HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "two hosts": (GET + b"Host: evil.example.com\r\n\r\n", 400),
    "the same host twice": (GET + NAMED + b"\r\n", 400),
    "two hosts in one": (f"GET /echo HTTP/1.1\r\nHost: {HOST}, evil.example.com\r\n\r\n".encode(), 400),
    "a host with a user": (f"GET /echo HTTP/1.1\r\nHost: me@{HOST}\r\n\r\n".encode(), 400),
    "a host with a path": (f"GET /echo HTTP/1.1\r\nHost: {HOST}/x\r\n\r\n".encode(), 400),
    "an unknown host": (b"GET /echo HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", 421),
    "a host that ends alike": (f"GET /echo HTTP/1.1\r\nHost: evil{HOST}\r\n\r\n".encode(), 421),
    "a host that begins alike": (f"GET /echo HTTP/1.1\r\nHost: {HOST}.evil.com\r\n\r\n".encode(), 421),
    "another host in the address": (b"GET http://evil.example.com/echo HTTP/1.1\r\n" + NAMED + b"\r\n", 421),
    "X-Forwarded-Host": (GET + b"X-Forwarded-Host: evil.example.com\r\n\r\n", 421),
    "X-Forwarded-Host beside ours": (GET + f"X-Forwarded-Host: {HOST}, evil.example.com\r\n\r\n".encode(), 421),
    "X-Original-Host": (GET + b"X-Original-Host: evil.example.com\r\n\r\n", 421),
    "Forwarded": (GET + b'Forwarded: for=192.0.2.1;host="evil.example.com"\r\n\r\n', 421),
}


NO_METHODS = {"no HTTP at all", "a line of text", "a method of its own", "a method of others", "TRACE", "CONNECT"}


async def test_what_is_no_request_for_us_is_refused_in_json(listening: Listening) -> None:
    for name, (sent, status) in REFUSED.items():
        async with listening.wire() as wire:
            wire.send(sent)
            answer = await wire.answer()

            assert answer.status == status, name
            assert answer.code == "BAD_USER_INPUT", name
            assert len(answer.body["errors"][0]["message"]) < 200
            assert answer.headers["content-type"] == "application/json; charset=utf-8"
            assert answer.headers["x-request-id"] == answer.body["errors"][0]["extensions"]["requestId"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert "strict-transport-security" in answer.headers
            assert "server" not in answer.headers
            assert answer.headers["connection"] == "close"
            assert answer.headers.get("allow") == ("GET, HEAD, POST" if name in NO_METHODS else None), name
            assert await wire.rest() == b""
    assert listening.asked.count("/echo") == 1  # A bad chunk is only found when the application has begun.


async def test_what_is_unusual_but_right_is_answered(listening: Listening) -> None:
    for sent in (
        WHOLE,
        b"\r\n\r\n" + WHOLE,
        f"GET /echo HTTP/1.1\r\nhOST: {HOST.upper()}.:8443\r\n\r\n".encode(),
        b"GET /echo HTTP/1.1\r\nHost: 10.1.2.3:80\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: [0:0::1]:80\r\n\r\n",
        f"GET http://{HOST}/echo HTTP/1.1\r\n".encode() + NAMED + b"\r\n",
        GET + f"X-Forwarded-Host: {HOST}\r\nForwarded: for=1.2.3.4;host={HOST};proto=https, for=x\r\n\r\n".encode(),
        b"GET /echo HTTP/1.0\r\n" + NAMED + b"\r\n",
        GET + b"X: a\r\n" * (limits.MOST_HEADERS - 1) + b"\r\n",
        GET + b"X: " + b"a" * (limits.LONGEST_HEAD - 100) + b"\r\n\r\n",
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    ):
        answer = await listening.say(sent)

        assert (answer.status, answer.body["path"]) == (200, "/echo"), sent[:80]


async def test_probes_may_name_any_host_or_in_the_old_way_none(listening: Listening) -> None:
    for path in (b"/livez", b"/readyz", b"/readyz?verbose", b"/metrics"):
        assert (await listening.say(b"GET ", path, b" HTTP/1.1\r\nHost: 172.17.0.9:8000\r\n\r\n")).status == 200
        assert (await listening.say(b"GET ", path, b" HTTP/1.0\r\n\r\n")).status == 200
        assert (await listening.say(b"GET ", path, b" HTTP/1.1\r\n\r\n")).status == 400
    assert (await listening.say(b"GET /livez/x HTTP/1.1\r\nHost: 172.17.0.9\r\n\r\n")).status == 421


async def test_a_trailer_is_no_header(listening: Listening) -> None:
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"

    answer = await listening.say(chunked, b"3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\nX-Account: 1\r\n\r\n")

    assert answer.body["body"] == 3
    assert answer.body["headers"] == ["host", "transfer-encoding"]


# ---- Slow --------------------------------------------------------------------------------------


async def test_ten_seconds_are_the_default() -> None:
    gate = Gate(Hosts(()))

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


# ---- Clients and WebSockets ----------------------------------------------------------------------


async def test_only_a_trusted_peer_names_the_client() -> None:
    told = GET + b"X-Forwarded-For: 203.0.113.7, 198.51.100.9\r\n"
    async with listen(GATE) as listening:
        assert (await listening.say(told, b"\r\n")).body["client"] == "127.0.0.1"
    async with listen(replace(GATE, proxies=Proxies(("127.0.0.0/8",)))) as listening:
        assert (await listening.say(told, b"\r\n")).body["client"] == "198.51.100.9"
        assert (await listening.say(told, b"X-Forwarded-For: nonsense\r\n\r\n")).body["client"] == "127.0.0.1"
        assert (await listening.say(WHOLE)).body["client"] == "127.0.0.1"
        async with listening.wire() as wire:
            wire.send(told.replace(b"/echo", b"/socket"), HANDSHAKE, b"\r\n")
            assert (await wire.answer()).status == 101
            assert (await wire.reader.read(14))[2:] == b"198.51.100.9"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (GET + HANDSHAKE, 101),
        (GET.replace(HOST.encode(), b"evil.example.com") + HANDSHAKE, 421),
        (GET + NAMED + HANDSHAKE, 400),
        (GET + b"X-Forwarded-Host: evil.example.com\r\n" + HANDSHAKE, 421),
        (GET + HANDSHAKE + b"X: a\r\n" * limits.MOST_HEADERS, 431),
        (GET + HANDSHAKE + b"X: " + b"a" * 9000 + b"\r\n", 431),
        (POST + HANDSHAKE, 400),
        (GET + HANDSHAKE.replace(b": 13", b": 8"), 426),
        (GET + HANDSHAKE.replace(b"dGhl", b"Gg"), 400),
        (GET + HANDSHAKE + b"Content-Length: 3\r\n", 400),
    ],
)
async def test_handshakes_pass_the_same_gate(listening: Listening, sent: bytes, status: int) -> None:
    async with listening.wire() as wire:
        wire.send(sent, b"\r\n")
        answer = await wire.answer()

        assert answer.status == status
        assert status == 101 or answer.code == "BAD_USER_INPUT"
    assert listening.asked == (["/echo"] if status == 101 else [])


async def test_a_handshake_that_does_not_end_is_cut(listening: Listening) -> None:
    async with listening.wire() as wire:
        wire.send(GET, HANDSHAKE)

        assert (await wire.answer()).status == 408


async def test_a_websocket_does_not_jump_the_queue(listening: Listening) -> None:
    async with listening.wire() as wire:
        wire.send(b"GET /held HTTP/1.1\r\n", NAMED, b"\r\n", GET, HANDSHAKE, b"\r\n")
        await asyncio.sleep(0.05)
        listening.release.set()

        assert [(await wire.answer()).status for _ in range(2)] == [200, 400]
