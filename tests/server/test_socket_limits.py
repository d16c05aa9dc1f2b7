"""Tests of socket limits and of sockets from browsers. Each limit is reached once."""

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
from models.persisted_operation import PersistedOperation
from server.request import MAX_BODY
from server.socket import Sockets
from server.stream_slots import StreamLimits
from server.websocket import WebSocket
from settings import Settings
from tests.api import KEY, Api, Person
from tests.browser import Browser
from tests.schema.world import key
from tests.serving import run_process
from tests.sockets import application_of, open_socket, serve

CHANGES = "subscription { accessChanged { kind } }"
LONG_SUBSCRIPTION = " ".join(
    [
        "subscription ($account: ID!) { accountEvents(accountId: $account) {",
        *(f"{'x' * 400}{number}: id" for number in range(12)),
        "} }",
    ]
)
OTHER_ORIGIN = "https://app.example.com"


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    async with serve(application_of(api), ws_max_size=MAX_BODY) as port:
        yield port


@pytest.fixture
async def anna(api: Api) -> Person:
    return await api.person("anna@example.com")


def set_limits(api: Api, **limits: Any) -> None:
    """Replace the limits of sockets."""
    (route,) = (route for route in application_of(api).routes if isinstance(route, WebSocketRoute))
    assert isinstance(route.app, Sockets)
    route.app._services = replace(route.app._services, **limits)


def set_stream_limits(api: Api, **limits: int) -> None:
    """Replace the limits of streams."""
    application_of(api).state.stream_slots.limits = StreamLimits(**limits)


def count_socket_tasks() -> int:
    """Return the number of running tasks that serve sockets."""
    names = [str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()]
    return sum(name.startswith(("SocketConnection.", "WebSocket.run_asgi")) for name in names)


async def wait_for_cleanup(api: Api) -> None:
    """Wait until no stream is open and no socket task runs."""
    async with asyncio.timeout(5):
        while len(application_of(api).state.hub) or count_socket_tasks():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


async def test_socket_without_init_is_closed(api: Api, port: int, anna: Person) -> None:
    # Long enough for a handshake on a busy machine, so that the test does not depend on speed.
    set_limits(api, init_seconds=1)
    async with open_socket(port) as ready_client:
        _ = await ready_client.connect(anna)
        async with open_socket(port) as pinging_client, open_socket(port) as silent_client:
            await pinging_client.send({"type": "ping"})

            for client in (silent_client, pinging_client):
                assert await client.wait_for_close() == (4408, "Connection initialisation timeout.")
        await ready_client.send({"type": "ping"})
        assert await ready_client.receive() == {"type": "pong"}
    await wait_for_cleanup(api)


async def test_client_that_reads_nothing_is_disconnected(
    api: Api, port: int, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limits(api, send_seconds=0.2)
    monkeypatch.setattr(WebSocket, "linger_seconds", 0.2)
    closed_connections: list[object] = []
    connection_lost = WebSocket.connection_lost

    def record_loss(self: WebSocket, exc: Exception | None) -> None:
        closed_connections.append(self)
        connection_lost(self, exc)

    def limit_send_buffer(self: WebSocket, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)
        connection_made(self, transport)

    connection_made = WebSocket.connection_made
    monkeypatch.setattr(WebSocket, "connection_lost", record_loss)
    monkeypatch.setattr(WebSocket, "connection_made", limit_send_buffer)
    with sockets.socket() as raw_socket:
        raw_socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw_socket.connect(("127.0.0.1", port))
        raw_socket.setblocking(False)
        async with open_socket(port, sock=raw_socket, max_queue=1) as client:
            await (await client.connect(anna)).subscribe("a", LONG_SUBSCRIPTION, {"account": anna.account_id})
            await client.wait_for_streams(api, 2)
            client.connection.transport.pause_reading()
            await db.execute(
                "INSERT INTO events (id, type, occurred_at, account_id) SELECT gen_random_uuid(), 'operator:test:done',"
                " now(), $1 FROM generate_series(1, 1000)",
                key(anna.account_id),
            )
            application_of(api).state.hub.wake()

            await wait_for_cleanup(api)
            async with asyncio.timeout(5):
                while not closed_connections:  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.01)
            client.connection.transport.abort()


