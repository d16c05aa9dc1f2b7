"""Broken and hostile requests, as bytes on a real socket, and whom they are taken to come from."""

import asyncio
from dataclasses import replace

import pytest

from server import request_guard as limits
from server.proxies import Proxies
from tests.server.sockets import GATE, GET, HANDSHAKE, HOST, NAMED, POST, WHOLE, Listening, listen

# ---- What is no request ----------------------------------------------------------------------


GRAPH = b"POST /graphql HTTP/1.1\r\n"
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
    # The graph is asked most, and is let in by a shorter way.
    "an unknown host for the graph": (GRAPH + b"Host: evil.example.com\r\n\r\n", 421),
    "two hosts for the graph": (GRAPH + NAMED + b"Host: evil.example.com\r\n\r\n", 400),
    "the same host twice for the graph": (GRAPH + NAMED + NAMED + b"\r\n", 400),
    "X-Forwarded-Host for the graph": (GRAPH + NAMED + b"X-Forwarded-Host: evil.example.com\r\n\r\n", 421),
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
    assert "/graphql" not in listening.asked
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
