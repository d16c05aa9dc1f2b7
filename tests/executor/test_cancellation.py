"""Cancellation: all work of an operation is cancelled before the operation returns."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.executor.harness import execute_compiled, guarded_schema, plain_schema

SDL = """
    type Item { batched: Int  plain: Int  other: Int  items: [Item] }
    interface Pet { name: String }
    type Cat implements Pet { name: String }
    type Query { items: [Item]  a: Int  b: Int  numbers: [Int]  stream: [Int]  pets: [Pet]  cat: Cat }
"""


class EndlessWork:
    """Work that ends only when it is cancelled, with counts of started and stopped calls."""

    def __init__(self) -> None:
        self.started_count = 0
        self.stopped_count = 0

    async def run_forever(self, *_: object, **__: object) -> Any:
        self.started_count += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped_count += 1
            await asyncio.sleep(0.001)  # stands for a rollback
            raise

    async def stream(self, *_: object) -> AsyncIterator[int]:
        yield 1
        await self.run_forever()


class Item:
    items: tuple["Item", ...] = ()


def items(*_: object) -> list[Item]:
    return [Item(), Item()]


async def resolve_at_once(objects: list[Item], _: object) -> list[int]:
    return [1] * len(objects)


def nested_schema(work: EndlessWork) -> Any:
    async def batch(objects: list[Item], _: object) -> list[list[Item]]:
        return [[Item(), Item()] for _ in objects]

    return guarded_schema(
        SDL,
        {
            "Query.items": {"resolve": items},
            "Item.items": {"batch": batch},
            "Item.batched": {"batch": work.run_forever},
            "Item.plain": {"resolve": work.run_forever},
            "Item.other": {"batch": resolve_at_once},
        },
    )


CASES: dict[str, tuple[Callable[[EndlessWork], Any], str, int]] = {
    "one batch": (nested_schema, "{ items { batched } }", 1),
    "two batches": (nested_schema, "{ items { batched x: batched other } }", 2),
    "batches of two levels": (nested_schema, "{ items { batched items { batched other } } }", 2),
    "plain": (nested_schema, "{ items { plain } }", 2),
    "plain and batched": (nested_schema, "{ items { plain batched items { plain } } }", 7),
    "roots": (lambda w: plain_schema(SDL, {"Query.a": w.run_forever, "Query.b": w.run_forever}), "{ a b }", 2),
    "in a list": (
        lambda w: plain_schema(SDL, {"Query.numbers": lambda *_: [w.run_forever(), 1, w.run_forever()]}),
        "{ numbers }",
        2,
    ),
    "stream": (lambda w: plain_schema(SDL, {"Query.stream": w.stream}), "{ stream a }", 1),
    "type resolver": (
        lambda w: plain_schema(SDL, {"Query.pets": lambda *_: [{}, {}], "Pet": w.run_forever}),
        "{ pets { name } a }",
        2,
    ),
    "type check": (
        lambda w: plain_schema(SDL, {"Query.cat": lambda *_: {}, "Cat.is": w.run_forever}),
        "{ cat { name } }",
        1,
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_cancellation_stops_all_work_before_it_returns(case: str) -> None:
    build_schema, query, count = CASES[case]
    work = EndlessWork()
    task = asyncio.create_task(execute_compiled(build_schema(work), query))
    await wait_until_started(work, count)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (work.started_count, work.stopped_count) == (count, count)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("case", CASES)
async def test_timeout_stops_all_work(case: str) -> None:
    build_schema, query, count = CASES[case]
    work = EndlessWork()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await execute_compiled(build_schema(work), query)

    assert (work.started_count, work.stopped_count) == (count, count)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_error_in_one_field_does_not_cancel_others() -> None:
    finished_counts: list[int] = []

    async def resolve_slowly(objects: list[Item], _: object) -> list[int]:
        await asyncio.sleep(0.01)
        finished_counts.append(len(objects))
        return [1] * len(objects)

    async def raise_error(*_: object) -> list[int]:
        raise ValueError("wrong")

    schema = guarded_schema(
        SDL,
        {
            "Query.items": {"resolve": items},
            "Item.batched": {"batch": resolve_slowly},
            "Item.other": {"batch": raise_error},
        },
    )

    response = await execute_compiled(schema, "{ items { other batched } }")

    assert response.data == {"items": [{"other": None, "batched": 1}] * 2}
    assert finished_counts == [2]


async def test_resolver_with_its_own_timeout_fails_its_field() -> None:
    async def time_out(*_: object) -> int:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(1)
        return 1

    response = await execute_compiled(plain_schema(SDL, {"Query.a": time_out, "Query.b": lambda *_: 2}), "{ a b }")

    assert response.data == {"a": None, "b": 2}
    assert [error.path for error in response.errors] == [("a",)]


async def wait_until_started(work: EndlessWork, count: int) -> None:
    async with asyncio.timeout(5):
        while work.started_count < count:  # noqa: ASYNC110 - the count sends no signal
            await asyncio.sleep(0)
