"""Tests of HTTP connections with raw bytes: invalid and hostile requests, client addresses, handshakes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server import lingering_close, request_guard
from server.proxies import Proxies
from tests.server.sockets import (
    COMPLETE_REQUEST,
    GET,
    GUARD,
    HANDSHAKE,
    HOST,
    HOST_HEADER,
    POST,
    EchoServer,
    run_server,
)

# ---- Invalid requests ------------------------------------------------------------------------


GRAPHQL_POST = b"POST /graphql HTTP/1.1\r\n"
INVALID_REQUESTS = {
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01", 501),
    "a line of text": (b"hello, server, are you there?\r\n\r\n", 501),
    "an unknown method": (b"FOO /echo HTTP/1.1\r\n" + HOST_HEADER + b"\r\n", 501),
    "an unsupported method": (b"PROPFIND /echo HTTP/1.1\r\n" + HOST_HEADER + b"\r\n", 501),
    "TRACE": (b"TRACE /echo HTTP/1.1\r\n" + HOST_HEADER + b"\r\n", 405),
    "CONNECT": (b"CONNECT evil.example.com:443 HTTP/1.1\r\n" + HOST_HEADER + b"\r\n", 405),
    "an HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /echo HTTP/2.0\r\n" + HOST_HEADER + b"\r\n", 505),
    "HTTP/0.9": (b"GET /echo\r\n\r\n", 505),
    "lines without CR": (b"GET /echo HTTP/1.1\nHost: a\n\n", 400),
    "a header on two lines": (GET + b"X: a\r\n b\r\n\r\n", 400),
    "a blank before the colon": (GET + b"X : a\r\n\r\n", 400),
    "NUL in a header": (GET + b"X: a\x00b\r\n\r\n", 400),
    "NUL in the address": (b"GET /ec\x00ho HTTP/1.1\r\n" + HOST_HEADER + b"\r\n", 400),
    "bytes over 127 in the address": (b"GET /ech\xff HTTP/1.1\r\n" + HOST_HEADER + b"\r\n", 400),
    "an address in authority form": (b"GET echo:443 HTTP/1.1\r\n" + HOST_HEADER + b"\r\n", 400),
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
    "an unknown encoding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunks of HTTP/1.0": (
        b"POST /echo HTTP/1.0\r\n" + HOST_HEADER + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    "a chunk without its size": (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    "an address that is too long": (
        b"GET /" + b"a" * request_guard.MAX_TARGET_BYTES + b" HTTP/1.1\r\n" + HOST_HEADER + b"\r\n",
        414,
    ),
    "an unterminated address": (b"GET /" + b"a" * 2 * request_guard.MAX_HEAD_BYTES, 414),
    "a header that is too long": (GET + b"X: " + b"a" * request_guard.MAX_HEAD_BYTES + b"\r\n\r\n", 431),
    "an unterminated header": (GET + b"X: " + b"a" * 2 * request_guard.MAX_HEAD_BYTES, 431),
    "too many headers": (GET + b"X: a\r\n" * request_guard.MAX_HEADERS + b"\r\n", 431),
    "unterminated headers": (GET + b"X: a\r\n" * 10_000, 431),
    "no host": (b"GET /echo HTTP/1.1\r\n\r\n", 400),
    "no host in HTTP/1.0": (b"GET /echo HTTP/1.0\r\n\r\n", 400),
    "an empty host": (b"GET /echo HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "two hosts": (GET + b"Host: evil.example.com\r\n\r\n", 400),
    "the same host twice": (GET + HOST_HEADER + b"\r\n", 400),
    "two hosts in one header": (f"GET /echo HTTP/1.1\r\nHost: {HOST}, evil.example.com\r\n\r\n".encode(), 400),
    "a host with a user": (f"GET /echo HTTP/1.1\r\nHost: me@{HOST}\r\n\r\n".encode(), 400),
    "a host with a path": (f"GET /echo HTTP/1.1\r\nHost: {HOST}/x\r\n\r\n".encode(), 400),
    "an unknown host": (b"GET /echo HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", 421),
    "a host with a prefix": (f"GET /echo HTTP/1.1\r\nHost: evil{HOST}\r\n\r\n".encode(), 421),
    "a host with a suffix": (f"GET /echo HTTP/1.1\r\nHost: {HOST}.evil.com\r\n\r\n".encode(), 421),
    "another host in the address": (b"GET http://evil.example.com/echo HTTP/1.1\r\n" + HOST_HEADER + b"\r\n", 421),
    "X-Forwarded-Host": (GET + b"X-Forwarded-Host: evil.example.com\r\n\r\n", 421),
    "X-Forwarded-Host beside ours": (GET + f"X-Forwarded-Host: {HOST}, evil.example.com\r\n\r\n".encode(), 421),
    "X-Original-Host": (GET + b"X-Original-Host: evil.example.com\r\n\r\n", 421),
    # Requests to /graphql take a shorter code path.
    "an unknown host for /graphql": (GRAPHQL_POST + b"Host: evil.example.com\r\n\r\n", 421),
    "two hosts for /graphql": (GRAPHQL_POST + HOST_HEADER + b"Host: evil.example.com\r\n\r\n", 400),
    "the same host twice for /graphql": (GRAPHQL_POST + HOST_HEADER + HOST_HEADER + b"\r\n", 400),
    "X-Forwarded-Host for /graphql": (GRAPHQL_POST + HOST_HEADER + b"X-Forwarded-Host: evil.example.com\r\n\r\n", 421),
    "Forwarded": (GET + b'Forwarded: for=192.0.2.1;host="evil.example.com"\r\n\r\n', 421),
}


UNSUPPORTED_METHODS = {"not HTTP", "a line of text", "an unknown method", "an unsupported method", "TRACE", "CONNECT"}


@pytest.fixture
async def patient_server() -> AsyncIterator[EchoServer]:
    """A connection server that waits for a client on a busy machine."""
    async with run_server(replace(GUARD, timeout_seconds=20, keep_alive_seconds=20)) as server:
        yield server


async def test_invalid_request_is_rejected_with_json(patient_server: EchoServer) -> None:
    for name, (request_bytes, status) in INVALID_REQUESTS.items():
        async with patient_server.connect() as client:
            client.send(request_bytes)
            response = await client.response()

            assert response.status == status, name
            assert response.code == "BAD_USER_INPUT", name
            assert len(response.body["errors"][0]["message"]) < 200
            assert response.headers["content-type"] == "application/json; charset=utf-8"
            assert response.headers["x-request-id"] == response.body["errors"][0]["extensions"]["requestId"]
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["cache-control"] == "no-store"
            assert "strict-transport-security" in response.headers
            assert "server" not in response.headers
            assert response.headers["connection"] == "close"
            assert response.headers.get("allow") == ("GET, HEAD, POST" if name in UNSUPPORTED_METHODS else None), name
            assert await client.read_to_end() == b""
    assert "/graphql" not in patient_server.paths
    assert patient_server.paths.count("/echo") == 1  # A bad chunk is detected after the application has started.


@pytest.mark.parametrize("status", [414, 431])
async def test_client_reads_its_rejection_although_it_still_sends(echo_server: EchoServer, status: int) -> None:
    too_long = b"a" * 4 * request_guard.MAX_HEAD_BYTES
    start = b"GET /" if status == 414 else GET + b"X: "
    async with echo_server.connect() as client:
        client.send(start + too_long)
        first_byte = await client.reader.readexactly(1)
        for _ in range(20):
            client.send(too_long)
            await asyncio.sleep(0.005)

        response = first_byte + await client.reader.read()

    assert response.startswith(f"HTTP/1.1 {status} ".encode())
    assert response.endswith(b"}")


async def test_client_that_sends_without_end_is_disconnected(
    echo_server: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering_close, "MAX_BYTES", 1024 * 1024)
    monkeypatch.setattr(lingering_close, "MAX_SECONDS", 3600)
    async with echo_server.connect() as client:
        client.send(b"GET /" + b"a" * 2 * request_guard.MAX_HEAD_BYTES)

        async def send_without_end() -> None:
            while True:
                client.send(b"a" * 65536)
                await client.writer.drain()

        async with asyncio.timeout(20):
            with pytest.raises(ConnectionError):
                await send_without_end()


async def test_rejected_client_that_stays_is_disconnected(
    echo_server: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering_close, "MAX_SECONDS", 0.1)
    async with echo_server.connect() as client:
        client.send(b"hello, server\r\n\r\n")
        _ = await client.reader.read()

        async with asyncio.timeout(20):
            while len(echo_server.limits):  # noqa: ASYNC110 - the limits have no event for it
                await asyncio.sleep(0.01)


async def test_unusual_valid_request_is_answered(echo_server: EchoServer) -> None:
    for request_bytes in (
        COMPLETE_REQUEST,
        b"\r\n\r\n" + COMPLETE_REQUEST,
        f"GET /echo HTTP/1.1\r\nhOST: {HOST.upper()}.:8443\r\n\r\n".encode(),
        b"GET /echo HTTP/1.1\r\nHost: 10.1.2.3:80\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: [0:0::1]:80\r\n\r\n",
        f"GET http://{HOST}/echo HTTP/1.1\r\n".encode() + HOST_HEADER + b"\r\n",
        GET + f"X-Forwarded-Host: {HOST}\r\nForwarded: for=1.2.3.4;host={HOST};proto=https, for=x\r\n\r\n".encode(),
        b"GET /echo HTTP/1.0\r\n" + HOST_HEADER + b"\r\n",
        GET + b"X: a\r\n" * (request_guard.MAX_HEADERS - 1) + b"\r\n",
        GET + b"X: " + b"a" * (request_guard.MAX_HEAD_BYTES - 100) + b"\r\n\r\n",
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    ):
        response = await echo_server.request(request_bytes)

        assert (response.status, response.body["path"]) == (200, "/echo"), request_bytes[:80]


async def test_probes_accept_any_host_and_http_1_0_without_host(echo_server: EchoServer) -> None:
    for path in (b"/livez", b"/readyz", b"/readyz?verbose", b"/metrics"):
        assert (await echo_server.request(b"GET ", path, b" HTTP/1.1\r\nHost: 172.17.0.9:8000\r\n\r\n")).status == 200
        assert (await echo_server.request(b"GET ", path, b" HTTP/1.0\r\n\r\n")).status == 200
        assert (await echo_server.request(b"GET ", path, b" HTTP/1.1\r\n\r\n")).status == 400
    assert (await echo_server.request(b"GET /livez/x HTTP/1.1\r\nHost: 172.17.0.9\r\n\r\n")).status == 421


H2C_OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


@pytest.mark.parametrize(
    ("offer", "header_names"),
    [
        (H2C_OFFER, ["host", "content-length"]),
        (b"Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.3, IRC/6.9\r\n", ["host", "connection", "content-length"]),
        (b"Connection: Upgrade\r\nUpgrade: WebSocket/76\r\n", ["host", "content-length"]),
    ],
)
async def test_offer_of_another_protocol_is_ignored_and_the_body_is_read(
    echo_server: EchoServer, offer: bytes, header_names: list[str]
) -> None:
    body = b"0123456789" * 2_000
    async with echo_server.connect() as client:
        for _ in range(2):  # The connection stays open.
            client.send(POST, offer, f"Content-Length: {len(body)}\r\n\r\n".encode(), body[:10_000])
            await asyncio.sleep(0.01)  # The rest of the body arrives in another packet.
            client.send(body[10_000:])
            response = await client.response()

            assert (response.status, response.body["body"]) == (200, len(body))
            assert response.body["headers"] == header_names


async def test_offers_of_another_protocol_in_one_packet_are_answered_in_order(echo_server: EchoServer) -> None:
    chunked = POST + H2C_OFFER + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with echo_server.connect() as client:
        client.send(chunked, GET + H2C_OFFER + b"\r\n", POST + b"Content-Length: 4\r\n\r\nabcd")

        responses = [await client.response() for _ in range(3)]

    assert [(response.status, response.body["body"]) for response in responses] == [(200, 3), (200, 0), (200, 4)]


async def test_checks_of_the_head_apply_to_an_offer_of_another_protocol(echo_server: EchoServer) -> None:
    for request_bytes, status in (
        (b"POST /echo HTTP/1.1\r\nHost: evil.example.com\r\n" + H2C_OFFER + b"Content-Length: 3\r\n\r\nabc", 421),
        (b"CONNECT evil.example.com:443 HTTP/1.1\r\n" + HOST_HEADER + H2C_OFFER + b"\r\n", 405),
        (POST + H2C_OFFER + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ):
        response = await echo_server.request(request_bytes)

        assert response.status == status


async def test_blanks_around_the_value_of_a_header_do_not_belong_to_it(echo_server: EchoServer) -> None:
    request_bytes = f"GET /echo HTTP/1.1\r\nHost:  \t{HOST} \t \r\n\r\n".encode()

    response = await echo_server.request(request_bytes)
    handshake = await echo_server.request(GET, HANDSHAKE.replace(b"websocket\r\n", b"websocket \t\r\n"), b"\r\n")

    assert (response.status, response.body["path"]) == (200, "/echo")
    assert handshake.status == 101


async def test_trailer_is_not_a_header(echo_server: EchoServer) -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"

    response = await echo_server.request(head, b"3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\nX-Account: 1\r\n\r\n")

    assert response.body["body"] == 3
    assert response.body["headers"] == ["host", "transfer-encoding"]


# ---- Clients and WebSockets ----------------------------------------------------------------------


async def test_only_a_trusted_proxy_sets_the_client_address() -> None:
    request_bytes = GET + b"X-Forwarded-For: 203.0.113.7, 198.51.100.9\r\n"
    async with run_server(GUARD) as echo_server:
        assert (await echo_server.request(request_bytes, b"\r\n")).body["client"] == "127.0.0.1"
    async with run_server(replace(GUARD, proxies=Proxies(("127.0.0.0/8",)))) as echo_server:
        assert (await echo_server.request(request_bytes, b"\r\n")).body["client"] == "198.51.100.9"
        assert (await echo_server.request(request_bytes, b"X-Forwarded-For: nonsense\r\n\r\n")).body[
            "client"
        ] == "127.0.0.1"
        assert (await echo_server.request(COMPLETE_REQUEST)).body["client"] == "127.0.0.1"
        async with echo_server.connect() as client:
            client.send(request_bytes.replace(b"/echo", b"/socket"), HANDSHAKE, b"\r\n")
            assert (await client.response()).status == 101
            assert (await client.reader.read(14))[2:] == b"198.51.100.9"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (GET + HANDSHAKE, 101),
        (GET.replace(HOST.encode(), b"evil.example.com") + HANDSHAKE, 421),
        (GET + HOST_HEADER + HANDSHAKE, 400),
        (GET + b"X-Forwarded-Host: evil.example.com\r\n" + HANDSHAKE, 421),
        (GET + HANDSHAKE + b"X: a\r\n" * request_guard.MAX_HEADERS, 431),
        (GET + HANDSHAKE + b"X: " + b"a" * 9000 + b"\r\n", 431),
        (POST + HANDSHAKE, 400),
        (GET + HANDSHAKE.replace(b": 13", b": 8"), 426),
        (GET + HANDSHAKE.replace(b"dGhl", b"Gg"), 400),
        (GET + HANDSHAKE + b"Content-Length: 3\r\n", 400),
    ],
)
async def test_handshake_passes_the_request_checks(echo_server: EchoServer, request_bytes: bytes, status: int) -> None:
    async with echo_server.connect() as client:
        client.send(request_bytes, b"\r\n")
        response = await client.response()

        assert response.status == status
        assert status == 101 or response.code == "BAD_USER_INPUT"
    assert echo_server.paths == (["/echo"] if status == 101 else [])


async def test_incomplete_handshake_times_out(echo_server: EchoServer) -> None:
    async with echo_server.connect() as client:
        client.send(GET, HANDSHAKE)

        assert (await client.response()).status == 408


async def test_pipelined_handshake_is_rejected(echo_server: EchoServer) -> None:
    async with echo_server.connect() as client:
        client.send(b"GET /held HTTP/1.1\r\n", HOST_HEADER, b"\r\n", GET, HANDSHAKE, b"\r\n")
        await asyncio.sleep(0.05)
        echo_server.release.set()

        assert [(await client.response()).status for _ in range(2)] == [200, 400]