async def test_sockets_of_a_process_are_limited(api: Api, port: int, anna: Person) -> None:
    set_stream_limits(api, connections=2)
    async with open_socket(port) as first_client:
        _ = await first_client.connect(anna)
        async with open_socket(port) as second_client:
            _ = await second_client.connect(anna)
            with pytest.raises(InvalidStatus) as error:
                async with open_socket(port):
                    pass
            assert error.value.response.status_code == 503
            assert error.value.response.headers["retry-after"] == "60"
            assert b'"code":"SERVICE_UNAVAILABLE"' in (error.value.response.body or b"")
        async with asyncio.timeout(5):
            while count_socket_tasks() > 4:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.005)
        async with open_socket(port) as third_client:
            _ = await third_client.connect(anna)
    await wait_for_cleanup(api)


async def test_oldest_socket_without_a_session_yields_to_another_stream(api: Api, port: int, anna: Person) -> None:
    set_stream_limits(api, connections=2)
    async with open_socket(port) as oldest_client, open_socket(port) as idle_client, open_socket(port) as user_client:
        assert await oldest_client.wait_for_close() == (1013, "Too many open streams. Connect again later.")

        _ = await user_client.connect(anna)
        _ = await idle_client.connect(anna)
    await wait_for_cleanup(api)


async def test_sockets_of_a_network_are_limited(
    api: Api, port: int, anna: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    set_stream_limits(api, per_network=2)
    async with open_socket(port) as client:
        await (await client.connect(anna)).subscribe("a", CHANGES)
        await client.wait_for_streams(api, 2)
        with pytest.raises(InvalidStatus) as error:
            async with open_socket(port):
                pass
    assert error.value.response.status_code == 429
    assert b'"code":"RATE_LIMITED"' in (error.value.response.body or b"")
    await wait_for_cleanup(api)
    assert "ERROR" not in capfd.readouterr().err


async def test_stream_limits_apply_per_user_and_per_process(api: Api, port: int, anna: Person) -> None:
    set_stream_limits(api, per_user=3)
    bo = await api.person("bo@example.com")
    async with open_socket(port) as owner_socket, open_socket(port) as guest_socket:
        await (await owner_socket.connect(anna)).subscribe("a", CHANGES)
        await owner_socket.wait_for_streams(api, 2)
        await owner_socket.subscribe("b", CHANGES)
        await owner_socket.wait_for_streams(api, 3)
        await owner_socket.subscribe("c", CHANGES)
        response = await owner_socket.next("c")
        assert (response["type"], response["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        set_stream_limits(api, per_user=3, streams=5)
        await (await guest_socket.connect(bo)).subscribe("a", CHANGES)
        await guest_socket.wait_for_streams(api, 5)
        await guest_socket.subscribe("b", CHANGES)
        response = await guest_socket.next("b")
        assert response["payload"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        await owner_socket.send({"id": "b", "type": "complete"})
        await owner_socket.wait_for_streams(api, 4)
        await guest_socket.subscribe("c", CHANGES)
        await guest_socket.wait_for_streams(api, 5)
    await wait_for_cleanup(api)


async def test_many_short_operations_leave_no_task(api: Api, port: int, anna: Person) -> None:
    async with open_socket(port) as client:
        _ = await client.connect(anna)
        for number in range(1000):
            await client.subscribe(f"k{number % 7}", CHANGES)
            await client.send({"id": f"k{number % 7}", "type": "complete"})
        await client.send({"id": "never", "type": "complete"})
        await client.send({"type": "ping"})
        while await client.receive() != {"type": "pong"}:
            pass
        await client.wait_for_streams(api, 1)
        async with asyncio.timeout(5):
            while count_socket_tasks() != 3:  # noqa: ASYNC110 - the socket, its reader, the task that waits for the end of the session
                await asyncio.sleep(0.005)
    await wait_for_cleanup(api)


async def test_operations_over_the_limit_are_rejected_and_the_others_continue(
    api: Api, port: int, anna: Person
) -> None:
    set_stream_limits(api, per_user=100)
    async with open_socket(port) as client:
        _ = await client.connect(anna)

        async def count_errors() -> int:
            return sum([(await client.receive())["type"] == "error" for _ in range(950)])

        error_count_task = asyncio.create_task(count_errors())
        for number in range(1000):
            await client.subscribe(str(number), CHANGES)

        assert await error_count_task == 950
        await client.wait_for_streams(api, 51)
    await wait_for_cleanup(api)


# ---- Browsers --------------------------------------------------------------------------------


async def test_cookie_is_accepted_only_from_allowed_origins(database_url: str, api: Api) -> None:
    anna = await api.person("anna@example.com")
    browser = Browser(api.http)
    await browser.sign_in(anna.email)
    settings = Settings(
        env="development",
        database_url=database_url,
        secret_key=KEY,
        public_url=OTHER_ORIGIN,
        allowed_origins=(OTHER_ORIGIN,),
    )
    application = app.create(settings, clock=api.clock)
    init_message = {"type": "connection_init"}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(application.router.lifespan_context(application))
        port = await stack.enter_async_context(serve(application))
        for origin in (f"https://127.0.0.1:{port}", OTHER_ORIGIN):
            async with open_socket(port, origin=origin, additional_headers=browser.cookie_header) as client:
                await client.send(init_message)
                assert await client.receive() == {"type": "connection_ack"}, origin
        for origin in (
            "https://evil.example",
            "null",
            "https://app.example.com.evil.example",
            "http://app.example.com",
        ):
            with pytest.raises(InvalidStatus) as error:
                async with open_socket(port, origin=origin, additional_headers=browser.cookie_header):
                    pass
            assert error.value.response.status_code == 403
        async with open_socket(
            port, additional_headers=browser.cookie_header
        ) as client:  # Without an Origin header the cookie is not accepted.
            await client.send(init_message)
            assert (await client.wait_for_close())[0] == 4403
        async with open_socket(port, origin=OTHER_ORIGIN, additional_headers=browser.cookie_header) as client:
            await client.send({**init_message, "payload": {"Authorization": f"Bearer {anna.token}"}})
            assert (await client.wait_for_close())[0] == 4400


async def test_socket_rejects_view_as_and_accepts_unknown_accounts(api: Api, port: int, anna: Person) -> None:
    token = {"Authorization": f"Bearer {anna.token}"}
    async with open_socket(port) as client:
        await client.send({"type": "connection_init", "payload": {**token, "X-View-As": "ACCOUNTANT"}})
        assert await client.wait_for_close() == (4400, "X-View-As is for queries.")
    async with open_socket(port, additional_headers={"X-View-As": "ACCOUNTANT"}) as client:
        await client.send({"type": "connection_init", "payload": token})
        assert await client.wait_for_close() == (4400, "X-View-As is for queries.")
    for account in (10_000_000_000, 1, True, {"id": anna.account_id}, None):
        async with open_socket(port) as client:
            await client.send({"type": "connection_init", "payload": {**token, "X-Account": account}})
            assert await client.receive() == {"type": "connection_ack"}


# ---- Real server -----------------------------------------------------------------------------


async def test_large_frame_closes_only_its_socket(database_url: str) -> None:
    async with (
        run_process(database_url) as server,
        open_socket(server.port) as client,
        open_socket(server.port) as other_client,
    ):
        await client.send("x" * (MAX_BODY + 1))
        assert (await client.wait_for_close())[0] == 1009
        await other_client.send("x" * MAX_BODY)
        assert await other_client.wait_for_close() == (4400, "A message is a JSON object with a type.")


async def test_persisted_subscription_is_started_by_its_id(api: Api, port: int, anna: Person) -> None:
    caller = Caller(now=api.clock(), config=OperationConfig(KEY))
    await persisted_operation.add(caller, "web", [PersistedOperation(CHANGES, None)])
    document_id = sha256(CHANGES.encode()).hexdigest()
    async with open_socket(port) as client:
        _ = await client.connect(anna)
        for operation_id, payload in (
            ("a", {"documentId": document_id}),
            ("b", {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": document_id}}}),
        ):
            await client.send({"type": "subscribe", "id": operation_id, "payload": payload})
        await client.wait_for_streams(api, 3)
        await client.send({"type": "subscribe", "id": "c", "payload": {"documentId": "0" * 64}})
        response = await client.next("c")
        assert (response["type"], response["payload"][0]["extensions"]["code"]) == (
            "error",
            "PERSISTED_QUERY_NOT_IN_LIST",
        )
    await wait_for_cleanup(api)
