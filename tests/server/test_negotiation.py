"""With which media type and status clients are answered, by what they accept and what became of their request."""

from typing import Any

import httpx2
import pytest

from server import negotiation
from server.negotiation import EITHER, GRAPHQL, LEGACY, LONGEST, NOTHING, PAGE, Style
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
        (None, EITHER),
        ("", EITHER),
        ("*/*", EITHER),
        ("application/*", EITHER),
        (BROWSER, EITHER),
        ("application/json", LEGACY),
        ("Application/JSON ; Charset=UTF-8", LEGACY),
        ('application/json; charset="utf-8"', LEGACY),
        (AXIOS, LEGACY),
        (GRAPHQL_JSON, GRAPHQL),
        (f"{GRAPHQL_UTF_8}, {JSON_UTF_8}", GRAPHQL),
        (APOLLO, GRAPHQL),
        (URQL, GRAPHQL),
        ("application/json, application/graphql-response+json", GRAPHQL),
        ("application/json, application/graphql-response+json;q=0.9", LEGACY),
        ("application/json;q=0.2, application/graphql-response+json;q=0.1, */*;q=0", LEGACY),
        ("application/graphql-response+json;q=0, */*", LEGACY),
        ("application/json;q=0, */*;q=0.1", GRAPHQL),
        ("application/json;q=0.1, */*;q=0.5", GRAPHQL),
        ("text/*, application/*;q=0.1", EITHER),
        ("application/json; charset=utf-16, application/graphql-response+json; q=0.1", GRAPHQL),
        ("application/json;q=x", LEGACY),
        ("application/json;q=nan", LEGACY),
        (",,;;=, application/json", LEGACY),
        ("text/html", NOTHING),
        ("application/json; charset=utf-16", NOTHING),
        ("application/json;q=0", NOTHING),
        ("application/json;q=0.000", NOTHING),
        ("application/json;q=-1", NOTHING),
        ("application/graphql+json", NOTHING),
        ("application/jsonx, xapplication/json, json", NOTHING),
        ("*", NOTHING),
        ("*/json", NOTHING),
        ("text/event-stream", NOTHING),
    ],
)
def test_what_fits_best_is_chosen(accept: str | None, expected: Style) -> None:
    assert negotiation.style(accept) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (BROWSER, PAGE),
        ("text/html", PAGE),
        ("text/*", PAGE),
        ("text/html, */*", PAGE),
        ("text/html;q=0.9, */*;q=0.8", PAGE),
        ("text/html, application/json", LEGACY),
        ("application/graphql-response+json, text/html;q=0.5", GRAPHQL),
        ("*/*", EITHER),
        (None, EITHER),
    ],
)
def test_a_page_is_for_who_would_rather_have_it(accept: str | None, expected: Style) -> None:
    assert negotiation.style(accept, is_page_offered=True) is expected


def test_what_is_remembered_of_accept_headers_is_bounded() -> None:
    before = negotiation._known.cache_info().currsize

    for number in range(1000):
        assert negotiation.style(f"application/json, a{number}/b") is LEGACY
        assert negotiation.style(f"application/json, {'x' * LONGEST}{number}/b") is LEGACY

    assert before <= negotiation._known.cache_info().currsize <= 256


# ---- Statuses --------------------------------------------------------------------------------

ROLES = "{ roles { role } }"
PARTIAL = "{ roles { role } accounts { totalCount } }"
REFUSED = "{ accounts { totalCount } }"
EXECUTED = {"data", "data beside errors", "nothing but errors at fields"}
CASES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    # of graphql-response+json, of application/json, of neither
    "data": ({"query": ROLES}, (200, 200, 200)),
    "data beside errors": ({"query": PARTIAL}, (294, 200, 200)),
    "nothing but errors at fields": ({"query": REFUSED}, (294, 200, 200)),
    "no GraphQL": ({"query": "{"}, (400, 200, 400)),
    "an unknown field": ({"query": "{ nothing }"}, (400, 200, 400)),
    "too many fields": ({"query": "{ " + "__typename " * 501 + "}"}, (400, 200, 400)),
    "an unknown operation": ({"query": ROLES, "operationName": "A"}, (400, 200, 400)),
    "no variable": ({"query": "query ($n: ID!) { node(id: $n) { id } }"}, (400, 200, 400)),
    "no query": ({"qeury": ROLES}, (400, 400, 400)),
    "variables of another type": ({"query": ROLES, "variables": [7]}, (400, 400, 400)),
}


