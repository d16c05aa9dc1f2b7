"""Parsing of HTTP requests into GraphQL requests."""

import gzip
from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest

import server.request
from server.errors import RequestError
from server.request import MAX_BODY, HTTPRequest, read_request

JSON = {"Content-Type": "application/json"}
VALID_BODY = orjson.dumps({"query": "query ($n: Int) { account(number: $n) { name } }", "variables": {"n": 7}})

INVALID_BODIES = {
    "null": b"null",
    "a number": b"1",
    "a string": b'"x"',
    "a list": b"[]",
    "a batch": b"[%s]" % VALID_BODY,
    "nothing": b"",
    "invalid UTF-8": b'{"query":"{ roles { name } } # \xff\xfe"}',
    "truncated": VALID_BODY[:-3],
    "30,000 arrays": b"[" * 30_000 + b"]" * 30_000,
    "an integer of 5,000 digits": b'{"query":"{ roles { name } }","variables":{"n":%s}}' % (b"9" * 5000),
    "a number as query": b'{"query":1}',
    "no query": b'{"variables":{}}',
    "a blank query": b'{"query":" "}',
    "a list as variables": b'{"query":"{ roles { name } }","variables":[]}',
    "a string as variables": b'{"query":"{ roles { name } }","variables":"{}"}',
    "a number as operationName": b'{"query":"{ roles { name } }","operationName":1}',
    "a NUL in the query": b'{"query":"{ roles\\u0000 { name } }"}',
    "a lone surrogate": b'{"query":"{ roles \\ud800 { name } }"}',
    "UTF-16": VALID_BODY.decode().encode("utf-16"),
    "a deep query": b'{"query":"%s"}' % (b"{a" * 20_000),
    "a deep literal": b'{"query":"{ nodes(ids: %s) { id } }"}' % (b"[" * 20_000 + b"]" * 20_000),
    "a deep variable": b'{"query":"query ($n: Int) { account(number: $n) { name } }","variables":{"n":%s}}'
    % (b"[" * 1000 + b"]" * 1000),
    "NaN": b'{"query":"{ roles { name } }","variables":{"n":NaN}}',
    "twice": VALID_BODY + VALID_BODY,
}


def assert_refused(response: httpx2.Response, status: int) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"].endswith("json; charset=utf-8")
    body = response.json()
    assert "data" not in body
    for error in body["errors"]:
        assert error["extensions"]["code"] in {
            "BAD_USER_INPUT",
            "GRAPHQL_PARSE_FAILED",
            "QUERY_TOO_COMPLEX",
            "GRAPHQL_VALIDATION_FAILED",
        }
        assert error["extensions"]["requestId"] == response.headers["x-request-id"]
        assert len(error["message"]) <= 300


@pytest.mark.parametrize("body", INVALID_BODIES.values(), ids=INVALID_BODIES.keys())
async def test_invalid_body_is_rejected(production: httpx2.AsyncClient, body: bytes) -> None:
    assert_refused(await production.post("/graphql", content=body, headers=JSON), 400)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "application/jsonx",
    ],
)
async def test_other_content_types_are_rejected(production: httpx2.AsyncClient, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}

    assert_refused(await production.post("/graphql", content=VALID_BODY, headers=headers), 415)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_content_type_is_case_insensitive(production: httpx2.AsyncClient, content_type: str) -> None:
    response = await production.post("/graphql", content=VALID_BODY, headers={"Content-Type": content_type})

    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
async def test_compressed_body_is_rejected(production: httpx2.AsyncClient, encoding: str) -> None:
    headers = JSON | {"Content-Encoding": encoding}

    assert_refused(await production.post("/graphql", content=gzip.compress(VALID_BODY), headers=headers), 415)


async def test_gzip_body_without_content_encoding_is_rejected(production: httpx2.AsyncClient) -> None:
    assert_refused(await production.post("/graphql", content=gzip.compress(VALID_BODY), headers=JSON), 400)


