import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from graphql import get_introspection_query, parse

from benchmarks.limits import bodies, dag
from server import limits
from server.document_cache import LONGEST, MOST_BYTES, Checked, Documents, InvalidDocument
from server.limits import DEFAULT, Excess

INTROSPECTION = get_introspection_query(
    specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
)


@pytest.mark.parametrize("body", bodies().values(), ids=bodies().keys())
async def test_no_request_holds_the_others_up(production: httpx2.AsyncClient, body: bytes) -> None:
    started = time.process_time()

    response = await production.post("/graphql", content=body, headers={"Content-Type": "application/json"})

    # Of the processor, and far above what it takes: unbounded, these take minutes.
    assert time.process_time() - started < 5
    assert response.status_code in {200, 294, 400, 413}
    for error in response.json().get("errors", []):
        assert error["extensions"]["code"] in {
            "QUERY_TOO_COMPLEX",
            "GRAPHQL_PARSE_FAILED",
            "GRAPHQL_VALIDATION_FAILED",
            "BAD_USER_INPUT",
            "UNAUTHENTICATED",
        }


async def test_an_operation_that_doubles_is_refused_before_it_runs(production: httpx2.AsyncClient) -> None:
    response = await production.post("/graphql", json={"query": dag(9)})

    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"


# ---- Each limit ------------------------------------------------------------------------------


def times(text: str, number: int) -> str:
    """The text so often, numbered."""
    return " ".join(text.replace("#", str(place)) for place in range(number))


def deep(levels: int) -> str:
    """A selection of so many levels."""
    return "{ viewer " * levels + "}" * levels


# What is refused with one more, but allowed, or refused for another reason, with just as many.
WRITTEN: dict[str, Callable[[int], str]] = {
    "operations": lambda n: times("query Q# { __typename }", n),
    "fragments": lambda n: "{ __typename } " + times("fragment F# on Query { __typename }", n),
    "fields": lambda n: "{ " + times("__typename", n) + " }",
    "depth": deep,
    "aliases": lambda n: "{ " + times("a#: __typename", n) + " }",
    "introspection": lambda n: "{ " + times("__schema { description }", n) + " }",
    "directives": lambda n: "{ __typename " + times("@x#", n) + " }",
    "variables": lambda n: "query (" + times("$v#: Int", n) + ") { __typename }",
    "items": lambda n: "{ nodes(ids: [" + times("1", n) + "]) { id } }",
    "characters": lambda n: '{ node(id: "' + "x" * n + '") { id } }',
    "nesting": lambda n: "{ nodes(ids: " + "[" * n + "]" * n + ") { id } }",
}


@pytest.mark.parametrize("limit", WRITTEN)
async def test_a_refusal_names_the_limit_and_what_was_found(production: httpx2.AsyncClient, limit: str) -> None:
    most = getattr(DEFAULT, limit)

    for number in (most, most + 1):
        response = await production.post("/graphql", json={"query": WRITTEN[limit](number)})

        named = [error for error in response.json().get("errors", []) if "limit" in error["extensions"]]
        assert [error["extensions"]["limit"] for error in named] == [limit] * (number > most)

    assert response.status_code == 400
    (error,) = response.json()["errors"]
    code = "BAD_USER_INPUT" if limit in limits.OF_VALUES else "QUERY_TOO_COMPLEX"
    found = {"code": code, "limit": limit, "most": most, "found": most + 1}
    assert error["extensions"] == found | {"requestId": response.headers["x-request-id"]}
    assert f"{most + 1:,} " in error["message"]
    assert f"{most:,} are the most" in error["message"]


@pytest.mark.parametrize(
    ("limit", "most", "query"),
    [
        ("tokens", DEFAULT.tokens, "{ " + "a " * 20_000 + "}"),
        ("comments", DEFAULT.comments, "#\n" * 10_000 + "{ __typename }"),
        ("brackets", 200, "{a" * 400),
        ("comparisons", 100_000, "{ __typename } fragment F on Query { " + "__typename " * 400 + "}"),
    ],
)
async def test_what_is_counted_while_reading_is_named_too(
    production: httpx2.AsyncClient, limit: str, most: int, query: str
) -> None:
    response = await production.post("/graphql", json={"query": query})

    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (400, "QUERY_TOO_COMPLEX")
    assert (error["extensions"]["limit"], error["extensions"]["most"]) == (limit, most)
    assert error["extensions"]["found"] == most + 1
    assert f"at least {most + 1:,} " in error["message"]


SENT: dict[str, Callable[[int], dict[str, Any]]] = {
    "variables": lambda n: {f"v{place}": place for place in range(n)},
    "items": lambda n: {"v": {"list": [0] * n}},
    "characters": lambda n: {"v": ["x" * n]},
    "nesting": lambda n: {"v": nested(n)},
}


