"""Long lists: each list, with each filter and each order, reads a bounded number of rows.

The lists, filters and orders come from the schema. Rows are counted in PostgreSQL's plans of the statements.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from graphql import GraphQLEnumType, GraphQLField, GraphQLInputObjectType, get_named_type

from database import db, listing, page_sql
from database.page_sql import KEY, SCAN_ROWS
from resolvers import ids
from tests.api import Api, Person
from tests.conftest import connect
from tests.models.lists.long_lists import FREQUENT_TYPE, RARE_TYPE, ROWS, lengthen
from tests.schema import walk

FEW_ROWS = 400
"""For a page of one row: the rows of the page, those of its joins, and the next row of each of several ranges."""
SCANNED_ROWS = 7 * SCAN_ROWS
"""For a scan: its rows, and a few lookups for each."""
WAYS = {
    "Query": "%s",
    "Viewer": "viewer { %s }",
    "Account": "account(id: $account) { %s }",
    "Document": "account(id: $account) { documents(first: 1) { nodes { %s } } }",
    "AccountSettings": "account(id: $account) { settings { %s } }",
    "AccountSubscription": "account(id: $account) { subscription { %s } }",
    "AccountReports": "account(id: $account) { reports { %s } }",
}
FIRST_GUEST = ids.encode("User", UUID("000f4241-0000-7000-8000-000000000001"))
PAGE_ARGUMENTS = {"first", "after", "last", "before"}
SCANNING = {
    # A text can be anywhere in the list.
    "AccountFilter.search", "GrantFilter.search", "InvitationFilter.search", "EngagementFilter.search",
    # Columns of the account, and rules about other rows. The list is in the order of the user's grants.
    "AccountFilter.role", "AccountFilter.status", "AccountFilter.kind", "AccountFilter.consultantId",
    "AccountFilter.expiresBefore",
    # A range, while the list has another order.
    "GrantFilter.notUsedSince", "GrantFilter.endsBefore",
    # The consultant's grants are another table.
    "EngagementFilter.consultantId", "EngagementFilter.soleConsultantId", "EngagementFilter.withoutConsultant",
    "EngagementFilter.awaitsPermissions", "EngagementFilter.endsBefore",
    # The names are in another table.
    "AccountOrder.NAME", "AccountOrder.NUMBER", "AccountOrder.VALID_UNTIL", "GrantOrder.USER_NAME",
    "EngagementOrder.NAME", "EngagementOrder.NUMBER", "EngagementOrder.ENDS_AT",
    # Computed from grants, with accounts that are looked up.
    "Account.links",
    # Sums of all documents of a range.
    "AccountReports.revenueByContact", "AccountReports.marginByContact",
    # The next grant of each account that the user may read.
    "Query.grants",
    # The purchase price, in the order of creation.
    "ProductFilter.minPurchasePrice",
    # Documents that are not overdue: nearly all.
    "DocumentFilter.isOverdue false",
    # Texts, and names in the alphabet of the viewer.
    "ContactFilter.search", "ProductFilter.search", "DocumentFilter.search", "ExpenseFilter.search",
    "ContactOrder.NAME", "ProductOrder.NAME",
    # Grants whose end has passed are ACTIVE until a job stores their status, within a minute.
    "GrantStatus.EXPIRED",
}  # fmt: skip
"""Filters, orders and lists that no index can serve. They read up to a scan, and cost more."""


class Case(NamedTuple):
    """A selection of a list, what it is about, and if no index serves it."""

    name: str
    query: str
    variables: dict[str, Any]
    is_scanned: bool


def filter_values(api: Api, owner: Person) -> dict[str, list[object]]:
    """Values of each filter: those of nearly all rows, of one row, and of none."""
    now = api.clock()
    instants: list[object] = [(now + timedelta(days=days)).isoformat() for days in (-1000, -1, 1000)]
    users: list[object] = [owner.user_id, FIRST_GUEST, ids.encode("User", UUID(int=9))]
    accounts: list[object] = [
        owner.account_id,
        ids.encode("Account", UUID("000f4241-0000-7000-8000-000000000002")),
        ids.encode("Account", UUID(int=9)),
    ]
    contact_keys = ("000f4242-0000-7000-8000-00000000000f", "000f4241-0000-7000-8000-00000000000f", str(UUID(int=9)))
    contacts: list[object] = [ids.encode("Contact", UUID(key)) for key in contact_keys]
    return {
        "Date:issuedFrom": ["2000-01-01", "2026-01-01", "2090-01-01"],
        "Date:issuedTo": ["2019-12-31", "2020-01-01", "2090-01-01"],
        "Date:dueFrom": ["2000-01-01", "2026-01-01", "2090-01-01"],
        "Date:dueTo": ["2019-12-31", "2020-02-01", "2090-01-01"],
        "Date:spentFrom": ["2000-01-01", "2026-01-01", "2030-01-01"],
        "Date:spentTo": ["2019-12-31", "2020-01-01", "2030-01-01"],
        "Decimal:minPurchasePrice": ["0", "11999", "1000000"],
        "String:type": [FREQUENT_TYPE, RARE_TYPE, "account", "account:client", "refused", "none"],
        "String:search": ["Guest", "guest1@", "Account 1", "no such text", "%"],
        "ID:userId": users, "ID:actorId": users, "ID:consultantId": users, "ID:soleConsultantId": users,
        "ID:accountId": accounts, "ID:contactId": contacts,
        "DateTime:since": instants, "DateTime:until": instants, "DateTime:notUsedSince": instants,
        "DateTime:endsBefore": instants, "DateTime:expiresBefore": instants,
    }  # fmt: skip


def cases(api: Api, owner: Person) -> Iterator[Case]:
    """Each list alone, with each order in each direction, and with each value of each filter."""
    values = filter_values(api, owner)
    for type_name, type_ in walk.TYPES.items():
        for name, definition in type_.fields.items():
            if walk.target_type(definition).endswith("Connection"):
                coordinate = f"{type_name}.{name}"
                for arguments, coordinates in argument_sets(definition, values):
                    yield case(owner, type_name, name, arguments, [coordinate, *coordinates])


def argument_sets(
    definition: GraphQLField, values: dict[str, list[object]]
) -> Iterator[tuple[dict[str, object], list[str]]]:
    """Arguments of a list, with the coordinates of the filters and orders that they use."""
    forward: dict[str, object] = {"first": 1}
    backward: dict[str, object] = {"last": 1}
    directions = [forward, *([backward] if "last" in definition.args else [])]
    for direction in directions:
        yield direction, []
    for name, argument in definition.args.items():
        type_: Any = get_named_type(argument.type)
        if isinstance(type_, GraphQLEnumType):
            for member in type_.values:
                for direction in directions:
                    yield direction | {name: member}, [f"{type_.name}.{member}"]
        elif isinstance(type_, GraphQLInputObjectType):
            for field_name, field in type_.fields.items():
                for value in values_of(field_name, field, values):
                    members = (
                        [f"{get_named_type(field.type)}.{entry}" for entry in value] if isinstance(value, list) else []
                    )
                    members += [f"{type_.name}.{field_name} {str(value).lower()}"] if isinstance(value, bool) else []
                    yield forward | {name: {field_name: value}}, [f"{type_.name}.{field_name}", *members]
        else:
            assert name in PAGE_ARGUMENTS, name


def values_of(name: str, field: Any, values: dict[str, list[object]]) -> Sequence[object]:
    """The values to try for a field of a filter. A filter that has none fails here."""
    type_: Any = get_named_type(field.type)
    if isinstance(type_, GraphQLEnumType):
        members = list(type_.values)
        is_list = str(field.type).startswith("[")
        return [*([member] for member in members), members[:2]] if is_list else members
    return [True, False] if type_.name == "Boolean" else values[f"{type_.name}:{name}"]


def case(owner: Person, type_name: str, name: str, arguments: dict[str, object], coordinates: list[str]) -> Case:
    """The query of a list with these arguments."""
    definition = walk.TYPES[type_name].fields[name]
    declared = ", ".join(f"${argument}: {definition.args[argument].type}" for argument in arguments)
    passed = ", ".join(f"{argument}: ${argument}" for argument in arguments)
    selection = f"{name}({passed}) {{ nodes {{ __typename }} edges {{ cursor }} pageInfo {{ endCursor hasNextPage }} }}"
    account = "$account: ID!, " if "$account" in WAYS[type_name] else ""
    query = f"query ({account}{declared}) {{ {WAYS[type_name] % selection} }}"
    variables = arguments | ({"account": owner.account_id} if account else {})
    return Case(f"{coordinates[0]} {arguments}", query, variables, bool(SCANNING & {*coordinates}))


class Statements:
    """The statements of lists that the application sends, and their plans."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, tuple[object, ...]]] = []
        fetch = db.fetch

        async def record_and_fetch(sql: str, *args: object, row: type[db.Row]) -> list[db.Row]:
            if KEY in sql:
                self.sent.append((sql, args))
            return await fetch(sql, *args, row=row)

        monkeypatch.setattr(db, "fetch", record_and_fetch)


