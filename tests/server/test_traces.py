import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from server.access_log import digest
from tests.api import KEY, PASSWORD, Api
from tests.serving import ROOT, Post, Served, broken, free_port, post, serve
from tests.sockets import socket

CANARY = "canary-zq7-bird-under-glass"
SIGN_IN = "mutation Enter($input: SignInInput!) { signIn(input: $input) { errors { code } } }"
MENU = "query Menu { viewer { accounts { nodes { name } } } }"
WITHOUT = """
import sys

sys.modules["opentelemetry"] = None
"""
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
EMAIL = "anna.traced@example.com"


@dataclass
class Collected:
    """What a collector has got."""

    port: int
    bodies: list[bytes] = field(default_factory=list[bytes])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    @property
    def environ(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}"}

    def spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def operations(self) -> list[Span]:
        return [span for span in self.spans() if span.kind == Span.SPAN_KIND_SERVER]

    def statements(self, of: Span) -> list[Span]:
        return [span for span in self.spans() if span.parent_span_id == of.span_id]


@contextmanager
def collector() -> Generator[Collected]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                found.bodies.append(body)
                found.headers.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collected(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found
        finally:
            server.shutdown()


def attributes(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in span.attributes:
        kind = one.value.WhichOneof("value")
        assert kind is not None
        value = getattr(one.value, kind)
        found[one.key] = [each.string_value for each in value.values] if kind == "array_value" else value
    return found


async def test_an_operation_is_a_span_of_ids_and_figures(database_url: str, tmp_path: Path) -> None:
    with collector() as collected, post() as office:
        environ = collected.environ | {
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20of-the-collector",
            "FULLMAKT_TRUSTED_PROXIES": "127.0.0.2",
            "FULLMAKT_LOG_OPERATIONS": "all",
            "FULLMAKT_SMTP_URL": f"smtp://127.0.0.1:{office.port}",
        }
        async with serve(database_url, program=broken(tmp_path), **environ) as served:
            token = await story(served, office)
            code, said_aloud, log = await served.stop()

    assert (code, said_aloud) == (0, f"Fullmakt listens on 127.0.0.1 port {served.port}.\n")
    lines = [line for line in map(json.loads, log.splitlines()) if "ms" in line]
    told = {line["request_id"]: line for line in lines}
    spans = {attributes(span)["fullmakt.request_id"]: span for span in collected.operations()}

    # A span for each line, and what the line has.
    assert spans.keys() == told.keys()
    by_name = {attributes(span).get("graphql.operation.name"): span for span in spans.values()}
    span = by_name["Menu"]
    line = told[attributes(span)["fullmakt.request_id"]]
    statements = collected.statements(span)
    assert attributes(span) == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Menu",
        "http.response.status_code": 200,
        "http.response.body.size": line["bytes"],
        "fullmakt.request_id": line["request_id"],
        "fullmakt.hash": digest(MENU),
        "fullmakt.cost": line["cost"],
        "fullmakt.user": line["user"],
        "fullmakt.account": line["account"],
        "fullmakt.statements": len(statements),
    }
    assert span.name == "query"
    assert span.status.code == Status.STATUS_CODE_UNSET
    lasted = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    assert abs(lasted - line["ms"]) < 100

    check_statements(span, statements)
    entered = {attributes(one)["db.operation.name"] for one in collected.statements(by_name["Enter"])}
    assert {"SELECT", "INSERT"} <= entered

    # What went wrong.
    assert attributes(by_name["Enter"])["fullmakt.refused"] == ["INVALID_CREDENTIALS"]
    failed = [one for one in spans.values() if one.status.code == Status.STATUS_CODE_ERROR]
    assert sorted(attributes(one)["fullmakt.codes"][0] for one in failed) == ["INTERNAL_SERVER_ERROR"] * 2
    refused = sorted(attributes(one)["fullmakt.codes"][0] for one in spans.values() if one.name == "refused")
    assert refused == ["GRAPHQL_VALIDATION_FAILED", "NOT_FOUND"]
    assert attributes(by_name["Following"])["fullmakt.codes"] == ["BAD_USER_INPUT"]

    # Whose trace it is.
    assert (by_name["Trusted"].trace_id.hex(), by_name["Trusted"].parent_span_id.hex()) == (TRACE, SPAN)
    assert [one.parent_span_id for one in spans.values() if one is not by_name["Trusted"]] == [b""] * (len(spans) - 1)
    assert TRACE not in {one.trace_id.hex() for one in spans.values() if one is not by_name["Trusted"]}

    # Nothing that was typed, and nobody's name.
    sent = b"".join(collected.bodies)
    for secret in (CANARY, CANARY.replace("-", "_"), PASSWORD, EMAIL, "Nowak", token, "127.0.0.1", KEY):
        assert secret.encode() not in sent, secret
    assert b"fullmakt" in sent
    assert {headers["authorization"] for headers in collected.headers} == {"Bearer of-the-collector"}
    assert "of-the-collector" not in log


def check_statements(span: Span, statements: list[Span]) -> None:
    """They are inside, by their first word."""
    assert statements
    for statement in statements:
        word = attributes(statement)["db.operation.name"]
        assert attributes(statement) == {"db.system.name": "postgresql", "db.operation.name": word}
        assert (statement.name, word.isalpha(), statement.trace_id) == (word, True, span.trace_id)
        assert statement.start_time_unix_nano <= statement.end_time_unix_nano


async def story(served: Served, office: Post) -> str:
    api = served.api
    token = await signed_up(api, office)
    menu = await api.ask(MENU, by=token)
    assert menu.data["viewer"]["accounts"]["nodes"] == [{"name": "Anna Nowak"}]
    await api.ask(SIGN_IN, {"input": {"email": EMAIL, "password": CANARY}})
    await api.ask("query ($t: String!) { invitation(token: $t) { role } roles { role } }", {"t": CANARY})
    await api.ask(f'query Literal {{ invitation(token: "{CANARY}") {{ role }} }}')
    await api.ask(f"{{ {CANARY.replace('-', '_')} }}")
    said = {"User-Agent": CANARY, "traceparent": PARENT, "tracestate": f"a={CANARY}", "baggage": f"a={CANARY}"}
    await api.http.get(f"/{CANARY}?{CANARY}", headers=said)
    await api.http.post("/graphql", json={"query": "query Untrusted { roles { role } }"}, headers=said)
    await by_proxy(served.port, {"query": "query Trusted { roles { role } }"}, said)
    async with socket(served.port) as following:
        await following.begin(token)
        await following.subscribe("1", "query Following { roles { role } }")
        assert (await following.hear())["type"] == "error"
    return token


async def signed_up(api: Api, office: Post) -> str:
    given = {"name": "Anna Nowak", "email": EMAIL, "password": PASSWORD}
    assert (await api.do("register", given))["errors"] == []
    _, link = await office.link(EMAIL, "Activate your Fullmakt login")
    token: str = (await api.do("activate", {"token": link}, "accessToken"))["accessToken"]
    return token


async def by_proxy(port: int, body: dict[str, str], headers: dict[str, str]) -> None:
    transport = httpx2.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx2.AsyncClient(transport=transport) as http:
        response = await http.post(f"http://127.0.0.1:{port}/graphql", json=body, headers=headers)
    assert response.status_code == 200


async def test_a_collector_that_is_away_holds_nobody_up(database_url: str) -> None:
    async with serve(database_url, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}") as served:
        assert (await served.api.ask(MENU)).data == {"viewer": None}
        code, _, log = await served.stop()

    assert code == 0
    assert {json.loads(line)["logger"].partition(".")[0] for line in log.splitlines()} <= {"opentelemetry"}


def test_traces_without_their_packages_are_an_error_at_start(tmp_path: Path) -> None:
    program = broken(tmp_path, WITHOUT)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "FULLMAKT_ENV": "development",
        "FULLMAKT_SECRET_KEY": KEY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    }

    done = subprocess.run([sys.executable, program, "serve"], env=environ, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: The variables of OpenTelemetry ask for traces, but its packages are not installed;"
        " `make otel` does it.\n"
    )


def test_nothing_of_it_is_loaded_unless_asked_for() -> None:
    script = "import sys, app\nsys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)

    assert done.returncode == 0
