"""Slots for the open streams of one process, so that streams leave connections and memory to all other requests.

    what takes a slot               counted for the user   for the network   as a connection
    an event stream                 yes                    yes               yes
    a socket                        once it has a session  yes               yes
    a subscription on a socket      yes                    yes               no

An IPv6 client is counted by its /64, /56 and /48, and each larger network has twice the limit, because one client may
have all of its addresses. A socket without a session gives up its slot if another stream needs it, the oldest socket
first. Each process has its own slots.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self, TypeAlias
from uuid import UUID

from models.base.network import networks_of
from server.errors import RATE_LIMITED, SERVICE_UNAVAILABLE, RequestError, rate_limit

RETRY_SECONDS: Final = 60
"""The time after which a client without a slot may try again."""
MAX_STREAMS: Final = 5000


class Bound(Enum):
    """The kinds of limits on slots."""

    USER = auto()
    NETWORK = auto()
    CONNECTIONS = auto()
    STREAMS = auto()


Key: TypeAlias = tuple[Bound, UUID | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Maximum numbers of slots, for one user, one network and one process."""

    per_user: int = 20
    per_network: int = 200
    connections: int = 1000
    streams: int = MAX_STREAMS

    def of(self, bound: Bound, level: int = 0) -> int:
        """The maximum for a bound. `level` is 0 for the smallest network of a client."""
        return {
            Bound.USER: self.per_user,
            Bound.NETWORK: self.per_network << level,
            Bound.CONNECTIONS: self.connections,
            Bound.STREAMS: self.streams,
        }[bound]


class Slot:
    """A slot of an open stream, until it is released."""

    def __init__(self, slots: "StreamSlots", keys: list[Key]) -> None:
        self._slots = slots
        self.keys = keys

    def assign(self, user_id: UUID) -> None:
        """Count the slot for a user too: the socket has a session now. Raises RequestError as `take` does."""
        self._slots.extend(self, user_id)

    def release(self) -> None:
        """Release the slot. The second call has no effect."""
        self._slots.release(self)

    def __enter__(self) -> Self:
        """The slot itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the slot."""
        self.release()


class StreamSlots:
    """The slots of one process."""

    def __init__(self, limits: StreamLimits) -> None:
        self.limits = limits
        self._counts: Counter[Key] = Counter()
        self._evictions: dict[Slot, Callable[[], None]] = {}

    def __len__(self) -> int:
        """The number of slots that are taken."""
        return self._counts[Bound.STREAMS, None]

    def take(self, address: str | None, user_id: UUID | None, *, holds_connection: bool) -> Slot:
        """Take a slot for a stream of a client. `user_id` is None before the client has a session.

        Raises RequestError: 429 if the user or the network has too many streams, 503 if the process has.
        """
        slot = Slot(self, [])
        try:
            for level, network in enumerate(networks_of(address)):
                self._count(slot, (Bound.NETWORK, network), level)
            if user_id is not None:
                self._count(slot, (Bound.USER, user_id))
            self._count(slot, (Bound.STREAMS, None))
            if holds_connection:
                self._count(slot, (Bound.CONNECTIONS, None))
        except RequestError:
            slot.release()
            raise
        return slot

    def take_for_socket(self, address: str | None, evict: Callable[[], None]) -> Slot:
        """Take a slot for a socket without a session. `evict` is called if another stream needs the slot."""
        slot = self.take(address, None, holds_connection=True)
        self._evictions[slot] = evict
        return slot

    def extend(self, slot: Slot, user_id: UUID) -> None:
        """Count a slot for a user too, and keep it from now on. Raises RequestError as `take` does."""
        self._count(slot, (Bound.USER, user_id))
        self._evictions.pop(slot, None)

    def release(self, slot: Slot) -> None:
        """Release a slot. The second call has no effect."""
        for key in slot.keys:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]
        slot.keys = []
        self._evictions.pop(slot, None)

    def _count(self, slot: Slot, key: Key, level: int = 0) -> None:
        limit = self.limits.of(key[0], level)
        if self._counts[key] >= limit:
            self._evict(key)
        if self._counts[key] >= limit:
            raise _error(key[0], limit)
        self._counts[key] += 1
        slot.keys.append(key)

    def _evict(self, key: Key) -> None:
        """Release the oldest slot of a socket without a session that is counted for `key`."""
        for slot, evict in self._evictions.items():
            if key in slot.keys:
                self.release(slot)
                evict()
                return


def _error(bound: Bound, limit: int) -> RequestError:
    if bound is Bound.USER:
        message = f"The maximum of open streams for a user is {limit}. Close one first."
    elif bound is Bound.NETWORK:
        message = f"The maximum of open streams for a network is {limit}. Close one first."
    else:
        return RequestError(
            503, "Too many open streams. Try again later.", SERVICE_UNAVAILABLE, retryAfterSeconds=RETRY_SECONDS
        )
    return RequestError(429, message, RATE_LIMITED, **rate_limit("STREAMS", RETRY_SECONDS))
