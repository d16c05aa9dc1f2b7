"""Floods from one address, each for a minute, while a client at another address sends small requests and probes.

    flooder, 127.0.0.2 ---- 100 connections ----> server <---- small request, probe, pause ---- other client, 127.0.0.1

The server has its default limits, budgets included. The other client must wait half a second at most. The flooder has
the sessions of 22 users. Systems other than Linux have one loopback address: there, both clients use 127.0.0.1, and the
figures say less.
"""

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import msgspec
import uvloop

from benchmarks import seed
from benchmarks.common import driver_url
from benchmarks.measurement import LOAD_CORE, Goal, Pace, Row, Section, pin_to_core
from benchmarks.server import ROOT, Server, UnexpectedResponse, serve
from resolvers import ids

MAX_OTHER_CLIENT_MS: Final = 500
SECONDS_PER_PACE_SECOND: Final = 15
"""With the default pace, a flood lasts a minute."""
CONNECTIONS: Final = 100
REQUESTS: Final = 2_000
"""The number of different requests of a flood. They are repeated."""
EVENTS: Final = 1_000_000
PAUSE_SECONDS: Final = 0.02
SMALL_REQUEST: Final = msgspec.json.encode({"query": "{ viewer { accounts(first: 1) { nodes { name } } } }"})
OTHER_USER: Final = 3
FLOODERS: Final = (2, *range(100, 121))
"""The users whose sessions the flooder has. User 2 owns the account with a million events."""
_FLOODER_ADDRESS: Final = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
_ACCOUNT: Final = ids.encode("Account", seed.account_id(1))

Document = tuple[str, Mapping[str, object]]


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """The requests of a flood. A flood that holds its responses opens streams and keeps them open."""

    url: str
    address: str
    requests: list[str]
    connections: int
    seconds: float
    holds_responses: bool = False


# ---- The requests ----------------------------------------------------------------------------


def _password(number: int) -> Document:
    """A sign-in with a wrong password, or a registration with a password that is costly to judge."""
    if number % 2:
        input_ = {"email": f"user{number}@example.com", "password": f"a wrong guess {number}"}
        return "mutation ($input: SignInInput!) { signIn(input: $input) { errors { code } } }", {"input": input_}
    password = ("qwER43@!" * 16)[number % 8 :][:120]
    return _REGISTER, {"input": {"name": "Anna", "email": f"new{number}@example.com", "password": password}}


def _marks(number: int) -> Document:
    """A registration with a name of combining marks."""
    name = "a" + "\u0301\u0316" * (3000 + number % 100)
    return _REGISTER, {
        "input": {"name": name, "email": f"new{number}@example.com", "password": "kestrel orbit lantern"}
    }


_REGISTER: Final = "mutation ($input: RegisterInput!) { register(input: $input) { errors { code } } }"


def _long_list(number: int) -> Document:
    """Lists and counts of an account with a million events, without a match."""
    fields = " ".join(
        f'e{position}: events(first: 1, filter: {{ type: "none-{number}" }}) {{ totalCount nodes {{ id }} }}'
        for position in range(5)
    )
    return f"query ($id: ID!) {{ account(id: $id) {{ {fields} }} }}", {"id": _ACCOUNT}


def _stream(_number: int) -> Document:
    """A stream of the user's own changes."""
    return "subscription { accessChanged { kind } }", {}


def _change(number: int) -> Document:
    """A change of an account, which locks it, or a new account."""
    if number % 2:
        input_ = {"accountId": _ACCOUNT, "name": f"Account {number}"}
        return "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { errors { code } } }", {
            "input": input_
        }
    return "mutation ($input: CreateAccountInput!) { createAccount(input: $input) { errors { code } } }", {
        "input": {"name": f"Account {number}"}
    }


def _mail(number: int) -> Document:
    """An invitation, or a forgotten password."""
    if number % 2:
        return (
            "mutation ($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) { errors { code } } }",
            {"input": {"email": f"user{number}@example.com"}},
        )
    input_ = {"accountId": _ACCOUNT, "email": f"guest{number}@example.com", "role": "ACCOUNTANT", "message": "x" * 1900}
    return "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { errors { code } } }", {"input": input_}


FLOODS: Final[Mapping[str, Callable[[int], Document]]] = {
    "passwords": _password,
    "combining marks": _marks,
    "lists on a million rows": _long_list,
    "streams": _stream,
    "mutations": _change,
    "mails": _mail,
}
"""The document and variables of each request of a flood, by the flood's name."""


def create_requests(url: str, name: str) -> list[str]:
    """Return the requests of a flood as they are sent. The senders take turns."""
    accept = "text/event-stream" if name == "streams" else "application/json"
    requests: list[str] = []
    for number in range(REQUESTS):
        query, variables = FLOODS[name](number)
        body = msgspec.json.encode({"query": query, "variables": variables}).decode()
        token = seed.token(FLOODERS[0] if name == "lists on a million rows" else FLOODERS[number % len(FLOODERS)])
        parts = urlsplit(url)
        requests.append(
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
            f"Accept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"
        )
    return requests


# ---- Measuring -------------------------------------------------------------------------------


