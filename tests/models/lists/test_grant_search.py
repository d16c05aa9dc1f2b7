"""Search and filters of the grants of an account. They reveal nothing that the viewer may not read."""

from datetime import timedelta
from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Clock, Person

GRANTS = """query ($filter: GrantFilter, $orderBy: GrantOrder) { viewer { currentAccount {
    grants(filter: $filter, orderBy: $orderBy) { totalCount nodes { user { name } } } } } }"""
GUESTS = {
    "percent@example.com": ("100% Nils", "ACCOUNTANT"),
    "under_score@example.com": ("Åse Øst", "SIMPLE_USER"),
    "back@example.com": ("Back\\slash", "SIMPLE_USER"),
    "lukasz@przyklad.example": ("Łukasz Żak", "COLLABORATOR"),
}


async def account_with_guests(api: Api) -> Person:
    """An owner with four guests. One grant is revoked, and one has an end."""
    anna = await api.person("anna@example.com", "Anna Nowak")
    for email, (name, role) in GUESTS.items():
        _, grant = await api.guest(anna, email, role)
        await db.execute("UPDATE users SET name = $2 WHERE email = $1", email, name)
        if email.startswith("back"):
            await api.do("revokeGrant", {"grantId": grant}, by=anna)
        if email.startswith("lukasz"):
            until = (api.clock() + timedelta(days=10)).isoformat()
            await api.do("updateGrant", {"grantId": grant, "validUntil": until}, by=anna)
    return anna


async def grant_names(api: Api, by: Person, **filters: object) -> list[str]:
    answer = await api.ask(GRANTS, {"filter": filters, "orderBy": "USER_NAME"}, by=by)
    grants: Any = answer.data["viewer"]["currentAccount"]["grants"]
    assert grants["totalCount"] == len(grants["nodes"])
    return sorted(node["user"]["name"] for node in grants["nodes"])


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("%", ["100% Nils"]),
        ("_", ["Åse Øst"]),
        ("\\", ["Back\\slash"]),
        ("%%", []),
        ("'; --", []),
        ("NILS", ["100% Nils"]),
        ("  nils ", ["100% Nils"]),
        ("åSE øST", ["Åse Øst"]),
        ("A\u030ase", ["Åse Øst"]),
        ("łukasz ż", ["Łukasz Żak"]),
        ("Z\u0307ak", ["Łukasz Żak"]),
        ("przyklad", ["Łukasz Żak"]),
        ("UNDER_SCORE@", ["Åse Øst"]),
        ("@example.com", ["100% Nils", "Anna Nowak", "Back\\slash", "Åse Øst"]),
        ("nobody", []),
    ],
)
async def test_search_matches_name_and_address_literally(api: Api, search: str, names: list[str]) -> None:
    anna = await account_with_guests(api)

    assert await grant_names(api, anna, search=search) == sorted(names)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"role": ["SIMPLE_USER"]}, ["Back\\slash", "Åse Øst"]),
        ({"status": ["REVOKED"]}, ["Back\\slash"]),
        ({"role": ["SIMPLE_USER"], "status": ["ACTIVE"]}, ["Åse Øst"]),
        ({"role": ["SIMPLE_USER", "OWNER"], "search": "example.com", "status": ["ACTIVE"]}, ["Anna Nowak", "Åse Øst"]),
        ({"role": []}, []),
        ({"status": []}, []),
        ({"search": "100%", "role": ["SIMPLE_USER"]}, []),
    ],
)
async def test_filters_are_combined(api: Api, filters: dict[str, object], names: list[str]) -> None:
    anna = await account_with_guests(api)

    assert await grant_names(api, anna, **filters) == sorted(names)


async def test_filters_of_end_and_status_depend_on_the_current_second(api: Api, clock: Clock) -> None:
    anna = await account_with_guests(api)
    end = clock() + timedelta(days=10)

    assert await grant_names(api, anna, endsBefore=end.isoformat()) == []
    assert await grant_names(api, anna, endsBefore=(end + timedelta(seconds=1)).isoformat()) == ["Łukasz Żak"]
    clock.forward(days=10, seconds=-1)
    assert await grant_names(api, anna, status=["EXPIRED"]) == []
    clock.forward(seconds=1)
    assert await grant_names(api, anna, status=["EXPIRED"]) == ["Łukasz Żak"]
    assert "Łukasz Żak" not in await grant_names(api, anna, status=["ACTIVE"])


