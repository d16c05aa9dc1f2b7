"""Streams on one server while another one writes: how soon events come, and how soon what is taken back ends.

Both are processes of their own. Then what announcing costs who writes: `updateGrant` in this process, with whoever
tells others of each commit and without, in turns.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import nullcontext
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from auth.policy import Role
from benchmarks import common, seed
from benchmarks.measure import Goal, Pace, Row, Section, interleave, slower
from benchmarks.server import NoAnswer, Server, serve
from database import db
from models.access import grant_operation
from models.base.caller import Caller, OperationConfig
from models.live.hub import Hub
from models.tables import SCHEMA
from resolvers import ids
from server.graph import utc_now

ROUNDS: Final = 6
"""For each round of the pace: 30 in all, as it comes."""
WRITES: Final = 20
"""In one slice."""
PATIENCE_SECONDS: Final = 10
GRANT: Final = 5
"""Of account 1, an accountant's."""
_ACCOUNT: Final = ids.encode("Account", seed.account_id(1))
_EVENTS: Final = "subscription ($id: ID!) { accountEvents(accountId: $id) { type } }"


def measure(database_url: str, pace: Pace) -> Section:
    """Closing and showing across processes, then writing."""
    with serve(database_url) as here, serve(database_url) as there:
        closing, showing = asyncio.run(_across(database_url, here, there, ROUNDS * pace.rounds))
    with common.opened(database_url, pool_size=4) as runner:
        writing = _writing(runner, pace)
    goal = Goal(1, at_most=True)
    rows = [
        Row("A stream ends elsewhere, slowest: median", max(closing), median(closing), "s", max(closing), goal),
        Row("An event is shown elsewhere, slowest: median", max(showing), median(showing), "s", max(showing), goal),
        slower("updateGrant, announced: not", writing["announced"], writing["silent"], "ms"),
    ]
    return Section("live", rows, {"closing": closing, "showing": showing, "writing": writing})


async def _across(database_url: str, here: Server, there: Server, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds until a stream of `there` has ended, and until it has shown an event, after a request to `here` began."""
    closing: list[float] = []
    showing: list[float] = []
    async with db.connection(database_url, SCHEMA, pool_size=1):
        (row,) = await db.fetch("SELECT user_id FROM grants WHERE id = $1", seed.grant_id(GRANT), row=db.Row)
    token = seed.token(row.user_id.int & 0xFFFF_FFFF)
    grant_key = ids.encode("Grant", seed.grant_id(GRANT))
    for number in range(rounds):
        await _done(here, "updateGrant", {"grantId": grant_key, "role": "ADMINISTRATOR"})
        async with connect(_address(there), subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as socket:
            await _said(socket, {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
            await _heard(socket, "connection_ack")
            payload = {"query": _EVENTS, "variables": {"id": _ACCOUNT}}
            await _said(socket, {"id": "a", "type": "subscribe", "payload": payload})
            await asyncio.sleep(0.1 + number % 10 / 10)  # at any time between two looks
            for times, kind, mutation, given in (
                (showing, "next", "updateAccount", {"accountId": _ACCOUNT, "name": f"Name {number}"}),
                (closing, "error", "revokeGrant", {"grantId": grant_key}),
            ):
                began = time.perf_counter()
                doing = asyncio.create_task(_done(here, mutation, given))
                await _heard(socket, kind)
                times.append(time.perf_counter() - began)
                await doing
        await _done(here, "restoreGrant", {"grantId": grant_key})
    return closing, showing


def _address(server: Server) -> str:
    return urlsplit(server.url)._replace(scheme="ws").geturl()


async def _said(socket: ClientConnection, message: dict[str, Any]) -> None:
    await socket.send(msgspec.json.encode(message).decode())


async def _heard(socket: ClientConnection, kind: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        heard = msgspec.json.decode(await socket.recv(), type=dict[str, Any])
    if heard["type"] != kind:
        raise NoAnswer(f"The server says {heard} where {kind} was awaited.")


async def _done(server: Server, mutation: str, given: Mapping[str, object]) -> None:
    name = f"{mutation[0].upper()}{mutation[1:]}"
    query = f"mutation ($input: {name}Input!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}"
    body = msgspec.json.encode({"query": query, "variables": {"input": given}})
    answer: Any = await asyncio.to_thread(server.ask, seed.token(2), body)
    if answer.get("errors") or answer["data"][mutation]["errors"]:
        raise NoAnswer(f"{mutation} is answered wrongly: {answer}")


def _writing(runner: asyncio.Runner, pace: Pace) -> dict[str, list[float]]:
    """Milliseconds of a change of a grant: with who tells of it, as in a server, and without."""
    slices = {
        "announced": lambda: runner.run(_milliseconds(Hub(utc_now).open())),
        "silent": lambda: runner.run(_milliseconds(nullcontext())),
    }
    interleave(slices, 2)
    return interleave(slices, ROUNDS * pace.rounds)


async def _milliseconds(hub: Any) -> float:
    async with hub:
        await asyncio.sleep(0.1)  # until it listens
        began = time.perf_counter()
        for number in range(WRITES):
            caller = Caller(now=utc_now(), config=OperationConfig(""), user_id=seed.user_id(2))
            role = Role.ACCOUNTANT if number % 2 else Role.SIMPLE_USER
            _ = await grant_operation.update(caller, seed.grant_id(GRANT), role=role)
        return (time.perf_counter() - began) / WRITES * 1000
