import gzip
from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest

import server.request
from server.errors import Rejected
from server.request import MAX_BODY, HTTPRequest, read

JSON = {"Content-Type": "application/json"}
GOOD = orjson.dumps({"query": "query ($n: Int) { account(number: $n) { name } }", "variables": {"n": 7}})

UNREADABLE = {
    "null": b"null",
    "a number": b"1",
    "a string": b'"x"',
    "a list": b"[]",
    "a batch": b"[%s]" % GOOD,
    "nothing": b"",
    "invalid UTF-8": b'{"query":"{ roles { name } } # \xff\xfe"}',
    "truncated": GOOD[:-3],
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
    "UTF-16": GOOD.decode().encode("utf-16"),
    "a deep query": b'{"query":"%s"}' % (b"{a" * 20_000),
    "a deep literal": b'{"query":"{ nodes(ids: %s) { id } }"}' % (b"[" * 20_000 + b"]" * 20_000),
    "a deep variable": b'{"query":"query ($n: Int) { account(number: $n) { name } }","variables":{"n":%s}}'
    % (b"[" * 1000 + b"]" * 1000),
    "NaN": b'{"query":"{ roles { name } }","variables":{"n":NaN}}',
    "twice": GOOD + GOOD,
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


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_body_that_is_no_request_is_refused(production: httpx2.AsyncClient, body: bytes) -> None:
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
async def test_only_json_in_utf_8_is_read(production: httpx2.AsyncClient, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}

    assert_refused(await production.post("/graphql", content=GOOD, headers=headers), 415)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_json_is_read_however_it_is_spelt(production: httpx2.AsyncClient, content_type: str) -> None:
    response = await production.post("/graphql", content=GOOD, headers={"Content-Type": content_type})

    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
async def test_a_compressed_body_is_refused(production: httpx2.AsyncClient, encoding: str) -> None:
    headers = JSON | {"Content-Encoding": encoding}

    assert_refused(await production.post("/graphql", content=gzip.compress(GOOD), headers=headers), 415)


async def test_a_gzip_body_that_does_not_say_so_is_no_json(production: httpx2.AsyncClient) -> None:
    assert_refused(await production.post("/graphql", content=gzip.compress(GOOD), headers=JSON), 400)


async def test_a_body_that_announces_too_much_is_refused_unread(production: httpx2.AsyncClient) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = JSON | {"Content-Length": str(MAX_BODY + 1)}

    assert_refused(await production.post("/graphql", content=never(), headers=headers), 413)


@pytest.mark.parametrize("length", ["0", "9" * 5000, "-1", "x"])
async def test_the_announced_length_is_not_trusted(production: httpx2.AsyncClient, length: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b" " * 1024

    headers = JSON | {"Content-Length": length}

    assert_refused(await production.post("/graphql", content=endless(), headers=headers), 413)


async def test_the_largest_body_is_read(production: httpx2.AsyncClient) -> None:
    body = GOOD + b" " * (MAX_BODY - len(GOOD))

    assert (await production.post("/graphql", content=body, headers=JSON)).status_code == 200
    assert_refused(await production.post("/graphql", content=body + b" ", headers=JSON), 413)


@pytest.mark.parametrize("place", ["query", "name", "string", "variable"])
async def test_a_megabyte_of_text_is_refused(
    production: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(server.request, "MAX_BODY", 1 << 24)
    text = "x" * 1_000_000
    query = {
        "query": text,
        "name": f"{{ {text} }}",
        "string": f'mutation {{ signIn(input: {{email: "{text}", password: "x"}}) {{ errors {{ code }} }} }}',
        "variable": "mutation ($e: String!) { signIn(input: {email: $e, password: $e}) { errors { code } } }",
    }[place]

    response = await production.post("/graphql", json={"query": query, "variables": {"e": text}})

    assert response.status_code in {200, 400}
    assert {error["extensions"]["code"] for error in response.json()["errors"]} <= {
        "BAD_USER_INPUT",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
    }
    assert len(response.content) < 10_000


# ---- GET -------------------------------------------------------------------------------------


async def test_a_query_can_be_asked_by_get(production: httpx2.AsyncClient) -> None:
    asked = {"query": "query ($n: Int) { account(number: $n) { name } }", "variables": '{"n": 7}'}

    response = await production.get("/graphql", params=asked)

    assert response.status_code == 200
    assert response.json()["data"] == {"account": None}


@pytest.mark.parametrize(
    ("query", "operation"),
    [
        ("mutation { signOut { errors { code } } }", None),
        ("query A { roles { name } } mutation B { signOut { errors { code } } }", "B"),
    ],
)
async def test_nothing_is_changed_by_get(production: httpx2.AsyncClient, query: str, operation: str | None) -> None:
    asked = {"query": query, **({"operationName": operation} if operation else {})}

    response = await production.get("/graphql", params=asked)

    assert_refused(response, 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("variables", ["[]", "{", "x", '"x"', "9" * 5000, "\x00", "\ud800"])
async def test_variables_in_an_address_must_be_an_object(production: httpx2.AsyncClient, variables: str) -> None:
    query = httpx2.QueryParams({"query": "{ roles { name } }"})
    encoded = "".join(f"%{byte:02x}" for byte in variables.encode(errors="surrogatepass"))

    assert_refused(await production.get(f"/graphql?{query}&variables={encoded}"), 400)


async def test_a_get_without_a_query_is_no_page_for_programs(production: httpx2.AsyncClient) -> None:
    for accepts in ("*/*", "application/json", "application/graphql-response+json, text/html;q=0.5"):
        assert_refused(await production.get("/graphql", headers={"Accept": accepts}), 400)


async def test_an_address_has_an_end() -> None:
    query = b"query={roles{name}}%23" + b"x" * MAX_BODY
    request = HTTPRequest({"type": "http", "method": "GET", "headers": [], "query_string": query})

    with pytest.raises(Rejected) as refused:
        await read(request)

    assert refused.value.status == 414
