"""Batch and column resolvers: one call for all objects of a level, and errors in their results."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from graphql import GraphQLSchema, parse

from executor import Engine, WrongLength
from tests.executor.harness import CallLog, Response, execute_both, execute_compiled, guarded_schema
from tests.executor.items import SDL, Item, ResolverError, items, iterate

# ---- Batches ---------------------------------------------------------------------------------


def with_batch(batch: Callable[..., Any], coordinate: str = "Item.label") -> GraphQLSchema:
    return guarded_schema(SDL, {"Query.items": {"resolve": items}, coordinate: {"batch": batch}})


def logged_batch(results_of: Callable[[list[Item]], Any]) -> Callable[..., Any]:
    async def batch(objects: list[Item], info: Any, **arguments: Any) -> Any:
        info.context.calls.append(([item.number for item in objects], arguments))
        await asyncio.sleep(0)
        return results_of(objects)

    return batch


async def test_batch_is_called_once_with_all_objects_in_order() -> None:
    context = CallLog()
    schema = with_batch(logged_batch(lambda objects: [str(item.number) for item in objects]))

    response = await execute_both(schema, '{ items { label(by: "x") number } }', context=lambda: context)

    assert [item["label"] for item in response.data["items"]] == ["1", "2", "3"]
    assert context.calls == [([1, 2, 3], {"by": "x"})] * 2  # one call by each executor


async def test_batch_is_called_once_for_each_field_and_level() -> None:
    context = CallLog()
    schema = with_batch(
        logged_batch(lambda objects: [[Item(item.number * 10), Item(item.number * 10 + 1)] for item in objects]),
        "Item.items",
    )

    response = await execute_compiled(
        schema, "{ items { items { items { number } again: items { number } } } }", context=context
    )

    assert response.errors == []
    assert [sorted(numbers) for numbers, _ in context.calls] == [
        [1, 2, 3],
        [10, 11, 20, 21, 30, 31],
        [10, 11, 20, 21, 30, 31],
    ]


async def test_batch_is_not_called_without_objects() -> None:
    context = CallLog()
    schema = guarded_schema(
        SDL,
        {
            "Query.items": {"resolve": lambda *_: []},
            "Query.item": {"resolve": lambda *_: None},
            "Item.label": {"batch": logged_batch(lambda objects: [""] * len(objects))},
        },
    )

    response = await execute_both(schema, "{ items { label } item { label } }", context=lambda: context)

    assert response.data == {"items": [], "item": None}
    assert context.calls == []


@pytest.mark.parametrize(
    ("results_of", "message"),
    [
        (lambda _: [], "Item.label: 0 results for 3 objects"),
        (lambda _: ["1", "2"], "Item.label: 2 results for 3 objects"),
        (lambda _: ["1"] * 4, "Item.label: 4 results for 3 objects"),
    ],
)
async def test_wrong_number_of_results_is_an_error_with_both_numbers(
    results_of: Callable[..., Any], message: str
) -> None:
    response = await execute_both(with_batch(logged_batch(results_of)), "{ items { number label } }", context=CallLog)

    assert [item["number"] for item in response.data["items"]] == [1, 2, 3]
    assert response.located_messages == [(message, ("items", index, "label")) for index in range(3)]


@pytest.mark.parametrize("result", [None, 5, "abc", {1: "a", 2: "b", 3: "c"}, {"a", "b", "c"}, iterate("a", "b", "c")])
@pytest.mark.parametrize("kind", ["batch", "column"])
async def test_result_that_is_not_a_list_is_an_error_with_the_field(kind: str, result: object) -> None:
    async def batch(*_: object, **__: object) -> Any:
        return result

    def column(*_: object, **__: object) -> Any:
        return result

    field_metadata: dict[str, Any] = {kind: batch if kind == "batch" else column}
    metadata = {"Query.items": {"resolve": items}, "Item.label": field_metadata}

    response = await execute_compiled(guarded_schema(SDL, metadata), "{ items { number label } }")

    assert [item["number"] for item in response.data["items"]] == [1, 2, 3]
    assert [error.path for error in response.errors] == [("items", index, "label") for index in range(3)]
    assert all(error.message.startswith("Item.label: ") for error in response.errors)


async def test_wrong_number_of_results_raises_wrong_length() -> None:
    schema = with_batch(logged_batch(lambda _: ["1"]))
    query = "{ items { label } }"

    result = await Engine(schema).execute(parse(query), query, context=CallLog())

    assert [type(error.original_error) for error in result.errors or ()] == [WrongLength] * 3


def raise_error(_: object) -> Any:
    raise ResolverError("all of them")


async def test_raising_batch_fails_only_its_own_fields() -> None:
    firm = logged_batch(lambda objects: [[item] for item in objects])
    schema = guarded_schema(
        SDL,
        {
            "Query.items": {"resolve": items},
            "Item.label": {"batch": logged_batch(raise_error)},
            "Item.firm": {"batch": firm},
        },
    )

    response = await execute_both(
        schema, "{ items { number label firm { number } } echo: __typename }", context=CallLog, in_order=False
    )

    assert response.data["items"][2] == {"number": 3, "label": None, "firm": [{"number": 3}]}
    assert response.data["echo"] == "Query"
    assert response.located_messages == [("all of them", ("items", index, "label")) for index in range(3)]


@pytest.mark.parametrize("waits", [False, True])
async def test_batch_that_raises_without_waiting_fails_its_fields(*, waits: bool) -> None:
    async def raise_later(*_: object, **__: object) -> Any:
        raise ResolverError("late")

    def raise_at_once(*_: object, **__: object) -> Any:
        raise ResolverError("at once")

    response = await execute_compiled(with_batch(raise_later if waits else raise_at_once), "{ items { label number } }")

    assert len(response.errors) == 3


async def test_raising_batch_of_a_non_null_field_nulls_its_objects() -> None:
    response = await execute_both(
        with_batch(logged_batch(raise_error), "Item.firm"), "{ items { number firm { number } } }", context=CallLog
    )

    assert response.data == {"items": [None, None, None]}
    assert response.located_messages == [("all of them", ("items", index, "firm")) for index in range(3)]


@pytest.mark.parametrize("coordinate", ["Item.label", "Item.hard"])
async def test_exception_among_the_results_fails_only_its_object(coordinate: str) -> None:
    schema = with_batch(logged_batch(lambda objects: [1, ResolverError("second"), 3][: len(objects)]), coordinate)
    name = coordinate.partition(".")[2]

    response = await execute_both(schema, f"{{ items {{ number {name} }} }}", context=CallLog)

    assert response.data["items"][0] == {"number": 1, name: "1" if name == "label" else 1}
    assert response.located_messages == [("second", ("items", 1, name))]


async def test_results_may_be_nulls_and_lists() -> None:
    schema = with_batch(
        logged_batch(lambda objects: [None, [Item(5), None, ResolverError("third")], []][: len(objects)]), "Item.items"
    )

    response = await execute_both(schema, "{ items { items { number } } }", context=CallLog)

    assert response.data == {"items": [{"items": None}, {"items": [{"number": 5}, None, None]}, {"items": []}]}


async def test_batches_of_one_level_run_concurrently() -> None:
    barrier = asyncio.Barrier(3)

    async def batch(objects: list[Item], _: object, **__: object) -> list[str]:
        await barrier.wait()
        return ["x"] * len(objects)

    async with asyncio.timeout(5):
        response = await execute_compiled(with_batch(batch), "{ items { a: label b: label c: label } }")

    assert response.errors == []


# ---- Columns ---------------------------------------------------------------------------------


async def test_column_is_called_once_with_all_objects() -> None:
    def column(objects: list[Item], info: Any, **arguments: Any) -> list[str]:
        info.context.calls.append(len(objects))
        return [f"{item.number}{arguments}" for item in objects]

    context = CallLog()
    schema = guarded_schema(SDL, {"Query.items": {"resolve": items}, "Item.label": {"column": column}})

    response = await execute_compiled(schema, '{ items { label(by: "x") } }', context=context)
    await execute_both(schema, '{ items { label(by: "x") } }', context=CallLog)

    assert response.data["items"][0] == {"label": "1{'by': 'x'}"}
    assert context.calls == [3]


async def test_column_may_contain_objects() -> None:
    schema = guarded_schema(SDL, {"Query.items": {"resolve": items}, "Item.itself": {"column": lambda rows, _: rows}})

    response = await execute_both(schema, "{ items { itself { itself { number } } } }")

    assert response.data["items"][2] == {"itself": {"itself": {"number": 3}}}


async def test_raising_column_fails_each_of_its_fields() -> None:
    schema = guarded_schema(SDL, {"Query.items": {"resolve": items}, "Item.label": {"column": raise_column_error}})

    response = await execute_both(schema, "{ items { number label } }")

    assert response.located_messages == [("column", ("items", index, "label")) for index in range(3)]


def raise_column_error(*_: object, **__: object) -> Any:
    raise ResolverError("column")


async def test_exception_in_a_column_fails_only_its_object() -> None:
    def column(rows: list[Item], _: object) -> list[object]:
        return [ResolverError("two") if item.number == 2 else str(item.number) for item in rows]

    schema = guarded_schema(SDL, {"Query.items": {"resolve": items}, "Item.label": {"column": column}})

    response = await execute_compiled(schema, "{ items { label } }")

    assert response == Response({"items": [{"label": "1"}, {"label": None}, {"label": "3"}]}, response.errors)
    assert response.located_messages == [("two", ("items", 1, "label"))]
