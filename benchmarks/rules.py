"""Whole requests for Q2 in this process, with the rules of every field and with none.

The application itself answers, from the database, twice: with the real schema, and with one whose marks for rules are
taken away in this process. What is compared is the guarding of all fields. Sessions and access are read in both, for
what the fields show depends on them too.
"""

import asyncio
import gc
import time
from collections.abc import MutableMapping
from typing import Any, Final
from unittest.mock import patch

import msgspec
from graphql import GraphQLSchema
from starlette.types import ASGIApp

import app
from benchmarks import common, seed
from benchmarks.execution import without_rules
from benchmarks.measure import Goal, Pace, Section, interleave, slower
from schema.build import annotate, strawberry_schema
from settings import Settings

REQUESTS: Final = 10
"""In one slice: short ones, so that both sides see the same weather."""


def measure(database_url: str, pace: Pace) -> Section:
    """Q2 with rules and without, in turns."""
    with common.opened(database_url, pool_size=2) as runner:
        found = _turns(runner, pace)
    name, goal = "Rules on every field, whole request: none", Goal(1.05, at_most=True)
    row = slower(name, found["rules"], found["none"], "CPU ms", goal)
    return Section("rules", [row], {"milliseconds": found})


def _turns(runner: asyncio.Runner, pace: Pace) -> dict[str, list[float]]:
    ruled = _application(annotate(strawberry_schema()))
    unruled = _application(without_rules(annotate(strawberry_schema())))
    owner, bureau = seed.token(2), seed.token(1)
    assert runner.run(_errors(ruled, owner)) == runner.run(_errors(unruled, owner)) == 0
    assert runner.run(_errors(ruled, bureau)) == seed.OWNED
    assert runner.run(_errors(unruled, bureau)) == 0
    slices = {
        "rules": lambda: runner.run(_cpu_milliseconds(ruled, owner)),
        "none": lambda: runner.run(_cpu_milliseconds(unruled, owner)),
    }
    began = time.perf_counter()
    interleave(slices, 2)
    rounds = round(pace.rounds * pace.seconds / (time.perf_counter() - began) * 2)
    return interleave(slices, max(2, rounds))


def _application(schema: GraphQLSchema) -> ASGIApp:
    settings = Settings(secret_key="k" * 32, public_url="http://127.0.0.1", budget=0)
    with patch("schema.build", return_value=schema):
        return app.create(settings)


async def _cpu_milliseconds(application: ASGIApp, token: str) -> float:
    """Of one request, all answered alike: who has spent his budget, or is refused something, is soon answered."""
    gc.collect()
    began = time.process_time()
    sizes = {len(await _ask(application, token)) for _ in range(REQUESTS)}
    found = (time.process_time() - began) / REQUESTS * 1000
    assert await _errors(application, token) == 0
    assert len(sizes) == 1
    return found


async def _errors(application: ASGIApp, token: str) -> int:
    """How many errors Q2 is answered with."""
    body: dict[str, Any] = msgspec.json.decode(await _ask(application, token))
    assert len(body["data"]["viewer"]["accounts"]["nodes"]) == seed.OWNED
    return len(body.get("errors", []))


_BODY: Final = msgspec.json.encode({"query": seed.Q2})


async def _ask(application: ASGIApp, token: str) -> bytes:
    received = bytearray()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": _BODY, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        received.extend(message.get("body", b""))

    headers = [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
        (b"authorization", f"Bearer {token}".encode()),
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    await application(scope, receive, send)
    return bytes(received)
