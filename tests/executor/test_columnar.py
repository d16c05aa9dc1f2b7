"""Objects that their resolver keeps in columns: the same answers as from lists of them."""

from collections.abc import Sequence
from typing import Any, overload

import pytest

from tests.executor.toy import OPEN, SECRET, Asked, compiled, guarded

SDL = """
    type Item { number: Int  name: String!  secret: Int  owner: Item  itself: Item!  parts: Page! }
    type Page { items: [Item!]! }
    type Query { page: Page!  pages: [Page!]!  item: Item }
"""


class Items(Sequence[Any]):
    """Numbered objects with a column for each attribute."""

    def __init__(self, numbers: Sequence[int], asked: list[Any]) -> None:
        self.numbers = list(numbers)
        self.asked = asked

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, number: int, /) -> Any: ...
    @overload
    def __getitem__(self, number: slice, /) -> Any: ...
    def __getitem__(self, number: Any, /) -> Any:
        self.asked.append("one")
        return One(self.numbers[number])

    def column(self, name: str) -> list[Any]:
        """The values of an attribute."""
        self.asked.append((name, self.numbers))
        return [getattr(One(number), name) for number in self.numbers]

    def subset(self, numbers: Sequence[int]) -> "Items":
        """Some of them."""
        return Items([self.numbers[number] for number in numbers], self.asked)


class One:
    """One of them."""

    def __init__(self, number: int) -> None:
        self.number = self.secret = number
        self.name = f"item {number}"

    def __str__(self) -> str:
        return self.name


class Part:
    """Consecutive ones."""

    def __init__(self, whole: Items, start: int, stop: int) -> None:
        self.whole, self.start, self.stop = whole, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Any:
        return iter([One(number) for number in self.whole.numbers[self.start : self.stop]])


class Page:
    """One list of them."""

    def __init__(self, items: Any) -> None:
        self.items = items


def even(objects: Any, _: Any) -> list[int]:
    numbers = objects.numbers if isinstance(objects, Items) else [one.number for one in objects]
    return [OPEN | (SECRET if number % 2 == 0 else 0) for number in numbers]


async def parts(objects: Any, info: Any) -> list[Page]:
    whole = Items([10 * number + more for number in objects.column("number") for more in (1, 2)], info.context.calls)
    return [Page(Part(whole, 2 * place, 2 * place + 2)) for place in range(len(objects))]


def schema(*slices: tuple[int, int]) -> Any:
    def pages(_: object, info: Any) -> list[Page]:
        whole = Items(range(1, 7), info.context.calls)
        return [Page(Part(whole, *each)) for each in slices]

    marks: dict[str, dict[str, Any]] = {
        "Query.pages": {"resolve": pages},
        "Item.secret": {"needs": SECRET},
        "Item.owner": {"needs": SECRET, "column": lambda objects, _: objects},
        "Item.itself": {"column": lambda objects, _: objects},
        "Item.parts": {"batch": parts},
    }
    return guarded(SDL, marks, rights={"Item": even})


async def test_lists_that_are_slices_of_one_are_read_by_column() -> None:
    asked = Asked()

    answer = await compiled(schema((0, 2), (2, 6)), "{ pages { items { number name } } }", context=asked)

    numbers = [[item["number"] for item in page["items"]] for page in answer.data["pages"]]
    assert (numbers, answer.errors) == ([[1, 2], [3, 4, 5, 6]], [])
    assert asked.calls == [("number", [1, 2, 3, 4, 5, 6]), ("name", [1, 2, 3, 4, 5, 6])]


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
async def test_slices_may_leave_out_repeat_and_turn_around(
    slices: list[tuple[int, int]], numbers: list[list[int]]
) -> None:
    answer = await compiled(schema(*slices), "{ pages { items { number } } }", context=Asked())

    assert [[item["number"] for item in page["items"]] for page in answer.data["pages"]] == numbers
    assert answer.errors == []


async def test_a_refused_object_is_refused_and_the_others_stay_in_columns() -> None:
    asked = Asked()

    answer = await compiled(schema((0, 3)), "{ pages { items { secret owner { number } } } }", context=asked)

    shown = [{"secret": 2, "owner": {"number": 2}} if n == 2 else {"secret": None, "owner": None} for n in (1, 2, 3)]
    assert answer.data == {"pages": [{"items": shown}]}
    assert answer.said == [
        (f"not of item {n}", ("pages", 0, "items", n - 1, key)) for n in (1, 3) for key in ("secret", "owner")
    ]
    assert [call for call in asked.calls if call != "one"] == [("secret", [2]), ("number", [2])]


async def test_levels_below_stay_in_columns() -> None:
    asked = Asked()

    answer = await compiled(
        schema((0, 1), (1, 2)), "{ pages { items { itself { parts { items { name } } } } } }", context=asked
    )

    found = [page["items"][0]["itself"]["parts"]["items"] for page in answer.data["pages"]]
    assert found == [[{"name": "item 11"}, {"name": "item 12"}], [{"name": "item 21"}, {"name": "item 22"}]]
    assert asked.calls[-1] == ("name", [11, 12, 21, 22])


async def test_a_column_that_is_not_there_fails_each_field() -> None:
    answer = await compiled(
        guarded(SDL, {"Query.pages": {"resolve": lambda *_: [Page(Part(Items([1, 2], []), 0, 2))]},
                      "Item.number": {"attribute": "size"}}),
        "{ pages { items { number } } }",
        context=Asked(),
    )  # fmt: skip

    assert answer.data == {"pages": [{"items": [{"number": None}, {"number": None}]}]}
    assert [path for _, path in answer.said] == [("pages", 0, "items", n, "number") for n in (0, 1)]


async def test_too_few_of_them_is_an_error_that_says_so() -> None:
    answer = await compiled(
        guarded(SDL, {"Query.pages": {"resolve": lambda *_: [Page(Part(Items([1, 2], []), 0, 2))]},
                      "Item.itself": {"column": lambda objects, _: objects.subset([0])}}),
        "{ pages { items { itself { number } } } }",
        context=Asked(),
    )  # fmt: skip

    assert answer.data is None
    assert answer.said == [("Item.itself: 1 results for 2 objects", ("pages", 0, "items", 0, "itself"))]
