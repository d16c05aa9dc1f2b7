"""Slots of streams, and floods of streams and connections against a real server: requests and probes are served."""

import asyncio
import sys
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from server.errors import RequestError
from server.stream_slots import StreamLimits, StreamSlots
from tests.api import KEY, Api, Person
from tests.event_stream import follow
from tests.serving import run_process
from tests.sockets import application_of

USER, OTHER_USER = UUID(int=1), UUID(int=2)
CHANGES = "subscription { accessChanged { kind } }"
PROBES = ("/livez", "/readyz", "/metrics")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all addresses of 127.0.0.0/8")

# ---- Counting ----------------------------------------------------------------------------------


def take(slots: StreamSlots, address: str | None, user_id: UUID | None, *, holds_connection: bool = True) -> int:
    """Take a slot. Returns 200, or the status of the error."""
    try:
        _ = slots.take(address, user_id, holds_connection=holds_connection)
    except RequestError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("limits", "address", "user_id", "status"),
    [
        (StreamLimits(per_user=2), "192.0.2.9", USER, 429),
        (StreamLimits(per_user=2), "192.0.2.1", OTHER_USER, 200),
        (StreamLimits(per_network=2), "2001:db8::ffff", OTHER_USER, 429),
        (StreamLimits(per_network=2), "2001:db8:0:1::1", OTHER_USER, 200),
        (StreamLimits(per_network=1), "2001:db8:0:1::1", OTHER_USER, 429),
        (StreamLimits(per_network=2), None, OTHER_USER, 200),
        (StreamLimits(connections=2), "192.0.2.9", OTHER_USER, 503),
        (StreamLimits(streams=2), "192.0.2.9", OTHER_USER, 503),
    ],
)
def test_third_slot_is_refused_at_its_limit(
    limits: StreamLimits, address: str | None, user_id: UUID, status: int
) -> None:
    slots = StreamSlots(limits)
    networks = ("2001:db8:0:2", "2001:db8:0:3") if limits.per_network == 1 else ("2001:db8:0:0",) * 2
    open_slots = [slots.take(f"{network}::1", USER, holds_connection=True) for network in networks]

    assert take(slots, address, user_id) == status

    for slot in open_slots:
        slot.release()
        slot.release()
    assert take(slots, address, user_id) == 200
    assert len(slots) == (2 if status == 200 else 1)


def test_subscription_on_a_socket_takes_no_connection() -> None:
    slots = StreamSlots(StreamLimits(connections=1))

    assert take(slots, "192.0.2.1", USER) == 200
    assert take(slots, "192.0.2.1", USER, holds_connection=False) == 200
    assert take(slots, "192.0.2.1", USER) == 503


def test_oldest_socket_without_a_session_is_evicted() -> None:
    slots, evictions = StreamSlots(StreamLimits(per_network=3)), list[str]()
    sockets = {name: slots.take_for_socket("192.0.2.1", partial(evictions.append, name)) for name in "abc"}
    sockets["a"].assign(USER)

    assert take(slots, "192.0.2.2", USER) == 200
    assert evictions == []
    assert take(slots, "192.0.2.1", USER) == 200
    assert evictions == ["b"]
    sockets["b"].release()
    assert take(slots, "192.0.2.1", USER) == 200
    assert evictions == ["b", "c"]
    assert take(slots, "192.0.2.1", USER) == 429


async def test_event_stream_over_the_limit_is_refused_before_it_starts(api: Api) -> None:
    anna = await api.person("anna@example.com")
    application_of(api).state.stream_slots.limits = StreamLimits(per_user=1)
    async with follow(api, CHANGES, by=anna) as stream:
        await stream.wait_until_open()

        response = await api.http.post(
            "/graphql",
            json={"query": CHANGES},
            headers={"Authorization": f"Bearer {anna.token}", "Accept": "text/event-stream"},
        )
        query = await api.ask("{ viewer { user { email } } }", by=anna)

    (error,) = response.json()["errors"]
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")
    assert (error["extensions"]["code"], error["message"]) == (
        "RATE_LIMITED",
        "The maximum of open streams for a user is 1. Close one first.",
    )
    assert query.data["viewer"]["user"]["email"] == anna.email
    async with follow(api, CHANGES, by=anna) as stream:
        await stream.wait_until_open()
    assert len(application_of(api).state.stream_slots) == 0


# ---- Floods ------------------------------------------------------------------------------------


class Client:
    """A client of a server, from one address of this machine. Its streams stay open until the stack closes."""

    def __init__(self, port: int, stack: AsyncExitStack, address: str) -> None:
        self._port = port
        self._stack = stack
        self._address = address

    async def send(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send bytes on a new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._address, 0))
        _ = self._stack.callback(writer.close)
        writer.write(request)
        return reader, writer

    async def fetch_status(self, request: bytes) -> int:
        """Send a request on a new connection. Returns the status of its response."""
        reader, _ = await self.send(request)
        async with asyncio.timeout(15):
            return int((await reader.readuntil(b"\r\n")).split()[1])

    async def open_event_stream(self, person: Person) -> int:
        """Open an event stream of a user. Returns the status."""
        return await self.fetch_status(post(CHANGES, person, accept="text/event-stream"))

    async def open_socket(self, person: Person, subscriptions: int) -> list[str]:
        """Open a socket of a user with subscriptions. Returns the types of the responses, or the status of an error."""
        try:
            socket = await self._stack.enter_async_context(
                connect(
                    f"ws://127.0.0.1:{self._port}/graphql",
                    subprotocols=[Subprotocol("graphql-transport-ws")],
                    proxy=None,
                    local_addr=(self._address, 0),
                )
            )
        except InvalidStatus as error:
            return [str(error.response.status_code)]
        payload = {"Authorization": f"Bearer {person.token}"}
        await socket.send(orjson.dumps({"type": "connection_init", "payload": payload}).decode())
        for number in range(subscriptions):
            message = {"type": "subscribe", "id": str(number), "payload": {"query": CHANGES}}
            await socket.send(orjson.dumps(message).decode())
        await socket.send('{"type": "ping"}')
        types: list[str] = []
        async with asyncio.timeout(15):
            while len(types) < 2 or "pong" not in types:
                types.append(orjson.loads(await socket.recv())["type"])
            await asyncio.sleep(0.2)  # errors of subscriptions come after their authorization
            while True:
                try:
                    async with asyncio.timeout(0.2):
                        types.append(orjson.loads(await socket.recv())["type"])
                except TimeoutError:
                    return types