async def rows_read(connection: Any, sql: str, arguments: Sequence[object]) -> int:
    """The number of rows that a statement reads from tables and indexes, with the plan that the server uses."""
    for setting, value in db.SERVER_SETTINGS.items():
        await connection.execute(f"SET {setting} = {value}")
    await connection.execute(f"PREPARE list AS {sql}")
    values = f"({', '.join(map(literal, arguments))})" if arguments else ""
    explanation = await connection.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE list{values}")
    await connection.execute("DEALLOCATE list")
    (plan,) = json.loads(explanation)
    return sum(map(rows_of, nodes_of(plan["Plan"])))


def literal(value: object) -> str:
    """An argument as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple):
        return literal("{" + ",".join(f'"{entry}"' for entry in value) + "}")
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return "'" + text.replace("'", "''") + "'"


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all nodes below it."""
    yield node
    for inner in node.get("Plans", []):
        yield from nodes_of(inner)


def rows_of(node: dict[str, Any]) -> int:
    """The rows that a node reads from a table or an index, in all of its loops."""
    if node["Node Type"] not in {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan"}:
        return 0
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(rows * node["Actual Loops"])


async def test_lists_read_a_bounded_number_of_rows(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await api.person("anna@example.com")
    await lengthen(api, owner, database_url)
    statements = Statements(monkeypatch)
    connection = await connect(database_url)
    await assert_that_filters_find_the_one_row_that_matches(api, owner)
    await assert_that_counts_are_capped(api, owner)
    for statement in statements.sent:
        assert await rows_read(connection, *statement) <= SCANNED_ROWS, statement
    excesses: list[str] = []
    names: set[str] = set()

    for item in cases(api, owner):
        statements.sent.clear()
        response = await api.ask(item.query, item.variables, by=owner)
        assert response.codes == [], item
        names.add(item.name.partition(" ")[0])
        read = [await rows_read(connection, *statement) for statement in statements.sent]
        assert read, item
        most = SCANNED_ROWS if item.is_scanned else FEW_ROWS
        excesses += [f"{item.name}: {rows}" for rows in read if rows > most]
    await connection.close()

    assert len(names) == 28
    assert excesses == []


EVENTS = """query ($id: ID!, $f: EventFilter) { account(id: $id) { events(first: 3, filter: $f) {
    totalCount totalCountIsCapped nodes { type } } } }"""
INVITATIONS = """query ($id: ID!, $f: InvitationFilter, $after: String) { account(id: $id) { invitations(first: 3,
    after: $after, filter: $f) { totalCount totalCountIsCapped nodes { status }
        pageInfo { hasNextPage endCursor } } } }"""
COUNTS = """query ($id: ID!) {
    viewer { grants { totalCount totalCountIsCapped } accounts { totalCount totalCountIsCapped } }
    account(id: $id) { messages { totalCount totalCountIsCapped } grants { totalCount totalCountIsCapped }
        subscription { entries { totalCount totalCountIsCapped } } } }"""


async def assert_that_filters_find_the_one_row_that_matches(api: Api, owner: Person) -> None:
    """A filter that an index serves finds its one row, and its count is exact."""
    filters = [
        {"type": RARE_TYPE},
        {"type": "account:client"},
        {"until": (api.clock() - timedelta(minutes=ROWS - 2)).isoformat()},
        {"actorId": FIRST_GUEST},
        {"actorId": FIRST_GUEST, "type": "account"},
    ]
    for event_filter in filters:
        answer = await api.ask(EVENTS, {"id": owner.account_id, "f": event_filter}, by=owner)
        events = answer.data["account"]["events"]
        assert RARE_TYPE in [node["type"] for node in events["nodes"]], event_filter
        assert not events["totalCountIsCapped"]
        assert events["totalCount"] == len(events["nodes"])


async def assert_that_counts_are_capped(api: Api, owner: Person) -> None:
    """A count ends after SCAN_ROWS rows, and says so."""
    data = (await api.ask(COUNTS, {"id": owner.account_id}, by=owner)).data
    counts = counts_in(data)
    assert len(counts) == 5
    assert counts == [{"totalCount": SCAN_ROWS, "totalCountIsCapped": True}] * 5


def counts_in(data: Any) -> list[Any]:
    """The objects in a response that have a count."""
    if not isinstance(data, dict):
        return []
    return [data] if "totalCount" in data else [entry for value in data.values() for entry in counts_in(value)]


async def test_scan_that_ends_before_the_page_is_full_leads_to_the_next_rows(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (page_sql, listing):
        monkeypatch.setattr(module, "SCAN_ROWS", 4)
    owner = await api.person("anna@example.com")
    for name in ("a", "match", "b", "c", "d", "e", "f", "g", "h"):
        input_ = {"accountId": owner.account_id, "email": f"{name}@example.com", "role": "ACCOUNTANT"}
        assert (await api.do("inviteUser", input_, by=owner))["errors"] == []
    variables: dict[str, Any] = {"id": owner.account_id, "f": {"search": "match"}, "after": None}
    pages: list[Any] = []

    while not pages or pages[-1]["pageInfo"]["hasNextPage"]:
        pages.append((await api.ask(INVITATIONS, variables, by=owner)).data["account"]["invitations"])
        variables["after"] = pages[-1]["pageInfo"]["endCursor"]

    assert [len(page["nodes"]) for page in pages] == [0, 1, 0]
    assert [page["pageInfo"]["hasNextPage"] for page in pages] == [True, True, False]
    assert all(page["totalCountIsCapped"] and page["totalCount"] <= 1 for page in pages)


async def test_scan_goes_on_backwards_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await api.person("anna@example.com", "Anna Nowak")
    for number in range(6):
        _ = await api.guest(owner, f"guest{number}@example.com", "ACCOUNTANT")
    for module in (page_sql, listing):
        monkeypatch.setattr(module, "SCAN_ROWS", 3)
    query = """query ($id: ID!, $before: String) { account(id: $id) { grants(last: 2, before: $before,
        filter: { search: "anna" }) { nodes { role } pageInfo { hasPreviousPage startCursor } } } }"""
    variables: dict[str, Any] = {"id": owner.account_id, "before": None}
    pages: list[Any] = []

    while not pages or pages[-1]["pageInfo"]["hasPreviousPage"]:
        pages.append((await api.ask(query, variables, by=owner)).data["account"]["grants"])
        variables["before"] = pages[-1]["pageInfo"]["startCursor"]

    assert [[node["role"] for node in page["nodes"]] for page in pages] == [[], [], ["OWNER"]]


async def test_messages_without_documents_read_a_bounded_number_of_rows(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the mails with documents, which do not exist for a user without DOCUMENTS_READ_ALL."""
    owner = await api.person("anna@example.com")
    permissions = ["MESSAGES_READ"]
    reader, _ = await api.guest(owner, "ola@example.com", "CONSULTANT", permissions=permissions)
    await db.execute(
        """INSERT INTO messages SELECT (jsonb_populate_record(NULL::messages, to_jsonb(m) || jsonb_build_object(
            'id', gen_random_uuid(), 'kind', 'document-sent', 'account_id', $1::uuid))).*
        FROM (SELECT * FROM messages LIMIT 1) m, generate_series(1, $2)""",
        ids.decode("Account", owner.account_id),
        5 * FEW_ROWS,
    )
    connection = await connect(database_url)
    await connection.execute("ANALYZE messages")
    statements = Statements(monkeypatch)
    query = "query ($id: ID!) { account(id: $id) { messages(first: 1) { totalCount nodes { kind } } } }"

    answer = await api.ask(query, {"id": owner.account_id}, by=reader)

    assert answer.data["account"]["messages"]["nodes"][0]["kind"] != "document-sent"
    assert statements.sent
    assert max([await rows_read(connection, *statement) for statement in statements.sent]) <= FEW_ROWS
    await connection.close()
