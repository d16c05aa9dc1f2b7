"""The requests of each network that are checked and authorized at once. More of the same network wait for them.

Without this bound, a client with 400 connections has 400 requests under way, and a request of another client waits
until each of them has had its turn on the event loop. The operation itself runs outside of the slot, as one of the few
of its caller, so that slow operations of one user keep no slot from others of the same network.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from database.pool import WAIT_SECONDS
from database.slots import QueueFull, Slots
from models.base.errors import RateLimited
from models.base.limit_name import LimitName
from models.base.network import networks_of

MAX_REQUESTS: Final = 32
"""Requests of a network that are checked and authorized at once."""
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
