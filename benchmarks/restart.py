"""Requests that are lost when worker processes are renewed under load. Clients retry once after a lost connection.

A hundred requests per second are sent, half of them on new connections, while SIGHUP renews both workers.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from benchmarks.measurement import Goal, Pace, Row, Section
from benchmarks.server import Server, UnexpectedResponse, serve

WORKERS: Final = 2
REQUESTS_PER_SECOND: Final = 100
RENEWAL_TIMEOUT_SECONDS: Final = 120
_BODY: Final = {"query": "{ roles { role } }"}


def measure(database_url: str, pace: Pace) -> Section:
    """Measure one renewal for each round of the pace."""
    with serve(database_url, extra_environment={"FULLMAKT_WORKERS": str(WORKERS)}) as server:
        renewals = [asyncio.run(_renew_workers(server)) for _ in range(pace.rounds)]
    total = sum(renewals, Counter[str]())
    lost_count, request_count = total["lost"] + total["refused"], total["sent"]
    name = f"Lost of {request_count:,} requests, {total['retried']} of them retried"
    rows = [Row(name, lost_count, request_count, "requests", lost_count, Goal(0, at_most=True))]
    return Section("restart", rows, {"renewals": [dict(renewal) for renewal in renewals]})


async def _renew_workers(server: Server) -> Counter[str]:
    """Renew the workers once and count the outcomes of the requests meanwhile."""
    outcomes = Counter[str]()
    parts = urlsplit(server.url)
    old_workers = worker_pids(server.pid)
    async with httpx2.AsyncClient(base_url=f"{parts.scheme}://{parts.netloc}", timeout=10) as client:
        tasks: set[asyncio.Task[None]] = set()
        os.kill(server.pid, signal.SIGHUP)
        start = time.monotonic()
        number = 0
        while old_workers & worker_pids(server.pid) or number < REQUESTS_PER_SECOND:
            if time.monotonic() - start > RENEWAL_TIMEOUT_SECONDS:
                raise UnexpectedResponse("The workers were not renewed.")
            tasks.add(asyncio.create_task(_send_request(client, outcomes, closes_connection=number % 2 == 0)))
            number += 1
            await asyncio.sleep(max(0, start + number / REQUESTS_PER_SECOND - time.monotonic()))
        await asyncio.gather(*tasks)
    return outcomes


async def _send_request(client: httpx2.AsyncClient, outcomes: Counter[str], *, closes_connection: bool) -> None:
    outcomes["sent"] += 1
    headers = {"Connection": "close"} if closes_connection else {}
    for outcome in ("retried", "lost"):
        try:
            response = await client.post("/graphql", json=_BODY, headers=headers)
        except httpx2.TransportError:
            outcomes[outcome] += 1
            continue
        outcomes["answered" if response.is_success else "refused"] += 1
        return


def worker_pids(pid: int) -> set[int]:
    """Return the process ids of a server's workers."""
    pids = set[int]()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                pids.add(int(child))
    return pids
