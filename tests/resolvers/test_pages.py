"""Connections: pages in both directions, stable while rows come and go, and refused when they make no sense."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Literal

import pytest

from database import db
from tests.api import Api, Clock, Person
from tests.resolvers.statements import counted
from tests.schema import walk
from tests.schema.world import EXECUTORS, application

NAMES = ["Anna", "Bo", "Cora", "Dag", "Eva"]


async def full(api: Api) -> Person:
    """An owner of five accounts, named after NAMES."""
    anna = await api.person("anna@example.com", NAMES[0])
    for name in NAMES[1:]:
        _ = await api.do("createAccount", {"name": name}, by=anna)
    return anna


async def page(api: Api, by: Person, **given: object) -> Any:  # JSON
    query = """query($first: Int, $after: String, $last: Int, $before: String, $order: AccountOrder) {
        accounts(first: $first, after: $after, last: $last, before: $before, orderBy: $order) {
            nodes { name } edges { cursor node { name } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    return (await api.ask(query, {"order": "NAME", **given}, by=by)).data["accounts"]


def names(found: Any) -> list[str]:  # JSON
    return [node["name"] for node in found["nodes"]]


def more(found: Any) -> tuple[bool, bool]:  # JSON
    return found["pageInfo"]["hasPreviousPage"], found["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize("order", ["NAME", "NUMBER", "LAST_USED", "VALID_UNTIL"])
async def test_pages_forward_and_backward_hold_every_entry_once(api: Api, order: str) -> None:
    anna = await full(api)
    whole = names(await page(api, anna, order=order))

    assert sorted(whole) == NAMES
    for size in (1, 2, 4, 5, 6):
        assert await both_ways(api, anna, order, size) == (whole, whole)


async def both_ways(api: Api, anna: Person, order: str, size: int) -> tuple[list[str], list[str]]:
    """All names, page by page from the start, and from the end."""
    forward, after = list[str](), None
    while True:
        found = await page(api, anna, order=order, first=size, after=after)
        forward += names(found)
        if not found["pageInfo"]["hasNextPage"]:
            break
        after = found["pageInfo"]["endCursor"]
    backward, before = list[str](), None
    while True:
        found = await page(api, anna, order=order, last=size, before=before)
        backward = names(found) + backward
        if not found["pageInfo"]["hasPreviousPage"]:
            break
        before = found["pageInfo"]["startCursor"]
    return forward, backward


async def test_a_page_knows_where_it_stands(api: Api) -> None:
    anna = await full(api)

    first = await page(api, anna, first=2)
    middle = await page(api, anna, first=2, after=first["pageInfo"]["endCursor"])
    last = await page(api, anna, last=2)
    back = await page(api, anna, last=2, before=last["pageInfo"]["startCursor"])
    beyond = await page(api, anna, first=2, after=last["pageInfo"]["endCursor"])

    assert [names(found) for found in (first, middle, last, back, beyond)] == [
        NAMES[:2],
        NAMES[2:4],
        NAMES[3:],
        NAMES[1:3],
        [],
    ]
    assert [more(found) for found in (first, middle, last, back, beyond)] == [
        (False, True),
        (True, True),
        (True, False),
        (True, True),
        (True, False),
    ]
    assert beyond["pageInfo"]["startCursor"] is beyond["pageInfo"]["endCursor"] is None
    assert [edge["cursor"] for edge in first["edges"]] == [
        first["pageInfo"]["startCursor"],
        first["pageInfo"]["endCursor"],
    ]


async def test_rows_that_come_and_go_between_pages_shift_nothing(api: Api) -> None:
    anna = await full(api)
    first = await page(api, anna, first=2)

    _ = await api.do("createAccount", {"name": "Aase"}, by=anna)
    _ = await db.execute("UPDATE accounts SET closed_at = now() WHERE name = 'Bo'")
    _ = await db.execute("UPDATE accounts SET closed_at = now() WHERE name = 'Dag'")
    second = await page(api, anna, first=2, after=first["pageInfo"]["endCursor"])

    assert (names(first), names(second)) == (["Anna", "Bo"], ["Cora", "Eva"])


SENSELESS: list[dict[str, object]] = [
    {"first": 0},
    {"first": -1},
    {"first": 101},
    {"last": 0},
    {"last": 101},
    {"first": 2**31 - 1},
    {"first": 1, "last": 1},
    {"after": ""},
    {"after": "!"},
    {"after": "bm9uZQ"},
    {"after": "Å"},
    {"before": "\u200b"},
    {"after": urlsafe_b64encode(b"[]").decode()},
    {"after": urlsafe_b64encode(b"{}").decode()},
    {"after": urlsafe_b64encode(b"[" * 5000).decode()},
]


async def test_a_page_that_makes_no_sense_is_bad_input(api: Api) -> None:
    anna = await api.person("anna@example.com")

    for given in SENSELESS:
        text = ", ".join(f"{name}: {json.dumps(value)}" for name, value in given.items())
        forward = ("events", "sessions") if given.keys() <= {"first", "after"} else ()
        for field in ("accounts", "grants", *forward):
            asked = f"{field}({text}) {{ nodes {{ id }} }}"
            query = f"{{ {asked} }}" if field in {"accounts", "grants"} else f"{{ viewer {{ {asked} }} }}"

            assert (await api.ask(query, by=anna)).codes == ["BAD_USER_INPUT"], query[:200]


async def test_a_cursor_of_another_list_or_order_is_bad_input(api: Api) -> None:
    anna = await full(api)
    query = """{ viewer { events { edges { cursor } } sessions { edges { cursor } } }
        grants { edges { cursor } } accounts { edges { cursor } }
        named: accounts(orderBy: NAME) { edges { cursor } } used: grants(orderBy: LAST_USED) { edges { cursor } } }"""
    data = (await api.ask(query, by=anna)).data
    cursors = {name: found["edges"][0]["cursor"] for name, found in (data | data.pop("viewer")).items()}
    calls = {
        "events": 'viewer { events(after: "%s") { nodes { id } } }',
        "sessions": 'viewer { sessions(after: "%s") { nodes { id } } }',
        "grants": 'grants(after: "%s") { nodes { id } }',
        "accounts": 'accounts(after: "%s") { nodes { id } }',
        "named": 'accounts(orderBy: NAME, after: "%s") { nodes { id } }',
        "used": 'grants(orderBy: LAST_USED, after: "%s") { nodes { id } }',
    }

    for list_name, call in calls.items():
        for cursor_name, cursor in cursors.items():
            answer = await api.ask(f"{{ {call % cursor} }}", by=anna)

            expected = [] if list_name == cursor_name else ["BAD_USER_INPUT"]
            assert answer.codes == expected, (list_name, cursor_name)


@pytest.mark.parametrize("place", ["\0", 7, None, ["x"], "\ud800"])
async def test_a_forged_cursor_of_the_right_list_is_bad_input(api: Api, place: object) -> None:
    anna = await full(api)
    found = await page(api, anna, first=1)
    cursor = found["pageInfo"]["endCursor"]
    mark, _, key = json.loads(_decoded(cursor))
    forged = urlsafe_b64encode(json.dumps([mark, place, key]).encode()).decode()

    answer = await api.ask(
        "query($c: String) { accounts(orderBy: NAME, after: $c) { nodes { id } } }", {"c": forged}, by=anna
    )

    assert answer.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("place", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01", "never"])
async def test_a_forged_instant_is_bad_input(api: Api, place: str) -> None:
    anna = await full(api)
    cursor = (await page(api, anna, first=1, order="LAST_USED"))["pageInfo"]["endCursor"]
    mark, _, key = json.loads(_decoded(cursor))
    forged = urlsafe_b64encode(json.dumps([mark, place, key]).encode()).decode()

    answer = await api.ask("query($c: String) { accounts(after: $c) { nodes { id } } }", {"c": forged}, by=anna)

    assert answer.codes == ["BAD_USER_INPUT"]


def _decoded(cursor: str) -> bytes:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


# ---- Counting --------------------------------------------------------------------------------


async def test_nobody_counts_what_is_not_asked_for(api: Api) -> None:
    anna = await full(api)

    with counted() as without:
        _ = await api.ask("{ accounts { nodes { id } } }", by=anna)
    with counted() as along:
        _ = await api.ask("{ accounts { nodes { id } totalCount } }", by=anna)

    assert [sql for sql in without if "count(*)" in sql] == []
    assert len([sql for sql in along if "count(*)" in sql]) == 1


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_one_fragment_over_several_lists_counts_each_by_its_own_filter(
    database_url: str, clock: Clock, executor: Literal["compiled", "reference"]
) -> None:
    query = """{
        all: grants { ...Count } guests: grants(filter: { role: [ACCOUNTANT] }) { ...Count }
        none: grants(filter: { search: "nobody" }) { ...Count } viewer { grants { ...Count } }
    } fragment Count on GrantConnection { totalCount nodes { id } }"""
    async with application(database_url, executor, clock) as api:
        anna = await full(api)
        _ = await api.guest(anna, "kari@example.com", "ACCOUNTANT")

        data = (await api.ask(query, by=anna)).data

    found = {name: entry["totalCount"] for name, entry in (data | data.pop("viewer")).items()}
    assert found == {"all": 6, "guests": 1, "none": 0, "grants": 5}


async def test_each_parent_has_a_count_of_its_own(api: Api) -> None:
    anna = await full(api)
    _ = await api.guest(anna, "kari@example.com", "ACCOUNTANT")

    data = (await api.ask("{ accounts(orderBy: NAME) { nodes { grants { totalCount } } } }", by=anna)).data

    assert [node["grants"]["totalCount"] for node in data["accounts"]["nodes"]] == [2, 1, 1, 1, 1]


async def test_a_parent_reached_by_several_ways_has_its_list_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for number in range(3):
        _ = await api.guest(anna, f"guest-{number}@example.com", "ACCOUNTANT")
    query = """query($id: ID!) {
        grants { nodes { account { grants { totalCount nodes { id } } } } }
        nodes(ids: [$id, $id]) { ... on Account { grants { totalCount nodes { id } } } }
    }"""

    data = (await api.ask(query, {"id": anna.account_id}, by=anna)).data

    found = [node["account"]["grants"] for node in data["grants"]["nodes"]] + [node["grants"] for node in data["nodes"]]
    assert len(found) == 6
    assert [(one["totalCount"], len({node["id"] for node in one["nodes"]}), len(one["nodes"])) for one in found] == [
        (4, 4, 4)
    ] * 6


# ---- Statements ------------------------------------------------------------------------------

DEEP = """{ viewer { accounts(first: 50) { nodes {
    name settings { invoicePrefix } subscription { validUntil }
    owner { name email } viewerGrant { id } grants(first: 10) { totalCount nodes { role user { email } } } } } } }"""


async def accounts(api: Api, owner: Person, count: int) -> None:
    """So many accounts of one owner, each with two guests, made behind the graph's back."""
    for number in range(count):
        done = await api.do("createAccount", {"name": f"Number {number}"}, by=owner)
        assert done["errors"] == []
    _ = await db.execute("""
        INSERT INTO users (id, email, email_key, name, locale, password_hash, activated_at, created_at)
        SELECT gen_random_uuid(), 'x' || n || '@example.com', 'x' || n || '@example.com', 'X', 'en', 'x', now(), now()
        FROM generate_series(1, 2) n ON CONFLICT DO NOTHING""")
    _ = await db.execute("""
        INSERT INTO grants (id, account_id, user_id, role, status, created_at)
        SELECT gen_random_uuid(), a.id, u.id, 'ACCOUNTANT', 'ACTIVE', now() FROM accounts a, users u
        WHERE u.password_hash = 'x' ON CONFLICT DO NOTHING""")
    _ = await db.execute("""
        INSERT INTO invitations (id, account_id, email, email_key, role, status, invited_by_id, locale,
            allow_other_login, token_digest, created_at, expires_at)
        SELECT gen_random_uuid(), a.id, n || '@example.org', n || '@example.org', 'ACCOUNTANT', 'PENDING', a.owner_id,
            'en', false, sha256(convert_to(a.id::text || n, 'UTF8')), now(), now() + interval '7 days'
        FROM accounts a, generate_series(1, 3) n ON CONFLICT DO NOTHING""")


async def test_the_number_of_statements_does_not_grow_with_the_lists(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await accounts(api, anna, 2)
    _ = await api.ask(DEEP, by=anna)
    with counted() as few:
        small = (await api.ask(DEEP, by=anna)).data["viewer"]["accounts"]["nodes"]
    await accounts(api, anna, 27)
    with counted() as many:
        large = (await api.ask(DEEP, by=anna)).data["viewer"]["accounts"]["nodes"]

    assert (len(small), len(large)) == (3, 30)
    assert [len(node["grants"]["nodes"]) for node in large] == [3] * 30
    assert all(grant["user"]["email"] for node in large for grant in node["grants"]["nodes"])
    assert len(many) == len(few) <= 8, "\n".join(many)


def connections() -> list[tuple[str, str]]:
    """Every connection of the schema, by the type and the field that lead to it."""
    return [
        (type_name, name)
        for type_name, type_ in walk.TYPES.items()
        for name, field in type_.fields.items()
        if walk.target(field).endswith("Connection")
    ]


WAYS = {
    "Query": "%s",
    "Viewer": "viewer { %s }",
    "Account": "viewer { accounts(first: 50) { nodes { %s } } }",
    "AccountSettings": "viewer { accounts(first: 50) { nodes { settings { %s } } } }",
    "AccountSubscription": "viewer { accounts(first: 50) { nodes { subscription { %s } } } }",
}


@pytest.mark.parametrize(("type_name", "name"), connections())
async def test_no_connection_asks_more_the_longer_it_is(api: Api, type_name: str, name: str) -> None:
    anna = await api.person("anna@example.com")
    node = walk.target(walk.TYPES[walk.target(walk.TYPES[type_name].fields[name])].fields["nodes"])
    below = " ".join(
        f"{field} {{ __typename {'id' if 'id' in walk.TYPES[walk.target(declared)].fields else ''} }}"
        for field, declared in walk.TYPES[node].fields.items()
        if walk.target(declared) in walk.TYPES and field != "viewerCan"
    )
    shown = f"{'id' if 'id' in walk.TYPES[node].fields else '__typename'} {below}"
    query = f"{{ {WAYS[type_name] % f'{name}(first: 10) {{ totalCount nodes {{ {shown} }} }}'} }}"
    await accounts(api, anna, 1)
    _ = await api.ask(query, by=anna)
    with counted() as few:
        small = await api.ask(query, by=anna)
    await accounts(api, anna, 8)
    _ = await api.do("updateProfile", {"name": "Anna"}, by=anna)
    with counted() as many:
        large = await api.ask(query, by=anna)

    assert (small.errors, large.errors) == ([], [])
    assert len(many) == len(few), "\n".join(many)
