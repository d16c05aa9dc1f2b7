"""Request coalescing: many concurrent requests share one statement and its round trip.

    request ---+
    request ---+--> one statement --> one result for each request
    request ---+

Calls made in one turn of the event loop form a batch, which starts at the end of that turn. Nothing is cached: the
statement of a call always starts after the call.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any, Generic, TypeVar

from database.pool import current_caller

A = TypeVar("A")
R = TypeVar("R")


class Coalescer(Generic[A, R]):
    """Loads the results of concurrent calls in batches."""

    def __init__(self, load: Callable[[list[A]], Coroutine[Any, Any, Sequence[R]]]) -> None:
        """`load` returns one result for each argument, in order. An exception of `load` reaches each caller."""
        self._load = load
        self._next_batch: _Batch[A, R] | None = None

    async def __call__(self, argument: A) -> R:
        """Load the result for one argument. Raises what `load` raises.

        Never call it inside a transaction: the statement of all callers would run in that transaction.
        """
        batch = self._next_batch
        if batch is None:
            batch = self._next_batch = _Batch()
            asyncio.get_running_loop().call_soon(self._start, batch)
        future = batch.add(argument)
        try:
            return await future
        except asyncio.CancelledError:
            batch.cancel_if_abandoned()
            raise

    def _start(self, batch: "_Batch[A, R]") -> None:
        self._next_batch = None
        batch.start(self._load)


class _Batch(Generic[A, R]):
    """The calls that share one statement."""

    def __init__(self) -> None:
        self._arguments: list[A] = []
        self._callers: set[Hashable] = set()
        self._futures: list[asyncio.Future[R]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, argument: A) -> asyncio.Future[R]:
        """Add a call. The future receives its result."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._arguments.append(argument)
        self._callers.add(current_caller.get())
        self._futures.append(future)
        return future

    def start(self, load: Callable[[list[A]], Coroutine[Any, Any, Sequence[R]]]) -> None:
        """Start the statement, unless all callers were cancelled already."""
        self._task = asyncio.get_running_loop().create_task(self._run(load))
        self.cancel_if_abandoned()

    def cancel_if_abandoned(self) -> None:
        """Cancel the statement if no caller waits for it any more."""
        if self._task is not None and all(future.done() for future in self._futures):
            self._task.cancel()

    async def _run(self, load: Callable[[list[A]], Coroutine[Any, Any, Sequence[R]]]) -> None:
        if len(self._callers) > 1:
            _ = current_caller.set(None)  # no caller waits for the connections of another one
        try:
            results = [*zip(self._futures, await load(self._arguments), strict=True)]
        except Exception as error:  # noqa: BLE001 - each caller raises it
            for future in self._futures:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in results:
            if not future.done():
                future.set_result(result)
