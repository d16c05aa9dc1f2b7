"""Runs the clock's jobs from inside the server, every minute, for as long as that runs.

Servers need not agree on who does it: `models/scheduled/jobs.py` says why. What fails is logged, and tried
again a minute later.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from mailer.worker import carry_on
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs

EVERY_SECONDS: Final = 60.0

Done = Callable[[str, datetime], None]


def nobody(_: str, __: datetime) -> None:
    """Who is told of jobs when nobody wants to know."""


async def run(
    site: OperationConfig,
    clock: Callable[[], datetime],
    *,
    stop: asyncio.Event,
    wake: asyncio.Event,
    done: Done = nobody,
) -> None:
    """Do what is due once a minute until `stop`; a job that is under way then is finished.

    `wake` is set when there is mail, and `done` is told the job that has ended well, and when. The first
    round comes after a minute: a server that starts has other things to do.
    """
    while not await _stopped(stop):
        for name, job in jobs.JOBS.items():
            caller = Caller(now=clock(), config=site)
            if await carry_on(job(caller), otherwise=None, job=name) is not None:
                done(name, clock())
            if caller.queued:
                wake.set()


async def _stopped(stop: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), EVERY_SECONDS)
    return stop.is_set()