def post(query: str, person: Person, *, accept: str = "application/json") -> bytes:
    """A GraphQL request of a user."""
    body = orjson.dumps({"query": query})
    head = (
        "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {person.token}\r\nAccept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def probe(path: str) -> bytes:
    """A request of an orchestrator or a monitor."""
    return f"GET {path} HTTP/1.1\r\nHost: 10.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()


async def assert_served(client: Client, person: Person) -> None:
    """Assert that the requests of a client and its probes are served."""
    assert [await client.fetch_status(probe(path)) for path in PROBES] == [200] * 3
    assert await client.fetch_status(post("{ viewer { user { email } } }", person)) == 200


@LINUX
async def test_streams_of_many_users_leave_connections_to_requests(api: Api, database_url: str) -> None:
    people = [await api.person(f"user{number}@example.com") for number in range(22)]
    async with (
        run_process(database_url, FULLMAKT_CONNECTIONS="30", FULLMAKT_METRICS_TOKEN=KEY) as server,
        AsyncExitStack() as stack,
    ):
        attacker = Client(server.port, stack, "127.0.0.1")
        statuses = [await attacker.open_event_stream(person) for person in people for _ in range(5)]

        # 30 connections: a network has streams on a quarter of them, all networks together on half of them.
        assert Counter(statuses) == {200: 7, 429: 103}
        await assert_served(attacker, people[0])
        await assert_served(Client(server.port, stack, "127.0.0.2"), people[0])

        for number in range(3, 9):
            other_attacker = Client(server.port, stack, f"127.0.0.{number}")
            statuses += [await other_attacker.open_event_stream(person) for person in people[:9]]
        assert Counter(statuses)[200] == 15
        assert await Client(server.port, stack, "127.0.0.10").open_socket(people[21], 1) == ["503"]
        await assert_served(attacker, people[0])
        await assert_served(Client(server.port, stack, "127.0.0.2"), people[0])


@LINUX
async def test_subscriptions_on_sockets_are_counted(api: Api, database_url: str) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    limits: dict[str, Any] = {
        "FULLMAKT_CONNECTIONS": "40",
        "FULLMAKT_STREAMS_PER_USER": "4",
        "FULLMAKT_STREAMS_PER_NETWORK": "6",
    }
    async with run_process(database_url, **limits) as server, AsyncExitStack() as stack:
        client = Client(server.port, stack, "127.0.0.1")

        assert Counter(await client.open_socket(anna, 6)) == {"connection_ack": 1, "pong": 1, "error": 3}
        assert await client.open_event_stream(anna) == 429
        assert Counter(await client.open_socket(bo, 3)) == {"connection_ack": 1, "pong": 1, "error": 2}
        assert await client.open_socket(bo, 1) == ["429"]
        assert Counter(await Client(server.port, stack, "127.0.0.2").open_socket(bo, 1)) == {
            "connection_ack": 1,
            "pong": 1,
        }


@LINUX
async def test_idle_and_slow_connections_leave_connections_to_requests(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    variables: dict[str, Any] = {
        "FULLMAKT_CONNECTIONS": "30",
        "FULLMAKT_METRICS_TOKEN": KEY,
        "FULLMAKT_KEEP_ALIVE_SECONDS": "60",
    }
    unfinished_post = post("{ viewer { user { email } } }", anna)[:-5]
    async with run_process(database_url, **variables) as server, AsyncExitStack() as stack:
        for number in range(200):
            attacker = Client(server.port, stack, f"127.0.0.{1 + number % 20}")
            _ = await attacker.send((b"", b"GET /li", probe("/livez"), unfinished_post)[number % 4])

        await assert_served(Client(server.port, stack, "127.0.0.1"), anna)
        await assert_served(Client(server.port, stack, "127.0.0.99"), anna)
        assert await Client(server.port, stack, "127.0.0.99").open_event_stream(anna) == 200


@LINUX
async def test_sockets_without_a_session_leave_connections_to_requests(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    handshake = (
        b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: %b\r\n\r\n"
    )
    variables: dict[str, Any] = {"FULLMAKT_CONNECTIONS": "30", "FULLMAKT_METRICS_TOKEN": KEY}
    async with run_process(database_url, **variables) as server, AsyncExitStack() as stack:
        for number in range(120):
            attacker = Client(server.port, stack, f"127.0.0.{1 + number % 6}")
            protocol = (b"graphql-transport-ws", b"unknown")[number % 2]
            assert await attacker.fetch_status(handshake % protocol) in {101, 429, 503}

        await assert_served(Client(server.port, stack, "127.0.0.1"), anna)
        assert await Client(server.port, stack, "127.0.0.99").open_event_stream(anna) == 200
        assert "connection_ack" in await Client(server.port, stack, "127.0.0.98").open_socket(anna, 1)
