"""Columnar sequences: objects in columns give the same response as objects in lists."""

from collections.abc import Sequence
from typing import Any, overload

import pytest

from tests.executor.harness import OPEN, SECRET, CallLog, execute_compiled, guarded_schema

SDL = """
    type Item { number: Int  name: String!  secret: Int  owner: Item  itself: Item!  parts: Page! }
    type Page { items: [Item!]! }
    type Query { page: Page!  pages: [Page!]!  item: Item }
"""


class Items(Sequence[Any]):
    """A columnar sequence of numbered items. Records the columns that are read."""

    def __init__(self, numbers: Sequence[int], calls: list[Any]) -> None:
        self.numbers = list(numbers)
        self.calls = calls

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, number: int, /) -> Any: ...
    @overload
    def __getitem__(self, number: slice, /) -> Any: ...
    def __getitem__(self, number: Any, /) -> Any:
        self.calls.append("item")
        return Item(self.numbers[number])

    def column(self, name: str) -> list[Any]:
        """The values of an attribute."""
        self.calls.append((name, self.numbers))
        return [getattr(Item(number), name) for number in self.numbers]

    def subset(self, numbers: Sequence[int]) -> "Items":
        """The items with these indexes."""
        return Items([self.numbers[number] for number in numbers], self.calls)


class Item:
    """A single item."""

    def __init__(self, number: int) -> None:
        self.number = self.secret = number
        self.name = f"item {number}"

    def __str__(self) -> str:
        return self.name


class Slice:
    """A slice of a columnar sequence."""

    def __init__(self, whole: Items, start: int, stop: int) -> None:
        self.whole, self.start, self.stop = whole, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Any:
        return iter([Item(number) for number in self.whole.numbers[self.start : self.stop]])


class Page:
    """A page of items."""

    def __init__(self, items: Any) -> None:
        self.items = items


def even_rights(objects: Any, _: Any) -> list[int]:
    numbers = objects.numbers if isinstance(objects, Items) else [item.number for item in objects]
    return [OPEN | (SECRET if number % 2 == 0 else 0) for number in numbers]


async def resolve_parts(objects: Any, info: Any) -> list[Page]:
    whole = Items([10 * number + digit for number in objects.column("number") for digit in (1, 2)], info.context.calls)
    return [Page(Slice(whole, 2 * index, 2 * index + 2)) for index in range(len(objects))]


def schema(*slices: tuple[int, int]) -> Any:
    def pages(_: object, info: Any) -> list[Page]:
        whole = Items(range(1, 7), info.context.calls)
        return [Page(Slice(whole, *bounds)) for bounds in slices]

    metadata: dict[str, dict[str, Any]] = {
        "Query.pages": {"resolve": pages},
        "Item.secret": {"needs": SECRET},
        "Item.owner": {"needs": SECRET, "column": lambda objects, _: objects},
        "Item.itself": {"column": lambda objects, _: objects},
        "Item.parts": {"batch": resolve_parts},
    }
    return guarded_schema(SDL, metadata, rights={"Item": even_rights})


async def test_slices_of_one_sequence_are_read_by_column() -> None:
    context = CallLog()

    response = await execute_compiled(schema((0, 2), (2, 6)), "{ pages { items { number name } } }", context=context)

    numbers = [[item["number"] for item in page["items"]] for page in response.data["pages"]]
    assert (numbers, response.errors) == ([[1, 2], [3, 4, 5, 6]], [])
    assert context.calls == [("number", [1, 2, 3, 4, 5, 6]), ("name", [1, 2, 3, 4, 5, 6])]


@pytest.mark.parametrize(
    ("slices", "numbers"),
    [
        ([(0, 1), (3, 5)], [[1], [4, 5]]),
        ([(2, 4), (0, 2)], [[3, 4], [1, 2]]),
        ([(0, 6), (0, 6)], [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]]),
        ([(1, 1), (0, 0)], [[], []]),
        ([(6, 6), (0, 6)], [[], [1, 2, 3, 4, 5, 6]]),
    ],
)
async def test_slices_may_omit_repeat_and_reorder_items(
    slices: list[tuple[int, int]], numbers: list[list[int]]
) -> None:
    response = await execute_compiled(schema(*slices), "{ pages { items { number } } }", context=CallLog())

    assert [[item["number"] for item in page["items"]] for page in response.data["pages"]] == numbers
    assert response.errors == []


async def test_allowed_objects_stay_in_columns_beside_refused_objects() -> None:
    context = CallLog()

    response = await execute_compiled(
        schema((0, 3)), "{ pages { items { secret owner { number } } } }", context=context
    )

    expected_items = [
        {"secret": 2, "owner": {"number": 2}} if n == 2 else {"secret": None, "owner": None} for n in (1, 2, 3)
    ]
    assert response.data == {"pages": [{"items": expected_items}]}
    assert response.located_messages == [
        (f"not of item {n}", ("pages", 0, "items", n - 1, key)) for n in (1, 3) for key in ("secret", "owner")
    ]
    assert [call for call in context.calls if call != "item"] == [("secret", [2]), ("number", [2])]


async def test_lower_levels_stay_in_columns() -> None:
    context = CallLog()

    response = await execute_compiled(
        schema((0, 1), (1, 2)), "{ pages { items { itself { parts { items { name } } } } } }", context=context
    )

    item_lists = [page["items"][0]["itself"]["parts"]["items"] for page in response.data["pages"]]
    assert item_lists == [[{"name": "item 11"}, {"name": "item 12"}], [{"name": "item 21"}, {"name": "item 22"}]]
    assert context.calls[-1] == ("name", [11, 12, 21, 22])


async def test_unknown_column_fails_each_field() -> None:
    response = await execute_compiled(
        guarded_schema(SDL, {"Query.pages": {"resolve": lambda *_: [Page(Slice(Items([1, 2], []), 0, 2))]},
                      "Item.number": {"attribute": "size"}}),
        "{ pages { items { number } } }",
        context=CallLog(),
    )  # fmt: skip

    assert response.data == {"pages": [{"items": [{"number": None}, {"number": None}]}]}
    assert [path for _, path in response.located_messages] == [("pages", 0, "items", n, "number") for n in (0, 1)]


async def test_too_few_objects_are_an_error_with_both_numbers() -> None:
    response = await execute_compiled(
        guarded_schema(SDL, {"Query.pages": {"resolve": lambda *_: [Page(Slice(Items([1, 2], []), 0, 2))]},
                      "Item.itself": {"column": lambda objects, _: objects.subset([0])}}),
        "{ pages { items { itself { number } } } }",
        context=CallLog(),
    )  # fmt: skip

    assert response.data is None
    assert response.located_messages == [("Item.itself: 1 results for 2 objects", ("pages", 0, "items", 0, "itself"))]
