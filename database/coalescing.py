"""Questions of the same moment, asked as one: many requests share a statement and its round trip.

    request ---+
    request ---+--> one statement --> each its own answer
    request ---+

What is asked in one turn of the event loop goes together, at the end of that turn. Nothing is kept:
every answer is of a statement that began after its question, and nobody waits for another's.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Coalescer(Generic[Q, A]):
    """Asks for many at once what each is asked for on its own."""

    def __init__(self, ask: Callable[[list[Q]], Coroutine[Any, Any, Sequence[A]]]) -> None:
        """`ask` answers questions in their order. What it raises, all who asked are told."""
        self._ask = ask
        self._next: _Batch[Q, A] | None = None

    async def __call__(self, question: Q) -> A:
        """The answer to one question. Raises what asking raises.

        Never inside a transaction: the statement would be a part of it, for all.
        """
        turn = self._next
        if turn is None:
            turn = self._next = _Batch()
            asyncio.get_running_loop().call_soon(self._start, turn)
        answer = turn.add(question)
        try:
            return await answer
        except asyncio.CancelledError:
            turn.leave()
            raise

    def _start(self, turn: "_Batch[Q, A]") -> None:
        self._next = None
        turn.start(self._ask)


class _Batch(Generic[Q, A]):
    """Those who ask together."""

    def __init__(self) -> None:
        self._questions: list[Q] = []
        self._answers: list[asyncio.Future[A]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, question: Q) -> asyncio.Future[A]:
        """Where the answer will be."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._questions.append(question)
        self._answers.append(answer)
        return answer

    def start(self, ask: Callable[[list[Q]], Coroutine[Any, Any, Sequence[A]]]) -> None:
        """Ask, for as long as somebody waits."""
        self._task = asyncio.get_running_loop().create_task(self._tell(ask))
        self.leave()

    def leave(self) -> None:
        """Somebody went: the statement of whom nobody waits for is cancelled."""
        if self._task is not None and all(answer.done() for answer in self._answers):
            self._task.cancel()

    async def _tell(self, ask: Callable[[list[Q]], Coroutine[Any, Any, Sequence[A]]]) -> None:
        try:
            found = [*zip(self._answers, await ask(self._questions), strict=True)]
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are waited for
            for answer in self._answers:
                if not answer.done():
                    answer.set_exception(error)
            return
        for answer, one in found:
            if not answer.done():
                answer.set_result(one)
