"""Server-Sent Events as a client sees them: what is followed, what is refused, and that nothing is left behind."""

import asyncio

import httpx2
import orjson
import pytest

from server import stream
from tests.api import Api, Person
from tests.following import following
from tests.sockets import listening, running

CHANGES = "subscription { accessChanged { kind grant { role } } }"
EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { type } }"
BOTH = "application/graphql-response+json, application/json;q=0.9, text/event-stream"


def working() -> list[str]:
    """What runs for somebody who follows."""
    names = [str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith("Following.") or name in {"_beat", "_until_gone"}]


async def settled(api: Api, *, count: int = 0) -> None:
    """Wait until so many streams are open; where it is none, nothing works for any."""
    async with asyncio.timeout(5):
        while len(running(api).state.hub) != count or bool(working()) != bool(count):  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.005)


async def test_events_come_as_they_are_written_until_the_session_ends(api: Api) -> None:
    anna = await api.person("anna@example.com")
    async with following(api, EVENTS, {"account": anna.account_id}, by=anna) as followed:
        await followed.opened()
        assert (followed.status, followed.headers[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
        assert followed.headers[b"cache-control"] == b"no-store"
        assert len(followed.headers[b"x-request-id"]) == 32

        for name in ("Ny AS", "Nyere AS"):
            await api.do("updateAccount", {"accountId": anna.account_id, "name": name}, by=anna)

        for _ in range(2):
            assert (await followed.answer()).data == {"accountEvents": {"type": "account:account:update"}}
        await api.do("signOut", None, by=anna)
        ended = await followed.answer()
        assert ("data" in ended.body, ended.codes) == (False, ["UNAUTHENTICATED"])
        assert await followed.next() is None
    await settled(api)


async def test_who_goes_away_leaves_nothing_behind(api: Api) -> None:
    anna = await api.person("anna@example.com")

    for _ in range(5):
        async with following(api, CHANGES, by=anna) as followed:
            await followed.opened()

    await settled(api)


async def test_an_idle_stream_shows_that_it_lives(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT_SECONDS", 0.01)
    anna = await api.person("anna@example.com")

    async with following(api, CHANGES, by=anna) as followed:
        await followed.opened()

        assert [await followed.part() for _ in range(3)] == [b":\n\n"] * 3


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "*/*"])
async def test_who_takes_no_events_is_told_how_to_follow(api: Api, accept: str) -> None:
    anna = await api.person("anna@example.com")

    answer = await api.ask(CHANGES, by=anna, headers={"Accept": accept})

    assert (answer.status, answer.codes, "data" in answer.body) == (406, ["BAD_USER_INPUT"], False)
    assert answer.errors[0]["message"].startswith("Follow a subscription: accept text/event-stream, or ")


async def test_a_subscription_is_nothing_for_get(api: Api) -> None:
    response = await api.http.get("/graphql", params={"query": CHANGES}, headers={"Accept": "text/event-stream"})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_query_is_an_event_for_who_takes_nothing_else(api: Api) -> None:
    async with following(api, "{ __typename }") as followed:
        await followed.part()

        assert (await followed.answer()).data == {"__typename": "Query"}
        assert await followed.next() is None
    answer = await api.ask("{ __typename }", headers={"Accept": BOTH})
    assert answer.data == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("subscription {", 400, "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", 400, "GRAPHQL_VALIDATION_FAILED"),
        ("", 400, "BAD_USER_INPUT"),
    ],
)
async def test_what_cannot_start_is_refused_like_any_request(api: Api, query: str, status: int, code: str) -> None:
    response = await api.http.post("/graphql", json={"query": query}, headers={"Accept": "text/event-stream"})

    assert response.status_code == status
    assert "json" in response.headers["content-type"]
    assert response.json()["errors"][0]["extensions"]["code"] == code


async def test_nobody_follows_without_a_session(api: Api) -> None:
    async with following(api, CHANGES, accept=BOTH) as followed:
        await followed.opened()

        refused = await followed.answer()
        assert (refused.partial, refused.codes) == (None, ["UNAUTHENTICATED"])
        assert await followed.next() is None


async def test_the_account_header_must_fit_and_does_not_end_what_is_followed(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    async with following(api, CHANGES, by=bo, account=anna.account_id) as followed:
        await followed.opened()

        await api.do("revokeGrant", {"grantId": grant}, by=anna)

        change = (await followed.answer()).data["accessChanged"]
        assert change == {"kind": "REVOKED", "grant": {"role": "COLLABORATOR"}}
    response = await api.http.post(
        "/graphql",
        json={"query": CHANGES},
        headers={"Accept": "text/event-stream", "Authorization": f"Bearer {bo.token}", "X-Account": anna.account_id},
    )
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (403, "ACCOUNT_REQUIRED")


async def test_on_a_real_connection_events_pass_and_a_cut_is_noticed(api: Api) -> None:
    anna = await api.person("anna@example.com")
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {anna.token}"}
    async with listening(running(api)) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        asked = {"query": EVENTS, "variables": {"account": anna.account_id}}
        async with http.stream("POST", "/graphql", json=asked, headers=headers) as response:
            lines = response.aiter_lines()
            assert (await anext(lines), await anext(lines)) == (":", "")
            await settled(api, count=1)
            await api.do("updateAccount", {"accountId": anna.account_id, "name": "Ny AS"}, by=anna)
            assert await anext(lines) == "event: next"
            told = (await anext(lines)).removeprefix("data: ")
            assert orjson.loads(told) == {"data": {"accountEvents": {"type": "account:account:update"}}}
        await settled(api)


async def test_when_the_process_goes_the_stream_ends_unfinished(api: Api) -> None:
    """So that the client comes back, to another process: `complete` would tell it that there is no more."""
    anna: Person = await api.person("anna@example.com")
    async with following(api, CHANGES, by=anna) as followed:
        await followed.opened()

        running(api).state.hub.close()

        assert await followed.part() is None
