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
from tests.serving import ROOT, MailServer, ServerProcess, free_port, mail_server, patched_program, run_process
from tests.sockets import open_socket

CANARY = "canary-zq7-bird-under-glass"
SIGN_IN = "mutation Enter($input: SignInInput!) { signIn(input: $input) { errors { code } } }"
MENU = "query Menu { viewer { accounts { nodes { name } } } }"
WITHOUT_OPENTELEMETRY = """
import sys

sys.modules["opentelemetry"] = None
"""
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
EMAIL = "anna.traced@example.com"


@dataclass
class Collector:
    """The requests that an OpenTelemetry collector has received."""

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
def run_collector() -> Generator[Collector]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                collector.bodies.append(body)
                collector.headers.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield collector
        finally:
            server.shutdown()


def attributes(span: Span) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for attribute in span.attributes:
        kind = attribute.value.WhichOneof("value")
        assert kind is not None
        value = getattr(attribute.value, kind)
        values[attribute.key] = [item.string_value for item in value.values] if kind == "array_value" else value
    return values


async def test_operation_has_a_span_with_ids_and_numbers(database_url: str, tmp_path: Path) -> None:
    with run_collector() as collector, mail_server() as mailbox:
        environ = collector.environ | {
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20of-the-collector",
            "FULLMAKT_TRUSTED_PROXIES": "127.0.0.2",
            "FULLMAKT_LOG_OPERATIONS": "all",
            "FULLMAKT_SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
        }
        async with run_process(database_url, program=patched_program(tmp_path), **environ) as server:
            token = await run_requests(server, mailbox)
            code, output, log = await server.stop()

    assert (code, output) == (0, f"Fullmakt listens on 127.0.0.1 port {server.port}.\n")
    lines = [line for line in map(json.loads, log.splitlines()) if "ms" in line]
    lines_by_id = {line["request_id"]: line for line in lines}
    spans = {attributes(span)["fullmakt.request_id"]: span for span in collector.operations()}

    # One span for each log line, with the fields of the line.
    assert spans.keys() == lines_by_id.keys()
    by_name = {attributes(span).get("graphql.operation.name"): span for span in spans.values()}
    span = by_name["Menu"]
    line = lines_by_id[attributes(span)["fullmakt.request_id"]]
    statements = collector.statements(span)
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
    duration_ms = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    assert abs(duration_ms - line["ms"]) < 100

    check_statements(span, statements)
    keywords = {attributes(span)["db.operation.name"] for span in collector.statements(by_name["Enter"])}
    assert {"SELECT", "INSERT"} <= keywords

    # Errors.
    assert attributes(by_name["Enter"])["fullmakt.refused"] == ["INVALID_CREDENTIALS"]
    failed_spans = [span for span in spans.values() if span.status.code == Status.STATUS_CODE_ERROR]
    assert sorted(attributes(span)["fullmakt.codes"][0] for span in failed_spans) == ["INTERNAL_SERVER_ERROR"] * 2
    rejection_codes = sorted(attributes(span)["fullmakt.codes"][0] for span in spans.values() if span.name == "refused")
    assert rejection_codes == ["GRAPHQL_VALIDATION_FAILED", "NOT_FOUND"]
    assert attributes(by_name["Following"])["fullmakt.codes"] == ["BAD_USER_INPUT"]

    # Only the trusted proxy sets the parent span.
    assert (by_name["Trusted"].trace_id.hex(), by_name["Trusted"].parent_span_id.hex()) == (TRACE, SPAN)
    assert [span.parent_span_id for span in spans.values() if span is not by_name["Trusted"]] == [b""] * (
        len(spans) - 1
    )
    assert TRACE not in {span.trace_id.hex() for span in spans.values() if span is not by_name["Trusted"]}

    # No client input and no personal data.
    sent_bytes = b"".join(collector.bodies)
    for secret in (CANARY, CANARY.replace("-", "_"), PASSWORD, EMAIL, "Nowak", token, "127.0.0.1", KEY):
        assert secret.encode() not in sent_bytes, secret
    assert b"fullmakt" in sent_bytes
    assert {headers["authorization"] for headers in collector.headers} == {"Bearer of-the-collector"}
    assert "of-the-collector" not in log


