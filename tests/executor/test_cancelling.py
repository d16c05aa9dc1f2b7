"""A request that ends early: nothing of it goes on, and whoever worked for it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.executor.toy import compiled, guarded, toy

SDL = """
    type Item { batched: Int  plain: Int  other: Int  items: [Item] }
    interface Pet { name: String }
    type Cat implements Pet { name: String }
    type Query { items: [Item]  a: Int  b: Int  numbers: [Int]  stream: [Int]  pets: [Pet]  cat: Cat }
"""


class Watch:
    """Work that never ends by itself, and who was told to stop."""

    def __init__(self) -> None:
        self.started = 0
        self.stopped = 0

    async def forever(self, *_: object, **__: object) -> Any:
        self.started += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped += 1
            await asyncio.sleep(0.001)  # a rollback takes its time
            raise

    async def stream(self, *_: object) -> AsyncIterator[int]:
        yield 1
        await self.forever()


class Item:
    items: tuple["Item", ...] = ()


def items(*_: object) -> list[Item]:
    return [Item(), Item()]


async def at_once(objects: list[Item], _: object) -> list[int]:
    return [1] * len(objects)


def several(watch: Watch) -> Any:
    async def batch(objects: list[Item], _: object) -> list[list[Item]]:
        return [[Item(), Item()] for _ in objects]

    return guarded(
        SDL,
        {
            "Query.items": {"resolve": items},
            "Item.items": {"batch": batch},
            "Item.batched": {"batch": watch.forever},
            "Item.plain": {"resolve": watch.forever},
            "Item.other": {"batch": at_once},
        },
    )


CASES: dict[str, tuple[Callable[[Watch], Any], str, int]] = {
    "one batch": (several, "{ items { batched } }", 1),
    "two batches": (several, "{ items { batched x: batched other } }", 2),
    "batches of two levels": (several, "{ items { batched items { batched other } } }", 2),
    "plain": (several, "{ items { plain } }", 2),
    "plain and batched": (several, "{ items { plain batched items { plain } } }", 7),
    "roots": (lambda w: toy(SDL, {"Query.a": w.forever, "Query.b": w.forever}), "{ a b }", 2),
    "in a list": (lambda w: toy(SDL, {"Query.numbers": lambda *_: [w.forever(), 1, w.forever()]}), "{ numbers }", 2),
    "stream": (lambda w: toy(SDL, {"Query.stream": w.stream}), "{ stream a }", 1),
    "type": (lambda w: toy(SDL, {"Query.pets": lambda *_: [{}, {}], "Pet": w.forever}), "{ pets { name } a }", 2),
    "denied": (lambda w: toy(SDL, {"Query.cat": lambda *_: {}, "Cat.is": w.forever}), "{ cat { name } }", 1),
}


@pytest.mark.parametrize("case", CASES)
async def test_cancelling_stops_everything_before_it_returns(case: str) -> None:
    made, query, count = CASES[case]
    watch = Watch()
    running = asyncio.create_task(compiled(made(watch), query))
    await started(watch, count)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert (watch.started, watch.stopped) == (count, count)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("case", CASES)
async def test_a_timeout_stops_everything_too(case: str) -> None:
    made, query, count = CASES[case]
    watch = Watch()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await compiled(made(watch), query)

    assert (watch.started, watch.stopped) == (count, count)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_error_beside_it_stops_nobody() -> None:
    ended: list[int] = []

    async def slow(objects: list[Item], _: object) -> list[int]:
        await asyncio.sleep(0.01)
        ended.append(len(objects))
        return [1] * len(objects)

    async def wrong(*_: object) -> list[int]:
        raise ValueError("wrong")

    schema = guarded(
        SDL, {"Query.items": {"resolve": items}, "Item.batched": {"batch": slow}, "Item.other": {"batch": wrong}}
    )

    answer = await compiled(schema, "{ items { other batched } }")

    assert answer.data == {"items": [{"other": None, "batched": 1}] * 2}
    assert ended == [2]


async def test_a_resolver_that_times_out_by_itself_fails_its_field() -> None:
    async def impatient(*_: object) -> int:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(1)
        return 1

    answer = await compiled(toy(SDL, {"Query.a": impatient, "Query.b": lambda *_: 2}), "{ a b }")

    assert answer.data == {"a": None, "b": 2}
    assert [error.path for error in answer.errors] == [("a",)]


async def started(watch: Watch, count: int) -> None:
    async with asyncio.timeout(5):
        while watch.started < count:  # noqa: ASYNC110 - there is nothing to wait for but what is watched
            await asyncio.sleep(0)
