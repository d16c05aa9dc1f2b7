"""Searching and filtering the grants of an account, and that it tells nobody more than he may read."""

from datetime import timedelta
from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Clock, Person

ASKED = """query ($filter: GrantFilter, $orderBy: GrantOrder) { viewer { currentAccount {
    grants(filter: $filter, orderBy: $orderBy) { totalCount nodes { user { name } } } } } }"""
GUESTS = {
    "percent@example.com": ("100% Nils", "ACCOUNTANT"),
    "under_score@example.com": ("Åse Øst", "SIMPLE_USER"),
    "back@example.com": ("Back\\slash", "SIMPLE_USER"),
    "lukasz@przyklad.example": ("Łukasz Żak", "COLLABORATOR"),
}


async def house(api: Api) -> Person:
    """An owner with four guests, of whom one has left and one has an end."""
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


async def found(api: Api, by: Person, **wanted: object) -> list[str]:
    seen = await api.ask(ASKED, {"filter": wanted, "orderBy": "USER_NAME"}, by=by)
    grants: Any = seen.data["viewer"]["currentAccount"]["grants"]
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
async def test_a_search_takes_name_and_address_as_they_are(api: Api, search: str, names: list[str]) -> None:
    anna = await house(api)

    assert await found(api, anna, search=search) == sorted(names)


@pytest.mark.parametrize(
    ("wanted", "names"),
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
async def test_filters_meet(api: Api, wanted: dict[str, object], names: list[str]) -> None:
    anna = await house(api)

    assert await found(api, anna, **wanted) == sorted(names)


async def test_ends_and_statuses_move_with_the_clock_to_the_second(api: Api, clock: Clock) -> None:
    anna = await house(api)
    end = clock() + timedelta(days=10)

    assert await found(api, anna, endsBefore=end.isoformat()) == []
    assert await found(api, anna, endsBefore=(end + timedelta(seconds=1)).isoformat()) == ["Łukasz Żak"]
    clock.forward(days=10, seconds=-1)
    assert await found(api, anna, status=["EXPIRED"]) == []
    clock.forward(seconds=1)
    assert await found(api, anna, status=["EXPIRED"]) == ["Łukasz Żak"]
    assert "Łukasz Żak" not in await found(api, anna, status=["ACTIVE"])


async def test_access_that_nobody_uses_is_found_and_what_was_never_used_counts_from_its_beginning(
    api: Api, clock: Clock
) -> None:
    anna = await api.person("anna@example.com", "Anna Nowak")
    used, _ = await api.guest(anna, "used@example.com", "ACCOUNTANT")
    _ = await api.guest(anna, "idle@example.com", "ACCOUNTANT")
    await db.execute("UPDATE users SET name = email")
    await db.execute("UPDATE grants SET last_used_at = NULL WHERE user_id = $1", await key(used, "idle@example.com"))
    began = clock()
    clock.forward(days=5)
    await api.ask("{ viewer { currentAccount { name } } }", by=used)
    await api.ask("{ viewer { currentAccount { name } } }", by=anna)

    assert await found(api, anna, notUsedSince=began.isoformat()) == []
    assert await found(api, anna, notUsedSince=(began + timedelta(seconds=1)).isoformat()) == ["idle@example.com"]
    shown = "{ viewer { currentAccount { grants { nodes { lastUsedAt user { name } } } } } }"
    nodes = (await api.ask(shown, by=anna)).data["viewer"]["currentAccount"]["grants"]["nodes"]
    uses = {node["user"]["name"]: node["lastUsedAt"] for node in nodes}
    assert uses["idle@example.com"] is None
    assert uses["used@example.com"] == clock().isoformat().replace("+00:00", "Z")


async def key(_: Person, email: str) -> Any:  # a primary key
    return (await db.fetch("SELECT id FROM users WHERE email = $1", email, row=db.Row))[0].id


async def test_no_filter_tells_who_may_not_read_users_anything(api: Api) -> None:
    """Names, addresses, roles, uses and ends of others: nothing is counted, sorted or found by them."""
    anna = await house(api)
    accountant, _ = await api.guest(anna, "accountant@example.com", "ACCOUNTANT")
    stranger = await api.person("stranger@example.com", "Stig Storm")
    whole = "query ($filter: GrantFilter) { grants(filter: $filter, orderBy: USER_NAME) { totalCount nodes { id } } }"
    own = (await api.ask(whole, {"filter": {}}, by=accountant)).data["grants"]
    assert own["totalCount"] == 1

    for wanted in (
        {"search": "nils"},
        {"search": "przyklad"},
        {"role": ["SIMPLE_USER"]},
        {"userId": anna.user_id},
        {"status": ["REVOKED"]},
        {"endsBefore": "2090-01-01T00:00:00Z"},
    ):
        for person in (accountant, stranger):
            seen = (await api.ask(whole, {"filter": wanted}, by=person)).data["grants"]
            assert seen == {"totalCount": 0, "nodes": []}, wanted
        answer = await api.ask(ASKED, {"filter": wanted}, by=accountant)
        assert answer.codes == ["FORBIDDEN"]
        assert answer.partial["viewer"]["currentAccount"]["grants"] is None


async def test_a_closed_accounts_grants_are_in_no_list(api: Api) -> None:
    anna = await house(api)
    done = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    second = ids.decode("Account", done["account"]["id"])
    sql = (
        "INSERT INTO grants (id, account_id, user_id, role, status, created_at) SELECT gen_random_uuid(), $1, id,"
        " 'ACCOUNTANT', 'ACTIVE', now() FROM users WHERE email = 'percent@example.com'"
    )
    await db.execute(sql, second)
    whole = "{ grants { totalCount nodes { id } } }"
    before = (await api.ask(whole, by=anna)).data["grants"]["totalCount"]

    await db.execute("UPDATE accounts SET closed_at = created_at WHERE id = $1", second)

    # His own grant on it stays in his history; that of his guest is nobody's to see any more.
    assert (await api.ask(whole, by=anna)).data["grants"]["totalCount"] == before - 1
