"""Batches and columns: who answers a field for many objects at once, and what each may do wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from graphql import GraphQLSchema, parse

from executor import Engine, WrongLength
from tests.executor.items import SDL, Item, Wrong, items, yielded
from tests.executor.toy import Answer, Asked, both, compiled, guarded

# ---- Batches ---------------------------------------------------------------------------------


def with_batch(batch: Callable[..., Any], place: str = "Item.named") -> GraphQLSchema:
    return guarded(SDL, {"Query.items": {"resolve": items}, place: {"batch": batch}})


def kept(answer: Callable[[list[Item]], Any]) -> Callable[..., Any]:
    async def batch(objects: list[Item], info: Any, **given: Any) -> Any:
        info.context.calls.append(([one.number for one in objects], given))
        await asyncio.sleep(0)
        return answer(objects)

    return batch


async def test_a_batch_is_asked_once_for_all_objects_in_order() -> None:
    asked = Asked()
    schema = with_batch(kept(lambda objects: [str(one.number) for one in objects]))

    answer = await both(schema, '{ items { named(by: "x") number } }', context=lambda: asked)

    assert [item["named"] for item in answer.data["items"]] == ["1", "2", "3"]
    assert asked.calls == [([1, 2, 3], {"by": "x"})] * 2  # once by each executor


async def test_a_batch_is_asked_once_for_each_field_and_level() -> None:
    asked = Asked()
    schema = with_batch(
        kept(lambda objects: [[Item(one.number * 10), Item(one.number * 10 + 1)] for one in objects]), "Item.items"
    )

    answer = await compiled(schema, "{ items { items { items { number } again: items { number } } } }", context=asked)

    assert answer.errors == []
    assert [sorted(numbers) for numbers, _ in asked.calls] == [
        [1, 2, 3],
        [10, 11, 20, 21, 30, 31],
        [10, 11, 20, 21, 30, 31],
    ]


async def test_where_there_is_no_object_no_batch_is_asked() -> None:
    asked = Asked()
    schema = guarded(
        SDL,
        {
            "Query.items": {"resolve": lambda *_: []},
            "Query.item": {"resolve": lambda *_: None},
            "Item.named": {"batch": kept(lambda objects: [""] * len(objects))},
        },
    )

    answer = await both(schema, "{ items { named } item { named } }", context=lambda: asked)

    assert answer.data == {"items": [], "item": None}
    assert asked.calls == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda _: [], "Item.named: 0 results for 3 objects"),
        (lambda _: ["1", "2"], "Item.named: 2 results for 3 objects"),
        (lambda _: ["1"] * 4, "Item.named: 4 results for 3 objects"),
    ],
)
async def test_a_wrong_number_of_results_is_an_error_that_says_so(given: Callable[..., Any], said: str) -> None:
    answer = await both(with_batch(kept(given)), "{ items { number named } }", context=Asked)

    assert [item["number"] for item in answer.data["items"]] == [1, 2, 3]
    assert answer.said == [(said, ("items", place, "named")) for place in range(3)]


@pytest.mark.parametrize("given", [None, 5, "abc", {1: "a", 2: "b", 3: "c"}, {"a", "b", "c"}, yielded("a", "b", "c")])
@pytest.mark.parametrize("mark", ["batch", "column"])
async def test_what_is_no_list_is_an_error_that_says_so(mark: str, given: object) -> None:
    async def batch(*_: object, **__: object) -> Any:
        return given

    def column(*_: object, **__: object) -> Any:
        return given

    named: dict[str, Any] = {mark: batch if mark == "batch" else column}
    marks = {"Query.items": {"resolve": items}, "Item.named": named}

    answer = await compiled(guarded(SDL, marks), "{ items { number named } }")

    assert [item["number"] for item in answer.data["items"]] == [1, 2, 3]
    assert [error.path for error in answer.errors] == [("items", place, "named") for place in range(3)]
    assert all(error.message.startswith("Item.named: ") for error in answer.errors)


async def test_the_wrong_number_is_told_as_what_it_is() -> None:
    schema = with_batch(kept(lambda _: ["1"]))
    query = "{ items { named } }"

    result = await Engine(schema).execute(parse(query), query, context=Asked())

    assert [type(error.original_error) for error in result.errors or ()] == [WrongLength] * 3


def raising(_: object) -> Any:
    raise Wrong("all of them")


async def test_a_raising_batch_fails_each_of_its_fields_and_nothing_else() -> None:
    firm = kept(lambda objects: [[one] for one in objects])
    schema = guarded(
        SDL,
        {"Query.items": {"resolve": items}, "Item.named": {"batch": kept(raising)}, "Item.firm": {"batch": firm}},
    )

    answer = await both(
        schema, "{ items { number named firm { number } } echo: __typename }", context=Asked, in_order=False
    )

    assert answer.data["items"][2] == {"number": 3, "named": None, "firm": [{"number": 3}]}
    assert answer.data["echo"] == "Query"
    assert answer.said == [("all of them", ("items", place, "named")) for place in range(3)]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_batch_that_raises_before_it_waits(*, waits: bool) -> None:
    async def later(*_: object, **__: object) -> Any:
        raise Wrong("late")

    def at_once(*_: object, **__: object) -> Any:
        raise Wrong("at once")

    answer = await compiled(with_batch(later if waits else at_once), "{ items { named number } }")

    assert len(answer.errors) == 3


async def test_a_raising_batch_where_no_null_may_be_takes_its_objects() -> None:
    answer = await both(with_batch(kept(raising), "Item.firm"), "{ items { number firm { number } } }", context=Asked)

    assert answer.data == {"items": [None, None, None]}
    assert answer.said == [("all of them", ("items", place, "firm")) for place in range(3)]


@pytest.mark.parametrize("place", ["Item.named", "Item.hard"])
async def test_an_exception_among_the_results_fails_only_its_object(place: str) -> None:
    schema = with_batch(kept(lambda objects: [1, Wrong("second"), 3][: len(objects)]), place)
    name = place.partition(".")[2]

    answer = await both(schema, f"{{ items {{ number {name} }} }}", context=Asked)

    assert answer.data["items"][0] == {"number": 1, name: "1" if name == "named" else 1}
    assert answer.said == [("second", ("items", 1, name))]


async def test_nulls_and_lists_among_the_results() -> None:
    schema = with_batch(kept(lambda objects: [None, [Item(5), None, Wrong("third")], []][: len(objects)]), "Item.items")

    answer = await both(schema, "{ items { items { number } } }", context=Asked)

    assert answer.data == {"items": [{"items": None}, {"items": [{"number": 5}, None, None]}, {"items": []}]}


async def test_independent_batches_of_a_level_run_together() -> None:
    met = asyncio.Barrier(3)

    async def batch(objects: list[Item], _: object, **__: object) -> list[str]:
        await met.wait()
        return ["x"] * len(objects)

    async with asyncio.timeout(5):
        answer = await compiled(with_batch(batch), "{ items { a: named b: named c: named } }")

    assert answer.errors == []


# ---- Columns ---------------------------------------------------------------------------------


async def test_a_column_is_worked_out_for_all_objects_at_once() -> None:
    def column(objects: list[Item], info: Any, **given: Any) -> list[str]:
        info.context.calls.append(len(objects))
        return [f"{one.number}{given}" for one in objects]

    asked = Asked()
    schema = guarded(SDL, {"Query.items": {"resolve": items}, "Item.named": {"column": column}})

    answer = await compiled(schema, '{ items { named(by: "x") } }', context=asked)
    await both(schema, '{ items { named(by: "x") } }', context=Asked)

    assert answer.data["items"][0] == {"named": "1{'by': 'x'}"}
    assert asked.calls == [3]


async def test_a_column_may_lead_to_objects() -> None:
    schema = guarded(SDL, {"Query.items": {"resolve": items}, "Item.other": {"column": lambda rows, _: rows}})

    answer = await both(schema, "{ items { other { other { number } } } }")

    assert answer.data["items"][2] == {"other": {"other": {"number": 3}}}


async def test_a_raising_column_fails_each_of_its_fields() -> None:
    schema = guarded(SDL, {"Query.items": {"resolve": items}, "Item.named": {"column": raising_column}})

    answer = await both(schema, "{ items { number named } }")

    assert answer.said == [("column", ("items", place, "named")) for place in range(3)]


def raising_column(*_: object, **__: object) -> Any:
    raise Wrong("column")


async def test_an_exception_in_a_column_fails_only_its_object() -> None:
    def column(rows: list[Item], _: object) -> list[object]:
        return [Wrong("two") if one.number == 2 else str(one.number) for one in rows]

    schema = guarded(SDL, {"Query.items": {"resolve": items}, "Item.named": {"column": column}})

    answer = await compiled(schema, "{ items { named } }")

    assert answer == Answer({"items": [{"named": "1"}, {"named": None}, {"named": "3"}]}, answer.errors)
    assert answer.said == [("two", ("items", 1, "named"))]
