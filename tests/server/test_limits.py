import time

import httpx2
import pytest
from graphql import get_introspection_query, parse

from benchmarks.limits import COSTLY, dag
from server import limits
from server.documents import LONGEST, MOST_BYTES, Checked, Documents
from server.limits import MAX_DEPTH, MAX_FIELDS, MAX_FRAGMENTS


@pytest.mark.parametrize("query", COSTLY.values(), ids=COSTLY.keys())
async def test_no_document_holds_the_others_up(production: httpx2.AsyncClient, query: str) -> None:
    started = time.process_time()

    response = await production.post("/graphql", json={"query": query})

    # Of the processor, and far above what it takes: unbounded, these take minutes.
    assert time.process_time() - started < 5
    assert response.status_code in {200, 400}
    for error in response.json().get("errors", []):
        assert error["extensions"]["code"] in {
            "QUERY_TOO_COMPLEX",
            "GRAPHQL_PARSE_FAILED",
            "GRAPHQL_VALIDATION_FAILED",
        }


async def test_an_operation_that_doubles_is_refused_before_it_runs(production: httpx2.AsyncClient) -> None:
    response = await production.post("/graphql", json={"query": dag(9)})

    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"


def test_fields_of_a_fragment_count_at_each_spread() -> None:
    spread = "fragment F on Query { roles { name } }"
    most = MAX_FIELDS // 2

    assert limits.excess(parse(f"{{ {'...F ' * most} }} {spread}")) is None
    assert limits.excess(parse(f"{{ {'...F ' * most} __typename }} {spread}")) is not None


def test_depth_counts_fields_alone() -> None:
    deep = "{ a " * MAX_DEPTH + "}" * MAX_DEPTH

    assert limits.excess(parse(deep)) is None
    assert limits.excess(parse(f"{{ ... {{ ... {deep} }} }}")) is None
    assert limits.excess(parse(f"{{ b {deep} }}")) is not None


def test_every_operation_of_a_document_counts() -> None:
    deep = "{ a " * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1)

    assert limits.excess(parse(f"query A {{ a }} query B {deep}")) is not None


def test_a_document_has_fifty_fragments() -> None:
    def document(fragments: int) -> str:
        return "{ a } " + " ".join(f"fragment F{n} on Query {{ a }}" for n in range(fragments))

    assert limits.excess(parse(document(MAX_FRAGMENTS))) is None
    assert limits.excess(parse(document(MAX_FRAGMENTS + 1))) is not None


async def test_graphiql_may_introspect(production: httpx2.AsyncClient) -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )

    response = await production.post("/graphql", json={"query": query})

    assert response.status_code == 200
    assert "errors" not in response.json()


def test_what_is_remembered_of_documents_is_bounded_by_their_bytes() -> None:
    asked: list[str] = []

    def check(text: str) -> Checked:
        asked.append(text)
        return "CODE", ()

    remembered = Documents(check, most_bytes=3000)
    for text in ["a" * 700, "b" * 700, "a" * 700, "c" * 700, "b" * 700, "a" * 700]:
        assert remembered(text) == ("CODE", ())

    # Three would be 2868 with what is counted beside each text; a letter of two bytes counts twice.
    assert [text[0] for text in asked] == ["a", "b", "c"]
    _ = remembered("ż" * 700)
    assert (len(remembered), remembered.bytes) == (2, 956 + 1656)
    _ = remembered("x" * LONGEST)
    assert (len(remembered), remembered.bytes) == (2, 956 + 1656)
    assert MOST_BYTES <= 1024 * 1024


def test_many_small_documents_are_bounded_too() -> None:
    remembered = Documents(lambda _: ("CODE", ()), most_bytes=64 * 1024)

    for number in range(1000):
        _ = remembered(str(number))

    assert len(remembered) < 64 * 4
    assert remembered.bytes <= 64 * 1024