def measure(database_url: str, pace: Pace) -> Section:
    """Measure how long another client waits during each flood. The rows show its slowest response."""
    asyncio.run(_add_events(database_url))
    seconds = SECONDS_PER_PACE_SECOND * pace.seconds
    rows: list[Row] = []
    figures: dict[str, object] = {}
    for name in FLOODS:
        # A server of its own, so that no flood finds budgets that the one before has spent.
        with serve(database_url, extra_environment={"FULLMAKT_BUDGET": "100000"}) as server:
            times, statuses = _measure_flood(server, name, seconds)
        slowest = max(times)
        rows.append(
            Row(
                f"a flood of {name}: other client waits",
                slowest,
                MAX_OTHER_CLIENT_MS,
                "ms",
                slowest / MAX_OTHER_CLIENT_MS,
                Goal(1, at_most=True),
            )
        )
        figures[name] = {"other client": times, "statuses of the flood": statuses}
    return Section("floods", rows, figures)


def _measure_flood(server: Server, name: str, seconds: float) -> tuple[list[float], dict[str, int]]:
    """Return the other client's response times in milliseconds, and how often the flood got each status."""
    flood = Flood(
        url=server.url,
        address=_FLOODER_ADDRESS,
        requests=create_requests(server.url, name),
        connections=20 * len(FLOODERS) if name == "streams" else CONNECTIONS,
        seconds=seconds,
        holds_responses=name == "streams",
    )
    for _ in range(20):
        _send_small_requests(server)
    times: list[float] = []
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.floods"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        pin_to_core(process.pid, LOAD_CORE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(flood))
        process.stdin.close()
        while process.poll() is None:
            times += _send_small_requests(server)
            time.sleep(PAUSE_SECONDS)
        output = process.stdout.read()
    if process.returncode:
        raise UnexpectedResponse(f"The flood of {name} ended with exit status {process.returncode}.")
    return times, msgspec.json.decode(output, type=dict[str, int])


def _send_small_requests(server: Server) -> list[float]:
    """Send a query and a probe as the other client. Return the response times in milliseconds."""
    start = time.perf_counter()
    status = server.post_for_status(seed.token(OTHER_USER), SMALL_REQUEST)
    answered = time.perf_counter()
    with urllib.request.urlopen(server.url.replace("/graphql", "/livez"), timeout=30) as response:  # noqa: S310 - the same
        probe_status = response.status
    if (status, probe_status) != (200, 200):
        raise UnexpectedResponse(f"The other client got {status}, and the probe {probe_status}.")
    return [(answered - start) * 1000, (time.perf_counter() - answered) * 1000]


async def _add_events(database_url: str) -> None:
    """Let account 1 have a million events, unless it has them already. They are not chained."""
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        if await connection.fetchval("SELECT count(*) FROM events WHERE account_id = $1", seed.account_id(1)) >= EVENTS:
            return
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "INSERT INTO events (id, type, occurred_at, actor_id, account_id)"
            " SELECT gen_random_uuid(), 'account:settings:update', now() - n * interval '1 second', $1, $2"
            " FROM generate_series(1, $3::integer) n",
            seed.user_id(2),
            seed.account_id(1),
            EVENTS,
            timeout=600,
        )
        await connection.execute("VACUUM (ANALYZE) events", timeout=600)
    finally:
        await connection.close()


# ---- The flooder's process -------------------------------------------------------------------


async def flood_server(flood: Flood) -> Counter[int]:
    """Send the requests over all connections until the time is over. Return how often each status was received.

    A connection that the server closes is opened again.
    """
    statuses: Counter[int] = Counter()
    deadline = time.monotonic() + flood.seconds
    with suppress(TimeoutError):
        async with asyncio.timeout(flood.seconds), asyncio.TaskGroup() as group:
            for number in range(flood.connections):
                _ = group.create_task(_send_repeatedly(flood, number, deadline, statuses))
    return statuses


async def _send_repeatedly(flood: Flood, number: int, deadline: float, statuses: Counter[int]) -> None:
    parts = urlsplit(flood.url)
    while time.monotonic() < deadline:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(
                parts.hostname or "", parts.port or 80, local_addr=(flood.address, 0)
            )
            try:
                while time.monotonic() < deadline:
                    number += flood.connections
                    writer.write(flood.requests[number % len(flood.requests)].encode())
                    head = await reader.readuntil(b"\r\n\r\n")
                    statuses[int(head.split()[1])] += 1
                    await _read_body(reader, head, holds=flood.holds_responses)
            finally:
                writer.close()
        await asyncio.sleep(0.01)


async def _read_body(reader: asyncio.StreamReader, head: bytes, *, holds: bool) -> None:
    headers = {
        name.strip().lower(): text.strip()
        for name, _, text in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if b"content-length" in headers:
        _ = await reader.readexactly(int(headers[b"content-length"]))
    elif holds:
        while await reader.read(4096):
            pass


if __name__ == "__main__":
    standard_input_flood = msgspec.json.decode(sys.stdin.buffer.read(), type=Flood)
    received = uvloop.run(flood_server(standard_input_flood))
    sys.stdout.buffer.write(msgspec.json.encode({str(status): count for status, count in received.items()}))