async def test_unused_grants_are_found_and_never_used_ones_count_from_their_creation(api: Api, clock: Clock) -> None:
    anna = await api.person("anna@example.com", "Anna Nowak")
    active_guest, _ = await api.guest(anna, "used@example.com", "ACCOUNTANT")
    _ = await api.guest(anna, "idle@example.com", "ACCOUNTANT")
    await db.execute("UPDATE users SET name = email")
    await db.execute(
        "UPDATE grants SET last_used_at = NULL WHERE user_id = $1", await key(active_guest, "idle@example.com")
    )
    start = clock()
    clock.forward(days=5)
    await api.ask("{ viewer { currentAccount { name } } }", by=active_guest)
    await api.ask("{ viewer { currentAccount { name } } }", by=anna)

    assert await grant_names(api, anna, notUsedSince=start.isoformat()) == []
    assert await grant_names(api, anna, notUsedSince=(start + timedelta(seconds=1)).isoformat()) == ["idle@example.com"]
    query = "{ viewer { currentAccount { grants { nodes { lastUsedAt user { name } } } } } }"
    nodes = (await api.ask(query, by=anna)).data["viewer"]["currentAccount"]["grants"]["nodes"]
    uses = {node["user"]["name"]: node["lastUsedAt"] for node in nodes}
    assert uses["idle@example.com"] is None
    assert uses["used@example.com"] == clock().isoformat().replace("+00:00", "Z")


async def key(_: Person, email: str) -> Any:  # a primary key
    return (await db.fetch("SELECT id FROM users WHERE email = $1", email, row=db.Row))[0].id


async def test_filters_reveal_nothing_without_the_permission_to_read_users(api: Api) -> None:
    """Names, addresses, roles, uses and ends of other users do not affect counts, orders or matches."""
    anna = await account_with_guests(api)
    accountant, _ = await api.guest(anna, "accountant@example.com", "ACCOUNTANT")
    stranger = await api.person("stranger@example.com", "Stig Storm")
    query = "query ($filter: GrantFilter) { grants(filter: $filter, orderBy: USER_NAME) { totalCount nodes { id } } }"
    grants = (await api.ask(query, {"filter": {}}, by=accountant)).data["grants"]
    assert grants["totalCount"] == 1

    for filters in (
        {"search": "nils"},
        {"search": "przyklad"},
        {"role": ["SIMPLE_USER"]},
        {"userId": anna.user_id},
        {"status": ["REVOKED"]},
        {"endsBefore": "2090-01-01T00:00:00Z"},
    ):
        for person in (accountant, stranger):
            grants = (await api.ask(query, {"filter": filters}, by=person)).data["grants"]
            assert grants == {"totalCount": 0, "nodes": []}, filters
        answer = await api.ask(GRANTS, {"filter": filters}, by=accountant)
        assert answer.codes == ["FORBIDDEN"]
        assert answer.partial["viewer"]["currentAccount"]["grants"] is None


async def test_grants_on_a_closed_account_are_hidden_from_others(api: Api) -> None:
    anna = await account_with_guests(api)
    payload = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    second = ids.decode("Account", payload["account"]["id"])
    sql = (
        "INSERT INTO grants (id, account_id, user_id, role, status, created_at) SELECT gen_random_uuid(), $1, id,"
        " 'ACCOUNTANT', 'ACTIVE', now() FROM users WHERE email = 'percent@example.com'"
    )
    await db.execute(sql, second)
    query = "{ grants { totalCount nodes { id } } }"
    before = (await api.ask(query, by=anna)).data["grants"]["totalCount"]

    await db.execute("UPDATE accounts SET closed_at = created_at WHERE id = $1", second)

    # The former owner still sees their own grant on it, but not the guest's.
    assert (await api.ask(query, by=anna)).data["grants"]["totalCount"] == before - 1
