"""The requests of each network that are under way at once. More of the same network wait for them.

    checked and authorized    MAX_REQUESTS      without a bound, a request of another client waits until each of 400
                                                connections has had its turn on the event loop
    executed                  MAX_OPERATIONS    without a bound, the operations of a network hold all database
                                                connections, and those of others wait for these

A request has one of the slots at a time. One that waits for earlier operations of its own caller has none, so that
a user with many requests keeps no slot from others of the network.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from database.pool import WAIT_SECONDS
from database.slots import QueueFull, Slots
from models.base.errors import RateLimited
from models.base.limit_name import LimitName
from models.base.network import networks_of

MAX_REQUESTS: Final = 8
"""Requests of a network that are checked and authorized at once."""
MAX_OPERATIONS: Final = 16
"""Operations of a network that are executed at once: four fifths of the database connections of a process."""
MAX_WAITING: Final = 400
"""Requests of a network that wait. More are refused."""


class RequestSlots:
    """Slots for the requests of each network: an IPv4 address, or a /48 network of IPv6."""

    def __init__(self, per_network: int = MAX_REQUESTS) -> None:
        self._slots = Slots(per_network, MAX_WAITING)

    @asynccontextmanager
    async def slot(self, address: str | None) -> AsyncGenerator[None]:
        """Wait for a slot of the address's network, and hold it until the block ends. Raises RateLimited."""
        network = networks_of(address)[-1:]
        try:
            await self._slots.enter(network, WAIT_SECONDS)
        except (QueueFull, TimeoutError):
            raise RateLimited(LimitName.OPERATIONS_AT_ONCE, retry_after_seconds=1) from None
        try:
            yield
        finally:
            self._slots.leave(network)
