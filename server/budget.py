"""What each caller may still ask for: buckets of cost that fill up again, in the memory of one process.

Several processes have a bucket each for one caller, so that his budget grows with their number. A caller is a signed-in
user, and for everybody else the address; of IPv6 the first half, which is what one customer is given.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias
from uuid import UUID

from models.base.errors import RateLimited

MOST_CALLERS: Final = 10_000
CHECKED: Final = 20
"""What it costs to check a document that was not seen lately."""
REFUSED: Final = 100
"""What a document costs that is refused, seen lately or not."""

Caller: TypeAlias = UUID | str


class Budget:
    """A bucket for each caller: `size` when full, with `per_second` flowing in; none at all where `size` is 0.

    At most `most_callers` are remembered: who has not paid for the longest time is forgotten.
    """

    def __init__(
        self,
        size: int,
        per_second: int,
        *,
        most_callers: int = MOST_CALLERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.per_second = per_second
        self._most_callers = most_callers
        self._clock = clock
        self._buckets: OrderedDict[Caller, tuple[float, float]] = OrderedDict()

    def left(self, caller: Caller) -> float:
        """What a caller may still ask for."""
        found = self._buckets.get(caller)
        if found is None:
            return self.size
        left, at = found
        return min(self.size, left + (self._clock() - at) * self.per_second)

    def take(self, caller: Caller, cost: int) -> None:
        """Pay. Raises RateLimited where too little is left; what costs more than all is paid with all."""
        if self.size:
            self._buckets[caller] = self._enough(caller, cost) - min(cost, self.size), self._clock()
            self._buckets.move_to_end(caller)
            if len(self._buckets) > self._most_callers:
                self._buckets.popitem(last=False)

    def check(self, caller: Caller, cost: int) -> None:
        """As `take`, without paying."""
        if self.size:
            self._enough(caller, cost)

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._buckets)

    def _enough(self, caller: Caller, cost: int) -> float:
        left, needed = self.left(caller), min(cost, self.size)
        if left < needed:
            raise RateLimited(retry_after_seconds=math.ceil((needed - left) / self.per_second))
        return left


@lru_cache(maxsize=1024)
def network(address: str | None) -> str:
    """Whom an address stands for, as far as can be told."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
