"""Requests for an engagement that the asking account sees and withdraws, whether or not they reach an account."""

from collections.abc import Awaitable
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import UNKNOWN_ID, Api, Clock, Person, codes
from tests.conftest import connect
from tests.models.bureaus.bureau_setup import account_number, list_engagements, register_bureau, register_pair
from tests.models.refusals import events, mails, refusal_codes, rejection

REQUESTS = """query ($id: ID!, $first: Int, $after: String, $last: Int) { account(id: $id) { engagementRequests(
    first: $first, after: $after, last: $last) { totalCount pageInfo { hasNextPage endCursor } nodes {
    id side number organizationNumber country otherAccountId status createdAt expiresAt } } } }"""
UNKNOWN_NUMBER = 10_000_000
INVALID_STATE = [("INVALID_STATE", ["engagementRequestId"])]


async def requests(api: Api, by: Person, **page: object) -> list[dict[str, Any]]:
    """The requests of a person's account."""
    answer = await api.ask(REQUESTS, {"id": by.account_id, **page}, by=by)
    assert answer.codes == []
    nodes: list[dict[str, Any]] = answer.data["account"]["engagementRequests"]["nodes"]
    return nodes


async def ask(api: Api, bureau: Person, number: int) -> None:
    payload = await api.do("engageBureau", {"bureauAccountId": bureau.account_id, "clientNumber": number}, by=bureau)
    assert codes(payload) == []


async def withdraw(api: Api, by: Person, request: dict[str, Any]) -> Any:
    return await api.do(
        "withdrawEngagementRequest", {"engagementRequestId": request["id"]}, "engagementRequest { status }", by=by
    )


async def test_requester_sees_and_withdraws_requests_alike_if_they_reach_an_account_or_not(api: Api) -> None:
    bureau, anna = await register_pair(api)
    await ask(api, bureau, await account_number(anna))
    await ask(api, bureau, UNKNOWN_NUMBER)

    missing, existing = await requests(api, bureau)

    assert missing == existing | {"id": missing["id"], "number": UNKNOWN_NUMBER}
    assert existing["number"] == await account_number(anna)
    assert (existing["side"], existing["status"]) == ("BUREAU", "PENDING")
    assert [row["status"] for row in await list_engagements(api, anna)] == ["PENDING"]
    for request in (missing, existing):
        assert (await withdraw(api, bureau, request)) == {"engagementRequest": {"status": "WITHDRAWN"}, "errors": []}
        assert codes(await withdraw(api, bureau, request)) == INVALID_STATE
    assert [row["status"] for row in await list_engagements(api, anna)] == ["WITHDRAWN"]
    assert await list_engagements(api, bureau) == []
    engagement_id = (await list_engagements(api, anna))[0]["id"]
    for mutation in ("acceptEngagement", "declineEngagement", "endEngagement"):
        assert await refusal_codes(api, mutation, {"engagementId": engagement_id}, by=anna) == [
            ("INVALID_STATE", ["engagementId"])
        ]
    node = "query ($id: ID!) { node(id: $id) { ... on Engagement { status } } }"
    assert (await api.ask(node, {"id": engagement_id}, by=bureau)).data["node"] is None


TEXTS: ContextVar[list[str] | None] = ContextVar("texts", default=None)
"""The statements of a request. The worker that sends mails runs in another context."""


async def statements(monkeypatch: pytest.MonkeyPatch, call: Awaitable[object]) -> list[str]:
    """The texts of the statements that a request runs."""
    fetch, execute = db.fetch, db.execute

    def keep(sql: str) -> None:
        if (texts := TEXTS.get()) is not None:
            texts.append(sql)

    async def record_fetch(sql: str, *args: object, row: type[db.Row]) -> list[db.Row]:
        keep(sql)
        return await fetch(sql, *args, row=row)

    async def record_execute(sql: str, *args: object) -> int:
        keep(sql)
        return await execute(sql, *args)

    texts: list[str] = []
    token = TEXTS.set(texts)
    with monkeypatch.context() as patch:
        patch.setattr(db, "fetch", record_fetch)
        patch.setattr(db, "execute", record_execute)
        await call
    TEXTS.reset(token)
    return texts


