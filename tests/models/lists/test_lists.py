"""Filters and orders of connections. Pagination is tested with the resolvers."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api import Api, Person, codes


async def names(api: Api, by: Person, **arguments: Any) -> list[str]:
    declaration = "query ($filter: AccountFilter, $orderBy: AccountOrder) "
    selection = "{ accounts(filter: $filter, orderBy: $orderBy) { totalCount nodes { name } } }"
    connection = (await api.ask(declaration + selection, {"orderBy": "NAME", **arguments}, by=by)).data["accounts"]
    assert connection["totalCount"] == len(connection["nodes"])
    return [node["name"] for node in connection["nodes"]]


async def grants(api: Api, by: Person, **arguments: Any) -> list[str]:
    declaration = "query ($filter: GrantFilter, $orderBy: GrantOrder) "
    selection = "{ grants(filter: $filter, orderBy: $orderBy) { totalCount nodes { accountName role } } }"
    connection = (await api.ask(declaration + selection, arguments, by=by)).data["grants"]
    assert connection["totalCount"] == len(connection["nodes"])
    return [f"{node['accountName']} {node['role']}" for node in connection["nodes"]]


async def user_with_four_accounts(api: Api) -> Person:
    """A user who owns three accounts and is a guest in a fourth one."""
    anna = await api.person("anna@example.com", accountName="Nowak 100% Meble")
    inputs: list[dict[str, str]] = [
        {"name": "berg_bygg", "kind": "BUREAU"},
        {"name": "Ćma", "country": "NO", "organizationNumber": "974760673"},
    ]
    for variables in inputs:
        assert codes(await api.do("createAccount", variables, by=anna)) == []
    eve = await api.person("eve@example.com", "Eve", accountName="Eve AS")
    await api.do("inviteUser", {"accountId": eve.account_id, "email": anna.email, "role": "ACCOUNTANT"}, by=eve)
    await api.do("acceptInvitation", {"token": await api.link(anna.email, "invitation")}, by=anna)
    return anna


@pytest.mark.parametrize(
    ("search", "expected_names"),
    [
        ("meble", ["Nowak 100% Meble"]),
        ("%", ["Nowak 100% Meble"]),
        ("_", ["berg_bygg"]),
        ("\\", []),
        ("'", []),
        ("974760", ["Ćma"]),
        ("ćMA", ["Ćma"]),
        ("C\u0301ma", ["Ćma"]),
        (" bygg ", ["berg_bygg"]),
        ("", ["berg_bygg", "Ćma", "Eve AS", "Nowak 100% Meble"]),
    ],
)
async def test_search_text_is_matched_literally(api: Api, search: str, expected_names: list[str]) -> None:
    anna = await user_with_four_accounts(api)

    assert await names(api, anna, filter={"search": search}) == expected_names


async def test_search_matches_a_public_number(api: Api) -> None:
    anna = await user_with_four_accounts(api)
    answer = await api.ask('{ accounts(filter: { search: "Eve" }) { nodes { number } } }', by=anna)
    number = str(answer.data["accounts"]["nodes"][0]["number"])

    assert await names(api, anna, filter={"search": number}) == ["Eve AS"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"role": ["ACCOUNTANT"]}, ["Eve AS"]),
        ({"role": []}, []),
        ({"kind": "BUREAU"}, ["berg_bygg"]),
        ({"status": ["ACTIVE"]}, ["berg_bygg", "Ćma", "Eve AS", "Nowak 100% Meble"]),
        ({"status": ["READ_ONLY", "CLOSED"]}, []),
        ({"role": ["OWNER"], "search": "e", "kind": "BUSINESS"}, ["Nowak 100% Meble"]),
        (
            {"role": None, "search": None, "kind": None, "status": None},
            ["berg_bygg", "Ćma", "Eve AS", "Nowak 100% Meble"],
        ),
    ],
)
async def test_filters_of_accounts_are_combined(api: Api, filters: dict[str, Any], expected: list[str]) -> None:
    anna = await user_with_four_accounts(api)

    assert await names(api, anna, filter=filters) == expected


async def test_accounts_whose_subscription_ends_soon_are_found(api: Api) -> None:
    anna = await user_with_four_accounts(api)
    end = api.clock.now + timedelta(days=30)

    assert await names(api, anna, filter={"expiresBefore": end.isoformat()}) == []
    assert len(await names(api, anna, filter={"expiresBefore": (end + timedelta(seconds=1)).isoformat()})) == 4


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"role": ["ACCOUNTANT"]}, ["Eve AS ACCOUNTANT"]),
        ({"status": ["REVOKED"]}, []),
        ({"search": "anna@"}, ["Nowak 100% Meble OWNER", "berg_bygg OWNER", "Ćma OWNER", "Eve AS ACCOUNTANT"]),
        ({"search": "eve"}, []),
        ({"notUsedSince": "2001-01-01T00:00:00Z"}, []),
        ({"notUsedSince": "2090-01-01T00:00:00Z", "role": ["ACCOUNTANT"]}, ["Eve AS ACCOUNTANT"]),
        ({"endsBefore": "2090-01-01T00:00:00Z"}, []),
    ],
)
async def test_filters_of_grants_are_combined(api: Api, filters: dict[str, Any], expected: list[str]) -> None:
    anna = await user_with_four_accounts(api)

    assert await grants(api, anna, filter=filters) == expected


async def test_guest_without_the_permission_sees_only_their_own_grant(api: Api) -> None:
    anna = await user_with_four_accounts(api)
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    cy, _ = await api.guest(anna, "cy@example.com", "COLLABORATOR")

    assert await grants(api, bo) == ["Nowak 100% Meble SIMPLE_USER"]
    assert await grants(api, cy) == [
        "Nowak 100% Meble OWNER",
        "Nowak 100% Meble SIMPLE_USER",
        "Nowak 100% Meble COLLABORATOR",
    ]


async def test_events_are_filtered_by_the_beginning_of_their_type(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.guest(anna, "bo@example.com", "ACCOUNTANT")

    async def types(prefix: str) -> set[str]:
        query = "query ($f: EventFilter) { viewer { currentAccount { events(filter: $f) { nodes { type } } } } }"
        answer = await api.ask(query, {"f": {"type": prefix}}, by=anna)
        return {node["type"] for node in answer.data["viewer"]["currentAccount"]["events"]["nodes"]}

    assert await types("account:invitation") == {"account:invitation:issue", "account:invitation:accept"}
    assert await types("account:invitation:issue") == {"account:invitation:issue"}
    assert await types("account:inv") == set()
    assert await types("%") == set()
