"""The workspace: a page of documents beside hand-written SQL, in a long table and in a short one, reports, and exports.

A page has 100 documents with their contacts, lines and products. The documents are those of one account.
"""

import asyncio
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final, cast

from benchmarks import common, seed
from benchmarks.http_queries import QueryRequests, encode_bodies, measure_load
from benchmarks.measurement import Goal, Pace, Row, Section, compare_as_slowdown, compare_rates, interleave
from benchmarks.server import Server, UnexpectedResponse, serve
from resolvers import ids
from workspace import report

MANY_DOCUMENTS: Final = 1_000_000
FEW_DOCUMENTS: Final = 10_000
EXPORTED_DOCUMENTS: Final = 100_000
PAGE_SIZE: Final = 100
HAND_WRITTEN: Final = (sys.executable, "-m", "benchmarks.document_server")
DOCUMENTS_QUERY: Final = """query($id: ID!, $first: Int!) { node(id: $id) { ... on Account {
  documents(first: $first, filter: { status: [PAID] }) { nodes {
    id number status currency issuedOn dueOn netAmount taxAmount grossAmount paidAmount contact { id name country }
    lines(first: 10) { nodes {
      id description quantity unit unitPrice vatRate netAmount product { id name unit } } } } } } } }"""
REPORT_QUERY: Final = """query($id: ID!, $startsOn: Date!, $endsOn: Date!) { node(id: $id) { ... on Account {
  reports(startsOn: $startsOn, endsOn: $endsOn) { documentCount %s } } } }"""
REPORTS: Final = {
    "revenueByMonth": "revenueByMonth { month netAmount }",
    "revenueByContact": "revenueByContact { nodes { contact { name } netAmount } }",
    "vatByMonth": "vatByMonth { month rate taxAmount }",
    "openItems": "openItems { openAmount }",
    "marginByMonth": "marginByMonth { month marginAmount }",
    "marginByContact": "marginByContact { nodes { contact { name } marginAmount } }",
}
MIN_RATE: Final = Goal(0.6)
MAX_GROWTH: Final = Goal(1.2, at_most=True)
MAX_REPORT_TIME: Final = 1000.0
"""Milliseconds."""
CREATE_EXPORT: Final = """mutation($id: ID!) { createExport(input: { accountId: $id, kind: DOCUMENTS, format: CSV }) {
  export { id } errors { code } } }"""
EXPORT_QUERY: Final = "query($id: ID!) { node(id: $id) { ... on Export { status rowCount } } }"
EXPORT_RATE: Final = 20_000.0
"""Rows a second."""
EXPORT_MEMORY: Final = 150.0
"""MiB of the server process."""
POLL_SECONDS: Final = 0.05


def measure(
    server_url: str,
    pace: Pace,
    *,
    many: int = MANY_DOCUMENTS,
    few: int = FEW_DOCUMENTS,
    exported: int = EXPORTED_DOCUMENTS,
) -> Section:
    """Measure all rows of the section, with `many` and with `few` documents in the table, and an export of a third."""
    many_url, few_url, export_url = (
        asyncio.run(common.prepare_database(server_url, common.SMALL, documents=count))
        for count in (many, few, exported)
    )
    sections = [
        _compare_with_sql(few_url, pace),
        _measure_growth(many_url, few_url, pace, many, few),
        _measure_reports(many_url, pace, many),
        _measure_export(export_url, pace),
    ]
    rows = [row for section in sections for row in section.rows]
    return Section("workspace", rows, {section.name: section.raw for section in sections})


def _page_requests() -> QueryRequests:
    account = ids.encode("Account", seed.account_id(common.DOCUMENT_ACCOUNT))
    return {
        "token": seed.token(common.DOCUMENT_OWNER),
        "bodies": encode_bodies(DOCUMENTS_QUERY, {"id": account, "first": PAGE_SIZE}),
    }


def _compare_with_sql(database_url: str, pace: Pace) -> Section:
    """Compare the page with the same response from one hand-written statement."""
    requests = _page_requests()
    with ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(serve(database_url)),
            "sql": stack.enter_context(serve(database_url, command=HAND_WRITTEN)),
        }
        responses = [_read_page(server, requests) for server in servers.values()]
        if responses[0] != responses[1]:
            raise UnexpectedResponse("The hand-written statement has another response.")
        for server in servers.values():
            measure_load(server, requests, pace.warm_seconds, pace.connections)
        results = interleave({name: _load(server, requests, pace) for name, server in servers.items()}, pace.rounds)
    rates = {name: [figures["rate"] for figures in results[name]] for name in results}
    name = f"{PAGE_SIZE} documents with lines, contacts and products: SQL to JSON, by hand"
    return Section("documents", [compare_rates(name, rates["ours"], rates["sql"], MIN_RATE)], dict(results))


def _read_page(server: Server, requests: QueryRequests) -> Any:
    """The response to the page. Raises UnexpectedResponse if the page is not full."""
    response = cast("dict[str, Any]", server.query(requests["token"], requests["bodies"][0].encode()))
    nodes = ((response.get("data") or {}).get("node") or {}).get("documents", {}).get("nodes", [])
    if len(nodes) != PAGE_SIZE or not all(node["lines"]["nodes"] and node["contact"] for node in nodes):
        raise UnexpectedResponse(f"The page of documents has a wrong response: {str(response)[:500]}")
    return response


