"""Engagements: accepted or declined by the side that received the request, ended by either side."""

from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import UNKNOWN_ID, Api, Person, codes
from tests.models.bureaus.bureau_setup import (
    account_number,
    engage,
    list_engagements,
    register_bureau,
    register_pair,
    request_by_bureau,
)
from tests.models.refusals import events, mails, refusal_codes, rejection

SELECTION = "engagement { id status bureau { name } client { name } createdAt endedAt }"
NOT_FOUND = [("NOT_FOUND", ["engagementId"])]
INVALID_STATE = [("INVALID_STATE", ["engagementId"])]


# ---- Requests and answers --------------------------------------------------------------------


async def test_bureau_requests_by_number_and_client_accepts(api: Api) -> None:
    bureau, anna = await register_pair(api)
    key = await request_by_bureau(api, bureau, anna)
    assert await list_engagements(api, bureau) == []

    payload = await api.do("acceptEngagement", {"engagementId": key}, SELECTION, by=anna)

    assert codes(payload) == []
    assert payload["engagement"] == {
        "id": key,
        "status": "ACTIVE",
        "bureau": {"name": "Biuro AS"},
        "client": {"name": "Nowak AS"},
        "createdAt": payload["engagement"]["createdAt"],
        "endedAt": None,
    }
    assert await list_engagements(api, bureau) == await list_engagements(api, anna)
    assert [row.account_id for row in await events("account:engagement:accept")] == [
        ids.decode("Account", bureau.account_id),
        ids.decode("Account", anna.account_id),
    ]
    assert len(await mails(anna.email, "engagement-asked")) == 1
    assert len(await mails(anna.email, "engagement-accepted")) == 1
    assert len(await mails(bureau.email, "engagement-accepted")) == 1


async def test_client_requests_by_number_and_bureau_accepts(api: Api) -> None:
    bureau, anna = await register_pair(api)
    arguments = {"clientAccountId": anna.account_id, "bureauNumber": await account_number(bureau)}
    assert (await api.do("engageBureau", arguments, SELECTION, by=anna)) == {"engagement": None, "errors": []}
    assert await list_engagements(api, anna) == []
    (row,) = await list_engagements(api, bureau)

    payload = await api.do("acceptEngagement", {"engagementId": row["id"]}, SELECTION, by=bureau)

    assert payload["engagement"]["status"] == "ACTIVE"


async def test_client_can_have_several_bureaus(api: Api) -> None:
    bureau, anna = await register_pair(api)
    other_bureau = await register_bureau(api, "other@example.com")
    await engage(api, bureau, anna)
    await engage(api, other_bureau, anna)

    assert [row["status"] for row in await list_engagements(api, anna)] == ["ACTIVE", "ACTIVE"]
    ended_engagements = await list_engagements(api, anna, "filter: { status: [ENDED] }")
    assert ended_engagements == []


# ---- Refusals --------------------------------------------------------------------------------


async def test_requester_cannot_answer_own_request(api: Api) -> None:
    bureau, anna = await register_pair(api)
    key = await request_by_bureau(api, bureau, anna)
    create_payload = await api.do("createAccount", {"name": "Own AS"}, "account { id }", by=bureau)
    engage_input = {"clientAccountId": create_payload["account"]["id"], "bureauAccountId": bureau.account_id}
    own_engagement_id = (await api.do("engageBureau", engage_input, SELECTION, by=bureau))["engagement"]["id"]
    guest, _ = await api.guest(bureau, "bo@example.com", "ADMINISTRATOR")
    await db.execute(
        "UPDATE engagements SET asked_by_id = bureau_id WHERE id = $1", ids.decode("Engagement", own_engagement_id)
    )

    for mutation in ("acceptEngagement", "declineEngagement"):
        assert await refusal_codes(api, mutation, {"engagementId": key}, by=bureau) == NOT_FOUND
        assert await refusal_codes(api, mutation, {"engagementId": own_engagement_id}, by=guest) == INVALID_STATE
    assert await refusal_codes(api, "endEngagement", {"engagementId": key}, by=bureau) == NOT_FOUND


