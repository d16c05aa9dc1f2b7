"""Connections at hand: asyncpg's pool, without its work for each statement.

What a statement gives back stays with us, and the next one takes it, the one used last first. Only
where somebody waits, or something is left to be cleared up, does it go the long way.
"""

import asyncio
from typing import Any, Final

import asyncpg

WAIT_SECONDS: Final = 5
IDLE_SECONDS: Final = 240
"""For how long a connection may lie about: whatever stands between us and the database may have cut it."""


class Pool:
    """Takes the place of asyncpg's pool for whoever acquires and releases; `inner` keeps the connections."""

    def __init__(self, inner: asyncpg.Pool) -> None:
        self._inner = inner
        self._free: list[tuple[Any, float]] = []
        self._waiting = 0
        self._clock = asyncio.get_running_loop().time

    async def acquire(self) -> Any:
        """A connection. Raises TimeoutError when none was free within WAIT_SECONDS."""
        while self._free:
            driver, since = self._free.pop()
            if _is_open(driver):
                if self._clock() - since < IDLE_SECONDS:
                    return driver
                driver.terminate()
            await self._inner.release(driver)
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._inner.acquire()
        finally:
            self._waiting -= 1

    async def release(self, driver: Any) -> None:
        """Give a connection back."""
        if self._waiting or not _is_clean(driver):
            await self._inner.release(driver)
        else:
            self._free.append((driver, self._clock()))

    @property
    def use(self) -> tuple[int, int]:
        """How many connections are in use, and how many lie about."""
        idle = len(self._free) + self._inner.get_idle_size()
        return self._inner.get_size() - idle, idle

    async def close(self) -> None:
        """Close all connections, once those in use have been given back."""
        while self._free:
            await self._inner.release(self._free.pop()[0])
        await self._inner.close()

    def terminate(self) -> None:
        """Close all connections at once."""
        self._free.clear()
        self._inner.terminate()

    async def expire_connections(self) -> None:
        """Let no connection be used again after it has been given back."""
        while self._free:
            await self._inner.release(self._free.pop()[0])
        await self._inner.expire_connections()


# asyncpg's own pool looks at the same private names.


def _is_open(driver: Any) -> bool:
    """Whether it has not been cut while it lay about."""
    connection = driver._con  # noqa: SLF001 - see above
    return connection is not None and not connection.is_closed()


def _is_clean(driver: Any) -> bool:
    """Whether the next one can take it as it is: open, in no transaction, no statement being cancelled."""
    if not _is_open(driver):
        return False
    protocol = driver._con._protocol  # noqa: SLF001 - see above
    return not (protocol.is_in_transaction() or protocol._is_cancelling())  # noqa: SLF001 - see above