async def test_a_status_says_what_became_of_a_request(production: httpx2.AsyncClient) -> None:
    for name, (body, statuses) in CASES.items():
        for accept, status in zip((APOLLO, "application/json", "*/*"), statuses, strict=True):
            response = await production.post("/graphql", json=body, headers={"Accept": accept})

            is_executed = name in EXECUTED
            assert response.status_code == status, (name, accept)
            assert ("data" in response.json()) == is_executed, name
            expected = {APOLLO: GRAPHQL_UTF_8, "application/json": JSON_UTF_8}.get(accept)
            assert response.headers["content-type"] == (expected or (JSON_UTF_8 if is_executed else GRAPHQL_UTF_8))


async def test_an_account_that_is_not_ones_own_is_forbidden_however_it_is_asked(api: Api) -> None:
    anna = await api.person("anna@example.com")

    for accept in (APOLLO, "application/json", "*/*"):
        answer = await api.ask(ROLES, by=anna, account="1", headers={"Accept": accept})

        assert (answer.status, answer.codes, "data" in answer.body) == (403, ["ACCOUNT_REQUIRED"], False)


async def test_what_cannot_be_given_is_not_asked_for(api: Api) -> None:
    given = {"name": "Anna", "email": "anna@example.com", "password": "kestrel orbit lantern"}
    document = "mutation ($input: RegisterInput!) { register(input: $input) { errors { code } } }"

    refused = await api.ask(document, {"input": given}, headers={"Accept": "application/xml"})
    taken = await api.ask(document, {"input": given}, headers={"Accept": "application/xml, application/json;q=0.1"})

    (error,) = refused.errors
    assert (refused.status, refused.codes) == (406, ["BAD_USER_INPUT"])
    assert error["message"] == f"Accept {GRAPHQL_JSON} or application/json: there is nothing else here."
    # As of an address that nobody has used before.
    assert taken.data == {"register": {"errors": []}}


async def test_accept_headers_count_together(production: httpx2.AsyncClient) -> None:
    headers = [("Accept", "text/plain"), ("Accept", "application/json")]

    response = await production.post("/graphql", json={"query": ROLES}, headers=headers)

    assert (response.status_code, response.headers["content-type"]) == (200, JSON_UTF_8)


# ---- Methods ---------------------------------------------------------------------------------


async def test_head_is_get_without_the_body(production: httpx2.AsyncClient) -> None:
    for params in ({"query": ROLES}, {"query": "{"}, {}):
        got, head = [await production.request(method, "/graphql", params=params) for method in ("GET", "HEAD")]

        assert head.status_code == got.status_code
        assert head.headers["content-type"] == got.headers["content-type"]


async def test_head_changes_nothing(production: httpx2.AsyncClient) -> None:
    response = await production.head("/graphql", params={"query": "mutation { signOut { errors { code } } }"})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_an_address_says_a_thing_once(production: httpx2.AsyncClient) -> None:
    for name in ("query", "operationName", "variables", "extensions", "documentId", "id", "doc_id"):
        response = await production.get(f"/graphql?query={{roles{{role}}}}&{name}={{}}&{name}={{}}")

        (error,) = response.json()["errors"]
        assert (response.status_code, error["message"]) == (400, f"The address has {name} more than once.")


async def test_what_is_empty_in_an_address_is_not_there(production: httpx2.AsyncClient) -> None:
    asked = {"query": ROLES, "operationName": "", "variables": "", "extensions": "", "else": "x"}

    response = await production.get("/graphql", params=asked)

    assert (response.status_code, response.json().keys()) == (200, {"data"})


async def test_a_null_operation_name_in_an_address_is_a_name(production: httpx2.AsyncClient) -> None:
    for query, status in ((f"query null {ROLES}", 200), (ROLES, 400)):
        response = await production.get("/graphql", params={"query": query, "operationName": "null"})

        assert response.status_code == status


async def test_batches_are_refused_in_so_many_words(production: httpx2.AsyncClient) -> None:
    response = await production.post("/graphql", json=[{"query": ROLES}, {"query": ROLES}])

    (error,) = response.json()["errors"]
    assert (response.status_code, error["message"]) == (400, "Batches are not taken; send each request on its own.")


async def test_extensions_are_an_object(production: httpx2.AsyncClient) -> None:
    others: tuple[object, ...] = ("x", 0, False, [])
    for extensions in others:
        response = await production.post("/graphql", json={"query": ROLES, "extensions": extensions})

        (error,) = response.json()["errors"]
        assert (response.status_code, error["message"]) == (400, "The extensions are not a JSON object.")
