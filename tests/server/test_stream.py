"""Tests of Server-Sent Events: delivery, rejections, and the end of all tasks of a stream."""

import asyncio

import httpx2
import orjson
import pytest

from server import stream
from tests.api import Api, Person
from tests.event_stream import follow
from tests.sockets import application_of, serve

CHANGES = "subscription { accessChanged { kind grant { role } } }"
EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { type } }"
ACCEPT_JSON_OR_EVENTS = "application/graphql-response+json, application/json;q=0.9, text/event-stream"


def stream_tasks() -> list[str]:
    """Return the names of the running tasks that serve streams."""
    names = [str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()]
    return [
        name
        for name in names
        if name.startswith("EventStreamResponse.") or name in {"_send_heartbeats", "_wait_for_disconnect"}
    ]


async def wait_for_streams(api: Api, *, count: int = 0) -> None:
    """Wait until `count` streams are open. If it is 0, also wait for the end of their tasks."""
    async with asyncio.timeout(5):
        hub = application_of(api).state.hub
        while len(hub) != count or bool(stream_tasks()) != bool(count):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


async def test_events_are_sent_until_the_session_ends(api: Api) -> None:
    anna = await api.person("anna@example.com")
    async with follow(api, EVENTS, {"account": anna.account_id}, by=anna) as events:
        await events.wait_until_open()
        assert (events.status, events.headers[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
        assert events.headers[b"cache-control"] == b"no-store"
        assert len(events.headers[b"x-request-id"]) == 32

        for name in ("Ny AS", "Nyere AS"):
            await api.do("updateAccount", {"accountId": anna.account_id, "name": name}, by=anna)

        for _ in range(2):
            assert (await events.answer()).data == {"accountEvents": {"type": "account:account:update"}}
        await api.do("signOut", None, by=anna)
        error_event = await events.answer()
        assert ("data" in error_event.body, error_event.codes) == (False, ["UNAUTHENTICATED"])
        assert await events.next() is None
    await wait_for_streams(api)


async def test_disconnected_client_leaves_no_stream(api: Api) -> None:
    anna = await api.person("anna@example.com")

    for _ in range(5):
        async with follow(api, CHANGES, by=anna) as events:
            await events.wait_until_open()

    await wait_for_streams(api)


async def test_idle_stream_sends_heartbeats(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.01)
    anna = await api.person("anna@example.com")

    async with follow(api, CHANGES, by=anna) as events:
        await events.wait_until_open()

        assert [await events.part() for _ in range(3)] == [b":\n\n"] * 3


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "*/*"])
async def test_subscription_without_an_event_stream_accept_header_is_rejected(api: Api, accept: str) -> None:
    anna = await api.person("anna@example.com")

    response = await api.ask(CHANGES, by=anna, headers={"Accept": accept})

    assert (response.status, response.codes, "data" in response.body) == (406, ["BAD_USER_INPUT"], False)
    assert response.errors[0]["message"].startswith("A subscription needs text/event-stream")


async def test_subscription_by_get_is_rejected(api: Api) -> None:
    response = await api.http.get("/graphql", params={"query": CHANGES}, headers={"Accept": "text/event-stream"})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_query_is_sent_as_an_event_if_only_events_are_accepted(api: Api) -> None:
    async with follow(api, "{ __typename }") as events:
        await events.part()

        assert (await events.answer()).data == {"__typename": "Query"}
        assert await events.next() is None
    response = await api.ask("{ __typename }", headers={"Accept": ACCEPT_JSON_OR_EVENTS})
    assert response.data == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("subscription {", 400, "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", 400, "GRAPHQL_VALIDATION_FAILED"),
        ("", 400, "BAD_USER_INPUT"),
    ],
)
async def test_invalid_subscription_is_rejected_with_json(api: Api, query: str, status: int, code: str) -> None:
    response = await api.http.post("/graphql", json={"query": query}, headers={"Accept": "text/event-stream"})

    assert response.status_code == status
    assert "json" in response.headers["content-type"]
    assert response.json()["errors"][0]["extensions"]["code"] == code


async def test_subscription_without_a_session_is_rejected(api: Api) -> None:
    async with follow(api, CHANGES, accept=ACCEPT_JSON_OR_EVENTS) as events:
        await events.wait_until_open()

        response = await events.answer()
        assert (response.partial, response.codes) == (None, ["UNAUTHENTICATED"])
        assert await events.next() is None


async def test_stream_outlives_the_access_to_the_account_of_its_header(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    async with follow(api, CHANGES, by=bo, account=anna.account_id) as events:
        await events.wait_until_open()

        await api.do("revokeGrant", {"grantId": grant}, by=anna)

        change = (await events.answer()).data["accessChanged"]
        assert change == {"kind": "REVOKED", "grant": {"role": "COLLABORATOR"}}
    async with follow(api, CHANGES, by=bo, account=anna.account_id) as events:
        await events.wait_until_open()

        await api.do("restoreGrant", {"grantId": grant}, by=anna)

        assert (await events.answer()).data["accessChanged"]["kind"] == "RESTORED"


async def test_real_connection_delivers_events_and_its_end_stops_the_stream(api: Api) -> None:
    anna = await api.person("anna@example.com")
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {anna.token}"}
    async with serve(application_of(api)) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        body = {"query": EVENTS, "variables": {"account": anna.account_id}}
        async with http.stream("POST", "/graphql", json=body, headers=headers) as response:
            lines = response.aiter_lines()
            assert (await anext(lines), await anext(lines)) == (":", "")
            await wait_for_streams(api, count=1)
            await api.do("updateAccount", {"accountId": anna.account_id, "name": "Ny AS"}, by=anna)
            assert await anext(lines) == "event: next"
            data = (await anext(lines)).removeprefix("data: ")
            assert orjson.loads(data) == {"data": {"accountEvents": {"type": "account:account:update"}}}
        await wait_for_streams(api)


async def test_shutdown_ends_the_stream_without_complete(api: Api) -> None:
    """The client then connects again to another process. After `complete` it would not."""
    anna: Person = await api.person("anna@example.com")
    async with follow(api, CHANGES, by=anna) as events:
        await events.wait_until_open()

        application_of(api).state.hub.close()

        assert await events.part() is None
