"""Delays of streams: one server process writes, another one has the stream.

Measured are the delay of an event, and the delay until a stream ends after its grant is revoked. Then the cost of
notifications for the writer is measured: `updateGrant` in this process, with a hub that notifies and without, in turns.
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
from benchmarks.measurement import Goal, Pace, Row, Section, compare_as_slowdown, interleave
from benchmarks.server import Server, UnexpectedResponse, serve
from database import db
from models.access import grant_operation
from models.base.caller import Caller, OperationConfig
from models.live.hub import Hub
from models.tables import SCHEMA
from resolvers import ids
from server.graph import utc_now

ROUNDS_PER_PACE_ROUND: Final = 6
"""With the default pace of five rounds, 30 in total."""
WRITES_PER_TURN: Final = 20
"""Writes in one turn."""
TIMEOUT_SECONDS: Final = 10
GRANT_NUMBER: Final = 5
"""The grant of an accountant in account 1."""
_ACCOUNT: Final = ids.encode("Account", seed.account_id(1))
_EVENTS: Final = "subscription ($id: ID!) { accountEvents(accountId: $id) { type } }"


def measure(database_url: str, pace: Pace) -> Section:
    """Measure the delays across processes, then the writes."""
    with serve(database_url) as writing_server, serve(database_url) as streaming_server:
        end_delays, event_delays = asyncio.run(
            _measure_delays(database_url, writing_server, streaming_server, ROUNDS_PER_PACE_ROUND * pace.rounds)
        )
    with common.open_database(database_url, pool_size=4) as runner:
        write_times = _measure_writes(runner, pace)
    goal = Goal(1, at_most=True)
    rows = [
        Row(
            "A stream of another process ends, slowest: median",
            max(end_delays),
            median(end_delays),
            "s",
            max(end_delays),
            goal,
        ),
        Row(
            "An event reaches another process, slowest: median",
            max(event_delays),
            median(event_delays),
            "s",
            max(event_delays),
            goal,
        ),
        compare_as_slowdown(
            "updateGrant with notifications: without", write_times["with notifications"], write_times["without"], "ms"
        ),
    ]
    return Section("live", rows, {"closing": end_delays, "showing": event_delays, "writing": write_times})


async def _measure_delays(
    database_url: str, writing_server: Server, streaming_server: Server, rounds: int
) -> tuple[list[float], list[float]]:
    """Return the seconds from a request to the writing server until the stream ended, and until an event came."""
    end_delays: list[float] = []
    event_delays: list[float] = []
    async with db.connection(database_url, SCHEMA, pool_size=1):
        (row,) = await db.fetch("SELECT user_id FROM grants WHERE id = $1", seed.grant_id(GRANT_NUMBER), row=db.Row)
    token = seed.token(row.user_id.int & 0xFFFF_FFFF)
    grant_id = ids.encode("Grant", seed.grant_id(GRANT_NUMBER))
    for round_number in range(rounds):
        await _run_mutation(writing_server, "updateGrant", {"grantId": grant_id, "role": "ADMINISTRATOR"})
        async with connect(
            _socket_url(streaming_server), subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None
        ) as socket:
            await _send(socket, {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
            await _receive(socket, "connection_ack")
            payload = {"query": _EVENTS, "variables": {"id": _ACCOUNT}}
            await _send(socket, {"id": "a", "type": "subscribe", "payload": payload})
            await asyncio.sleep(0.1 + round_number % 10 / 10)  # Varies the moment between two polls.
            for delays, message_type, mutation, input_ in (
                (event_delays, "next", "updateAccount", {"accountId": _ACCOUNT, "name": f"Name {round_number}"}),
                (end_delays, "error", "revokeGrant", {"grantId": grant_id}),
            ):
                start = time.perf_counter()
                task = asyncio.create_task(_run_mutation(writing_server, mutation, input_))
                await _receive(socket, message_type)
                delays.append(time.perf_counter() - start)
                await task
        await _run_mutation(writing_server, "restoreGrant", {"grantId": grant_id})
    return end_delays, event_delays


def _socket_url(server: Server) -> str:
    return urlsplit(server.url)._replace(scheme="ws").geturl()


async def _send(socket: ClientConnection, message: dict[str, Any]) -> None:
    await socket.send(msgspec.json.encode(message).decode())


async def _receive(socket: ClientConnection, message_type: str) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        message = msgspec.json.decode(await socket.recv(), type=dict[str, Any])
    if message["type"] != message_type:
        raise UnexpectedResponse(f"The server sent {message}; {message_type} was expected.")


async def _run_mutation(server: Server, mutation: str, input_: Mapping[str, object]) -> None:
    name = f"{mutation[0].upper()}{mutation[1:]}"
    query = f"mutation ($input: {name}Input!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}"
    body = msgspec.json.encode({"query": query, "variables": {"input": input_}})
    response: Any = await asyncio.to_thread(server.query, seed.token(2), body)
    if response.get("errors") or response["data"][mutation]["errors"]:
        raise UnexpectedResponse(f"{mutation} has a wrong response: {response}")


def _measure_writes(runner: asyncio.Runner, pace: Pace) -> dict[str, list[float]]:
    """Return milliseconds of a change of a grant: with a hub that notifies, as in a server, and without."""
    slices = {
        "with notifications": lambda: runner.run(_measure_milliseconds(Hub(utc_now).open())),
        "without": lambda: runner.run(_measure_milliseconds(nullcontext())),
    }
    interleave(slices, 2)
    return interleave(slices, ROUNDS_PER_PACE_ROUND * pace.rounds)


async def _measure_milliseconds(hub: Any) -> float:
    async with hub:
        await asyncio.sleep(0.1)  # until the hub listens
        start = time.perf_counter()
        for number in range(WRITES_PER_TURN):
            caller = Caller(now=utc_now(), config=OperationConfig(""), user_id=seed.user_id(2))
            role = Role.ACCOUNTANT if number % 2 else Role.SIMPLE_USER
            _ = await grant_operation.update(caller, seed.grant_id(GRANT_NUMBER), role=role)
        return (time.perf_counter() - start) / WRITES_PER_TURN * 1000
