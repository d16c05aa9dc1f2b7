"""Connections: pages in both directions, stable cursors, invalid arguments, counts and statements."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Literal

import pytest

from database import db
from tests.api import Api, Clock, Person
from tests.resolvers.statements import record_statements
from tests.schema import walk
from tests.schema.world import EXECUTORS, application

NAMES = ["Anna", "Bo", "Cora", "Dag", "Eva"]


async def register_owner(api: Api) -> Person:
    """Register an owner of five accounts with the names in NAMES."""
    anna = await api.person("anna@example.com", NAMES[0])
    for name in NAMES[1:]:
        _ = await api.do("createAccount", {"name": name}, by=anna)
    return anna


async def fetch_page(api: Api, by: Person, **arguments: object) -> Any:  # JSON
    query = """query($first: Int, $after: String, $last: Int, $before: String, $order: AccountOrder) {
        accounts(first: $first, after: $after, last: $last, before: $before, orderBy: $order) {
            nodes { name } edges { cursor node { name } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    return (await api.ask(query, {"order": "NAME", **arguments}, by=by)).data["accounts"]


def names(connection: Any) -> list[str]:  # JSON
    return [node["name"] for node in connection["nodes"]]


def has_neighbours(connection: Any) -> tuple[bool, bool]:  # JSON
    return connection["pageInfo"]["hasPreviousPage"], connection["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize("order", ["NAME", "NUMBER", "LAST_USED", "VALID_UNTIL"])
async def test_pages_in_both_directions_contain_each_row_once(api: Api, order: str) -> None:
    anna = await register_owner(api)
    whole = names(await fetch_page(api, anna, order=order))

    assert sorted(whole) == NAMES
    for size in (1, 2, 4, 5, 6):
        assert await names_both_ways(api, anna, order, size) == (whole, whole)


async def names_both_ways(api: Api, anna: Person, order: str, size: int) -> tuple[list[str], list[str]]:
    """All names, page by page from the start and from the end."""
    forward, after = list[str](), None
    while True:
        connection = await fetch_page(api, anna, order=order, first=size, after=after)
        forward += names(connection)
        if not connection["pageInfo"]["hasNextPage"]:
            break
        after = connection["pageInfo"]["endCursor"]
    backward, before = list[str](), None
    while True:
        connection = await fetch_page(api, anna, order=order, last=size, before=before)
        backward = names(connection) + backward
        if not connection["pageInfo"]["hasPreviousPage"]:
            break
        before = connection["pageInfo"]["startCursor"]
    return forward, backward


async def test_page_info_has_neighbours_and_cursors(api: Api) -> None:
    anna = await register_owner(api)

    first = await fetch_page(api, anna, first=2)
    middle = await fetch_page(api, anna, first=2, after=first["pageInfo"]["endCursor"])
    last = await fetch_page(api, anna, last=2)
    back = await fetch_page(api, anna, last=2, before=last["pageInfo"]["startCursor"])
    beyond = await fetch_page(api, anna, first=2, after=last["pageInfo"]["endCursor"])

    assert [names(connection) for connection in (first, middle, last, back, beyond)] == [
        NAMES[:2],
        NAMES[2:4],
        NAMES[3:],
        NAMES[1:3],
        [],
    ]
    assert [has_neighbours(connection) for connection in (first, middle, last, back, beyond)] == [
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


async def test_changed_rows_do_not_shift_the_next_page(api: Api) -> None:
    anna = await register_owner(api)
    first = await fetch_page(api, anna, first=2)

    _ = await api.do("createAccount", {"name": "Aase"}, by=anna)
    _ = await db.execute("UPDATE accounts SET closed_at = now() WHERE name = 'Bo'")
    _ = await db.execute("UPDATE accounts SET closed_at = now() WHERE name = 'Dag'")
    second = await fetch_page(api, anna, first=2, after=first["pageInfo"]["endCursor"])

    assert (names(first), names(second)) == (["Anna", "Bo"], ["Cora", "Eva"])


INVALID_PAGES: list[dict[str, object]] = [
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


async def test_invalid_page_arguments_are_bad_input(api: Api) -> None:
    anna = await api.person("anna@example.com")

    for page_arguments in INVALID_PAGES:
        text = ", ".join(f"{name}: {json.dumps(value)}" for name, value in page_arguments.items())
        forward = ("events", "sessions") if page_arguments.keys() <= {"first", "after"} else ()
        for field in ("accounts", "grants", *forward):
            selection = f"{field}({text}) {{ nodes {{ id }} }}"
            query = f"{{ {selection} }}" if field in {"accounts", "grants"} else f"{{ viewer {{ {selection} }} }}"

            assert (await api.ask(query, by=anna)).codes == ["BAD_USER_INPUT"], query[:200]


async def test_cursor_of_another_connection_or_order_is_bad_input(api: Api) -> None:
    anna = await register_owner(api)
    query = """{ viewer { events { edges { cursor } } sessions { edges { cursor } } }
        grants { edges { cursor } } accounts { edges { cursor } }
        named: accounts(orderBy: NAME) { edges { cursor } } used: grants(orderBy: LAST_USED) { edges { cursor } } }"""
    data = (await api.ask(query, by=anna)).data
    cursors = {name: connection["edges"][0]["cursor"] for name, connection in (data | data.pop("viewer")).items()}
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
            response = await api.ask(f"{{ {call % cursor} }}", by=anna)

            expected_codes = [] if list_name == cursor_name else ["BAD_USER_INPUT"]
            assert response.codes == expected_codes, (list_name, cursor_name)


@pytest.mark.parametrize("place", ["\0", 7, None, ["x"], "\ud800"])
async def test_forged_cursor_is_bad_input(api: Api, place: object) -> None:
    anna = await register_owner(api)
    connection = await fetch_page(api, anna, first=1)
    cursor = connection["pageInfo"]["endCursor"]
    mark, _, key = json.loads(_decode(cursor))
    forged_cursor = urlsafe_b64encode(json.dumps([mark, place, key]).encode()).decode()

    response = await api.ask(
        "query($c: String) { accounts(orderBy: NAME, after: $c) { nodes { id } } }", {"c": forged_cursor}, by=anna
    )

    assert response.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("place", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01", "never"])
async def test_forged_timestamp_cursor_is_bad_input(api: Api, place: str) -> None:
    anna = await register_owner(api)
    cursor = (await fetch_page(api, anna, first=1, order="LAST_USED"))["pageInfo"]["endCursor"]
    mark, _, key = json.loads(_decode(cursor))
    forged_cursor = urlsafe_b64encode(json.dumps([mark, place, key]).encode()).decode()

    response = await api.ask(
        "query($c: String) { accounts(after: $c) { nodes { id } } }", {"c": forged_cursor}, by=anna
    )

    assert response.codes == ["BAD_USER_INPUT"]


def _decode(cursor: str) -> bytes:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


# ---- Counting --------------------------------------------------------------------------------


async def test_total_count_runs_only_if_selected(api: Api) -> None:
    anna = await register_owner(api)

    with record_statements() as without_count:
        _ = await api.ask("{ accounts { nodes { id } } }", by=anna)
    with record_statements() as with_count:
        _ = await api.ask("{ accounts { nodes { id } totalCount } }", by=anna)

    assert [sql for sql in without_count if "count(*)" in sql] == []
    assert len([sql for sql in with_count if "count(*)" in sql]) == 1


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_shared_fragment_counts_each_connection_by_its_filter(
    database_url: str, clock: Clock, executor: Literal["compiled", "reference"]
) -> None:
    query = """{
        all: grants { ...Count } guests: grants(filter: { role: [ACCOUNTANT] }) { ...Count }
        none: grants(filter: { search: "unknown" }) { ...Count } viewer { grants { ...Count } }
    } fragment Count on GrantConnection { totalCount nodes { id } }"""
    async with application(database_url, executor, clock) as api:
        anna = await register_owner(api)
        _ = await api.guest(anna, "kari@example.com", "ACCOUNTANT")

        data = (await api.ask(query, by=anna)).data

    counts = {name: entry["totalCount"] for name, entry in (data | data.pop("viewer")).items()}
    assert counts == {"all": 6, "guests": 1, "none": 0, "grants": 5}


async def test_total_count_is_per_parent(api: Api) -> None:
    anna = await register_owner(api)
    _ = await api.guest(anna, "kari@example.com", "ACCOUNTANT")

    data = (await api.ask("{ accounts(orderBy: NAME) { nodes { grants { totalCount } } } }", by=anna)).data

    assert [node["grants"]["totalCount"] for node in data["accounts"]["nodes"]] == [2, 1, 1, 1, 1]


async def test_parent_on_several_paths_has_the_same_connection(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for number in range(3):
        _ = await api.guest(anna, f"guest-{number}@example.com", "ACCOUNTANT")
    query = """query($id: ID!) {
        grants { nodes { account { grants { totalCount nodes { id } } } } }
        nodes(ids: [$id, $id]) { ... on Account { grants { totalCount nodes { id } } } }
    }"""

    data = (await api.ask(query, {"id": anna.account_id}, by=anna)).data

    connections = [node["account"]["grants"] for node in data["grants"]["nodes"]] + [
        node["grants"] for node in data["nodes"]
    ]
    assert len(connections) == 6
    assert [
        (item["totalCount"], len({node["id"] for node in item["nodes"]}), len(item["nodes"])) for item in connections
    ] == [(4, 4, 4)] * 6


# ---- Statements ------------------------------------------------------------------------------

DEEP = """{ viewer { accounts(first: 50) { nodes {
    name settings { invoicePrefix } subscription { validUntil }
    owner { name email } viewerGrant { id } grants(first: 10) { totalCount nodes { role user { email } } } } } } }"""


async def create_accounts(api: Api, owner: Person, count: int) -> None:
    """Create `count` accounts of an owner. Guests and invitations are inserted directly."""
    for number in range(count):
        payload = await api.do("createAccount", {"name": f"Number {number}"}, by=owner)
        assert payload["errors"] == []
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


async def test_statement_count_is_independent_of_list_length(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await create_accounts(api, anna, 2)
    _ = await api.ask(DEEP, by=anna)
    with record_statements() as short_statements:
        small = (await api.ask(DEEP, by=anna)).data["viewer"]["accounts"]["nodes"]
    await create_accounts(api, anna, 27)
    _ = await api.ask(DEEP, by=anna)  # stores the use of the new accounts, once a minute
    with record_statements() as long_statements:
        large = (await api.ask(DEEP, by=anna)).data["viewer"]["accounts"]["nodes"]

    assert (len(small), len(large)) == (3, 30)
    assert [len(node["grants"]["nodes"]) for node in large] == [3] * 30
    assert all(grant["user"]["email"] for node in large for grant in node["grants"]["nodes"])
    assert len(long_statements) == len(short_statements) <= 8, "\n".join(long_statements)


def schema_connections() -> list[tuple[str, str]]:
    """All connections of the schema, as type and field."""
    return [
        (type_name, name)
        for type_name, type_ in walk.TYPES.items()
        for name, field in type_.fields.items()
        if walk.target_type(field).endswith("Connection")
    ]


WAYS = {
    "Query": "%s",
    "Viewer": "viewer { %s }",
    "Account": "viewer { accounts(first: 20) { nodes { %s } } }",
    "Document": "viewer { accounts(first: 20) { nodes { documents(first: 2) { nodes { %s } } } } }",
    "AccountSettings": "viewer { accounts(first: 20) { nodes { settings { %s } } } }",
    "AccountSubscription": "viewer { accounts(first: 20) { nodes { subscription { %s } } } }",
    # Fewer, because reports cost much.
    "AccountReports": "viewer { accounts(first: 3) { nodes { reports { %s } } } }",
}


@pytest.mark.parametrize(("type_name", "name"), schema_connections())
async def test_no_connection_has_n_plus_one_statements(api: Api, type_name: str, name: str) -> None:
    anna = await api.person("anna@example.com")
    node = walk.target_type(walk.TYPES[walk.target_type(walk.TYPES[type_name].fields[name])].fields["nodes"])
    subselections = " ".join(
        f"{field} {{ __typename {'id' if 'id' in walk.TYPES[walk.target_type(definition)].fields else ''} }}"
        for field, definition in walk.TYPES[node].fields.items()
        if walk.target_type(definition) in walk.TYPES and field != "viewerCan"
    )
    selection = f"{'id' if 'id' in walk.TYPES[node].fields else '__typename'} {subselections}"
    query = f"{{ {WAYS[type_name] % f'{name}(first: 10) {{ totalCount nodes {{ {selection} }} }}'} }}"
    await create_accounts(api, anna, 1)
    _ = await api.ask(query, by=anna)
    with record_statements() as short_statements:
        small = await api.ask(query, by=anna)
    await create_accounts(api, anna, 8)
    _ = await api.do("updateProfile", {"name": "Anna"}, by=anna)
    _ = await api.ask(query, by=anna)  # stores the use of the new accounts, once a minute
    with record_statements() as long_statements:
        large = await api.ask(query, by=anna)

    assert (small.errors, large.errors) == ([], [])
    assert len(long_statements) == len(short_statements), "\n".join(long_statements)
