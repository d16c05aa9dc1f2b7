"""The time of the database server, which all server processes share.

Rows of one server are judged by another: sessions, leases, attempts, links. If each server used the clock of its own
machine, one whose clock is fast would end sessions early and take leases that still run. So a process reads the
database's time at start and every minute, and counts on from there with a clock that is never set.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from database import db

INTERVAL_SECONDS: Final = 60.0
"""Interval between readings. Clocks of machines drift by less than 10 ms in that time."""

log = structlog.get_logger("clock")


class _Reading(db.Row):
    at: datetime


async def read() -> datetime:
    """The database's time now, in UTC."""
    (row,) = await db.fetch("SELECT clock_timestamp() AS at", row=_Reading)
    return row.at


class DatabaseClock:
    """Returns the database's time without asking it each time. Before the first reading: the machine's time."""

    def __init__(self) -> None:
        self._time_at_zero = datetime.now(UTC) - timedelta(seconds=time.monotonic())

    def __call__(self) -> datetime:
        """The current time in UTC."""
        return self._time_at_zero + timedelta(seconds=time.monotonic())

    async def synchronize(self) -> None:
        """Read the database's time. The error is at most half the duration of the statement."""
        before = time.monotonic()
        now = await read()
        self._time_at_zero = now - timedelta(seconds=(before + time.monotonic()) / 2)

    @asynccontextmanager
    async def synchronized(self) -> AsyncGenerator[None]:
        """Synchronize now and every minute while the block runs. The database must be connected."""
        await self.synchronize()
        task = asyncio.create_task(self._synchronize_forever())
        try:
            yield
        finally:
            task.cancel()

    async def _synchronize_forever(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.synchronize()
            except db.UNAVAILABLE as error:  # the clock goes on; the next reading corrects it
                log.warning("time not read", type=type(error).__name__)
