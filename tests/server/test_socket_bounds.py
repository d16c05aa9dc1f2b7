"""How much a socket may ask of the server, for how long, and from which pages: each bound is reached once."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from starlette.routing import WebSocketRoute
from websockets.exceptions import InvalidStatus

import app
from database import db
from models import persisted_operation
from models.base.caller import Caller, OperationConfig
from models.live import hub
from models.persisted_operation import Document
from server.request import MAX_BODY
from server.socket import Sockets
from server.websocket import WebSocket
from settings import Settings
from tests.api import KEY, Api, Person
from tests.browser import Browser
from tests.schema.world import key
from tests.serving import serve
from tests.sockets import listening, running, socket

CHANGES = "subscription { accessChanged { kind } }"
LONG = " ".join(
    [
        "subscription ($account: ID!) { accountEvents(accountId: $account) {",
        *(f"{'x' * 400}{number}: id" for number in range(12)),
        "} }",
    ]
)
NEIGHBOUR = "https://app.example.com"


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    async with listening(running(api), ws_max_size=MAX_BODY) as port:
        yield port


@pytest.fixture
async def anna(api: Api) -> Person:
    return await api.person("anna@example.com")


def bound(api: Api, **bounds: Any) -> None:
    """Let sockets have other bounds."""
    (route,) = (route for route in running(api).routes if isinstance(route, WebSocketRoute))
    assert isinstance(route.app, Sockets)
    route.app._house = replace(route.app._house, **bounds)


def conversing() -> int:
    """How many tasks work for sockets."""
    names = [str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()]
    return sum(name.startswith(("Conversation.", "WebSocket.run_asgi")) for name in names)


async def settled(api: Api) -> None:
    """Wait until nothing is open, and nothing works for what was."""
    async with asyncio.timeout(5):
        while len(running(api).state.hub) or conversing():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.005)


async def test_who_says_nothing_is_closed(api: Api, port: int, anna: Person) -> None:
    bound(api, init_seconds=0.1)
    async with socket(port) as silent, socket(port) as chatting, socket(port) as quick:
        _ = await quick.begin(anna)
        await chatting.say({"type": "ping"})

        for one in (silent, chatting):
            assert await one.closed() == (4408, "Connection initialisation timeout.")
        await quick.say({"type": "ping"})
        assert await quick.hear() == {"type": "pong"}
    await settled(api)


async def test_who_takes_nothing_is_cut_and_leaves_nothing(
    api: Api, port: int, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(api, send_seconds=0.2)
    monkeypatch.setattr(WebSocket, "linger_seconds", 0.2)
    lost: list[object] = []
    connection_lost = WebSocket.connection_lost

    def losing(self: WebSocket, exc: Exception | None) -> None:
        lost.append(self)
        connection_lost(self, exc)

    def narrow(self: WebSocket, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)
        connection_made(self, transport)

    connection_made = WebSocket.connection_made
    monkeypatch.setattr(WebSocket, "connection_lost", losing)
    monkeypatch.setattr(WebSocket, "connection_made", narrow)
    with sockets.socket() as raw:
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", port))
        raw.setblocking(False)
        async with socket(port, sock=raw, max_queue=1) as one:
            await (await one.begin(anna)).subscribe("a", LONG, {"account": anna.account_id})
            await one.opened(api, 2)
            one.connection.transport.pause_reading()
            await db.execute(
                "INSERT INTO events (id, type, occurred_at, account_id) SELECT gen_random_uuid(), 'operator:test:done',"
                " now(), $1 FROM generate_series(1, 1000)",
                key(anna.account_id),
            )
            running(api).state.hub.wake()

            await settled(api)
            async with asyncio.timeout(5):
                while not lost:  # noqa: ASYNC110 - nobody is told
                    await asyncio.sleep(0.01)
            one.connection.transport.abort()


async def test_a_process_has_so_many_sockets_and_no_more(api: Api, port: int, anna: Person) -> None:
    bound(api, most_sockets=2)
    async with socket(port) as first:
        async with socket(port) as second:
            _ = await second.begin(anna)
            with pytest.raises(InvalidStatus) as refused:
                async with socket(port):
                    pass
            assert refused.value.response.status_code == 503
            assert b'"code":"SERVICE_UNAVAILABLE"' in (refused.value.response.body or b"")
        async with asyncio.timeout(5):
            while conversing() > 3:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.005)
        async with socket(port) as third:
            _ = await third.begin(anna)
        _ = await first.begin(anna)
    await settled(api)


async def test_what_one_user_has_open_costs_no_other(
    api: Api, port: int, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MOST_PER_USER", 3)
    bo = await api.person("bo@example.com")
    async with socket(port) as hers, socket(port) as his:
        await (await hers.begin(anna)).subscribe("a", CHANGES)
        await hers.opened(api, 2)
        await hers.subscribe("b", CHANGES)
        await hers.opened(api, 3)
        await hers.subscribe("c", CHANGES)
        refused = await hers.next("c")
        assert refused["payload"]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        monkeypatch.setattr(hub, "MOST", 5)
        await (await his.begin(bo)).subscribe("a", CHANGES)
        await his.opened(api, 5)
        await his.subscribe("b", CHANGES)
        refused = await his.next("b")
        assert refused["payload"]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        await hers.say({"id": "b", "type": "complete"})
        await hers.opened(api, 4)
        await his.subscribe("c", CHANGES)
        await his.opened(api, 5)
    await settled(api)


async def test_a_burst_of_operations_leaves_nothing_behind(api: Api, port: int, anna: Person) -> None:
    async with socket(port) as one:
        _ = await one.begin(anna)
        for number in range(1000):
            await one.subscribe(f"k{number % 7}", CHANGES)
            await one.say({"id": f"k{number % 7}", "type": "complete"})
        await one.say({"id": "never", "type": "complete"})
        await one.say({"type": "ping"})
        while await one.hear() != {"type": "pong"}:
            pass
        await one.opened(api, 1)
        async with asyncio.timeout(5):
            while conversing() != 3:  # noqa: ASYNC110 - who holds it, who reads, who waits for the session's end
                await asyncio.sleep(0.005)
    await settled(api)


async def test_many_operations_at_once_are_refused_and_the_rest_goes_on(api: Api, port: int, anna: Person) -> None:
    async with socket(port) as one:
        _ = await one.begin(anna)

        async def take() -> int:
            return sum([(await one.hear())["type"] == "error" for _ in range(950)])

        taking = asyncio.create_task(take())
        for number in range(1000):
            await one.subscribe(str(number), CHANGES)

        assert await taking == 950
        await one.opened(api, 51)
    await settled(api)


# ---- Browsers --------------------------------------------------------------------------------


async def test_a_cookie_opens_a_socket_for_pages_of_ours_and_of_allowed_origins_alone(
    database_url: str, api: Api
) -> None:
    anna = await api.person("anna@example.com")
    browser = Browser(api.http)
    await browser.sign_in(anna.email)
    settings = Settings(
        env="development", database_url=database_url, secret_key=KEY, public_url=NEIGHBOUR, allowed_origins=(NEIGHBOUR,)
    )
    application = app.create(settings, clock=api.clock)
    begin = {"type": "connection_init"}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(application.router.lifespan_context(application))
        port = await stack.enter_async_context(listening(application))
        for origin in (f"https://127.0.0.1:{port}", NEIGHBOUR):
            async with socket(port, origin=origin, additional_headers=browser.cookie) as one:
                await one.say(begin)
                assert await one.hear() == {"type": "connection_ack"}, origin
        for origin in (
            "https://evil.example",
            "null",
            "https://app.example.com.evil.example",
            "http://app.example.com",
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with socket(port, origin=origin, additional_headers=browser.cookie):
                    pass
            assert refused.value.response.status_code == 403
        async with socket(port, additional_headers=browser.cookie) as one:  # no page at all: no proof
            await one.say(begin)
            assert (await one.closed())[0] == 4403
        async with socket(port, origin=NEIGHBOUR, additional_headers=browser.cookie) as one:
            await one.say({**begin, "payload": {"Authorization": f"Bearer {anna.token}"}})
            assert (await one.closed())[0] == 4400


async def test_a_socket_looks_through_nobody_and_overlooks_no_account(api: Api, port: int, anna: Person) -> None:
    token = {"Authorization": f"Bearer {anna.token}"}
    async with socket(port) as one:
        await one.say({"type": "connection_init", "payload": {**token, "X-View-As": "ACCOUNTANT"}})
        assert await one.closed() == (4400, "X-View-As is for queries.")
    async with socket(port, additional_headers={"X-View-As": "ACCOUNTANT"}) as one:
        await one.say({"type": "connection_init", "payload": token})
        assert await one.closed() == (4400, "X-View-As is for queries.")
    for account in (10_000_000_000, 1, True, {"id": anna.account_id}):
        async with socket(port) as one:
            await one.say({"type": "connection_init", "payload": {**token, "X-Account": account}})
            assert await one.closed() == (4403, "X-Account names no account that you can enter.")
    async with socket(port) as one:
        await one.say({"type": "connection_init", "payload": {**token, "X-Account": None}})
        assert await one.hear() == {"type": "connection_ack"}


# ---- As it is served -------------------------------------------------------------------------


async def test_on_the_real_server_a_large_frame_ends_the_socket_and_nothing_else(database_url: str) -> None:
    async with serve(database_url) as served, socket(served.port) as one, socket(served.port) as other:
        await one.say("x" * (MAX_BODY + 1))
        assert (await one.closed())[0] == 1009
        await other.say("x" * MAX_BODY)
        assert await other.closed() == (4400, "A message is a JSON object with a type.")


async def test_a_document_that_was_registered_is_followed_by_its_name(api: Api, port: int, anna: Person) -> None:
    caller = Caller(now=api.clock(), config=OperationConfig(KEY))
    await persisted_operation.add(caller, "web", [Document(CHANGES, None)])
    named = sha256(CHANGES.encode()).hexdigest()
    async with socket(port) as one:
        _ = await one.begin(anna)
        for key, payload in (
            ("a", {"documentId": named}),
            ("b", {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": named}}}),
        ):
            await one.say({"type": "subscribe", "id": key, "payload": payload})
        await one.opened(api, 3)
        await one.say({"type": "subscribe", "id": "c", "payload": {"documentId": "0" * 64}})
        refused = await one.next("c")
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == (
            "error",
            "PERSISTED_QUERY_NOT_IN_LIST",
        )
    await settled(api)
