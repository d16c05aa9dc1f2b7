"""Workers that are renewed under load: what clients lose who ask once more when a connection is lost.

A hundred requests a second, over connections that are kept and over fresh ones, while SIGHUP renews both workers.
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

from benchmarks.measure import Goal, Pace, Row, Section
from benchmarks.server import NoAnswer, Server, serve

WORKERS: Final = 2
REQUESTS_A_SECOND: Final = 100
PATIENCE_SECONDS: Final = 120
_BODY: Final = {"query": "{ roles { role } }"}


def measure(database_url: str, pace: Pace) -> Section:
    """As many renewals as rounds, one after the other."""
    with serve(database_url, more={"FULLMAKT_WORKERS": str(WORKERS)}) as server:
        found = [asyncio.run(_renewal(server)) for _ in range(pace.rounds)]
    total = sum(found, Counter[str]())
    lost, asked = total["lost"] + total["refused"], total["asked"]
    name = f"Lost of {asked:,} requests, {total['again']} of them asked again"
    rows = [Row(name, lost, asked, "requests", lost, Goal(0, at_most=True))]
    return Section("restart", rows, {"renewals": [dict(each) for each in found]})


async def _renewal(server: Server) -> Counter[str]:
    """What became of the requests during one renewal."""
    told = Counter[str]()
    parts = urlsplit(server.url)
    before = workers(server.pid)
    async with httpx2.AsyncClient(base_url=f"{parts.scheme}://{parts.netloc}", timeout=10) as kept:
        asking: set[asyncio.Task[None]] = set()
        os.kill(server.pid, signal.SIGHUP)
        since = time.monotonic()
        number = 0
        while before & workers(server.pid) or number < REQUESTS_A_SECOND:
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise NoAnswer("The workers were not renewed.")
            asking.add(asyncio.create_task(_ask(kept, told, fresh=number % 2 == 0)))
            number += 1
            await asyncio.sleep(max(0, since + number / REQUESTS_A_SECOND - time.monotonic()))
        await asyncio.gather(*asking)
    return told


async def _ask(kept: httpx2.AsyncClient, told: Counter[str], *, fresh: bool) -> None:
    told["asked"] += 1
    headers = {"Connection": "close"} if fresh else {}
    for outcome in ("again", "lost"):
        try:
            answer = await kept.post("/graphql", json=_BODY, headers=headers)
        except httpx2.TransportError:
            told[outcome] += 1
            continue
        told["answered" if answer.is_success else "refused"] += 1
        return


def workers(pid: int) -> set[int]:
    """The worker processes of a server."""
    found = set[int]()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(int(child))
    return found
