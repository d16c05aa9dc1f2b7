"""The cost of permission rules: complete requests for Q2 in this process, with the rules and without.

Two applications run the request on the database: one with the real schema, one with a schema whose rules are removed.
The difference is the cost of the checks of all fields. Both read the session and the access, because the data of the
fields depends on them too.
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
from benchmarks.execution import remove_rules
from benchmarks.measurement import Goal, Pace, Section, compare_as_slowdown, interleave
from schema.build import annotate, strawberry_schema
from settings import Settings

REQUESTS_PER_TURN: Final = 10
"""Turns are short, so that variations of the machine affect both sides."""


def measure(database_url: str, pace: Pace) -> Section:
    """Measure Q2 with rules and without, in turns."""
    with common.open_database(database_url, pool_size=2) as runner:
        times = _measure_turns(runner, pace)
    name, goal = "Rules on every field, whole request: none", Goal(1.05, at_most=True)
    row = compare_as_slowdown(name, times["rules"], times["none"], "CPU ms", goal)
    return Section("rules", [row], {"milliseconds": times})


def _measure_turns(runner: asyncio.Runner, pace: Pace) -> dict[str, list[float]]:
    with_rules = _create_application(annotate(strawberry_schema()))
    without_rules = _create_application(remove_rules(annotate(strawberry_schema())))
    owner, bureau = seed.token(2), seed.token(1)
    assert runner.run(_count_errors(with_rules, owner)) == runner.run(_count_errors(without_rules, owner)) == 0
    assert runner.run(_count_errors(with_rules, bureau)) == seed.OWNER_ACCOUNTS
    assert runner.run(_count_errors(without_rules, bureau)) == 0
    slices = {
        "rules": lambda: runner.run(_measure_cpu_milliseconds(with_rules, owner)),
        "none": lambda: runner.run(_measure_cpu_milliseconds(without_rules, owner)),
    }
    start = time.perf_counter()
    interleave(slices, 2)
    rounds = round(pace.rounds * pace.seconds / (time.perf_counter() - start) * 2)
    return interleave(slices, max(2, rounds))


def _create_application(schema: GraphQLSchema) -> ASGIApp:
    settings = Settings(secret_key="k" * 32, public_url="http://127.0.0.1", budget=0)
    with patch("schema.build", return_value=schema):
        return app.create(settings)


async def _measure_cpu_milliseconds(application: ASGIApp, token: str) -> float:
    """Return the processor time of one request. All responses must be complete: a rejected request would be faster."""
    gc.collect()
    start = time.process_time()
    body_sizes = {len(await _send_request(application, token)) for _ in range(REQUESTS_PER_TURN)}
    milliseconds = (time.process_time() - start) / REQUESTS_PER_TURN * 1000
    assert await _count_errors(application, token) == 0
    assert len(body_sizes) == 1
    return milliseconds


async def _count_errors(application: ASGIApp, token: str) -> int:
    """Return the number of errors in the response to Q2."""
    body: dict[str, Any] = msgspec.json.decode(await _send_request(application, token))
    assert len(body["data"]["viewer"]["accounts"]["nodes"]) == seed.OWNER_ACCOUNTS
    return len(body.get("errors", []))


_BODY: Final = msgspec.json.encode({"query": seed.Q2})


async def _send_request(application: ASGIApp, token: str) -> bytes:
    response_body = bytearray()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": _BODY, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        response_body.extend(message.get("body", b""))

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
    return bytes(response_body)
