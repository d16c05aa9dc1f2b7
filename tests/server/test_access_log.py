import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resolvers import ids
from server import access_log
from server.log import LOG
from server.queued_writer import QueuedWriter
from tests.api import PASSWORD, Api

Told = Callable[[], list[dict[str, Any]]]
MENU = "query Menu { viewer { accounts { nodes { name } } } }"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """The lines since it was last asked."""
    with tempfile.TemporaryFile() as file:
        lines = QueuedWriter(file.fileno())
        monkeypatch.setattr(LOG, "lines", lines)
        seen = 0

        def read() -> list[dict[str, Any]]:
            nonlocal seen
            lines.flush()
            file.seek(seen)
            found = file.read()
            seen += len(found)
            return [json.loads(line) for line in found.splitlines()]

        yield read


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_an_operation_is_a_line_of_ids_and_figures(api: Api, told: Told) -> None:
    anna = await api.person("anna@example.com")
    _ = told()

    response = await api.http.post("/graphql", json={"query": MENU}, headers={"Authorization": f"Bearer {anna.token}"})

    (line,) = told()
    assert line.pop("timestamp").endswith("Z")
    assert 0 < line.pop("ms") < 10_000
    assert line == {
        "event": "operation",
        "level": "info",
        "request_id": response.headers["x-request-id"],
        "kind": "query",
        "name": "Menu",
        "hash": sha(MENU),
        "cost": 51,
        "user": str(ids.decode("User", anna.user_id)),
        "account": str(ids.decode("Account", anna.account_id)),
        "status": 200,
        "bytes": len(response.content),
    }


async def test_errors_are_counted_by_their_codes(api: Api, told: Told) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    _ = told()

    query = "query ($id: ID!) { account(id: $id) { settings { invoicePrefix } grants { totalCount } } }"
    await api.ask(query, {"id": anna.account_id}, by=bo)

    (line,) = told()
    assert (line["codes"], line["status"]) == ({"FORBIDDEN": 2}, 200)
    assert "name" not in line


async def test_what_an_operation_said_no_with_is_counted_too(api: Api, told: Told) -> None:
    await api.do("signIn", {"email": "nobody@example.com", "password": PASSWORD})

    (line,) = told()
    assert (line["kind"], line["refused"]) == ("mutation", {"INVALID_CREDENTIALS": 1})
    assert "codes" not in line
    assert "user" not in line


async def test_whoever_signs_in_is_named_by_his_id(api: Api, told: Told) -> None:
    anna = await api.person("anna@example.com")
    _ = told()

    await api.do("signIn", {"email": anna.email, "password": PASSWORD}, "accessToken")

    (line,) = told()
    assert line["user"] == str(ids.decode("User", anna.user_id))


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"content": b"{"}, 400, "BAD_USER_INPUT"),
        ({"content": b"{}"}, 400, "BAD_USER_INPUT"),
        ({"content": b"x" * 200_000}, 413, "BAD_USER_INPUT"),
        ({"json": {"query": "{"}}, 400, "GRAPHQL_PARSE_FAILED"),
        ({"json": {"query": "{ hunter2 }"}}, 400, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_a_request_that_came_to_no_operation_is_a_line(
    api: Api, told: Told, sent: dict[str, Any], status: int, code: str
) -> None:
    response = await api.http.post("/graphql", headers={"Content-Type": "application/json"}, **sent)

    (line,) = told()
    assert line.pop("timestamp")
    assert line.pop("ms") > 0
    assert line == {
        "event": "refused",
        "level": "info",
        "request_id": response.headers["x-request-id"],
        "status": status,
        "bytes": len(response.content),
        "codes": {code: len(response.json()["errors"])},
    }


async def test_an_unknown_address_is_a_line_without_the_address(api: Api, told: Told) -> None:
    await api.http.get("/.env?anna@example.com")

    (line,) = told()
    assert (line["event"], line["status"], line["codes"]) == ("refused", 404, {"NOT_FOUND": 1})
    assert "env" not in json.dumps(line)
    assert "anna" not in json.dumps(line)


async def test_probes_and_pages_leave_no_line(api: Api, told: Told) -> None:
    for path in ("/livez", "/readyz", "/static/graphiql/page.js"):
        assert (await api.http.get(path)).status_code == 200
    assert (await api.http.get("/graphql", headers={"Accept": "text/html"})).status_code == 200

    assert told() == []


async def test_a_long_name_is_cut(api: Api, told: Told) -> None:
    await api.ask(f"query {'N' * 1000} {{ __typename }}")

    (line,) = told()
    assert line["name"] == "N" * 64


async def test_notable_leaves_out_what_went_well(api: Api, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    writer = access_log.AccessLog(which="notable", slow_seconds=10)
    slow = access_log.AccessLog(which="notable", slow_seconds=0)
    none = access_log.AccessLog(which="none", slow_seconds=0)
    entry = access_log.LogEntry("one", status=200)
    monkeypatch.setattr(access_log.LogEntry, "is_told", True)

    for one in (writer, slow, none):
        one.end(entry)
        found += [line["level"] for line in told()]
    writer.end(access_log.LogEntry("two", status=404))
    found += [line["level"] for line in told()]

    assert found == ["warning", "info"]


@pytest.mark.parametrize(
    "document",
    [
        '{ a(p: "%s") }',
        '{ a(p: """%s""") }',
        '{ a(p: """\\"""%s""") }',
        '{ a(p: "\\"%s") }',
        "{ a } # %s",
        '{ a(p: ["x", "%s", "y"]) }',
    ],
)
def test_a_hash_says_nothing_of_a_literal(document: str) -> None:
    assert access_log.digest(document % "kestrel") == access_log.digest(document % "hunter2")
    assert access_log.digest(document % "kestrel") != access_log.digest("{ a }")


def test_a_hash_says_nothing_of_a_number() -> None:
    assert access_log.digest("{ a(code: 123456) b1: c }") == access_log.digest("{ a(code: -98.7e5) b1: c }")
    assert access_log.digest("{ a(code: 123456) b1: c }") != access_log.digest("{ a(code: 123456) b2: c }")


@pytest.mark.parametrize("document", ['"""', '"""\\', '"', '"\\', "1", "#", '"""\\"""', "-", "a1"])
def test_no_document_takes_long_to_hash(document: str) -> None:
    assert len(access_log.digest(document * (120_000 // len(document)))) == 64
