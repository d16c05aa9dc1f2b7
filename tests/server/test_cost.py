"""The cost of operations: the sizes of nested lists, multiplied."""

import time
from typing import Any

import pytest
from graphql import get_introspection_query, get_operation_ast, parse, validate

from schema.build import UnsizedList, annotate, build, strawberry_schema
from schema.declare import PUBLIC, field, graph_type
from server.cost import compile_cost
from tests.api import Api, count_rows

SCHEMA = build()
SCAN = 100
"""The cost of the rows that a list, or a count, may read and not show."""
NESTED_QUERY = "viewer { accounts%s { nodes { grants%s { nodes { user { name } } } } } }"
IDS = ["x"] * 7
ASSIGN = "mutation ($i: AssignConsultantInput!) { assignConsultant(input: $i) { %s } }"
ASSIGN_IDS = (
    "mutation ($i: [ID!]!) { assignConsultant(input: { bureauAccountId: 1, userId: 1, clientAccountIds: $i }) { %s } }"
)


def cost(query: str, variables: dict[str, Any] | None = None, name: str | None = None) -> int:
    """The cost of an operation of a valid document."""
    document = parse(query)
    assert validate(SCHEMA, document) == []
    operation = get_operation_ast(document, name)
    assert operation is not None
    return compile_cost(SCHEMA, document, operation)(variables or {})


def nested_query(outer: str = "", inner: str = "") -> str:
    """A selection of users of grants of accounts, with page sizes."""
    return NESTED_QUERY % (outer, inner)


@pytest.mark.parametrize(
    ("expected", "query"),
    [
        (0, "{ __typename }"),
        (1, "{ viewer { user: __typename } }"),
        (2, "{ viewer { user { id name email } } }"),
        (1 + SCAN + 10 + SCAN,
         "{ viewer { accounts(first: 10) { totalCount pageInfo { hasNextPage } edges { node { id } } } } }"),
        (1 + SCAN + 10 * (1 + 20 * 2), f"{{ {nested_query('(first: 10)', '(last: 20)')} }}"),
        (1 + SCAN + 50 * (1 + 50 * 2), f"{{ {nested_query()} }}"),
        (1 + SCAN + 50 * (1 + 3 * 2), f"{{ {nested_query('(first: null)', '(first: 3)')} }}"),
        # A page size that the resolver rejects has the cost of the nearest valid size.
        (1 + SCAN + 100 * (1 + 1 * 2), f"{{ {nested_query('(first: 2147483647)', '(first: -5)')} }}"),
        (1 + SCAN + 9, "{ viewer { accounts(first: 4, last: 9) { nodes { id } } } }"),
        (7, "{ nodes(ids: [1, 2, 3, 4, 5, 6, 7]) { id } }"),
        (1, '{ nodes(ids: "x") { id } }'),
        (6 * (1 + 24), "{ roles { permissions { permission } } }"),
        (10 + 1, 'mutation { updateProfile(input: { name: "x" }) { __typename } }'),
        (2 * (10 + 1 + 1), "mutation { a: signOut { errors { code } } b: signOut { errors { code } } }"),
        # A list that declares the rows that it reads counts them once, not for each of its objects.
        (1 + (1 + 500) + (37 + 500), "{ account(number: 1) { reports { revenueByMonth { month } } } }"),
        (1000, get_introspection_query()),
        # Fields that are merged count once.
        (2, "{ viewer { user { id } } ...F ...F } fragment F on Query { viewer { user { name } } }"),
        (1 + 50 + 1, "{ viewer { grants { nodes { id } } } viewer { user { id } } }"),
        (2 * 2, "{ a: viewer { user { id } } b: viewer { user { id } } }"),
        # Selections on different types are added, although only one of them applies.
        (1 + 5 + 1, "{ node(id: 1) { ...on Account { grants(first: 5) { nodes { id } } } ...on Grant { user { id }}}}"),
        (0, "{ viewer @skip(if: true) { user { id } } ... @include(if: false) { viewer { user { id } } } }"),
        (1, "{ viewer @skip(if: false) @include(if: true) { __typename } }"),
    ],
)  # fmt: skip
def test_cost_is_the_maximum_number_of_objects(expected: int, query: str) -> None:
    assert cost(query) == expected


