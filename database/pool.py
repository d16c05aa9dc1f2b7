"""A connection pool around asyncpg's pool, without asyncpg's work for each statement.

A released database connection stays here, and the next statement acquires the one that was released last. It goes
back to asyncpg's pool only if another task waits for a connection, or if it needs a cleanup.
"""

import asyncio
from typing import Any, Final

import asyncpg

WAIT_SECONDS: Final = 5
IDLE_SECONDS: Final = 240
"""Maximum time that a database connection stays idle. A proxy or firewall may have cut one that was idle for longer."""


class Pool:
    """Replaces asyncpg's pool for callers that acquire and release; `inner` owns the database connections."""

    def __init__(self, inner: asyncpg.Pool) -> None:
        self._inner = inner
        self._idle: list[tuple[Any, float]] = []
        self._waiter_count = 0
        self._clock = asyncio.get_running_loop().time

    async def acquire(self) -> Any:
        """Acquire a database connection. Raises TimeoutError if none was free within WAIT_SECONDS."""
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
