"""The scheduler: runs the scheduled jobs inside the server, every minute, and the steps of modules.

Several servers may run the jobs at the same time: see `models/scheduled/jobs.py`. A failed job is
logged and runs again a minute later. Steps do work that users wait for, so each runs in a loop of its own.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from mailer.worker import run_guarded
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from models.scheduled.jobs import Job

INTERVAL_SECONDS: Final = 60.0
STEP_INTERVAL_SECONDS: Final = 2.0
"""The pause of a step while no work waits, or after an error."""

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
    while not await _wait_for_stop(stop, INTERVAL_SECONDS):
        for name, job in jobs.all_jobs().items():
            caller = Caller(now=clock(), config=config)
            if await run_guarded(job(caller), default=None, job=name) is not None:
                on_success(name, clock())
            if caller.queued_kinds:
                wake.set()


async def run_steps(config: OperationConfig, clock: Callable[[], datetime], *, stop: asyncio.Event) -> None:
    """Run each step again and again until `stop` is set. A running step is finished first.

    A step that has done a part of its work runs again at once.
    """
    async with asyncio.TaskGroup() as group:
        for name, step in jobs.steps().items():
            _ = group.create_task(_run_step(name, step, config, clock, stop))


async def _run_step(
    name: str, step: Job, config: OperationConfig, clock: Callable[[], datetime], stop: asyncio.Event
) -> None:
    while not await _wait_for_stop(stop, STEP_INTERVAL_SECONDS):
        count = 1
        while count and not stop.is_set():
            count = await run_guarded(step(Caller(now=clock(), config=config)), default=0, job=name)


async def _wait_for_stop(stop: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
    return stop.is_set()
