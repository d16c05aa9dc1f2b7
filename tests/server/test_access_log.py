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

ReadLines = Callable[[], list[dict[str, Any]]]
MENU = "query Menu { viewer { accounts { nodes { name } } } }"


@pytest.fixture
def read_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadLines]:
    """Return a function that reads the log lines written since its last call."""
    with tempfile.TemporaryFile() as file:
        writer = QueuedWriter(file.fileno())
        monkeypatch.setattr(LOG, "writer", writer)
        offset = 0

        def read() -> list[dict[str, Any]]:
            nonlocal offset
            writer.flush()
            file.seek(offset)
            content = file.read()
            offset += len(content)
            return [json.loads(line) for line in content.splitlines()]

        yield read


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def test_operation_is_logged_with_ids_and_numbers(api: Api, read_lines: ReadLines) -> None:
    anna = await api.person("anna@example.com")
    _ = read_lines()

    response = await api.http.post("/graphql", json={"query": MENU}, headers={"Authorization": f"Bearer {anna.token}"})

    (line,) = read_lines()
    assert line.pop("timestamp").endswith("Z")
    assert 0 < line.pop("ms") < 10_000
    assert line == {
        "event": "operation",
        "level": "info",
        "request_id": response.headers["x-request-id"],
        "kind": "query",
        "name": "Menu",
        "hash": sha(MENU),
        "cost": 151,
        "user": str(ids.decode("User", anna.user_id)),
        "account": str(ids.decode("Account", anna.account_id)),
        "status": 200,
        "bytes": len(response.content),
    }


async def test_line_counts_errors_by_code(api: Api, read_lines: ReadLines) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER")
    _ = read_lines()

    query = "query ($id: ID!) { account(id: $id) { settings { invoicePrefix } grants { totalCount } } }"
    await api.ask(query, {"id": anna.account_id}, by=bo)

    (line,) = read_lines()
    assert (line["codes"], line["status"]) == ({"FORBIDDEN": 2}, 200)
    assert "name" not in line


async def test_line_counts_refusals_by_code(api: Api, read_lines: ReadLines) -> None:
    await api.do("signIn", {"email": "nobody@example.com", "password": PASSWORD})

    (line,) = read_lines()
    assert (line["kind"], line["refused"]) == ("mutation", {"INVALID_CREDENTIALS": 1})
    assert "codes" not in line
    assert "user" not in line


async def test_sign_in_is_logged_with_the_user_id(api: Api, read_lines: ReadLines) -> None:
    anna = await api.person("anna@example.com")
    _ = read_lines()

    await api.do("signIn", {"email": anna.email, "password": PASSWORD}, "accessToken")

    (line,) = read_lines()
    assert line["user"] == str(ids.decode("User", anna.user_id))


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"content": b"{"}, 400, "BAD_USER_INPUT"),
        ({"content": b"{}"}, 400, "BAD_USER_INPUT"),
        ({"content": b"x" * 200_000}, 413, "BAD_USER_INPUT"),
        ({"json": {"query": "{"}}, 400, "GRAPHQL_PARSE_FAILED"),
        ({"json": {"query": "{ hunter2 }"}}, 400, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_rejected_request_without_operation_is_logged(
    api: Api, read_lines: ReadLines, arguments: dict[str, Any], status: int, code: str
) -> None:
    response = await api.http.post("/graphql", headers={"Content-Type": "application/json"}, **arguments)

    (line,) = read_lines()
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


async def test_unknown_path_is_logged_without_the_path(api: Api, read_lines: ReadLines) -> None:
    await api.http.get("/.env?anna@example.com")

    (line,) = read_lines()
    assert (line["event"], line["status"], line["codes"]) == ("refused", 404, {"NOT_FOUND": 1})
    assert "env" not in json.dumps(line)
    assert "anna" not in json.dumps(line)


async def test_successful_probes_and_pages_are_not_logged(api: Api, read_lines: ReadLines) -> None:
    for path in ("/livez", "/readyz", "/static/graphiql/page.js"):
        assert (await api.http.get(path)).status_code == 200
    assert (await api.http.get("/graphql", headers={"Accept": "text/html"})).status_code == 200

    assert read_lines() == []


async def test_long_operation_name_is_truncated(api: Api, read_lines: ReadLines) -> None:
    await api.ask(f"query {'N' * 1000} {{ __typename }}")

    (line,) = read_lines()
    assert line["name"] == "N" * 64


async def test_filter_notable_skips_successful_operations(
    api: Api, read_lines: ReadLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels: list[str] = []
    notable_log = access_log.AccessLog(log_filter="notable", slow_seconds=10)
    slow_log = access_log.AccessLog(log_filter="notable", slow_seconds=0)
    silent_log = access_log.AccessLog(log_filter="none", slow_seconds=0)
    entry = access_log.LogEntry("one", status=200)
    monkeypatch.setattr(access_log.LogEntry, "is_logged", True)

    for log in (notable_log, slow_log, silent_log):
        log.end(entry)
        levels += [line["level"] for line in read_lines()]
    notable_log.end(access_log.LogEntry("two", status=404))
    levels += [line["level"] for line in read_lines()]

    assert levels == ["warning", "info"]


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
def test_hash_is_independent_of_literals(document: str) -> None:
    assert access_log.digest(document % "kestrel") == access_log.digest(document % "hunter2")
    assert access_log.digest(document % "kestrel") != access_log.digest("{ a }")


def test_hash_is_independent_of_numbers() -> None:
    assert access_log.digest("{ a(code: 123456) b1: c }") == access_log.digest("{ a(code: -98.7e5) b1: c }")
    assert access_log.digest("{ a(code: 123456) b1: c }") != access_log.digest("{ a(code: 123456) b2: c }")


@pytest.mark.parametrize("document", ['"""', '"""\\', '"', '"\\', "1", "#", '"""\\"""', "-", "a1"])
def test_hash_of_a_long_document_is_fast(document: str) -> None:
    assert len(access_log.digest(document * (120_000 // len(document)))) == 64