async def test_body_with_too_large_content_length_is_rejected_unread(production: httpx2.AsyncClient) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = JSON | {"Content-Length": str(MAX_BODY + 1)}

    assert_refused(await production.post("/graphql", content=never(), headers=headers), 413)


@pytest.mark.parametrize("length", ["0", "9" * 5000, "-1", "x"])
async def test_endless_body_is_rejected_whatever_its_content_length(
    production: httpx2.AsyncClient, length: str
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b" " * 1024

    headers = JSON | {"Content-Length": length}

    assert_refused(await production.post("/graphql", content=endless(), headers=headers), 413)


async def test_largest_body_is_accepted(production: httpx2.AsyncClient) -> None:
    body = VALID_BODY + b" " * (MAX_BODY - len(VALID_BODY))

    assert (await production.post("/graphql", content=body, headers=JSON)).status_code == 200
    assert_refused(await production.post("/graphql", content=body + b" ", headers=JSON), 413)


@pytest.mark.parametrize("position", ["query", "name", "string", "variable"])
async def test_text_of_a_megabyte_is_rejected_without_echo(
    production: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, position: str
) -> None:
    monkeypatch.setattr(server.request, "MAX_BODY", 1 << 24)
    text = "x" * 1_000_000
    query = {
        "query": text,
        "name": f"{{ {text} }}",
        "string": f'mutation {{ signIn(input: {{email: "{text}", password: "x"}}) {{ errors {{ code }} }} }}',
        "variable": "mutation ($e: String!) { signIn(input: {email: $e, password: $e}) { errors { code } } }",
    }[position]

    response = await production.post("/graphql", json={"query": query, "variables": {"e": text}})

    assert response.status_code in {200, 400}
    assert {error["extensions"]["code"] for error in response.json()["errors"]} <= {
        "BAD_USER_INPUT",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
    }
    assert len(response.content) < 10_000


# ---- GET -------------------------------------------------------------------------------------


async def test_query_by_get_is_executed(production: httpx2.AsyncClient) -> None:
    parameters = {"query": "query ($n: Int) { account(number: $n) { name } }", "variables": '{"n": 7}'}

    response = await production.get("/graphql", params=parameters)

    assert response.status_code == 200
    assert response.json()["data"] == {"account": None}


@pytest.mark.parametrize(
    ("query", "operation"),
    [
        ("mutation { signOut { errors { code } } }", None),
        ("query A { roles { name } } mutation B { signOut { errors { code } } }", "B"),
    ],
)
async def test_mutation_by_get_is_rejected(production: httpx2.AsyncClient, query: str, operation: str | None) -> None:
    parameters = {"query": query, **({"operationName": operation} if operation else {})}

    response = await production.get("/graphql", params=parameters)

    assert_refused(response, 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("variables", ["[]", "{", "x", '"x"', "9" * 5000, "\x00", "\ud800"])
async def test_variables_in_the_query_string_must_be_an_object(production: httpx2.AsyncClient, variables: str) -> None:
    query = httpx2.QueryParams({"query": "{ roles { name } }"})
    percent_encoded = "".join(f"%{byte:02x}" for byte in variables.encode(errors="surrogatepass"))

    assert_refused(await production.get(f"/graphql?{query}&variables={percent_encoded}"), 400)


async def test_get_without_a_query_is_rejected_unless_html_is_preferred(production: httpx2.AsyncClient) -> None:
    for accepts in ("*/*", "application/json", "application/graphql-response+json, text/html;q=0.5"):
        assert_refused(await production.get("/graphql", headers={"Accept": accepts}), 400)


async def test_too_long_query_string_is_rejected() -> None:
    query = b"query={roles{name}}%23" + b"x" * MAX_BODY
    request = HTTPRequest({"type": "http", "method": "GET", "headers": [], "query_string": query})

    with pytest.raises(RequestError) as error:
        await read_request(request)

    assert error.value.status == 414
