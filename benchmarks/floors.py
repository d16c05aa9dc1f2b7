"""What stands below us whatever we do: HTTP alone, the same round trips to the database, the same statements.

For each query three servers of few lines, served as ours is, answer with as many bytes as ours does: one that does
nothing else, one that asks the database the same number of trivial questions, and one that sends it our statements and
throws their rows away. What is between the last one and us is ours.
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
from benchmarks.measure import Pace, Section, interleave, rates
from benchmarks.server import Server, serve
from benchmarks.serving import Question, questions, run
from settings import Settings

KINDS: Final = {"http": "HTTP alone, as many bytes", "trips": "and as many round trips", "statements": "our statements"}
RECORDED: Final = 40
"""Requests whose statements are repeated in turns: of one alone, changes would all wait for one account."""

Statements = list[tuple[str, tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the answers to a query consist of: their size, and what the database was asked for each."""

    size: int
    requests: list[Statements] = field(default_factory=list[Statements])


def measure(database_url: str, pace: Pace) -> Section:
    """Ours and the floors, in turns."""
    raw: dict[str, object] = {}
    rows = []
    for name, question in questions().items():
        recorded = asyncio.run(_recorded(database_url, question))
        raw[f"{name} asks"] = [sql for sql, _ in recorded.requests[0]]
        with ExitStack() as stack:
            servers = {"ours": stack.enter_context(serve(database_url))}
            servers |= {kind: stack.enter_context(_floor(database_url, kind, recorded)) for kind in KINDS}
            for server in servers.values():
                run(server, question, pace.warm_seconds, pace.connections)
            turns = {key: _turn(server, question, pace) for key, server in servers.items()}
            found = raw[name] = interleave(turns, pace.rounds)
        speeds = {key: [figures["rate"] for figures in found[key]] for key in found}
        trips = len(recorded.requests[0])
        rows += [rates(f"{name}, {trips} round trips: {KINDS[kind]}", speeds["ours"], speeds[kind]) for kind in KINDS]
    return Section("floors", rows, raw)


def _turn(server: Server, question: Question, pace: Pace) -> Any:
    return lambda: run(server, question, pace.seconds, pace.connections)


async def _recorded(database_url: str, question: Question) -> Recorded:
    """Ask in this process, and write down what goes to the database."""
    requests: list[Statements] = []
    fetch, execute = asyncpg.Connection.fetch, asyncpg.Connection.execute

    async def fetched(self: Any, sql: str, *args: Any, **more: Any) -> Any:
        requests[-1].append((sql, args))
        return await fetch(self, sql, *args, **more)

    async def executed(self: Any, sql: str, *args: Any, **more: Any) -> Any:
        requests[-1].append((sql, args))
        return await execute(self, sql, *args, **more)

    application = app.create(Settings(secret_key="k" * 32, public_url="http://127.0.0.1", database_url=database_url))
    headers = {"Authorization": f"Bearer {question['token']}", "Content-Type": "application/json"}
    async with application.router.lifespan_context(application):
        transport = httpx2.ASGITransport(application)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            send = partial(client.post, "/graphql", headers=headers)
            for body in question["bodies"][-3:]:  # connections are opened, and the session's use is noted
                _ = await send(content=body)
            with (
                patch.object(asyncpg.Connection, "fetch", fetched),
                patch.object(asyncpg.Connection, "execute", executed),
            ):
                size = 0
                for body in question["bodies"][:RECORDED]:
                    requests.append([])
                    size = len((await send(content=body)).content)
    return Recorded(size, requests)


@contextmanager
def _floor(database_url: str, kind: str, recorded: Recorded) -> Generator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recorded"
        file.write_bytes(pickle.dumps((kind, recorded)))
        command = (sys.executable, "-m", "benchmarks.floor", str(file))
        with serve(database_url, command=command) as server:
            yield server