def check_statements(span: Span, statements: list[Span]) -> None:
    """Check that the statements are child spans that contain only their first keyword."""
    assert statements
    for statement in statements:
        keyword = attributes(statement)["db.operation.name"]
        assert attributes(statement) == {"db.system.name": "postgresql", "db.operation.name": keyword}
        assert (statement.name, keyword.isalpha(), statement.trace_id) == (keyword, True, span.trace_id)
        assert statement.start_time_unix_nano <= statement.end_time_unix_nano


async def run_requests(server: ServerProcess, mailbox: MailServer) -> str:
    api = server.api
    token = await register(api, mailbox)
    menu = await api.ask(MENU, by=token)
    assert menu.data["viewer"]["accounts"]["nodes"] == [{"name": "Anna Nowak"}]
    await api.ask(SIGN_IN, {"input": {"email": EMAIL, "password": CANARY}})
    await api.ask("query ($t: String!) { invitation(token: $t) { role } roles { role } }", {"t": CANARY})
    await api.ask(f'query Literal {{ invitation(token: "{CANARY}") {{ role }} }}')
    await api.ask(f"{{ {CANARY.replace('-', '_')} }}")
    headers = {"User-Agent": CANARY, "traceparent": PARENT, "tracestate": f"a={CANARY}", "baggage": f"a={CANARY}"}
    await api.http.get(f"/{CANARY}?{CANARY}", headers=headers)
    await api.http.post("/graphql", json={"query": "query Untrusted { roles { role } }"}, headers=headers)
    await send_by_proxy(server.port, {"query": "query Trusted { roles { role } }"}, headers)
    async with open_socket(server.port) as client:
        await client.connect(token)
        await client.subscribe("1", "query Following { roles { role } }")
        assert (await client.receive())["type"] == "error"
    return token


async def register(api: Api, mailbox: MailServer) -> str:
    arguments = {"name": "Anna Nowak", "email": EMAIL, "password": PASSWORD}
    assert (await api.do("register", arguments))["errors"] == []
    _, link = await mailbox.wait_for_link(EMAIL, "Activate your Fullmakt login")
    payload = await api.do("activate", {"token": link, "password": PASSWORD}, "accessToken")
    token: str = payload["accessToken"]
    return token


async def send_by_proxy(port: int, body: dict[str, str], headers: dict[str, str]) -> None:
    transport = httpx2.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx2.AsyncClient(transport=transport) as http:
        response = await http.post(f"http://127.0.0.1:{port}/graphql", json=body, headers=headers)
    assert response.status_code == 200


async def test_unreachable_collector_delays_no_response(database_url: str) -> None:
    async with run_process(database_url, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}") as server:
        assert (await server.api.ask(MENU)).data == {"viewer": None}
        code, _, log = await server.stop()

    assert code == 0
    assert {json.loads(line)["logger"].partition(".")[0] for line in log.splitlines()} <= {"opentelemetry"}


def test_traces_without_their_packages_fail_at_start(tmp_path: Path) -> None:
    program = patched_program(tmp_path, WITHOUT_OPENTELEMETRY)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "FULLMAKT_ENV": "development",
        "FULLMAKT_SECRET_KEY": KEY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    }

    result = subprocess.run(
        [sys.executable, program, "serve"], env=environ, capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: OTEL_... variables enable traces, but the packages are not installed. Run `make otel`.\n"
    )


def test_opentelemetry_is_imported_only_if_traces_are_enabled() -> None:
    script = "import sys, app\nsys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"

    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)

    assert result.returncode == 0
