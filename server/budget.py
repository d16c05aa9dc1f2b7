"""Cost budgets of callers: token buckets in the memory of one process.

Each process has its own buckets, so the budget of a caller grows with the number of processes. A caller is a signed-in
user, or else the network of the address.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeAlias
from uuid import UUID

from models.base.errors import RateLimited
from models.base.limit_name import LimitName
from models.base.network import network_of

MAX_CALLERS: Final = 10_000
CHECK_COST: Final = 20
"""Charged for checking a document that is not in the cache."""
REJECTION_COST: Final = 100
"""Charged for a rejected document, cached or not."""

Caller: TypeAlias = UUID | str


class Budget:
    """A token bucket per caller: it holds at most `size` and gains `per_second`. A `size` of 0 means no limit.

    At most `max_callers` buckets are kept. The caller charged longest ago is dropped and starts with a full bucket.
    """

    def __init__(
        self,
        size: int,
        per_second: int,
        *,
        max_callers: int = MAX_CALLERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = size
        self.per_second = per_second
        self._max_callers = max_callers
        self._clock = clock
        self._buckets: OrderedDict[Caller, tuple[float, float]] = OrderedDict()

    def balance(self, caller: Caller) -> float:
        """The cost that a caller may still spend."""
        bucket = self._buckets.get(caller)
        if bucket is None:
            return self.size
        balance, charged_at = bucket
        return min(self.size, balance + (self._clock() - charged_at) * self.per_second)

    def charge(self, caller: Caller, cost: int) -> None:
        """Charge a cost, but at most the bucket size. Raises RateLimited if the balance is too low."""
        if self.size:
            self._buckets[caller] = self._require(caller, cost) - min(cost, self.size), self._clock()
            self._buckets.move_to_end(caller)
            if len(self._buckets) > self._max_callers:
                self._buckets.popitem(last=False)

    def check(self, caller: Caller, cost: int) -> None:
        """As `charge`, but the balance stays as it is."""
        if self.size:
            self._require(caller, cost)

    def __len__(self) -> int:
        """The number of callers that have a bucket."""
        return len(self._buckets)

    def _require(self, caller: Caller, cost: int) -> float:
        balance, price = self.balance(caller), min(cost, self.size)
        if balance < price:
            seconds = math.ceil((price - balance) / self.per_second)
            raise RateLimited(LimitName.REQUEST_COST, retry_after_seconds=seconds)
        return balance


def address_key(address: str | None) -> str:
    """The key of a caller who is not signed in: the network of the address, or the text if it is no IP address."""
    return network_of(address) or address or ""