async def test_stranger_gets_not_found_and_guest_needs_permission(api: Api) -> None:
    bureau, anna = await register_pair(api)
    key = await request_by_bureau(api, bureau, anna)
    stranger = await api.person("stig@example.com")
    accountant, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")

    for mutation in ("acceptEngagement", "declineEngagement", "endEngagement"):
        for engagement_id in (key, UNKNOWN_ID, "x"):
            assert await refusal_codes(api, mutation, {"engagementId": engagement_id}, by=stranger) == NOT_FOUND
        answer = await rejection(api, mutation, {"engagementId": key}, by=accountant)
        assert answer.codes == ["FORBIDDEN"]
    engage_input = {"clientAccountId": anna.account_id, "bureauNumber": 10_000_000}
    assert await refusal_codes(api, "engageBureau", engage_input, by=stranger) == [("NOT_FOUND", ["clientAccountId"])]
    assert (await rejection(api, "engageBureau", engage_input, by=accountant)).codes == ["FORBIDDEN"]


async def test_engagement_is_visible_to_users_readers_of_either_side(api: Api) -> None:
    bureau, anna = await register_pair(api)
    key = await request_by_bureau(api, bureau, anna)
    stranger = await api.person("stig@example.com")
    accountant, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    query = "query ($id: ID!) { node(id: $id) { ... on Engagement { status } } }"

    async def load(by: Person) -> Any:
        return (await api.ask(query, {"id": key}, by=by)).data["node"]

    assert [await load(by) for by in (anna, bureau, stranger, accountant)] == [{"status": "PENDING"}, None, None, None]
    await api.do("acceptEngagement", {"engagementId": key}, by=anna)
    assert [await load(by) for by in (anna, bureau)] == [{"status": "ACTIVE"}, {"status": "ACTIVE"}]


# ---- Declining and ending --------------------------------------------------------------------


async def test_declining_mails_requester_and_allows_new_request(api: Api) -> None:
    bureau, anna = await register_pair(api)
    key = await request_by_bureau(api, bureau, anna)

    payload = await api.do("declineEngagement", {"engagementId": key}, SELECTION, by=anna)

    assert payload["engagement"]["status"] == "DECLINED"
    assert payload["engagement"]["endedAt"] is not None
    assert len(await mails(bureau.email, "engagement-declined")) == 1
    assert await refusal_codes(api, "declineEngagement", {"engagementId": key}, by=anna) == INVALID_STATE
    assert await refusal_codes(api, "acceptEngagement", {"engagementId": key}, by=anna) == INVALID_STATE
    assert await refusal_codes(api, "endEngagement", {"engagementId": key}, by=anna) == INVALID_STATE
    second_id = await request_by_bureau(api, bureau, anna)
    assert second_id != key


@pytest.mark.parametrize("by_client", [True, False])
async def test_either_side_can_end_engagement_and_both_get_mail(api: Api, by_client: bool) -> None:  # noqa: FBT001 - a parameter
    bureau, anna = await register_pair(api)
    key = await engage(api, bureau, anna)

    payload = await api.do("endEngagement", {"engagementId": key}, SELECTION, by=anna if by_client else bureau)

    assert payload["engagement"]["status"] == "ENDED"
    assert [len(await mails(side.email, "engagement-ended")) for side in (bureau, anna)] == [1, 1]
    assert len(await events("account:engagement:end")) == 2
    assert await refusal_codes(api, "endEngagement", {"engagementId": key}, by=anna) == INVALID_STATE


async def test_client_with_expired_subscription_can_answer_and_end(api: Api) -> None:
    bureau, anna = await register_pair(api)
    key = await request_by_bureau(api, bureau, anna)
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock())

    accept_payload = await api.do("acceptEngagement", {"engagementId": key}, by=anna)
    end_payload = await api.do("endEngagement", {"engagementId": key}, by=anna)

    assert codes(accept_payload) == codes(end_payload) == []