def nested(levels: int) -> object:
    """So many lists within each other."""
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("limit", SENT)
async def test_variables_are_bounded_as_literals_are(production: httpx2.AsyncClient, limit: str) -> None:
    most = getattr(DEFAULT, limit)
    found: list[list[object]] = []

    for number in (most, most + 1):
        asked = {"query": "{ __typename }", "variables": SENT[limit](number)}
        response = await production.post("/graphql", json=asked)
        found.append([error["extensions"].get("limit") for error in response.json().get("errors", [])])

    assert found == [[], [limit]]


async def test_a_batch_is_refused_by_its_name(production: httpx2.AsyncClient) -> None:
    response = await production.post("/graphql", json=[{"query": "{ __typename }"}] * 3)

    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["limit"], error["extensions"]["found"]) == (400, "batch", 3)


async def test_one_of_two_operations_is_enough_to_refuse_both(production: httpx2.AsyncClient) -> None:
    document = f"query A {{ __typename }} query B {deep(DEFAULT.depth + 1)}"

    response = await production.post("/graphql", json={"query": document, "operationName": "A"})

    assert response.json()["errors"][0]["extensions"]["limit"] == "depth"


# ---- Fragments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "inner", "outer"),
    [("fields", "roles { name }", "__typename"), ("aliases", "a: roles { b: name }", "c: __typename")],
)
def test_what_a_fragment_holds_counts_at_each_spread(limit: str, inner: str, outer: str) -> None:
    spread, most = f"fragment F on Query {{ {inner} }}", getattr(DEFAULT, limit)

    assert limits.excess(parse(f"{{ {'...F ' * (most // 2)} }} {spread}")) is None
    assert limits.excess(parse(f"{{ {'...F ' * (most // 2)} {outer} }} {spread}")) == Excess(limit, most, most + 1)


def test_depth_counts_fields_alone() -> None:
    whole = deep(DEFAULT.depth)

    assert limits.excess(parse(whole)) is None
    assert limits.excess(parse(f"{{ ... {{ ... {whole} }} }}")) is None
    assert limits.excess(parse(f"{{ ...F }} fragment F on Query {{ b {whole} }}")) == Excess("depth", 15, 16)


def test_a_dag_of_forty_fragments_is_counted_at_once() -> None:
    document = parse(dag(40))
    started = time.process_time()

    found = limits.excess(document)

    assert found is not None
    assert (found.limit, found.found) == ("fields", 1_000_000)
    assert time.process_time() - started < 0.5  # milliseconds; unbounded, for ever


def test_fragments_that_nobody_spreads_are_looked_at_too() -> None:
    ids = "1 " * (DEFAULT.items + 1)

    assert limits.excess(parse(f"{{ __typename }} fragment F on Query {{ nodes(ids: [{ids}]) {{ id }} }}"))


# ---- What must pass --------------------------------------------------------------------------


async def test_graphiql_may_introspect(production: httpx2.AsyncClient) -> None:
    response = await production.post("/graphql", json={"query": INTROSPECTION})

    assert response.status_code == 200
    assert "errors" not in response.json()


async def test_introspection_has_a_depth(production: httpx2.AsyncClient) -> None:
    bomb = "{ __schema { types " + "{ fields { type " * 4 + "{ name }" + "} }" * 4 + " } }"

    response = await production.post("/graphql", json={"query": bomb})

    assert response.status_code == 400
    assert response.json()["errors"][0]["message"] == "Maximum introspection depth exceeded"


# ---- Remembering -----------------------------------------------------------------------------


def test_what_is_remembered_of_documents_is_bounded_by_their_bytes() -> None:
    asked: list[str] = []

    def check(text: str) -> Checked:
        asked.append(text)
        return REFUSED

    remembered = Documents(check, most_bytes=3000)
    for text in ["a" * 700, "b" * 700, "a" * 700, "c" * 700, "b" * 700, "a" * 700]:
        assert remembered(text) is REFUSED

    # Three would be 2868 with what is counted beside each text; a letter of two bytes counts twice.
    assert [text[0] for text in asked] == ["a", "b", "c"]
    _ = remembered("ż" * 700)
    assert (len(remembered), remembered.bytes) == (2, 956 + 1656)
    _ = remembered("x" * LONGEST)
    assert (len(remembered), remembered.bytes) == (2, 956 + 1656)
    assert MOST_BYTES <= 1024 * 1024


def test_many_small_documents_are_bounded_too() -> None:
    remembered = Documents(lambda _: REFUSED, most_bytes=64 * 1024)

    for number in range(1000):
        _ = remembered(str(number))

    assert len(remembered) < 64 * 4
    assert remembered.bytes <= 64 * 1024


REFUSED = InvalidDocument("CODE", ())
