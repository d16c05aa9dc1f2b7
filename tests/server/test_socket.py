"""Tests of graphql-transport-ws on real sockets: each rule of the protocol and its violations."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from websockets.exceptions import InvalidStatus

from database import db
from server.request import MAX_BODY
from server.stream_slots import StreamLimits
from tests.api import Api, Person
from tests.sockets import application_of, open_socket, serve

CHANGES = "subscription { accessChanged { kind grant { role } } }"
EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { type } }"


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    """Serve the application of the test and return the port."""
    async with serve(application_of(api), ws_max_size=4 * MAX_BODY) as port:
        yield port


@pytest.fixture
async def anna(api: Api) -> Person:
    """A user with an account."""
    return await api.person("anna@example.com")


async def wait_for_no_streams(application: Starlette) -> None:
    """Wait until no stream is open."""
    async with asyncio.timeout(5):
        while len(application.state.hub):  # noqa: ASYNC110 - the hub has no event for it
            await asyncio.sleep(0.005)


async def test_events_are_sent_until_the_client_completes(api: Api, port: int, anna: Person) -> None:
    async with open_socket(port) as client:
        await (await client.connect(anna)).subscribe("a", EVENTS, {"account": anna.account_id})
        await client.wait_for_streams(api, 2)

        await api.do("updateProfile", {"name": "Anna Ny"}, by=anna)
        await api.do("updateAccount", {"accountId": anna.account_id, "name": "Ny AS"}, by=anna)
        await api.do("updateAccount", {"accountId": anna.account_id, "name": "Nyere AS"}, by=anna)

        message = {
            "id": "a",
            "type": "next",
            "payload": {"data": {"accountEvents": {"type": "account:account:update"}}},
        }
        assert [await client.receive(), await client.receive()] == [message, message]
        await client.send({"id": "a", "type": "complete"})
        await client.send({"type": "ping"})
        assert await client.receive() == {"type": "pong"}
        await client.wait_for_streams(api, 1)
        await client.subscribe("a", CHANGES)
        await client.wait_for_streams(api, 2)
    await wait_for_no_streams(application_of(api))


async def test_revoked_grant_ends_only_its_subscription(api: Api, port: int, anna: Person) -> None:
    bo, grant = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    async with open_socket(port) as guest_socket, open_socket(port) as owner_socket:
        await (await guest_socket.connect(bo)).subscribe("events", EVENTS, {"account": anna.account_id})
        await guest_socket.subscribe("changes", CHANGES)
        await (await owner_socket.connect(anna)).subscribe("events", EVENTS, {"account": anna.account_id})
        await guest_socket.wait_for_streams(api, 5)

        assert (await api.do("revokeGrant", {"grantId": grant}, by=anna))["errors"] == []

        response = await guest_socket.next("events")
        assert (response["type"], response["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
        change = (await guest_socket.next("changes"))["payload"]["data"]["accessChanged"]
        assert change == {"kind": "REVOKED", "grant": {"role": "ADMINISTRATOR"}}
        assert (await owner_socket.next("events"))["payload"]["data"]["accountEvents"] == {
            "type": "account:grant:revoke"
        }
        assert (await api.do("restoreGrant", {"grantId": grant}, by=anna))["errors"] == []
        assert (await guest_socket.next("changes"))["payload"]["data"]["accessChanged"]["kind"] == "RESTORED"
        await guest_socket.subscribe("events", EVENTS, {"account": anna.account_id})
        await guest_socket.wait_for_streams(api, 5)


@pytest.mark.parametrize("mutation", ["signOut", "revokeSession", "revokeOtherSessions", "changePassword"])
async def test_socket_closes_with_its_session(api: Api, port: int, anna: Person, mutation: str) -> None:
    credentials = {"email": anna.email, "password": "kestrel orbit lantern"}
    selection = "accessToken session { id }" if mutation == "revokeSession" else "accessToken"
    sign_in = await api.do("signIn", credentials, selection.replace("session { id }", "viewer { session { id } }"))
    async with open_socket(port) as client:
        await (await client.connect(sign_in["accessToken"])).subscribe("a", CHANGES)
        await client.wait_for_streams(api, 2)

        if mutation == "signOut":
            await api.do("signOut", None, by=sign_in["accessToken"])
        elif mutation == "revokeSession":
            await api.do("revokeSession", {"sessionId": sign_in["viewer"]["session"]["id"]}, by=anna)
        elif mutation == "revokeOtherSessions":
            await api.do("revokeOtherSessions", None, by=anna)
        else:
            passwords = {"currentPassword": "kestrel orbit lantern", "newPassword": "another kestrel orbit"}
            assert (await api.do("changePassword", passwords, by=anna))["errors"] == []

        response = await client.next("a")
        assert (response["type"], response["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")
        assert await client.wait_for_close() == (4403, "Sign in first.")
    await wait_for_no_streams(application_of(api))


async def test_subscription_ends_when_a_role_change_or_expiry_removes_the_permission(
    api: Api, port: int, anna: Person
) -> None:
    bo, grant = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    cleo, second_grant = await api.guest(anna, "cleo@example.com", "ADMINISTRATOR")
    end = (api.clock().replace(year=api.clock().year + 1)).isoformat()
    assert (await api.do("updateGrant", {"grantId": second_grant, "validUntil": end}, by=anna))["errors"] == []
    for guest in (bo, cleo):  # Before the subscriptions, because the switch is an event.
        assert (await api.do("switchAccount", {"accountId": anna.account_id}, by=guest))["errors"] == []
    async with open_socket(port) as guest_socket, open_socket(port) as owner_socket:
        await (await guest_socket.connect(bo)).subscribe("a", EVENTS, {"account": anna.account_id})
        await (await owner_socket.connect(cleo)).subscribe("a", EVENTS, {"account": anna.account_id})
        await guest_socket.wait_for_streams(api, 4)

        assert (await api.do("updateGrant", {"grantId": grant, "role": "SIMPLE_USER"}, by=anna))["errors"] == []

        extensions = (await guest_socket.next("a"))["payload"][0]["extensions"]
        assert (extensions["code"], extensions["role"], extensions["reason"]) == ("FORBIDDEN", "SIMPLE_USER", "ROLE")
        assert (await owner_socket.next("a"))["type"] == "next"
        sessions = "UPDATE sessions SET expires_at = expires_at + interval '2 years', last_used_at = $1"
        await db.execute(sessions, api.clock().replace(year=api.clock().year + 1))
        api.clock.now = api.clock().replace(year=api.clock().year + 1)
        assert (await owner_socket.next("a"))["payload"][0]["extensions"]["code"] == "FORBIDDEN"


INVALID_STARTS: list[tuple[str, list[Any], tuple[int, str]]] = [
    ("a list", [[]], (4400, "A message is a JSON object with a type.")),
    ("null", ["null"], (4400, "A message is a JSON object with a type.")),
    ("a text", ['"x"'], (4400, "A message is a JSON object with a type.")),
    ("invalid JSON", ["{"], (4400, "A message is a JSON object with a type.")),
    ("nothing", [""], (4400, "A message is a JSON object with a type.")),
    ("no type", [{}], (4400, "A message is a JSON object with a type.")),
    ("a type that is no string", [{"type": ["next"]}], (4400, "A message is a JSON object with a type.")),
    ("an unknown type", [{"type": "start"}], (4400, "Unknown message type.")),
    ("a message type of servers", [{"type": "next", "id": "a"}], (4400, "Unknown message type.")),
    ("bytes", [b'{"type": "ping"}'], (4400, "A message must be text.")),
    ("a large message", ["x" * (MAX_BODY + 1)], (1009, f"A message has at most {MAX_BODY} bytes.")),
    ("an invalid payload", [{"type": "connection_init", "payload": []}], (4400, "A payload is a JSON object.")),
    ("an invalid payload of a ping", [{"type": "ping", "payload": 1}], (4400, "A payload is a JSON object.")),
    (
        "a subscription before the acknowledgement",
        [{"type": "subscribe", "id": "a", "payload": {}}],
        (4401, "Unauthorized"),
    ),
    ("no token", [{"type": "connection_init"}], (4403, "Sign in first.")),
    (
        "a wrong token",
        [{"type": "connection_init", "payload": {"Authorization": "Bearer x"}}],
        (4403, "Sign in first."),
    ),
    (
        "a token of another scheme",
        [{"type": "connection_init", "payload": {"authorization": {"Bearer": 1}}}],
        (4403, "Sign in first."),
    ),
]


@pytest.mark.parametrize(("name", "messages", "closure"), INVALID_STARTS, ids=[name for name, _, _ in INVALID_STARTS])
async def test_invalid_start_closes_the_socket(
    api: Api, port: int, name: str, messages: list[Any], closure: tuple[int, str]
) -> None:
    async with open_socket(port) as client:
        for message in messages:
            await client.send(message)

        assert await client.wait_for_close() == closure, name
    await wait_for_no_streams(application_of(api))


async def test_protocol_violation_closes_the_socket(api: Api, port: int, anna: Person) -> None:
    begin = {"type": "connection_init", "payload": {"Authorization": f"Bearer {anna.token}"}}
    follow = {"type": "subscribe", "id": "a", "payload": {"query": CHANGES}}
    cases: list[tuple[list[Any], tuple[int, str]]] = [
        ([begin], (4429, "Too many initialisation requests.")),
        ([follow, follow], (4409, "Subscriber for a already exists")),
        ([{**follow, "id": ""}], (4400, "An id has 1 to 80 ASCII characters.")),
        ([{**follow, "id": 1}], (4400, "An id has 1 to 80 ASCII characters.")),
        ([{**follow, "id": "x" * 81}], (4400, "An id has 1 to 80 ASCII characters.")),
        ([{**follow, "payload": "x"}], (4400, "A subscribe message has a payload.")),
        ([{"type": "complete"}], (4400, "An id has 1 to 80 ASCII characters.")),
    ]

    for messages, closure in cases:
        async with open_socket(port) as client:
            _ = await client.connect(anna)
            for message in messages:
                await client.send(message)
            assert await client.wait_for_close() == closure
    await wait_for_no_streams(application_of(api))


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{ __typename }"}, "BAD_USER_INPUT"),
        ({"query": "mutation { signOut { errors { code } } }"}, "BAD_USER_INPUT"),
        ({"query": "subscription {"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "subscription { nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "subscription { a: accessChanged { kind } accessChanged { kind } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": EVENTS}, "BAD_USER_INPUT"),
        ({"query": EVENTS, "variables": []}, "BAD_USER_INPUT"),
        ({}, "BAD_USER_INPUT"),
    ],
)
async def test_invalid_subscription_is_rejected_and_the_socket_stays_open(
    port: int, anna: Person, payload: dict[str, Any], code: str
) -> None:
    async with open_socket(port) as client:
        _ = await client.connect(anna)

        await client.send({"id": "a", "type": "subscribe", "payload": payload})

        response = await client.next("a")
        assert (response["type"], response["payload"][0]["extensions"]["code"]) == ("error", code)
        await client.send({"type": "ping"})
        assert await client.receive() == {"type": "pong"}


async def test_errors_do_not_reveal_whether_an_account_exists(api: Api, port: int, anna: Person) -> None:
    bo = await api.person("bo@example.com")
    rejections: list[Any] = []
    async with open_socket(port) as client:
        _ = await client.connect(anna)
        for account in (bo.account_id, "a" + "0" * 31 + "7", "x"):
            await client.subscribe("a", EVENTS, {"account": account})
            response, completion = await client.next("a"), await client.next("a")
            assert completion == {"id": "a", "type": "complete"}
            response["payload"]["errors"][0]["extensions"].pop("requestId")
            rejections.append(response)

    assert rejections[0] == rejections[1] == rejections[2]
    assert rejections[0]["payload"]["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_other_subprotocols_are_rejected(port: int) -> None:
    for protocols in ((), ("graphql-ws",), ("graphql-ws", "json")):
        async with open_socket(port, protocols=protocols) as client:
            assert await client.wait_for_close() == (4406, "Use the subprotocol graphql-transport-ws.")
            assert client.connection.subprotocol is None
    async with open_socket(port, protocols=("graphql-ws", "graphql-transport-ws")) as client:
        assert client.connection.subprotocol == "graphql-transport-ws"


async def test_socket_from_another_origin_is_rejected(port: int, anna: Person) -> None:
    for origin in (
        "https://evil.example",
        "null",
        f"http://127.0.0.1:{port}.evil.example",
    ):
        with pytest.raises(InvalidStatus) as error:
            async with open_socket(port, origin=origin):
                pass
        assert error.value.response.status_code == 403
        assert b'"code":"FORBIDDEN"' in (error.value.response.body or b"")
    async with open_socket(port, origin=f"http://127.0.0.1:{port}") as client:
        _ = await client.connect(anna)


async def test_token_in_the_handshake_is_accepted(port: int, anna: Person) -> None:
    async with open_socket(port, additional_headers={"Authorization": f"Bearer {anna.token}"}) as client:
        await client.send({"type": "connection_init"})

        assert await client.receive() == {"type": "connection_ack"}


async def test_subscriptions_of_a_socket_are_limited(api: Api, port: int, anna: Person) -> None:
    application_of(api).state.stream_slots.limits = StreamLimits(per_user=100)
    async with open_socket(port) as client:
        _ = await client.connect(anna)
        for number in range(51):
            await client.subscribe(str(number), CHANGES)

        response = await client.next("50")
        assert (response["type"], response["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        await client.wait_for_streams(api, 51)
    await wait_for_no_streams(application_of(api))


async def test_streams_of_a_user_are_limited(api: Api, port: int, anna: Person) -> None:
    async with asyncio.timeout(20), open_socket(port) as first, open_socket(port) as second, open_socket(port) as third:
        for client in (first, second):
            _ = await client.connect(anna)
            for number in range(9):
                await client.subscribe(str(number), CHANGES)
        await first.wait_for_streams(api, 20)

        await second.subscribe("one more", CHANGES)
        response = await second.next("one more")
        await third.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {anna.token}"}})

        assert (response["type"], response["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        assert await third.wait_for_close() == (4429, "The maximum of open streams for a user is 20. Close one first.")


async def test_shutdown_closes_sockets_with_going_away(api: Api, port: int, anna: Person) -> None:
    async with open_socket(port) as client:
        await (await client.connect(anna)).subscribe("a", CHANGES)
        await client.wait_for_streams(api, 2)

        application_of(api).state.hub.close()

        assert await client.wait_for_close() == (1001, "The server is shutting down. Connect again.")
        assert client.messages_by_operation == {}
    async with open_socket(port) as client:
        await client.send({"type": "connection_init", "payload": {"Authorization": f"Bearer {anna.token}"}})
        assert (await client.wait_for_close())[0] == 1013
