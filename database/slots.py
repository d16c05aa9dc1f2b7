"""Slots: how much of a shared resource each caller uses at once. More of the same caller wait in a queue of their own.

caller A   running 8   waiting 22        the 22 wait for the 8, and delay no other caller
caller B   running 1
"""

import asyncio
from collections import deque
from collections.abc import Hashable
from contextlib import suppress
from typing import Final

UNLIMITED: Final = 1_000_000_000


class QueueFull(Exception):
    """The caller has too many waiting already."""


class Slots:
    """At most `per_caller` slots for each caller, and at most `max_waiting` that wait for one, first in, first out."""

    def __init__(self, per_caller: int, max_waiting: int = UNLIMITED) -> None:
        self.per_caller = per_caller
        self._max_waiting = max_waiting
        self._queues: dict[Hashable, _Queue] = {}

    async def enter(self, caller: Hashable, seconds: float) -> None:
        """Take a slot. `leave` gives it back. A free slot is taken without waiting.

        Raises:
            QueueFull: too many wait already.
            TimeoutError: no slot was free within `seconds`.
        """
        queue = self._queues.get(caller)
        if queue is None:
            queue = self._queues[caller] = _Queue()
        if queue.taken < self.per_caller:
            queue.taken += 1
            return
        if len(queue.waiters) >= self._max_waiting:
            raise QueueFull
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.waiters.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self.leave(caller)
            with suppress(ValueError):
                queue.waiters.remove(waiter)
            raise

    def leave(self, caller: Hashable) -> None:
        """Give a slot back: to the one that waits longest, if any."""
        queue = self._queues[caller]
        while queue.waiters:
            waiter = queue.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        queue.taken -= 1
        if not queue.taken:
            del self._queues[caller]

    def waiting(self, caller: Hashable) -> int:
        """The number that wait for a slot of this caller."""
        queue = self._queues.get(caller)
        return len(queue.waiters) if queue else 0

    def __len__(self) -> int:
        """The number of callers that have a slot."""
        return len(self._queues)


class _Queue:
    """The slots of one caller."""

    __slots__ = ("taken", "waiters")

    def __init__(self) -> None:
        self.taken = 0
        self.waiters: deque[asyncio.Future[None]] = deque()
