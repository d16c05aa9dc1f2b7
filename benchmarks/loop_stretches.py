"""The longest stretch of each costly request on the event loop: processor time of one callback, during which no other
request is served.

The application runs in this process on asyncio's event loop, whose callbacks can be measured. Each request is sent
several times, each time as a new text, because a cached document takes less work. The row shows the smallest of the
longest stretches: what it has above that comes from other work of the machine.
"""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import httpx2
import msgspec

import app
import settings
from benchmarks import seed
from benchmarks.costly_requests import BODIES, DOCUMENTS, SHOWN_FUNCTIONS
from benchmarks.measurement import Goal, Pace, Row, Section
from benchmarks.server import environment

MAX_MS: Final = 10
_URL: Final = "http://127.0.0.1/graphql"


def measure(database_url: str, pace: Pace) -> Section:
    """Measure all costly requests. The rows show those with the longest stretches, in milliseconds."""
    event_loop = asyncio.new_event_loop()  # not uvloop's: it has no method to measure
    try:
        longest = event_loop.run_until_complete(_measure_all(database_url, pace.rounds))
    finally:
        event_loop.close()
    slowest_names = sorted(longest, key=lambda name: -min(longest[name]))[:SHOWN_FUNCTIONS]
    rows = [
        Row(
            f"{name}: longest stretch on the event loop",
            min(longest[name]),
            MAX_MS,
            "ms",
            min(longest[name]) / MAX_MS,
            Goal(1, at_most=True),
        )
        for name in slowest_names
    ]
    return Section("stretches", rows, {"stretches": longest})


async def _measure_all(database_url: str, rounds: int) -> dict[str, list[float]]:
    """Return the longest stretch of each request and round, in milliseconds."""
    application = app.create(settings.read(environment(database_url, "1")))
    longest: dict[str, list[float]] = {}
    async with application.router.lifespan_context(application):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {seed.token(2)}"}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application), headers=headers) as client:
            await client.post(_URL, content=b'{"query":"{ __typename }"}')
            for round_number in range(rounds):
                for name, body in _bodies(round_number).items():
                    with _longest_stretch() as stretch:
                        # In a task of its own: the callback that runs now is not measured.
                        await asyncio.create_task(client.post(_URL, content=body))
                    longest.setdefault(name, []).append(max(stretch) * 1000)
    return longest


def _bodies(round_number: int) -> dict[str, bytes]:
    """Return the requests of a round: the same requests, but other texts."""
    spaces = " " * round_number
    documents = {name: msgspec.json.encode({"query": query + spaces}) for name, query in DOCUMENTS.items()}
    return BODIES | documents


@contextmanager
def _longest_stretch() -> Generator[list[float]]:
    """Measure each callback of the event loop until the block ends. Yields their times in seconds of the processor."""
    run = asyncio.events.Handle._run  # noqa: SLF001 - asyncio has no other way to see each callback
    stretches = [0.0]

    def run_measured(handle: asyncio.Handle) -> None:
        start = time.thread_time()
        run(handle)
        stretches.append(time.thread_time() - start)

    asyncio.events.Handle._run = run_measured  # type: ignore[method-assign, assignment]  # noqa: SLF001 - the same
    try:
        yield stretches
    finally:
        asyncio.events.Handle._run = run  # type: ignore[method-assign]  # noqa: SLF001 - the same