def _load(server: Server, requests: QueryRequests, pace: Pace, connections: int | None = None) -> Any:
    return lambda: measure_load(server, requests, pace.seconds, connections or pace.connections)


def _measure_growth(many_url: str, few_url: str, pace: Pace, many: int, few: int) -> Section:
    """Compare the page in a table with many documents and in one with few, with one connection."""
    requests = _page_requests()
    with serve(many_url) as large_server, serve(few_url) as small_server:
        servers = {"many": large_server, "few": small_server}
        for server in servers.values():
            _ = _read_page(server, requests)
            measure_load(server, requests, pace.warm_seconds, 1)
        loads = {name: _load(server, requests, pace, 1) for name, server in servers.items()}
        results = interleave(loads, pace.rounds)
    times = {name: [figures["p50"] for figures in results[name]] for name in servers}
    name = f"The same with {many:,} documents in the table: with {few:,}"
    row = compare_as_slowdown(name, times["many"], times["few"], "ms", MAX_GROWTH)
    return Section("document growth", [row], dict(results))


def _measure_reports(database_url: str, pace: Pace, document_count: int) -> Section:
    """Measure each report of as many documents as one may have, by one client alone."""
    account = ids.encode("Account", seed.account_id(common.DOCUMENT_ACCOUNT))
    days = _longest_range(document_count)
    variables = {"id": account, "startsOn": days[0], "endsOn": days[1]}
    rows: list[Row] = []
    raw: dict[str, object] = {}
    with serve(database_url) as server:
        for name, selection in REPORTS.items():
            requests: QueryRequests = {
                "token": seed.token(common.DOCUMENT_OWNER),
                "bodies": encode_bodies(REPORT_QUERY % selection, variables),
            }
            response = cast("dict[str, Any]", server.query(requests["token"], requests["bodies"][0].encode()))
            if "errors" in response and name != "openItems":
                raise UnexpectedResponse(f"The report {name} has a wrong response: {str(response)[:500]}")
            count = response["data"]["node"]["reports"]["documentCount"]
            figures = raw[name] = [measure_load(server, requests, pace.seconds, 1) for _ in range(pace.rounds)]
            times = [entry["p50"] for entry in figures]
            goal = Goal(1, at_most=True)
            title = f"{name} of {count:,} documents: a second"
            rows.append(compare_as_slowdown(title, times, [MAX_REPORT_TIME], "ms", goal))
    return Section("reports", rows, raw)


def _longest_range(document_count: int) -> tuple[str, str]:
    """The days, up to a month ago, whose documents one report can have. The documents are spread over a year."""
    last = datetime.now(UTC).date() - timedelta(days=30)
    length = min(330, int(365 * report.MAX_DOCUMENTS * 0.9 / document_count))
    return (last - timedelta(days=max(0, length - 1))).isoformat(), last.isoformat()


def _measure_export(database_url: str, pace: Pace) -> Section:
    """Measure an export of all documents: its rows a second from its first part on, and the memory of the server."""
    account = ids.encode("Account", seed.account_id(common.DOCUMENT_ACCOUNT))
    rates: list[float] = []
    with serve(database_url) as server:
        for _ in range(pace.rounds):
            payload = _ask(server, CREATE_EXPORT, account)["createExport"]
            if payload["errors"]:
                raise UnexpectedResponse(f"The export was refused: {payload['errors']}")
            rates.append(_rate_of_export(server, payload["export"]["id"]))
        memory = server.read_memory()
    rate = median(rates)
    rows = [
        Row("Rows of an export of documents: the goal", rate, EXPORT_RATE, "rows/s", rate / EXPORT_RATE, Goal(1)),
    ]
    if memory:
        peak, goal = memory["peak"], Goal(1, at_most=True)
        name = "Peak of the server's memory during exports: the goal"
        rows.append(Row(name, peak, EXPORT_MEMORY, "MiB", peak / EXPORT_MEMORY, goal))
    return Section("exports", rows, {"rates": rates, "memory": memory})


def _rate_of_export(server: Server, export_id: str) -> float:
    """The rows a second of an export that runs."""
    started_at, first_count = 0.0, 0
    while True:
        export = _ask(server, EXPORT_QUERY, export_id)["node"]
        now, count = time.monotonic(), export["rowCount"]
        if export["status"] not in {"QUEUED", "RUNNING", "READY"}:
            raise UnexpectedResponse(f"The export failed: {export}")
        if export["status"] == "READY":
            # A small export can be ready before its first part was seen.
            return float((count - first_count) / max(now - started_at, POLL_SECONDS)) or float(count)
        if count and not started_at:
            started_at, first_count = now, count
        time.sleep(POLL_SECONDS)


def _ask(server: Server, query: str, key: str) -> Any:
    (body,) = encode_bodies(query, {"id": key})
    return cast("dict[str, Any]", server.query(seed.token(common.DOCUMENT_OWNER), body.encode()))["data"]
