"""graphql-core with guards and batches lent to it, on a small schema that knows no account."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import pytest
from graphql import (
    ExecutionResult,
    GraphQLArgument,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    execute,
    parse,
)

from executor.errors import WrongLength
from executor.reference import install

OPEN, CLOSED = 1, 2
Batch = Callable[..., Awaitable[list[Any]]]


# graphql-core 3.3 drops the coroutines of what is under way; a batch is a future, and ends in order.
dropped = pytest.mark.filterwarnings(
    "ignore:coroutine 'Executor:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


class NotAllowed(Exception):
    """What a refused field raises."""


@dataclass
class Item:
    number: int
    parts: int = 0
    is_open: bool = True


@dataclass
class Asked:
    """What the batches were asked for: the numbers of the parents, and the arguments."""

    calls: list[tuple[list[int], dict[str, Any]]] = field(default_factory=list[tuple[list[int], dict[str, Any]]])


@dataclass
class Request:
    """A context: two of them are never the same one."""


def marks(**own: object) -> dict[str, Any]:
    def refuse(parents: Sequence[object], _: object) -> list[Exception]:
        return [NotAllowed(str(parent)) for parent in parents]

    return {"needs": OPEN, "refuse": refuse, "convert": lambda given: given, **own}


def rights(rows: list[Any], _: object) -> list[int]:
    return [OPEN if getattr(row, "is_open", True) else CLOSED for row in rows]


def build(items: Callable[..., Any], **batches: Batch) -> GraphQLSchema:
    """A schema with `items`, each with a number, a plain `open`, and the batched fields given."""
    arguments = {"times": GraphQLArgument(GraphQLInt)}
    batched = {
        name: GraphQLField(GraphQLInt, args=arguments, extensions=marks(batch=batch))
        for name, batch in batches.items()
        if name != "parts"
    }
    item = GraphQLObjectType(
        "Item",
        lambda: {
            "number": GraphQLField(GraphQLInt, extensions=marks()),
            "name": GraphQLField(GraphQLString, extensions=marks(resolve=lambda one, _: f"item {one.number}")),
            **batched,
            **(
                {"parts": GraphQLField(GraphQLList(item), extensions=marks(batch=batches["parts"]))}
                if "parts" in batches
                else {}
            ),
        },
        extensions={"rights": rights},
    )
    query = GraphQLObjectType(
        "Query",
        {"items": GraphQLField(GraphQLNonNull(GraphQLList(item)), extensions=marks(resolve=items))},
        extensions={"rights": rights},
    )
    schema = GraphQLSchema(query)
    install(schema)
    return schema


async def run(schema: GraphQLSchema, query: str) -> ExecutionResult:
    result = execute(schema, parse(query), context_value=Request())
    return await result if isawaitable(result) else result


def three(*_: object) -> list[Item]:
    return [Item(1), Item(2), Item(3)]


def doubling(asked: Asked) -> Batch:
    async def double(items: list[Item], _: object, times: int = 2) -> list[int]:
        asked.calls.append(([one.number for one in items], {"times": times}))
        await asyncio.sleep(0)
        return [one.number * times for one in items]

    return double


async def test_a_batch_gets_all_objects_of_its_field_at_once() -> None:
    asked = Asked()
    schema = build(three, doubled=doubling(asked))

    result = await run(schema, "{ items { number doubled name } }")

    assert result.errors is None
    assert result.data == {"items": [{"number": n, "doubled": 2 * n, "name": f"item {n}"} for n in (1, 2, 3)]}
    assert asked.calls == [([1, 2, 3], {"times": 2})]


async def test_a_batch_gets_all_objects_of_a_deeper_level_at_once() -> None:
    asked = Asked()

    async def parts(items: list[Item], _: object) -> list[list[Item]]:
        return [[Item(one.number * 10), Item(one.number * 10 + 1)] for one in items]

    schema = build(three, parts=parts, doubled=doubling(asked))

    result = await run(schema, "{ items { parts { doubled } } }")

    assert result.errors is None
    assert asked.calls == [([10, 11, 20, 21, 30, 31], {"times": 2})]


async def test_aliases_with_other_arguments_are_batches_of_their_own() -> None:
    asked = Asked()
    schema = build(three, doubled=doubling(asked))

    result = await run(schema, "{ items { a: doubled b: doubled(times: 3) } }")

    assert result.data == {"items": [{"a": 2 * n, "b": 3 * n} for n in (1, 2, 3)]}
    assert asked.calls == [([1, 2, 3], {"times": 2}), ([1, 2, 3], {"times": 3})]


async def test_a_fragment_used_twice_keeps_the_objects_in_their_places() -> None:
    asked = Asked()
    schema = build(three, doubled=doubling(asked))

    result = await run(schema, "{ a: items { ...F } b: items { ...F } } fragment F on Item { doubled }")

    assert result.data == {"a": [{"doubled": n} for n in (2, 4, 6)], "b": [{"doubled": n} for n in (2, 4, 6)]}
    assert asked.calls == [([1, 2, 3, 1, 2, 3], {"times": 2})]


async def test_two_requests_at_once_share_no_batch() -> None:
    asked = Asked()
    schema = build(three, doubled=doubling(asked))
    document = parse("{ items { doubled } }")

    results = [execute(schema, document, context_value=Request()) for _ in range(2)]
    both = await asyncio.gather(*(result for result in results if isawaitable(result)))

    assert [result.errors for result in both] == [None, None]
    assert asked.calls == [([1, 2, 3], {"times": 2})] * 2


async def test_refused_objects_do_not_reach_the_batch() -> None:
    asked = Asked()
    schema = build(lambda *_: [Item(1), Item(2, is_open=False), Item(3)], doubled=doubling(asked))

    result = await run(schema, "{ items { doubled } }")

    assert result.data == {"items": [{"doubled": 2}, {"doubled": None}, {"doubled": 6}]}
    assert [(type(e.original_error), e.path) for e in result.errors or []] == [(NotAllowed, ["items", 1, "doubled"])]
    assert asked.calls == [([1, 3], {"times": 2})]


async def test_a_refused_plain_field_is_not_run() -> None:
    ran: list[int] = []

    def name(one: Item, _: object) -> str:
        ran.append(one.number)
        return "told"

    schema = build(lambda *_: [Item(1, is_open=False)])
    item = schema.type_map["Item"]
    assert isinstance(item, GraphQLObjectType)
    item.fields["name"].extensions["resolve"] = name
    install(schema)

    result = await run(schema, "{ items { name } }")

    assert result.data == {"items": [{"name": None}]}
    assert ran == []


async def test_a_failing_batch_fails_each_of_its_fields_and_nothing_else() -> None:
    async def failing(items: list[Item], _: object, times: int = 2) -> list[int]:
        raise RuntimeError(f"{len(items)} x {times}")

    asked = Asked()
    schema = build(three, failing=failing, doubled=doubling(asked))

    result = await run(schema, "{ items { number failing doubled } }")

    assert result.data == {"items": [{"number": n, "failing": None, "doubled": 2 * n} for n in (1, 2, 3)]}
    assert [(e.message, e.path) for e in result.errors or []] == [("3 x 2", ["items", n, "failing"]) for n in range(3)]


async def test_one_result_can_be_an_error_of_its_own() -> None:
    async def picky(items: list[Item], _: object, times: int = 2) -> list[object]:
        return [NotAllowed("two") if one.number == times else one.number for one in items]

    schema = build(three, picky=picky)

    result = await run(schema, "{ items { picky } }")

    assert result.data == {"items": [{"picky": 1}, {"picky": None}, {"picky": 3}]}
    assert [(e.message, e.path) for e in result.errors or []] == [("two", ["items", 1, "picky"])]


@pytest.mark.parametrize("length", [0, 2, 4])
async def test_a_batch_of_another_length_is_an_error_that_says_so(length: int) -> None:
    async def wrong(items: list[Item], _: object, times: int = 2) -> list[int]:
        return [times] * length

    schema = build(three, wrong=wrong)

    result = await run(schema, "{ items { wrong } }")

    assert result.data == {"items": [{"wrong": None}] * 3}
    assert {type(e.original_error) for e in result.errors or []} == {WrongLength}
    assert {e.message for e in result.errors or []} == {f"Item.wrong: {length} results for 3 objects"}


async def test_a_cancelled_request_leaves_no_task_behind() -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def endless(items: list[Item], _: object, times: int = 2) -> list[int]:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return [times for _ in items]

    schema = build(three, endless=endless)
    before = asyncio.all_tasks()
    request = asyncio.ensure_future(run(schema, "{ items { endless } }"))
    await started.wait()

    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    async with asyncio.timeout(1):
        await stopped.wait()
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == before


@dropped
async def test_a_request_cancelled_before_its_batch_began_leaves_no_task_behind() -> None:
    asked = Asked()
    schema = build(three, doubled=doubling(asked))
    before = asyncio.all_tasks()
    request = asyncio.ensure_future(run(schema, "{ items { doubled } }"))
    await asyncio.sleep(0)

    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()

    assert asyncio.all_tasks() == before


@dropped
async def test_a_batch_that_fails_after_its_object_is_gone_writes_nothing_to_the_log() -> None:
    lost: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))

    async def late(items: list[Item], _: object, times: int = 2) -> list[int]:
        await asyncio.sleep(0.01)
        raise RuntimeError(f"{len(items)} x {times}")

    schema = build(three, late=late)
    query = schema.query_type
    assert query is not None
    query.fields["gone"] = GraphQLField(GraphQLNonNull(GraphQLInt), extensions=marks(resolve=lambda *_: None))
    install(schema)

    try:
        result = await run(schema, "{ items { late } gone }")
        await asyncio.sleep(0.05)
        gc.collect()
    finally:
        asyncio.get_running_loop().set_exception_handler(None)

    assert result.data is None
    assert lost == []
