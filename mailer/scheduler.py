"""The scheduler: runs the scheduled jobs inside the server, every minute.

Several servers may run the jobs at the same time: see `models/scheduled/jobs.py`. A failed job is
logged and runs again a minute later.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from mailer.worker import run_guarded
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs

INTERVAL_SECONDS: Final = 60.0

OnSuccess = Callable[[str, datetime], None]


def ignore(_: str, __: datetime) -> None:
    """The default `on_success`: do nothing."""


async def run(
    config: OperationConfig,
    clock: Callable[[], datetime],
    *,
    stop: asyncio.Event,
    wake: asyncio.Event,
    on_success: OnSuccess = ignore,
) -> None:
    """Run all jobs once a minute until `stop` is set. A running job is finished first.

    Sets `wake` if a job has queued mail. Calls `on_success` with the name and the end of each successful
    job. The first run is after a minute, so that it does not slow down the start of the server.
    """
    while not await _wait_for_stop(stop):
        for name, job in jobs.JOBS.items():
            caller = Caller(now=clock(), config=config)
            if await run_guarded(job(caller), default=None, job=name) is not None:
                on_success(name, clock())
            if caller.queued_kinds:
                wake.set()


async def _wait_for_stop(stop: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(INTERVAL_SECONDS):
            await stop.wait()
    return stop.is_set()