@pytest.mark.parametrize(
    ("expected", "variables"),
    [
        (1 + SCAN + 50 * (1 + 7 * 2), {}),
        (1 + SCAN + 3 * (1 + 7 * 2), {"n": 3}),
        (1 + SCAN + 50 * (1 + 7 * 2), {"n": None}),
        (1 + SCAN + 100 * (1 + 100 * 2), {"n": 2**63, "m": 1e300}),
        (1 + SCAN + 1 * (1 + 1 * 2), {"n": 0, "m": -1}),
        (1 + SCAN + 50 * (1 + 50 * 2), {"n": "3", "m": [3]}),
        (1 + SCAN + 5 * (1 + 7 * 2), {"n": 5.0, "unknown": 9}),
    ],
)
def test_page_size_can_come_from_variables(expected: int, variables: dict[str, Any]) -> None:
    assert (
        cost(f"query ($n: Int, $m: Int = 7) {{ {nested_query('(first: $n)', '(last: $m)')} }}", variables) == expected
    )


@pytest.mark.parametrize(
    ("expected", "query", "variables"),
    [
        (7, "query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": IDS}),
        (3, 'query ($i: [ID!]! = ["a", "b", "c"]) { nodes(ids: $i) { id } }', {}),
        (1, "query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": "x"}),
        (2, "query ($i: ID!) { nodes(ids: [$i, $i]) { id } }", {"i": "x"}),
        (1 + 7 * (10 + 2), ASSIGN,
         {"i": {"clientAccountIds": IDS}}),
        (1 + 7 * (10 + 2), ASSIGN_IDS,
         {"i": IDS}),
        (1 + 1 * (10 + 2), ASSIGN, {"i": 5}),
        (1 + 500 * 2, ASSIGN, {"i": {"clientAccountIds": [], "allClients": True}}),
    ],
)  # fmt: skip
def test_list_of_ids_multiplies_the_cost(expected: int, query: str, variables: dict[str, Any]) -> None:
    assert cost(query.replace("%s", "outcomes { grant { id } }"), variables) == expected


@pytest.mark.parametrize(
    ("expected", "variables"),
    [(51, {}), (1, {"w": False}), (51, {"w": True}), (1, {"w": False, "s": True}), (51, {"w": False, "s": False})],
)
def test_excluded_selection_costs_nothing(expected: int, variables: dict[str, Any]) -> None:
    query = (
        "query ($w: Boolean! = true, $s: Boolean! = true) { viewer { ...F @include(if: $w) ...F @skip(if: $s) } } "
        "fragment F on Viewer { grants { nodes { id } } }"
    )

    assert cost(query, variables) == expected


FILTERED = "query ($f: GrantFilter) { viewer { grants(first: 5, filter: $f) { nodes { id } } } }"
ACCOUNT = "{ node(id: 1) { ... on Account { %s } } }"


