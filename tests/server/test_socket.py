"""graphql-transport-ws as a client sees it, on real sockets: each rule of the protocol, and who breaks them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from websockets.exceptions import InvalidStatus

from database import db
from server.request import MAX_BODY
from tests.api import Api, Person
from tests.sockets import Socket, listening, running, socket

CHANGES = "subscription { accessChanged { kind grant { role } } }"
EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { type } }"


@pytest.fixture
async def port(api: Api) -> AsyncIterator[int]:
    """The port on which the application of the test is served."""
    async with listening(running(api), ws_max_size=4 * MAX_BODY) as port:
        yield port


@pytest.fixture
async def anna(api: Api) -> Person:
    """Somebody with an account of her own."""
    return await api.person("anna@example.com")


async def settled(application: Starlette) -> None:
    """Wait until nothing is open any more."""
    async with asyncio.timeout(5):
        while len(application.state.hub):  # noqa: ASYNC110 - the hub tells nobody
            await asyncio.sleep(0.005)


async def test_events_come_until_the_client_has_enough(api: Api, port: int, anna: Person) -> None:
    async with socket(port) as one:
        await (await one.begin(anna)).subscribe("a", EVENTS, {"account": anna.account_id})
        await one.opened(api, 2)

        await api.do("updateProfile", {"name": "Anna Ny"}, by=anna)
        await api.do("updateAccount", {"accountId": anna.account_id, "name": "Ny AS"}, by=anna)
        await api.do("updateAccount", {"accountId": anna.account_id, "name": "Nyere AS"}, by=anna)

        told = {"id": "a", "type": "next", "payload": {"data": {"accountEvents": {"type": "account:account:update"}}}}
        assert [await one.hear(), await one.hear()] == [told, told]
        await one.say({"id": "a", "type": "complete"})
        await one.say({"type": "ping"})
        assert await one.hear() == {"type": "pong"}
        await one.opened(api, 1)
        await one.subscribe("a", CHANGES)
        await one.opened(api, 2)
    await settled(running(api))


async def test_a_guest_is_cut_off_alone_and_only_from_what_he_lost(api: Api, port: int, anna: Person) -> None:
    bo, grant = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    async with socket(port) as his, socket(port) as hers:
        await (await his.begin(bo)).subscribe("events", EVENTS, {"account": anna.account_id})
        await his.subscribe("changes", CHANGES)
        await (await hers.begin(anna)).subscribe("events", EVENTS, {"account": anna.account_id})
        await his.opened(api, 5)

        assert (await api.do("revokeGrant", {"grantId": grant}, by=anna))["errors"] == []

        ended = await his.next("events")
        assert (ended["type"], ended["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
        change = (await his.next("changes"))["payload"]["data"]["accessChanged"]
        assert change == {"kind": "REVOKED", "grant": {"role": "ADMINISTRATOR"}}
        assert (await hers.next("events"))["payload"]["data"]["accountEvents"] == {"type": "account:grant:revoke"}
        assert (await api.do("restoreGrant", {"grantId": grant}, by=anna))["errors"] == []
        assert (await his.next("changes"))["payload"]["data"]["accessChanged"]["kind"] == "RESTORED"
        await his.subscribe("events", EVENTS, {"account": anna.account_id})
        await his.opened(api, 5)


@pytest.mark.parametrize("how", ["signOut", "revokeSession", "revokeOtherSessions", "changePassword"])
async def test_a_session_that_ends_closes_its_socket(api: Api, port: int, anna: Person, how: str) -> None:
    given = {"email": anna.email, "password": "kestrel orbit lantern"}
    show = "accessToken session { id }" if how == "revokeSession" else "accessToken"
    done = await api.do("signIn", given, show.replace("session { id }", "viewer { session { id } }"))
    async with socket(port) as one:
        await (await one.begin(done["accessToken"])).subscribe("a", CHANGES)
        await one.opened(api, 2)

        if how == "signOut":
            await api.do("signOut", None, by=done["accessToken"])
        elif how == "revokeSession":
            await api.do("revokeSession", {"sessionId": done["viewer"]["session"]["id"]}, by=anna)
        elif how == "revokeOtherSessions":
            await api.do("revokeOtherSessions", None, by=anna)
        else:
            words = {"currentPassword": "kestrel orbit lantern", "newPassword": "another kestrel orbit"}
            assert (await api.do("changePassword", words, by=anna))["errors"] == []

        ended = await one.next("a")
        assert (ended["type"], ended["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")
        assert await one.closed() == (4403, "Sign in first.")
    await settled(running(api))


async def test_who_loses_the_permission_by_a_new_role_or_by_time_is_cut_off(api: Api, port: int, anna: Person) -> None:
    bo, grant = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    cleo, second = await api.guest(anna, "cleo@example.com", "ADMINISTRATOR")
    end = (api.clock().replace(year=api.clock().year + 1)).isoformat()
    assert (await api.do("updateGrant", {"grantId": second, "validUntil": end}, by=anna))["errors"] == []
    for guest in (bo, cleo):  # who enters while another one follows is told of
        assert (await api.do("switchAccount", {"accountId": anna.account_id}, by=guest))["errors"] == []
    async with socket(port) as his, socket(port) as hers:
        await (await his.begin(bo)).subscribe("a", EVENTS, {"account": anna.account_id})
        await (await hers.begin(cleo)).subscribe("a", EVENTS, {"account": anna.account_id})
        await his.opened(api, 4)

        assert (await api.do("updateGrant", {"grantId": grant, "role": "SIMPLE_USER"}, by=anna))["errors"] == []

        ended = (await his.next("a"))["payload"][0]["extensions"]
        assert (ended["code"], ended["role"], ended["reason"]) == ("FORBIDDEN", "SIMPLE_USER", "ROLE")
        assert (await hers.next("a"))["type"] == "next"
        sessions = "UPDATE sessions SET expires_at = expires_at + interval '2 years', last_used_at = $1"
        await db.execute(sessions, api.clock().replace(year=api.clock().year + 1))
        api.clock.now = api.clock().replace(year=api.clock().year + 1)
        assert (await hers.next("a"))["payload"][0]["extensions"]["code"] == "FORBIDDEN"


REFUSALS: list[tuple[str, list[Any], tuple[int, str]]] = [
    ("a list", [[]], (4400, "A message is a JSON object with a type.")),
    ("null", ["null"], (4400, "A message is a JSON object with a type.")),
    ("a text", ['"x"'], (4400, "A message is a JSON object with a type.")),
    ("no JSON", ["{"], (4400, "A message is a JSON object with a type.")),
    ("nothing", [""], (4400, "A message is a JSON object with a type.")),
    ("no type", [{}], (4400, "A message is a JSON object with a type.")),
    ("a type that is none", [{"type": ["next"]}], (4400, "A message is a JSON object with a type.")),
    ("an unknown type", [{"type": "start"}], (4400, "This type of message is not known here.")),
    ("what only servers say", [{"type": "next", "id": "a"}], (4400, "This type of message is not known here.")),
    ("bytes", [b'{"type": "ping"}'], (4400, "Messages are text.")),
    ("much", ["x" * (MAX_BODY + 1)], (1009, f"A message has at most {MAX_BODY} bytes.")),
    ("a payload that is none", [{"type": "connection_init", "payload": []}], (4400, "A payload is a JSON object.")),
    ("a ping's payload that is none", [{"type": "ping", "payload": 1}], (4400, "A payload is a JSON object.")),
    ("to follow before the beginning", [{"type": "subscribe", "id": "a", "payload": {}}], (4401, "Unauthorized")),
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


@pytest.mark.parametrize(("said", "messages", "expected"), REFUSALS, ids=[said for said, _, _ in REFUSALS])
async def test_what_is_no_beginning_closes_the_socket(
    api: Api, port: int, said: str, messages: list[Any], expected: tuple[int, str]
) -> None:
    async with socket(port) as one:
        for message in messages:
            await one.say(message)

        assert await one.closed() == expected, said
    await settled(running(api))


async def test_what_breaks_the_rules_later_closes_the_socket(api: Api, port: int, anna: Person) -> None:
    begin = {"type": "connection_init", "payload": {"Authorization": f"Bearer {anna.token}"}}
    follow = {"type": "subscribe", "id": "a", "payload": {"query": CHANGES}}
    broken: list[tuple[list[Any], tuple[int, str]]] = [
        ([begin], (4429, "Too many initialisation requests.")),
        ([follow, follow], (4409, "Subscriber for a already exists")),
        ([{**follow, "id": ""}], (4400, "An id has 1 to 80 ASCII characters.")),
        ([{**follow, "id": 1}], (4400, "An id has 1 to 80 ASCII characters.")),
        ([{**follow, "id": "x" * 81}], (4400, "An id has 1 to 80 ASCII characters.")),
        ([{**follow, "payload": "x"}], (4400, "A subscribe message has a payload.")),
        ([{"type": "complete"}], (4400, "An id has 1 to 80 ASCII characters.")),
    ]

    for messages, expected in broken:
        async with socket(port) as one:
            _ = await one.begin(anna)
            for message in messages:
                await one.say(message)
            assert await one.closed() == expected
    async with socket(port) as one:
        await one.say(
            {"type": "connection_init", "payload": {"Authorization": f"Bearer {anna.token}", "X-Account": "1"}}
        )
        assert await one.closed() == (4403, "X-Account names no account that you can enter.")
    await settled(running(api))


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
async def test_what_cannot_be_followed_is_refused_alone(
    port: int, anna: Person, payload: dict[str, Any], code: str
) -> None:
    async with socket(port) as one:
        _ = await one.begin(anna)

        await one.say({"id": "a", "type": "subscribe", "payload": payload})

        refused = await one.next("a")
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", code)
        await one.say({"type": "ping"})
        assert await one.hear() == {"type": "pong"}


async def test_foreign_unknown_and_malformed_accounts_are_refused_alike(api: Api, port: int, anna: Person) -> None:
    bo = await api.person("bo@example.com")
    answers: list[Any] = []
    async with socket(port) as one:
        _ = await one.begin(anna)
        for account in (bo.account_id, "a" + "0" * 31 + "7", "x"):
            await one.subscribe("a", EVENTS, {"account": account})
            refused, done = await one.next("a"), await one.next("a")
            assert done == {"id": "a", "type": "complete"}
            refused["payload"]["errors"][0]["extensions"].pop("requestId")
            answers.append(refused)

    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["payload"]["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_only_this_protocol_is_spoken(port: int) -> None:
    for protocols in ((), ("graphql-ws",), ("graphql-ws", "json")):
        async with socket(port, protocols=protocols) as one:
            assert await one.closed() == (4406, "Speak graphql-transport-ws.")
            assert one.connection.subprotocol is None
    async with socket(port, protocols=("graphql-ws", "graphql-transport-ws")) as one:
        assert one.connection.subprotocol == "graphql-transport-ws"


async def test_pages_of_other_origins_get_no_socket(port: int, anna: Person) -> None:
    for origin in (
        "https://evil.example",
        "null",
        f"http://127.0.0.1:{port}.evil.example",
        f"https://127.0.0.1:{port}",
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with socket(port, origin=origin):
                pass
        assert refused.value.response.status_code == 403
        assert b'"code":"FORBIDDEN"' in (refused.value.response.body or b"")
    async with socket(port, origin=f"http://127.0.0.1:{port}") as one:
        _ = await one.begin(anna)


async def test_a_token_may_come_with_the_handshake(port: int, anna: Person) -> None:
    async with socket(port, additional_headers={"Authorization": f"Bearer {anna.token}"}) as one:
        await one.say({"type": "connection_init"})

        assert await one.hear() == {"type": "connection_ack"}


async def test_a_socket_follows_only_so_much(api: Api, port: int, anna: Person) -> None:
    async with socket(port) as one:
        _ = await one.begin(anna)
        for number in range(51):
            await one.subscribe(str(number), CHANGES)

        refused = await one.next("50")
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        await one.opened(api, 51)
    await settled(running(api))


async def test_who_has_too_many_streams_is_told_to_wait(api: Api, port: int, anna: Person) -> None:
    sockets: list[Socket] = []
    async with asyncio.timeout(20):
        async with socket(port) as first, socket(port) as second, socket(port) as third:
            sockets += [first, second, third]
            for one in sockets[:2]:
                _ = await one.begin(anna)
                for number in range(49):
                    await one.subscribe(str(number), CHANGES)
            await first.opened(api, 100)

            await third.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {anna.token}"}})

            assert (await third.closed())[0] == 1013


async def test_when_the_process_goes_clients_are_told_to_come_back(api: Api, port: int, anna: Person) -> None:
    async with socket(port) as one:
        await (await one.begin(anna)).subscribe("a", CHANGES)
        await one.opened(api, 2)

        running(api).state.hub.close()

        assert await one.closed() == (1001, "This server goes; connect again.")
        assert one.waiting == {}
    async with socket(port) as one:
        await one.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {anna.token}"}})
        assert (await one.closed())[0] == 1013
