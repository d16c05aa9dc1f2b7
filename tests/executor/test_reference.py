"""graphql-core with our guards and batch resolvers, on a small schema."""

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

OPEN, SECRET = 1, 2
Batch = Callable[..., Awaitable[list[Any]]]


# graphql-core 3.3 does not close unfinished coroutines when it stops. Batches are futures and do end.
ignore_unawaited_coroutines = pytest.mark.filterwarnings(
    "ignore:coroutine 'Executor:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


class Refusal(Exception):
    """The error of a refused field."""


@dataclass
class Item:
    number: int
    parts: int = 0
    is_open: bool = True


@dataclass
class CallLog:
    """The calls of batches: the numbers of the parents, and the arguments."""

    calls: list[tuple[list[int], dict[str, Any]]] = field(default_factory=list[tuple[list[int], dict[str, Any]]])


@dataclass
class Request:
    """The context of one request."""


def metadata(**entries: object) -> dict[str, Any]:
    def refuse(parents: Sequence[object], _: object) -> list[Exception]:
        return [Refusal(str(parent)) for parent in parents]

    return {"needs": OPEN, "refuse": refuse, "convert": lambda arguments: arguments, **entries}


def rights(rows: list[Any], _: object) -> list[int]:
    return [OPEN if getattr(row, "is_open", True) else SECRET for row in rows]


def build(items: Callable[..., Any], **batches: Batch) -> GraphQLSchema:
    """A schema whose `items` have a number, a name with a plain resolver, and a field for each batch."""
    arguments = {"times": GraphQLArgument(GraphQLInt)}
    batch_fields = {
        name: GraphQLField(GraphQLInt, args=arguments, extensions=metadata(batch=batch))
        for name, batch in batches.items()
        if name != "parts"
    }
    item = GraphQLObjectType(
        "Item",
        lambda: {
            "number": GraphQLField(GraphQLInt, extensions=metadata()),
            "name": GraphQLField(GraphQLString, extensions=metadata(resolve=lambda item, _: f"item {item.number}")),
            **batch_fields,
            **(
                {"parts": GraphQLField(GraphQLList(item), extensions=metadata(batch=batches["parts"]))}
                if "parts" in batches
                else {}
            ),
        },
        extensions={"rights": rights},
    )
    query = GraphQLObjectType(
        "Query",
        {"items": GraphQLField(GraphQLNonNull(GraphQLList(item)), extensions=metadata(resolve=items))},
        extensions={"rights": rights},
    )
    schema = GraphQLSchema(query)
    install(schema)
    return schema


async def run(schema: GraphQLSchema, query: str) -> ExecutionResult:
    result = execute(schema, parse(query), context_value=Request())
    return await result if isawaitable(result) else result


def three_items(*_: object) -> list[Item]:
    return [Item(1), Item(2), Item(3)]


def doubling_batch(call_log: CallLog) -> Batch:
    async def double(items: list[Item], _: object, times: int = 2) -> list[int]:
        call_log.calls.append(([item.number for item in items], {"times": times}))
        await asyncio.sleep(0)
        return [item.number * times for item in items]

    return double


async def test_batch_gets_all_objects_of_its_field_at_once() -> None:
    call_log = CallLog()
    schema = build(three_items, doubled=doubling_batch(call_log))

    result = await run(schema, "{ items { number doubled name } }")

    assert result.errors is None
    assert result.data == {"items": [{"number": n, "doubled": 2 * n, "name": f"item {n}"} for n in (1, 2, 3)]}
    assert call_log.calls == [([1, 2, 3], {"times": 2})]


async def test_batch_gets_all_objects_of_a_deeper_level_at_once() -> None:
    call_log = CallLog()

    async def parts(items: list[Item], _: object) -> list[list[Item]]:
        return [[Item(item.number * 10), Item(item.number * 10 + 1)] for item in items]

    schema = build(three_items, parts=parts, doubled=doubling_batch(call_log))

    result = await run(schema, "{ items { parts { doubled } } }")

    assert result.errors is None
    assert call_log.calls == [([10, 11, 20, 21, 30, 31], {"times": 2})]


async def test_aliases_with_different_arguments_have_separate_batches() -> None:
    call_log = CallLog()
    schema = build(three_items, doubled=doubling_batch(call_log))

    result = await run(schema, "{ items { a: doubled b: doubled(times: 3) } }")

    assert result.data == {"items": [{"a": 2 * n, "b": 3 * n} for n in (1, 2, 3)]}
    assert call_log.calls == [([1, 2, 3], {"times": 2}), ([1, 2, 3], {"times": 3})]


async def test_fragment_used_twice_returns_results_to_their_objects() -> None:
    call_log = CallLog()
    schema = build(three_items, doubled=doubling_batch(call_log))

    result = await run(schema, "{ a: items { ...F } b: items { ...F } } fragment F on Item { doubled }")

    assert result.data == {"a": [{"doubled": n} for n in (2, 4, 6)], "b": [{"doubled": n} for n in (2, 4, 6)]}
    assert call_log.calls == [([1, 2, 3, 1, 2, 3], {"times": 2})]


async def test_concurrent_requests_share_no_batch() -> None:
    call_log = CallLog()
    schema = build(three_items, doubled=doubling_batch(call_log))
    document = parse("{ items { doubled } }")

    results = [execute(schema, document, context_value=Request()) for _ in range(2)]
    completed_results = await asyncio.gather(*(result for result in results if isawaitable(result)))

    assert [result.errors for result in completed_results] == [None, None]
    assert call_log.calls == [([1, 2, 3], {"times": 2})] * 2


async def test_refused_objects_do_not_reach_the_batch() -> None:
    call_log = CallLog()
    schema = build(lambda *_: [Item(1), Item(2, is_open=False), Item(3)], doubled=doubling_batch(call_log))

    result = await run(schema, "{ items { doubled } }")

    assert result.data == {"items": [{"doubled": 2}, {"doubled": None}, {"doubled": 6}]}
    assert [(type(e.original_error), e.path) for e in result.errors or []] == [(Refusal, ["items", 1, "doubled"])]
    assert call_log.calls == [([1, 3], {"times": 2})]


async def test_resolver_of_a_refused_field_is_not_called() -> None:
    numbers: list[int] = []

    def record_number(item: Item, _: object) -> str:
        numbers.append(item.number)
        return "name"

    schema = build(lambda *_: [Item(1, is_open=False)])
    item = schema.type_map["Item"]
    assert isinstance(item, GraphQLObjectType)
    item.fields["name"].extensions["resolve"] = record_number
    install(schema)

    result = await run(schema, "{ items { name } }")

    assert result.data == {"items": [{"name": None}]}
    assert numbers == []


async def test_raising_batch_fails_only_its_own_fields() -> None:
    async def raise_error(items: list[Item], _: object, times: int = 2) -> list[int]:
        raise RuntimeError(f"{len(items)} x {times}")

    call_log = CallLog()
    schema = build(three_items, failing=raise_error, doubled=doubling_batch(call_log))

    result = await run(schema, "{ items { number failing doubled } }")

    assert result.data == {"items": [{"number": n, "failing": None, "doubled": 2 * n} for n in (1, 2, 3)]}
    assert [(e.message, e.path) for e in result.errors or []] == [("3 x 2", ["items", n, "failing"]) for n in range(3)]


async def test_exception_among_the_results_fails_only_its_object() -> None:
    async def refuse_one(items: list[Item], _: object, times: int = 2) -> list[object]:
        return [Refusal("two") if item.number == times else item.number for item in items]

    schema = build(three_items, refusing=refuse_one)

    result = await run(schema, "{ items { refusing } }")

    assert result.data == {"items": [{"refusing": 1}, {"refusing": None}, {"refusing": 3}]}
    assert [(e.message, e.path) for e in result.errors or []] == [("two", ["items", 1, "refusing"])]


@pytest.mark.parametrize("length", [0, 2, 4])
async def test_wrong_number_of_results_is_an_error_with_both_numbers(length: int) -> None:
    async def return_wrong_number(items: list[Item], _: object, times: int = 2) -> list[int]:
        return [times] * length

    schema = build(three_items, wrong=return_wrong_number)

    result = await run(schema, "{ items { wrong } }")

    assert result.data == {"items": [{"wrong": None}] * 3}
    assert {type(e.original_error) for e in result.errors or []} == {WrongLength}
    assert {e.message for e in result.errors or []} == {f"Item.wrong: {length} results for 3 objects"}


async def test_cancelled_request_leaves_no_task() -> None:
    start_event, stop_event = asyncio.Event(), asyncio.Event()

    async def wait_forever(items: list[Item], _: object, times: int = 2) -> list[int]:
        start_event.set()
        try:
            await asyncio.Event().wait()
        finally:
            stop_event.set()
        return [times for _ in items]

    schema = build(three_items, endless=wait_forever)
    tasks_before = asyncio.all_tasks()
    request = asyncio.ensure_future(run(schema, "{ items { endless } }"))
    await start_event.wait()

    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    async with asyncio.timeout(1):
        await stop_event.wait()
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == tasks_before


@ignore_unawaited_coroutines
async def test_request_cancelled_before_its_batch_leaves_no_task() -> None:
    call_log = CallLog()
    schema = build(three_items, doubled=doubling_batch(call_log))
    tasks_before = asyncio.all_tasks()
    request = asyncio.ensure_future(run(schema, "{ items { doubled } }"))
    await asyncio.sleep(0)

    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()

    assert asyncio.all_tasks() == tasks_before


@ignore_unawaited_coroutines
async def test_batch_that_raises_after_a_null_at_the_root_logs_no_error() -> None:
    unhandled_errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled_errors.append(context))

    async def raise_late(items: list[Item], _: object, times: int = 2) -> list[int]:
        await asyncio.sleep(0.01)
        raise RuntimeError(f"{len(items)} x {times}")

    schema = build(three_items, late=raise_late)
    query = schema.query_type
    assert query is not None
    query.fields["failing"] = GraphQLField(GraphQLNonNull(GraphQLInt), extensions=metadata(resolve=lambda *_: None))
    install(schema)

    try:
        result = await run(schema, "{ items { late } failing }")
        await asyncio.sleep(0.05)
        gc.collect()
    finally:
        asyncio.get_running_loop().set_exception_handler(None)

    assert result.data is None
    assert unhandled_errors == []
