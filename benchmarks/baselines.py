"""Comparison with minimal servers: HTTP alone, the same round trips to the database, the same statements.

For each query there are three minimal servers. Each one sends as many bytes as our server does. The first does nothing
else. The second sends the same number of trivial statements to the database. The third sends our statements and
discards the rows. The difference between the third and our server is the cost of our own code.
"""

import asyncio
import pickle
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import asyncpg
import httpx2

import app
from benchmarks.http_queries import QueryRequests, list_queries, measure_load
from benchmarks.measurement import Pace, Section, compare_rates, interleave
from benchmarks.server import Server, serve
from settings import Settings

KINDS: Final = {"http": "HTTP alone, as many bytes", "trips": "and as many round trips", "statements": "our statements"}
MAX_RECORDED_REQUESTS: Final = 40
"""The statements of several requests are repeated. With those of one request, all changes would lock one account."""

Statements = list[tuple[str, tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class QueryTrace:
    """The size of a query's response, and the statements of each request."""

    body_size: int
    requests: list[Statements] = field(default_factory=list[Statements])


def measure(database_url: str, pace: Pace) -> Section:
    """Measure our server and the minimal servers. They take turns."""
    raw: dict[str, object] = {}
    rows = []
    for name, requests in list_queries().items():
        trace = asyncio.run(_record(database_url, requests))
        raw[f"{name} asks"] = [sql for sql, _ in trace.requests[0]]
        with ExitStack() as stack:
            servers = {"ours": stack.enter_context(serve(database_url))}
            servers |= {kind: stack.enter_context(_serve_baseline(database_url, kind, trace)) for kind in KINDS}
            for server in servers.values():
                measure_load(server, requests, pace.warm_seconds, pace.connections)
            turns = {key: _turn(server, requests, pace) for key, server in servers.items()}
            results = raw[name] = interleave(turns, pace.rounds)
        speeds = {key: [figures["rate"] for figures in results[key]] for key in results}
        round_trips = len(trace.requests[0])
        rows += [
            compare_rates(f"{name}, {round_trips} round trips: {KINDS[kind]}", speeds["ours"], speeds[kind])
            for kind in KINDS
        ]
    return Section("floors", rows, raw)


def _turn(server: Server, requests: QueryRequests, pace: Pace) -> Any:
    return lambda: measure_load(server, requests, pace.seconds, pace.connections)


async def _record(database_url: str, query_requests: QueryRequests) -> QueryTrace:
    """Run requests in this process and record their statements."""
    requests: list[Statements] = []
    fetch, execute = asyncpg.Connection.fetch, asyncpg.Connection.execute

    async def record_fetch(self: Any, sql: str, *args: Any, **options: Any) -> Any:
        requests[-1].append((sql, args))
        return await fetch(self, sql, *args, **options)

    async def record_execute(self: Any, sql: str, *args: Any, **options: Any) -> Any:
        requests[-1].append((sql, args))
        return await execute(self, sql, *args, **options)

    application = app.create(Settings(secret_key="k" * 32, public_url="http://127.0.0.1", database_url=database_url))
    headers = {"Authorization": f"Bearer {query_requests['token']}", "Content-Type": "application/json"}
    async with application.router.lifespan_context(application):
        transport = httpx2.ASGITransport(application)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            send = partial(client.post, "/graphql", headers=headers)
            for body in query_requests["bodies"][-3:]:  # Opens the connections and updates `last_used_at`.
                _ = await send(content=body)
            with (
                patch.object(asyncpg.Connection, "fetch", record_fetch),
                patch.object(asyncpg.Connection, "execute", record_execute),
            ):
                body_size = 0
                for body in query_requests["bodies"][:MAX_RECORDED_REQUESTS]:
                    requests.append([])
                    body_size = len((await send(content=body)).content)
    return QueryTrace(body_size, requests)


@contextmanager
def _serve_baseline(database_url: str, kind: str, trace: QueryTrace) -> Generator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace"
        file.write_bytes(pickle.dumps((kind, trace)))
        command = (sys.executable, "-m", "benchmarks.baseline_server", str(file))
        with serve(database_url, command=command) as server:
            yield server
