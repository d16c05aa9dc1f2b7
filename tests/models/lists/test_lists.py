"""What filters and orders do; how lists are paged is the resolvers' test."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api import Api, Person, codes


async def names(api: Api, by: Person, **given: Any) -> list[str]:
    asked = "query ($filter: AccountFilter, $orderBy: AccountOrder) "
    shown = "{ accounts(filter: $filter, orderBy: $orderBy) { totalCount nodes { name } } }"
    found = (await api.ask(asked + shown, {"orderBy": "NAME", **given}, by=by)).data["accounts"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["name"] for node in found["nodes"]]


async def grants(api: Api, by: Person, **given: Any) -> list[str]:
    asked = "query ($filter: GrantFilter, $orderBy: GrantOrder) "
    shown = "{ grants(filter: $filter, orderBy: $orderBy) { totalCount nodes { accountName role } } }"
    found = (await api.ask(asked + shown, given, by=by)).data["grants"]
    assert found["totalCount"] == len(found["nodes"])
    return [f"{node['accountName']} {node['role']}" for node in found["nodes"]]


async def shelf(api: Api) -> Person:
    """Somebody with three accounts of his own, a guest in a fourth."""
    anna = await api.person("anna@example.com", accountName="Nowak 100% Meble")
    more: list[dict[str, str]] = [
        {"name": "berg_bygg", "kind": "BUREAU"},
        {"name": "Ćma", "country": "NO", "organizationNumber": "974760673"},
    ]
    for given in more:
        assert codes(await api.do("createAccount", given, by=anna)) == []
    eve = await api.person("eve@example.com", "Eve", accountName="Eve AS")
    await api.do("inviteUser", {"accountId": eve.account_id, "email": anna.email, "role": "ACCOUNTANT"}, by=eve)
    await api.do("acceptInvitation", {"token": await api.link(anna.email, "invitation")}, by=anna)
    return anna


@pytest.mark.parametrize(
    ("search", "found"),
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
        ("", ["berg_bygg", "Eve AS", "Nowak 100% Meble", "Ćma"]),
    ],
)
async def test_a_search_takes_its_text_as_it_is(api: Api, search: str, found: list[str]) -> None:
    anna = await shelf(api)

    assert await names(api, anna, filter={"search": search}) == found


async def test_a_search_finds_a_public_number(api: Api) -> None:
    anna = await shelf(api)
    seen = await api.ask('{ accounts(filter: { search: "Eve" }) { nodes { number } } }', by=anna)
    number = str(seen.data["accounts"]["nodes"][0]["number"])

    assert await names(api, anna, filter={"search": number}) == ["Eve AS"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"role": ["ACCOUNTANT"]}, ["Eve AS"]),
        ({"role": []}, []),
        ({"kind": "BUREAU"}, ["berg_bygg"]),
        ({"status": ["ACTIVE"]}, ["berg_bygg", "Eve AS", "Nowak 100% Meble", "Ćma"]),
        ({"status": ["READ_ONLY", "CLOSED"]}, []),
        ({"role": ["OWNER"], "search": "e", "kind": "BUSINESS"}, ["Nowak 100% Meble"]),
        (
            {"role": None, "search": None, "kind": None, "status": None},
            ["berg_bygg", "Eve AS", "Nowak 100% Meble", "Ćma"],
        ),
    ],
)
async def test_filters_of_accounts_meet(api: Api, wanted: dict[str, Any], found: list[str]) -> None:
    anna = await shelf(api)

    assert await names(api, anna, filter=wanted) == found


async def test_accounts_that_end_soon(api: Api) -> None:
    anna = await shelf(api)
    ends = api.clock.now + timedelta(days=30)

    assert await names(api, anna, filter={"expiresBefore": ends.isoformat()}) == []
    assert len(await names(api, anna, filter={"expiresBefore": (ends + timedelta(seconds=1)).isoformat()})) == 4


@pytest.mark.parametrize(
    ("wanted", "found"),
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
async def test_filters_of_grants(api: Api, wanted: dict[str, Any], found: list[str]) -> None:
    anna = await shelf(api)

    assert await grants(api, anna, filter=wanted) == found


async def test_a_guest_without_the_right_sees_his_own_grant_only(api: Api) -> None:
    anna = await shelf(api)
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    cy, _ = await api.guest(anna, "cy@example.com", "COLLABORATOR")

    assert await grants(api, bo) == ["Nowak 100% Meble SIMPLE_USER"]
    assert await grants(api, cy) == [
        "Nowak 100% Meble OWNER",
        "Nowak 100% Meble SIMPLE_USER",
        "Nowak 100% Meble COLLABORATOR",
    ]


async def test_events_are_found_by_the_beginning_of_their_type(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.guest(anna, "bo@example.com", "ACCOUNTANT")

    async def types(wanted: str) -> set[str]:
        asked = "query ($f: EventFilter) { viewer { currentAccount { events(filter: $f) { nodes { type } } } } }"
        seen = await api.ask(asked, {"f": {"type": wanted}}, by=anna)
        return {node["type"] for node in seen.data["viewer"]["currentAccount"]["events"]["nodes"]}

    assert await types("account:invitation") == {"account:invitation:issue", "account:invitation:accept"}
    assert await types("account:invitation:issue") == {"account:invitation:issue"}
    assert await types("account:inv") == set()
    assert await types("%") == set()
