"""Requests for an engagement: inputs, refusals, and equal responses for existing and unknown accounts."""

from typing import Any

import pytest

from resolvers import ids
from tests.api import UNKNOWN_ID, Api, Person, codes
from tests.models.bureaus.bureau_setup import (
    account_number,
    list_engagements,
    register_bureau,
    register_pair,
    request_by_bureau,
)
from tests.models.refusals import attempt, events, mails, refusal_codes

SELECTION = "engagement { id status bureau { name } client { name } createdAt endedAt }"


async def test_bureau_requests_by_organization_number_of_own_or_given_country(api: Api) -> None:
    bureau = await register_bureau(api, organizationNumber="923609016", country="NO")
    anna = await api.person("anna@example.com", organizationNumber="5260250995", country="PL")
    ole = await api.person("ole@example.com", organizationNumber="974760673", country="NO")
    polish_input = {
        "bureauAccountId": bureau.account_id,
        "clientOrganizationNumber": "526-025-09-95",
        "clientCountry": "pl",
    }

    polish = await api.do("engageBureau", polish_input, by=bureau)
    norwegian_input = {"bureauAccountId": bureau.account_id, "clientOrganizationNumber": "974 760 673"}
    norwegian = await api.do("engageBureau", norwegian_input, by=bureau)

    assert codes(polish) == codes(norwegian) == []
    assert [row["status"] for row in await list_engagements(api, anna)] == ["PENDING"]
    assert [row["status"] for row in await list_engagements(api, ole)] == ["PENDING"]


async def test_organization_number_requires_country_and_valid_form(api: Api) -> None:
    bureau, _ = await register_pair(api)
    base_input = {"bureauAccountId": bureau.account_id}

    missing_country_codes = await refusal_codes(
        api, "engageBureau", {**base_input, "clientOrganizationNumber": "974760673"}, by=bureau
    )
    invalid_number = {**base_input, "clientOrganizationNumber": "974760674", "clientCountry": "NO"}

    assert missing_country_codes == [("REQUIRED", ["clientCountry"])]
    assert await refusal_codes(api, "engageBureau", invalid_number, by=bureau) == [
        ("INVALID", ["clientOrganizationNumber"])
    ]


@pytest.mark.parametrize("field", ["clientNumber", "clientOrganizationNumber", "clientAccountId"])
async def test_request_to_unknown_account_has_same_response_and_event_as_to_existing_one(api: Api, field: str) -> None:
    bureau = await register_bureau(api)
    anna = await api.person("anna@example.com", organizationNumber="5260250995", country="PL")
    existing_target = {
        "clientNumber": await account_number(anna),
        "clientOrganizationNumber": "5260250995",
        "clientAccountId": anna.account_id,
    }[field]
    unknown_target = {
        "clientNumber": 10_000_000,
        "clientOrganizationNumber": "7740001454",
        "clientAccountId": UNKNOWN_ID,
    }[field]
    country = {"clientCountry": "PL"} if field == "clientOrganizationNumber" else {}
    base_input = {"bureauAccountId": bureau.account_id, **country}

    query = "{ viewer { events(first: 100) { totalCount nodes { type account { id } } } } }"
    _ = await api.ask(query, by=bureau)
    event_counts: list[Any] = [(await api.ask(query, by=bureau)).data["viewer"]["events"]["totalCount"]]

    existing_answer = await attempt(api, "engageBureau", {**base_input, field: existing_target}, by=bureau)
    event_counts.append((await api.ask(query, by=bureau)).data["viewer"]["events"]["totalCount"])
    repeated_answer = await attempt(api, "engageBureau", {**base_input, field: existing_target}, by=bureau)
    unknown_answer = await attempt(api, "engageBureau", {**base_input, field: unknown_target}, by=bureau)

    connection = (await api.ask(query, by=bureau)).data["viewer"]["events"]
    assert [*event_counts, connection["totalCount"]] == [event_counts[0], event_counts[0] + 1, event_counts[0] + 3]
    assert {node["account"]["id"] for node in connection["nodes"] if node["account"]} == {bureau.account_id}
    assert (
        existing_answer.body
        == repeated_answer.body
        == unknown_answer.body
        == {"data": {"engageBureau": {"errors": []}}}
    )
    assert await list_engagements(api, bureau) == []
    ask_events = [row for row in await events("account:engagement:ask") if row.account_id == account_key(bureau)]
    assert len(ask_events) == 3
    assert len({row.after for row in ask_events}) == (1 if field == "clientAccountId" else 2)
    assert len(await mails(bureau.email, "engagement-asked")) == 0
    assert len(await mails(anna.email, "engagement-asked")) == 1


