"""Media type and status of responses, by the Accept header and the outcome of the request."""

from typing import Any

import httpx2
import pytest

from server import negotiation
from server.negotiation import (
    DEFAULT_FORMAT,
    GRAPHQL_FORMAT,
    HTML_FORMAT,
    JSON_FORMAT,
    MAX_CACHED_LENGTH,
    NO_FORMAT,
    ResponseFormat,
)
from tests.api import Api

GRAPHQL_JSON = "application/graphql-response+json"
GRAPHQL_UTF_8 = f"{GRAPHQL_JSON}; charset=utf-8"
JSON_UTF_8 = "application/json; charset=utf-8"

APOLLO = "application/graphql-response+json,application/json;q=0.9"
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)
AXIOS = "application/json, text/plain, */*"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, DEFAULT_FORMAT),
        ("", DEFAULT_FORMAT),
        ("*/*", DEFAULT_FORMAT),
        ("application/*", DEFAULT_FORMAT),
        (BROWSER, DEFAULT_FORMAT),
        ("application/json", JSON_FORMAT),
        ("Application/JSON ; Charset=UTF-8", JSON_FORMAT),
        ('application/json; charset="utf-8"', JSON_FORMAT),
        (AXIOS, JSON_FORMAT),
        (GRAPHQL_JSON, GRAPHQL_FORMAT),
        (f"{GRAPHQL_UTF_8}, {JSON_UTF_8}", GRAPHQL_FORMAT),
        (APOLLO, GRAPHQL_FORMAT),
        (URQL, GRAPHQL_FORMAT),
        ("application/json, application/graphql-response+json", GRAPHQL_FORMAT),
        ("application/json, application/graphql-response+json;q=0.9", JSON_FORMAT),
        ("application/json;q=0.2, application/graphql-response+json;q=0.1, */*;q=0", JSON_FORMAT),
        ("application/graphql-response+json;q=0, */*", JSON_FORMAT),
        ("application/json;q=0, */*;q=0.1", GRAPHQL_FORMAT),
        ("application/json;q=0.1, */*;q=0.5", GRAPHQL_FORMAT),
        ("text/*, application/*;q=0.1", DEFAULT_FORMAT),
        ("application/json; charset=utf-16, application/graphql-response+json; q=0.1", GRAPHQL_FORMAT),
        ("application/json;q=x", JSON_FORMAT),
        ("application/json;q=nan", JSON_FORMAT),
        (",,;;=, application/json", JSON_FORMAT),
        ("text/html", NO_FORMAT),
        ("application/json; charset=utf-16", NO_FORMAT),
        ("application/json;q=0", NO_FORMAT),
        ("application/json;q=0.000", NO_FORMAT),
        ("application/json;q=-1", NO_FORMAT),
        ("application/graphql+json", NO_FORMAT),
        ("application/jsonx, xapplication/json, json", NO_FORMAT),
        ("*", NO_FORMAT),
        ("*/json", NO_FORMAT),
        ("text/event-stream", NO_FORMAT),
    ],
)
def test_best_media_type_is_chosen(accept: str | None, expected: ResponseFormat) -> None:
    assert negotiation.negotiate(accept) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (BROWSER, HTML_FORMAT),
        ("text/html", HTML_FORMAT),
        ("text/*", HTML_FORMAT),
        ("text/html, */*", HTML_FORMAT),
        ("text/html;q=0.9, */*;q=0.8", HTML_FORMAT),
        ("text/html, application/json", JSON_FORMAT),
        ("application/graphql-response+json, text/html;q=0.5", GRAPHQL_FORMAT),
        ("*/*", DEFAULT_FORMAT),
        (None, DEFAULT_FORMAT),
    ],
)
def test_page_is_chosen_only_if_preferred(accept: str | None, expected: ResponseFormat) -> None:
    assert negotiation.negotiate(accept, is_page_offered=True) is expected


def test_cache_of_accept_headers_is_bounded() -> None:
    before = negotiation._negotiate_cached.cache_info().currsize

    for number in range(1000):
        assert negotiation.negotiate(f"application/json, a{number}/b") is JSON_FORMAT
        assert negotiation.negotiate(f"application/json, {'x' * MAX_CACHED_LENGTH}{number}/b") is JSON_FORMAT

    assert before <= negotiation._negotiate_cached.cache_info().currsize <= 256


# ---- Statuses --------------------------------------------------------------------------------

ROLES = "{ roles { role } }"
PARTIAL = "{ roles { role } accounts { totalCount } }"
FORBIDDEN = "{ accounts { totalCount } }"
EXECUTED_CASES = {"data", "data beside errors", "nothing but errors at fields"}
CASES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    # Statuses for graphql-response+json, application/json and neither.
    "data": ({"query": ROLES}, (200, 200, 200)),
    "data beside errors": ({"query": PARTIAL}, (294, 200, 200)),
    "nothing but errors at fields": ({"query": FORBIDDEN}, (294, 200, 200)),
    "no GraphQL": ({"query": "{"}, (400, 200, 400)),
    "an unknown field": ({"query": "{ nothing }"}, (400, 200, 400)),
    "too many fields": ({"query": "{ " + "__typename " * 501 + "}"}, (400, 200, 400)),
    "an unknown operation": ({"query": ROLES, "operationName": "A"}, (400, 200, 400)),
    "no variable": ({"query": "query ($n: ID!) { node(id: $n) { id } }"}, (400, 200, 400)),
    "no query": ({"qeury": ROLES}, (400, 400, 400)),
    "variables of another type": ({"query": ROLES, "variables": [7]}, (400, 400, 400)),
}


