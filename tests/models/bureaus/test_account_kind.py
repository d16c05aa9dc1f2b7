"""A business becomes a bureau, and a bureau without clients a business."""

import asyncio

import pytest

from database import db
from tests.api import Api, Person, codes
from tests.models.bureaus.bureau_setup import account_number, add_staff, assign, engage, list_engagements, register_pair
from tests.models.bureaus.client_accounts import open_client_account
from tests.models.refusals import attempt, refusal_codes, rejection

KIND_REFUSAL = [("INVALID_STATE", ["kind"])]
FACTS = "kind number subscription { daysLeft } seats { purchased used }"


async def change_kind(api: Api, person: Person, kind: str) -> list[tuple[str, list[str] | None]]:
    return codes(await api.do("changeAccountKind", {"accountId": person.account_id, "kind": kind}, by=person))


async def test_business_becomes_a_bureau_and_keeps_what_it_has(api: Api) -> None:
    bureau, anna = await register_pair(api)
    await engage(api, bureau, anna)
    kari, _ = await add_staff(api, anna, "kari@example.com")
    query = f"query ($id: ID!) {{ account(id: $id) {{ {FACTS} }} }}"
    before = (await api.ask(query, {"id": anna.account_id}, by=anna)).data["account"]

    assert await change_kind(api, anna, "BUREAU") == []

    after = (await api.ask(query, {"id": anna.account_id}, by=anna)).data["account"]
    assert (before["kind"], after["kind"]) == ("BUSINESS", "BUREAU")
    assert {**before, "kind": ""} == {**after, "kind": ""}
    assert [node["status"] for node in await list_engagements(api, bureau)] == ["ACTIVE"]
    ole = await api.person("ole@example.com", accountName="Olsen AS")
    await engage_with(api, anna, ole)
    (outcome,) = await assign(api, anna, kari, [ole.account_id])
    assert outcome["errors"] == []
    events = "query ($id: ID!) { account(id: $id) { events(first: 50) { nodes { type before after } } } }"
    nodes = (await api.ask(events, {"id": anna.account_id}, by=anna)).data["account"]["events"]["nodes"]
    (change,) = [node for node in nodes if node["type"] == "account:account:kind"]
    assert (change["before"], change["after"]) == ({"kind": "BUSINESS"}, {"kind": "BUREAU"})


async def engage_with(api: Api, bureau: Person, client: Person) -> None:
    values = {"clientAccountId": client.account_id, "bureauNumber": await account_number(bureau)}
    assert codes(await api.do("engageBureau", values, by=client)) == []
    (request_node,) = await list_engagements(api, bureau, "filter: { status: [PENDING] }")
    assert codes(await api.do("acceptEngagement", {"engagementId": request_node["id"]}, by=bureau)) == []


async def test_only_the_owner_changes_the_kind(api: Api) -> None:
    bureau, anna = await register_pair(api)
    administrator, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    values = {"accountId": anna.account_id, "kind": "BUREAU"}

    assert (await rejection(api, "changeAccountKind", values, by=administrator)).codes == ["FORBIDDEN"]
    assert await refusal_codes(api, "changeAccountKind", values, by=bureau) == [("NOT_FOUND", ["accountId"])]
    assert (await attempt(api, "changeAccountKind", values)).codes == ["UNAUTHENTICATED"]
    assert (await rejection(api, "changeAccountKind", {**values, "kind": None}, by=anna)).codes == ["BAD_USER_INPUT"]
    assert await change_kind(api, anna, "BUSINESS") == KIND_REFUSAL


@pytest.mark.parametrize("is_accepted", [True, False])
async def test_bureau_with_an_engagement_or_a_request_stays_a_bureau(api: Api, *, is_accepted: bool) -> None:
    bureau, anna = await register_pair(api)
    values = {"clientAccountId": anna.account_id, "bureauNumber": await account_number(bureau)}
    assert codes(await api.do("engageBureau", values, by=anna)) == []
    (engagement,) = await list_engagements(api, bureau)
    if is_accepted:
        assert codes(await api.do("acceptEngagement", {"engagementId": engagement["id"]}, by=bureau)) == []

    assert await change_kind(api, bureau, "BUSINESS") == KIND_REFUSAL

    assert codes(await api.do("endEngagement", {"engagementId": engagement["id"]}, by=bureau)) == []
    assert await change_kind(api, bureau, "BUSINESS") == []


async def test_bureau_with_an_unclaimed_account_stays_a_bureau(api: Api) -> None:
    bureau, _ = await register_pair(api)
    client_id = await open_client_account(api, bureau)
    engagement_id = (await list_engagements(api, bureau))[0]["id"]
    assert codes(await api.do("endEngagement", {"engagementId": engagement_id}, by=bureau)) == []

    assert await change_kind(api, bureau, "BUSINESS") == KIND_REFUSAL

    values = {"bureauAccountId": bureau.account_id, "clientAccountId": client_id}
    assert codes(await api.do("withdrawClientAccount", values, by=bureau)) == []
    assert await change_kind(api, bureau, "BUSINESS") == []


async def test_blind_request_of_the_bureau_reveals_nothing_and_cannot_be_accepted(api: Api) -> None:
    bureau, anna = await register_pair(api)
    other = await api.person("other@example.com", accountName="Other AS")
    assert await change_kind(api, other, "BUREAU") == []
    values = {"bureauAccountId": bureau.account_id, "clientNumber": await account_number(anna)}
    assert codes(await api.do("engageBureau", values, by=bureau)) == []
    made_up = {"bureauAccountId": other.account_id, "clientNumber": 999_999}
    assert codes(await api.do("engageBureau", made_up, by=other)) == []

    assert await change_kind(api, bureau, "BUSINESS") == await change_kind(api, other, "BUSINESS") == []

    (request_node,) = await list_engagements(api, anna)
    accept = {"engagementId": request_node["id"]}
    assert await refusal_codes(api, "acceptEngagement", accept, by=anna) == [("INVALID_STATE", ["engagementId"])]
    values = {"clientAccountId": anna.account_id, "bureauNumber": await account_number(bureau)}
    assert codes(await api.do("engageBureau", values, by=anna)) == []
    assert await db.fetch("SELECT 1 AS x FROM engagements WHERE status = 'ACTIVE'", row=db.Row) == []


async def test_of_two_changes_at_once_one_is_refused(api: Api) -> None:
    _, anna = await register_pair(api)

    answers = await asyncio.gather(*(change_kind(api, anna, "BUREAU") for _ in range(2)))

    assert sorted(answers) == [[], KIND_REFUSAL]