@pytest.mark.parametrize(
    ("expected", "query", "variables"),
    [
        (1 + 5, FILTERED, {}),
        (1 + 5, FILTERED, {"f": None}),
        (1 + 5 + SCAN, FILTERED, {"f": {}}),
        (1 + 5, ACCOUNT % "grants(first: 5, filter: null) { nodes { id } }", {}),
        (1 + 5 + SCAN, ACCOUNT % "grants(first: 5, orderBy: USER_NAME) { nodes { id } }", {}),
        (1 + 5 + SCAN, ACCOUNT % 'events(first: 5, filter: { type: "a" }) { nodes { id } }', {}),
        (1 + 5 + SCAN, ACCOUNT % "links(first: 5) { nodes { relation } }", {}),
        # A count is read once for a list, under any name and any number of times.
        (1 + 5 + SCAN, ACCOUNT % "events(first: 5) { nodes { id } totalCount a: totalCount totalCountIsCapped }", {}),
        (1 + 5 + 2 * SCAN, ACCOUNT % "events(first: 5, filter: {}) { nodes { id } totalCountIsCapped }", {}),
        (1 + SCAN, ACCOUNT % "events { ... { totalCount } ...@skip(if: true) { totalCount } }", {}),
        (
            1 + SCAN + 7 * (1 + SCAN),
            "{ accounts(first: 7) { nodes { grants { totalCount } } } node(id: 1) { id } }",
            {},
        ),
    ],
)
def test_rows_that_are_read_and_not_shown_cost_a_hundredth(
    expected: int, query: str, variables: dict[str, Any]
) -> None:
    assert cost(query, variables) == expected


def test_cost_has_an_upper_bound() -> None:
    query = "viewer { accounts { nodes { links(first: 100) { nodes { incomingGrants { account { %s } } } } } } }"
    nested_field = "grants(first: 100) { nodes { account { %s } } }"
    for _ in range(8):
        query = query.replace("%s", nested_field)

    assert cost(f"{{ {query.replace('%s', 'id')} }}") == 1_000_000_000


def test_cost_is_computed_in_microseconds() -> None:
    document = parse(f"query ($n: Int, $m: Int = 7) {{ {nested_query('(first: $n)', '(last: $m)')} }}")
    operation = get_operation_ast(document)
    assert operation is not None
    compute_cost = compile_cost(SCHEMA, document, operation)
    start_seconds = time.process_time()

    for _ in range(1000):
        _ = compute_cost({"n": 3})

    assert time.process_time() - start_seconds < 0.2  # 0.003 on a quiet machine


def test_list_field_without_a_size_is_rejected() -> None:
    @graph_type(PUBLIC, description="A leaf.")
    class Leaf:
        name: str = field()

    @graph_type(PUBLIC, description="A root.")
    class Query:
        leaves: list[Leaf] = field()

    Query.__annotations__["leaves"] = list[Leaf]
    with pytest.raises(UnsizedList, match=r"^Query\.leaves has no cost size\.$"):
        annotate(strawberry_schema(Query, None))


# ---- The limit -------------------------------------------------------------------------------


@pytest.mark.parametrize("document", ["query ($n: Int) { %s }", "query ($n: Int, $m: Int = 98) { %s }"])
async def test_operation_above_the_cost_limit_is_rejected_before_execution(api: Api, document: str) -> None:
    inner = "(first: $m)" if "$m" in document else "(first: 98)"
    query = document % nested_query("(first: $n)", inner)
    anna = await api.person("anna@example.com")

    assert (await api.ask(query, {"n": 50}, by=anna)).codes == []
    before = await count_rows()
    answer = await api.ask(query, {"n": 51}, by=anna)

    assert await count_rows() == before
    assert (answer.status, answer.codes) == (400, ["QUERY_TOO_COMPLEX"])
    cost = 1 + SCAN + 51 * (1 + 98 * 2)
    (error,) = answer.errors
    del error["extensions"]["requestId"]
    assert error["extensions"] == {"code": "QUERY_TOO_COMPLEX", "limit": "cost", "most": 10_000, "found": cost}
    assert f"{cost:,} objects" in error["message"]


async def test_costs_of_aliases_add_up(api: Api) -> None:
    field = "viewer { accounts(first: 100) { nodes { grants(first: 4) { nodes { id } } } } }"

    answer = await api.ask("{ " + " ".join(f"a{n}: {field}" for n in range(20)) + " }")

    assert answer.codes == ["QUERY_TOO_COMPLEX"]
    assert answer.errors[0]["extensions"]["found"] == 20 * (1 + SCAN + 100 * 5)
