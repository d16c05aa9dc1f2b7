"""A queue whose clients take turns: a client with many calls delays the calls of others by one call each."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class FairQueue:
    """Lets `slots` calls run at once. The others wait, and the clients of waiting calls are served in rotation."""

    def __init__(self, slots: int) -> None:
        self._free_slots = slots
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._size_of = Counter[str]()

    @property
    def size(self) -> int:
        """The number of calls that run or wait."""
        return self._size_of.total()

    def size_of(self, client: str) -> int:
        """The number of calls of a client that run or wait."""
        return self._size_of[client]

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncGenerator[None]:
        """Wait for a slot, and hold it until the block ends."""
        self._size_of[client] += 1
        try:
            await self._wait(client)
            try:
                yield
            finally:
                self._pass_on()
        finally:
            self._size_of[client] -= 1
            if not self._size_of[client]:
                del self._size_of[client]

    async def _wait(self, client: str) -> None:
        if self._free_slots:
            self._free_slots -= 1
            return
        slot = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client, deque()).append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if not slot.cancelled():  # the slot was assigned just before the cancellation
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Assign a slot to the next client, or free it."""
        while self._queues:
            client, slots = self._queues.popitem(last=False)
            slot = slots.popleft()
            if slots:
                self._queues[client] = slots
            if not slot.done():  # a cancelled call waits no longer
                slot.set_result(None)
                return
        self._free_slots += 1