async def test_status_and_media_type_follow_the_accept_header(production: httpx2.AsyncClient) -> None:
    for name, (body, statuses) in CASES.items():
        for accept, status in zip((APOLLO, "application/json", "*/*"), statuses, strict=True):
            response = await production.post("/graphql", json=body, headers={"Accept": accept})

            is_executed = name in EXECUTED_CASES
            assert response.status_code == status, (name, accept)
            assert ("data" in response.json()) == is_executed, name
            expected = {APOLLO: GRAPHQL_UTF_8, "application/json": JSON_UTF_8}.get(accept)
            assert response.headers["content-type"] == (expected or (JSON_UTF_8 if is_executed else GRAPHQL_UTF_8))


async def test_foreign_account_is_refused_for_every_media_type(api: Api) -> None:
    anna = await api.person("anna@example.com")
    query = "{ viewer { currentAccount { id } } }"

    for accept in (APOLLO, "application/json", "*/*"):
        answer = await api.ask(query, by=anna, account="1", headers={"Accept": accept})

        assert (answer.status, answer.codes) == (294 if accept == APOLLO else 200, ["ACCOUNT_REQUIRED"])
        assert answer.partial == {"viewer": {"currentAccount": None}}


async def test_operation_is_not_executed_if_no_media_type_is_acceptable(api: Api) -> None:
    input_ = {"name": "Anna", "email": "anna@example.com", "password": "kestrel orbit lantern"}
    document = "mutation ($input: RegisterInput!) { register(input: $input) { errors { code } } }"

    rejection = await api.ask(document, {"input": input_}, headers={"Accept": "application/xml"})
    success = await api.ask(document, {"input": input_}, headers={"Accept": "application/xml, application/json;q=0.1"})

    (error,) = rejection.errors
    assert (rejection.status, rejection.codes) == (406, ["BAD_USER_INPUT"])
    assert error["message"] == f"Accept {GRAPHQL_JSON} or application/json. No other media type is available."
    # The first request was not executed, so the address is still free.
    assert success.data == {"register": {"errors": []}}


async def test_repeated_accept_headers_are_combined(production: httpx2.AsyncClient) -> None:
    headers = [("Accept", "text/plain"), ("Accept", "application/json")]

    response = await production.post("/graphql", json={"query": ROLES}, headers=headers)

    assert (response.status_code, response.headers["content-type"]) == (200, JSON_UTF_8)


# ---- Methods ---------------------------------------------------------------------------------


async def test_head_has_the_status_and_type_of_get(production: httpx2.AsyncClient) -> None:
    for params in ({"query": ROLES}, {"query": "{"}, {}):
        get, head = [await production.request(method, "/graphql", params=params) for method in ("GET", "HEAD")]

        assert head.status_code == get.status_code
        assert head.headers["content-type"] == get.headers["content-type"]


async def test_mutation_by_head_is_rejected(production: httpx2.AsyncClient) -> None:
    response = await production.head("/graphql", params={"query": "mutation { signOut { errors { code } } }"})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_repeated_query_parameter_is_rejected(production: httpx2.AsyncClient) -> None:
    for name in ("query", "operationName", "variables", "extensions", "documentId", "id", "doc_id"):
        response = await production.get(f"/graphql?query={{roles{{role}}}}&{name}={{}}&{name}={{}}")

        (error,) = response.json()["errors"]
        assert (response.status_code, error["message"]) == (400, f"The query string has {name} more than once.")


async def test_empty_query_parameter_is_ignored(production: httpx2.AsyncClient) -> None:
    parameters = {"query": ROLES, "operationName": "", "variables": "", "extensions": "", "else": "x"}

    response = await production.get("/graphql", params=parameters)

    assert (response.status_code, response.json().keys()) == (200, {"data"})


async def test_operation_name_null_in_the_query_string_is_a_name(production: httpx2.AsyncClient) -> None:
    for query, status in ((f"query null {ROLES}", 200), (ROLES, 400)):
        response = await production.get("/graphql", params={"query": query, "operationName": "null"})

        assert response.status_code == status


async def test_batch_is_rejected_with_a_clear_message(production: httpx2.AsyncClient) -> None:
    response = await production.post("/graphql", json=[{"query": ROLES}, {"query": ROLES}])

    (error,) = response.json()["errors"]
    assert (response.status_code, error["message"]) == (400, "Batches are not supported. Send each request separately.")


async def test_extensions_must_be_an_object(production: httpx2.AsyncClient) -> None:
    invalid_values: tuple[object, ...] = ("x", 0, False, [])
    for extensions in invalid_values:
        response = await production.post("/graphql", json={"query": ROLES, "extensions": extensions})

        (error,) = response.json()["errors"]
        assert (response.status_code, error["message"]) == (400, "The extensions are not a JSON object.")