async def test_request_to_account_that_is_no_bureau_has_no_effect(api: Api) -> None:
    _, anna = await register_pair(api)
    ole = await api.person("ole@example.com")
    arguments = {"clientAccountId": anna.account_id, "bureauNumber": await account_number(ole)}

    payload = await api.do("engageBureau", arguments, SELECTION, by=anna)

    assert payload == {"engagement": None, "errors": []}
    assert await list_engagements(api, ole) == []
    client_as_bureau = {"bureauAccountId": anna.account_id, "clientNumber": await account_number(ole)}
    assert await refusal_codes(api, "engageBureau", client_as_bureau, by=anna) == [("INVALID", None)]


async def test_requester_with_access_to_both_sides_sees_the_engagement(api: Api) -> None:
    bureau, _ = await register_pair(api)
    create_payload = await api.do("createAccount", {"name": "Own AS"}, "account { id number }", by=bureau)
    account_id = create_payload["account"]["id"]
    arguments = {"clientAccountId": account_id, "bureauAccountId": bureau.account_id}

    payload = await api.do("engageBureau", arguments, SELECTION, by=bureau)

    assert payload["engagement"]["status"] == "PENDING"
    assert [row["id"] for row in await list_engagements(api, bureau)] == [payload["engagement"]["id"]]
    assert await refusal_codes(api, "engageBureau", arguments, by=bureau) == [("ALREADY_EXISTS", None)]
    accept_payload = await api.do(
        "acceptEngagement", {"engagementId": payload["engagement"]["id"]}, SELECTION, by=bureau
    )
    assert accept_payload["engagement"]["status"] == "ACTIVE"


async def test_request_to_side_that_already_requested_accepts(api: Api) -> None:
    bureau, anna = await register_pair(api)
    key = await request_by_bureau(api, bureau, anna)
    arguments = {"clientAccountId": anna.account_id, "bureauNumber": await account_number(bureau)}

    payload = await api.do("engageBureau", arguments, SELECTION, by=anna)

    assert payload == {"engagement": None, "errors": []}
    assert [(row["id"], row["status"]) for row in await list_engagements(api, bureau)] == [(key, "ACTIVE")]


async def test_account_cannot_engage_itself(api: Api) -> None:
    bureau = await register_bureau(api, organizationNumber="923609016", country="NO")
    base_input = {"bureauAccountId": bureau.account_id}
    expected_codes = [("SAME_ACCOUNT", None)]

    for target_input in (
        {"clientNumber": await account_number(bureau)},
        {"clientOrganizationNumber": "923609016"},
        {"clientAccountId": bureau.account_id},
    ):
        assert await refusal_codes(api, "engageBureau", {**base_input, **target_input}, by=bureau) == expected_codes


async def test_request_requires_own_account_and_one_target(api: Api) -> None:
    bureau, anna = await register_pair(api)
    number = await account_number(anna)
    invalid_inputs: list[dict[str, Any]] = [
        {},
        {"bureauAccountId": bureau.account_id},
        {"clientNumber": number},
        {"clientAccountId": bureau.account_id, "clientNumber": number},
        {"bureauAccountId": bureau.account_id, "bureauNumber": number},
        {"bureauAccountId": bureau.account_id, "clientNumber": number, "clientOrganizationNumber": "1"},
    ]

    for arguments in invalid_inputs:
        assert await refusal_codes(api, "engageBureau", arguments, by=bureau) == [("REQUIRED", None)]


def account_key(person: Person) -> Any:
    return ids.decode("Account", person.account_id)
