"""A connection pool around asyncpg's pool, without asyncpg's work for each statement.

A released database connection stays here, and the next statement acquires the one that was released last. It goes
back to asyncpg's pool only if another task waits for a connection, or if it needs a cleanup.

Work for a caller runs inside `on_behalf_of`. It uses a part of the database connections, and its other statements wait
for these. So one caller never holds all connections.
"""

import asyncio
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import asyncpg

from database.slots import Slots

current_caller: Final[ContextVar[Hashable]] = ContextVar("current_caller", default=None)
"""The caller whose operation runs. None for work of the server itself, which has no limit."""
DEFAULT_PER_CALLER: Final = 8
WAIT_SECONDS: Final = 5
IDLE_SECONDS: Final = 240
"""Maximum time that a database connection stays idle. A proxy or firewall may have cut one that was idle for longer."""


class Pool:
    """Replaces asyncpg's pool for callers that acquire and release; `inner` owns the database connections."""

    def __init__(self, inner: asyncpg.Pool, per_caller: int = DEFAULT_PER_CALLER) -> None:
        self._inner = inner
        self._slots = Slots(per_caller)
        self._callers: dict[Any, Hashable] = {}
        self._idle: list[tuple[Any, float]] = []
        self._waiter_count = 0
        self._clock = asyncio.get_running_loop().time

    async def acquire(self) -> Any:
        """Acquire a database connection. Raises TimeoutError if none was free within WAIT_SECONDS.

        The current caller may have to wait as long for one of their own to be released.
        """
        caller = current_caller.get()
        if caller is None:
            return await self._acquire()
        await self._slots.enter(caller, WAIT_SECONDS)
        try:
            driver = await self._acquire()
        except BaseException:
            self._slots.leave(caller)
            raise
        self._callers[driver] = caller
        return driver

    async def _acquire(self) -> Any:
        while self._idle:
            driver, since = self._idle.pop()
            if _is_open(driver):
                if self._clock() - since < IDLE_SECONDS:
                    return driver
                driver.terminate()
            await self._inner.release(driver)
        self._waiter_count += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._inner.acquire()
        finally:
            self._waiter_count -= 1

    async def release(self, driver: Any) -> None:
        """Release a database connection."""
        caller = self._callers.pop(driver, None)
        if caller is not None:
            self._slots.leave(caller)
        if self._waiter_count or not _is_clean(driver):
            await self._inner.release(driver)
        else:
            self._idle.append((driver, self._clock()))

    @property
    def use(self) -> tuple[int, int]:
        """The numbers of database connections that are in use and idle."""
        idle = len(self._idle) + self._inner.get_idle_size()
        return self._inner.get_size() - idle, idle

    async def close(self) -> None:
        """Close all database connections, after those in use were released."""
        while self._idle:
            await self._inner.release(self._idle.pop()[0])
        await self._inner.close()

    def terminate(self) -> None:
        """Close all database connections at once."""
        self._idle.clear()
        self._inner.terminate()

    async def expire_connections(self) -> None:
        """Close each database connection when it is released, so that none is used again."""
        while self._idle:
            await self._inner.release(self._idle.pop()[0])
        await self._inner.expire_connections()


@contextmanager
def on_behalf_of(caller: Hashable) -> Generator[None]:
    """The statements of the block, and of tasks that it starts, count as those of `caller`."""
    token = current_caller.set(caller)
    try:
        yield
    finally:
        current_caller.reset(token)


# asyncpg's own pool reads the same private names.


def _is_open(driver: Any) -> bool:
    """True unless the database connection was cut while it was idle."""
    connection = driver._con  # noqa: SLF001 - see above
    return connection is not None and not connection.is_closed()


def _is_clean(driver: Any) -> bool:
    """True if the connection is open, outside of a transaction, and has no statement that is being cancelled."""
    if not _is_open(driver):
        return False
    protocol = driver._con._protocol  # noqa: SLF001 - see above
    return not (protocol.is_in_transaction() or protocol._is_cancelling())  # noqa: SLF001 - see above
