import time

import httpx2
import pytest
from graphql import get_introspection_query, parse

from server import endpoint, limits
from server.limits import MAX_DEPTH, MAX_FIELDS, MAX_FRAGMENTS


def dag(fragments: int) -> str:
    """Each fragment spreads the next one twice, below different fields: 2 to the power of its length."""
    twice = "a: viewerGrant {{ account {{ ...F{0} }} }} b: viewerGrant {{ account {{ ...F{0} }} }}"
    chain = [f"fragment F{n} on Account {{ {twice.format(n + 1)} }}" for n in range(fragments)]
    end = f"fragment F{fragments} on Account {{ name }}"
    return " ".join(["{ account(number: 1) { ...F0 } }", *chain, end])


COSTLY = {
    "fields that double in every fragment": dag(45),
    "a flat DAG": "{ ...F0 } fragment F48 on Query { roles { role } } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(48)),
    "a dense DAG": " ".join(
        ["{ ...F0 }"]
        + [
            f"fragment F{n} on Query {{ {' '.join(f'...F{m}' for m in range(n + 1, 40))} __typename }}"
            for n in range(40)
        ]
    ),
    "hundreds of fragments": " ".join(
        ["{ __typename " + " ".join(f"...F{n}" for n in range(150)) + " }"]
        + [f"fragment F{n} on Query {{ roles {{ role }} }}" for n in range(150)]
    ),
    "a chain": " ".join(
        [
            "{ ...F0 }",
            *(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(240)),
            "fragment F240 on Query { __typename }",
        ]
    ),
    "a cycle": "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }",
    "the same field": "{ " + "roles { role } " * 250 + "}",
    "aliases": "{ " + " ".join(f"a{n}: roles {{ role }}" for n in range(250)) + " }",
    "conflicts": "{ " + " ".join(f"a: account(number: {n}) {{ name }}" for n in range(180)) + " }",
    "inline fragments": "{" + "... {" * 190 + "__typename" + "}" * 190 + "}",
    "inline fragments in fragments": "{ ...F0 } fragment F3 on Query { __typename } "
    + " ".join(f"fragment F{n} on Query {{ {'... {' * 190} ...F{n + 1} {'}' * 190} }}" for n in range(3)),
    "nesting": "{ account(number: 1) {" + "viewerGrant { account {" * 90 + "name" + "} }" * 90 + "} }",
    "directives": "{ roles " + "@include(if: true) " * 300 + "{ role } }",
    "20,000 tokens": "{ " + "a " * 20_000 + "}",
}


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


def test_what_is_remembered_of_documents_is_bounded() -> None:
    assert endpoint.CACHED_DOCUMENTS * endpoint.LONGEST_CACHED <= 4 * 1024 * 1024