@pytest.mark.parametrize("target", ["missing", "own pending request by another number", "active", "no bureau"])
async def test_request_and_withdrawal_run_the_same_statements(
    api: Api, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    bureau, anna = await register_pair(api)
    ole = await api.person("ole@example.com", organizationNumber="974760673", country="NO")
    by_number = {"bureauAccountId": bureau.account_id, "clientNumber": await account_number(ole)}
    if target == "own pending request by another number":
        values = {**by_number, "clientOrganizationNumber": "974760673", "clientCountry": "NO"}
        del values["clientNumber"]
        assert codes(await api.do("engageBureau", values, by=bureau)) == []
    elif target == "active":
        assert codes(await api.do("engageBureau", by_number, by=bureau)) == []
        engagement_id = (await list_engagements(api, ole))[0]["id"]
        assert codes(await api.do("acceptEngagement", {"engagementId": engagement_id}, by=ole)) == []
    asker = anna if target == "no bureau" else bureau
    other_bureau = await register_bureau(api, "other@example.com")
    reaching: dict[str, object] = (
        {"bureauAccountId": bureau.account_id, "clientNumber": await account_number(anna)}
        if asker is bureau
        else {"clientAccountId": anna.account_id, "bureauNumber": await account_number(other_bureau)}
    )
    failing = {**reaching, **(
        {"bureauNumber": await account_number(ole)} if asker is anna
        else {"clientNumber": UNKNOWN_NUMBER if target == "missing" else await account_number(ole)}
    )}  # fmt: skip

    _ = await requests(api, asker)  # so that the first use of the grant is stored
    expected = await statements(monkeypatch, api.do("engageBureau", reaching, by=asker))
    actual = await statements(monkeypatch, api.do("engageBureau", failing, by=asker))

    assert len(actual) > 20
    assert [text for text in actual if text not in expected] == [text for text in expected if text not in actual] == []
    assert actual == expected
    failed, reached = (await requests(api, asker))[:2]
    is_unreached = "SELECT engagement_id IS NULL AS flag FROM engagement_requests ORDER BY id DESC LIMIT 2"
    assert [row["flag"] for row in await db.fetch(is_unreached, row=db.Row)] == [True, False]
    assert await statements(monkeypatch, withdraw(api, asker, failed)) == await statements(
        monkeypatch, withdraw(api, asker, reached)
    )


async def test_own_events_of_request_and_withdrawal_are_alike(api: Api) -> None:
    bureau, anna = await register_pair(api)
    for number in (await account_number(anna), UNKNOWN_NUMBER):
        await ask(api, bureau, number)
        await withdraw(api, bureau, (await requests(api, bureau))[0])

    for event_type in ("account:engagement:ask", "account:engagement:withdraw"):
        rows = await events(event_type)
        account_id, actor_id = ids.decode("Account", bureau.account_id), ids.decode("User", bureau.user_id)
        assert [(row.account_id, row.actor_id) for row in rows] == [
            (account_id, actor_id),
            (ids.decode("Account", anna.account_id), None),
            (account_id, actor_id),
            (None, None),
        ]
    query = "{ viewer { events(first: 50) { nodes { type account { id } before after } } } }"
    nodes = (await api.ask(query, by=bureau)).data["viewer"]["events"]["nodes"]
    own_events = [node for node in nodes if node["type"].startswith("account:engagement")]
    assert [node["type"] for node in own_events] == ["account:engagement:withdraw", "account:engagement:ask"] * 2
    assert {node["account"]["id"] for node in own_events} == {bureau.account_id}
    assert len(await mails(anna.email, "engagement-asked")) == 1


@pytest.mark.parametrize("number_is_known", [True, False])
async def test_request_expires_alike(api: Api, clock: Clock, number_is_known: bool) -> None:  # noqa: FBT001 - a parameter
    bureau, anna = await register_pair(api)
    number = await account_number(anna) if number_is_known else UNKNOWN_NUMBER
    await ask(api, bureau, number)
    clock.forward(days=30, seconds=-1)
    bureau, anna = [await api.sign_in(person) for person in (bureau, anna)]
    assert [row["status"] for row in await requests(api, bureau)] == ["PENDING"]

    clock.forward(seconds=1)

    (request,) = await requests(api, bureau)
    assert request["status"] == "EXPIRED"
    assert codes(await withdraw(api, bureau, request)) == INVALID_STATE
    if number_is_known:
        (row,) = await list_engagements(api, anna, "filter: { status: [EXPIRED] }")
        node = "query ($id: ID!) { node(id: $id) { ... on Engagement { status endedAt expiresAt } } }"
        assert (await api.ask(node, {"id": row["id"]}, by=anna)).data["node"] == {
            "status": "EXPIRED",
            "endedAt": request["expiresAt"],
            "expiresAt": None,
        }
        assert await list_engagements(api, anna, "filter: { status: [PENDING] }") == []
        for mutation in ("acceptEngagement", "declineEngagement", "endEngagement"):
            assert await refusal_codes(api, mutation, {"engagementId": row["id"]}, by=anna) == [
                ("INVALID_STATE", ["engagementId"])
            ]
    await ask(api, bureau, number)
    assert [row["status"] for row in await requests(api, bureau)] == ["PENDING", "EXPIRED"]
    assert await list_engagements(api, bureau) == []
    if number_is_known:
        assert [row["status"] for row in await list_engagements(api, anna)] == ["PENDING", "EXPIRED"]


async def test_repeated_request_is_one_entry_and_reaches_an_account_that_was_opened_later(api: Api) -> None:
    bureau = await register_bureau(api)
    values = {
        "bureauAccountId": bureau.account_id, "clientOrganizationNumber": "974760673", "clientCountry": "NO"
    }  # fmt: skip
    assert codes(await api.do("engageBureau", values, by=bureau)) == []
    (first_request,) = await requests(api, bureau)
    ole = await api.person("ole@example.com", organizationNumber="974760673", country="NO")
    assert await list_engagements(api, ole) == []
    api.clock.forward(days=1)  # the request keeps its date and its end

    assert codes(await api.do("engageBureau", values, by=bureau)) == []

    assert await requests(api, bureau) == [first_request]
    assert [row["status"] for row in await list_engagements(api, ole)] == ["PENDING"]
    assert codes(await api.do("engageBureau", values, by=bureau)) == []
    assert len(await mails(ole.email, "engagement-asked")) == 1
    await withdraw(api, bureau, first_request)
    assert [row["status"] for row in await list_engagements(api, ole)] == ["WITHDRAWN"]


async def test_answer_shows_in_the_request_and_ends_it(api: Api) -> None:
    bureau, anna = await register_pair(api)
    number = await account_number(anna)
    for mutation, status in (
        ("declineEngagement", "DECLINED"),
        ("endEngagement", "DECLINED"),
        ("acceptEngagement", "ACCEPTED"),
    ):
        await ask(api, bureau, number)
        engagement_id = (await list_engagements(api, anna))[0]["id"]
        assert codes(await api.do(mutation, {"engagementId": engagement_id}, by=anna)) == []

        request = (await requests(api, bureau))[0]
        assert request["status"] == status
        assert codes(await withdraw(api, bureau, request)) == INVALID_STATE
        assert engagement_id in [row["id"] for row in await list_engagements(api, bureau)]


async def test_only_users_of_the_requesting_account_see_and_withdraw(api: Api) -> None:
    bureau, anna = await register_pair(api)
    await ask(api, bureau, await account_number(anna))
    (request,) = await requests(api, bureau)
    accountant, _ = await api.guest(bureau, "bo@example.com", "ACCOUNTANT")
    administrator, _ = await api.guest(bureau, "kari@example.com", "ADMINISTRATOR")
    node = "query ($id: ID!) { node(id: $id) { id } }"

    for person in (anna, accountant):
        assert (await api.ask(node, {"id": request["id"]}, by=person)).data["node"] is None
    for engagement_request_id in (request["id"], UNKNOWN_ID, "x"):
        assert await refusal_codes(
            api, "withdrawEngagementRequest", {"engagementRequestId": engagement_request_id}, by=anna
        ) == [("NOT_FOUND", ["engagementRequestId"])]
    values = {"engagementRequestId": request["id"]}
    assert (await rejection(api, "withdrawEngagementRequest", values, by=accountant)).codes == ["FORBIDDEN"]
    assert await requests(api, anna) == []
    answer = await api.ask(REQUESTS, {"id": bureau.account_id}, by=accountant)
    assert answer.codes == ["FORBIDDEN"]
    assert codes(await withdraw(api, administrator, request)) == []


async def test_requests_are_read_in_pages_of_both_directions(api: Api) -> None:
    bureau = await register_bureau(api)
    for number in range(5):
        await ask(api, bureau, UNKNOWN_NUMBER + number)

    pages = [await requests(api, bureau, first=2), await requests(api, bureau, last=2)]

    assert [[row["number"] - UNKNOWN_NUMBER for row in page] for page in pages] == [[4, 3], [1, 0]]


async def test_request_by_account_id_shows_the_id_that_was_entered(api: Api) -> None:
    bureau, anna = await register_pair(api)
    for account_id in (anna.account_id, UNKNOWN_ID):
        values = {"bureauAccountId": bureau.account_id, "clientAccountId": account_id}
        assert codes(await api.do("engageBureau", values, by=bureau)) == []

    assert [row["otherAccountId"] is not None for row in await requests(api, bureau)] == [True, True]
    assert (await requests(api, bureau))[1]["otherAccountId"] == anna.account_id


async def test_migration_stores_the_requests_that_were_not_answered(api: Api, clock: Clock, database_url: str) -> None:
    """Alike for those that reached an account and others. The events of the requester tell what was entered."""
    bureau, anna = await register_pair(api)
    ole = await api.person("ole@example.com", organizationNumber="974760673", country="NO")
    by_organization = {"clientOrganizationNumber": "974760673", "clientCountry": "NO"}
    payload = await api.do("engageBureau", {"bureauAccountId": bureau.account_id, **by_organization}, by=bureau)
    assert codes(payload) == []
    for number in (UNKNOWN_NUMBER, UNKNOWN_NUMBER, await account_number(anna)):
        clock.forward(seconds=1)
        await ask(api, bureau, number)
    engagement_id = (await list_engagements(api, anna))[0]["id"]
    assert codes(await api.do("declineEngagement", {"engagementId": engagement_id}, by=anna)) == []
    read = """SELECT by_bureau, target_number, target_organization_number, target_country, status,
        engagement_id IS NULL AS is_unreached FROM engagement_requests WHERE status = 'PENDING' ORDER BY id"""
    migration = import_module("models.migrations.0025_client_lists")
    connection = await connect(database_url)
    try:
        requests_before = [tuple(row) for row in await connection.fetch(read)]

        await connection.execute(migration.REVERT_REQUESTS)
        await connection.execute(migration.APPLY_REQUESTS)

        assert [tuple(row) for row in await connection.fetch(read)] == requests_before
        assert requests_before == [
            (True, None, "974760673", "NO", "PENDING", False),
            (True, UNKNOWN_NUMBER, None, None, "PENDING", True),
        ]
        same_ends = """SELECT r.expires_at = e.expires_at FROM engagement_requests r JOIN engagements e
            ON e.id = r.engagement_id WHERE r.status = 'PENDING'"""
        assert [row[0] for row in await connection.fetch(same_ends)] == [True]
    finally:
        await connection.close()
    assert [row["status"] for row in await list_engagements(api, ole)] == ["PENDING"]
