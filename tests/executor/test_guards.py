"""Guards: what a refused object costs, what it yields, and what a host may do wrong."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.executor.toy import OPEN, SECRET, Asked, both, compiled, guarded

SDL = """
    type Item {
        number: Int  secret: Int  hard: Int!  batched: Int  plain: Int  column: Int  listed: [Int!]
        child: Item  firm: Item!  children: [Item!]
    }
    type Query { items: [Item]  secret: Int  hidden: Item  firmItems: [Item!]! }
    type Mutation { rise: Int  secret: Int  fall: Int }
"""


class Item:
    def __init__(self, number: int) -> None:
        self.number = self.secret = self.hard = number
        self.listed = [number]

    def __str__(self) -> str:
        return f"item {self.number}"

    @property
    def child(self) -> "Item":
        return Item(self.number + 10)

    firm = child

    @property
    def children(self) -> list["Item"]:
        return [Item(self.number + 10), Item(self.number + 11)]


def even(objects: Sequence[Item], context: Any) -> list[int]:
    if isinstance(context, Asked):
        context.calls.append(("rights", [one.number for one in objects]))
    return [OPEN | (SECRET if one.number % 2 == 0 else 0) for one in objects]


def items(*_: object) -> list[Item]:
    return [Item(number) for number in range(1, 5)]


async def batched(objects: list[Item], info: Any) -> list[int]:
    info.context.calls.append(("batch", [one.number for one in objects]))
    return [one.number for one in objects]


def plain(one: Item, info: Any) -> int:
    info.context.calls.append(("plain", one.number))
    return one.number


def column(objects: list[Item], info: Any) -> list[int]:
    info.context.calls.append(("column", [one.number for one in objects]))
    return [one.number for one in objects]


KEPT: dict[str, Any] = {"needs": SECRET}
MARKS: dict[str, dict[str, Any]] = {
    "Query.items": {"resolve": items},
    "Query.firmItems": {"resolve": items},
    "Query.secret": {**KEPT, "resolve": lambda *_: 1},
    "Item.secret": KEPT,
    "Item.hard": KEPT,
    "Item.listed": KEPT,
    "Item.batched": {**KEPT, "batch": batched},
    "Item.plain": {**KEPT, "resolve": plain},
    "Item.column": {**KEPT, "column": column},
    "Item.child": KEPT,
    "Item.firm": KEPT,
    "Item.children": KEPT,
}
SCHEMA = guarded(SDL, MARKS, rights={"Item": even})


@pytest.mark.parametrize(
    "selection",
    [
        "number secret",
        "number batched",
        "number plain",
        "number column",
        "number listed",
        "number hard",
        "child { number secret }",
        "child { number hard }",
        "firm { number }",
        "number children { secret number }",
        "children { hard }",
        "a: children { number child { number children { hard batched } } }",
        "secret x: secret batched y: batched plain column hard",
        "__typename secret",
    ],
)
@pytest.mark.parametrize("root", ["items", "firmItems"])
async def test_refused_and_allowed_side_by_side(root: str, selection: str) -> None:
    await both(SCHEMA, f"{{ {root} {{ {selection} }} }}", context=Asked, in_order=False)


async def test_a_refused_object_yields_null_with_its_error() -> None:
    answer = await both(SCHEMA, "{ items { number secret } }")

    assert answer.data == {"items": [{"number": n, "secret": n if n % 2 == 0 else None} for n in range(1, 5)]}
    assert answer.said == [("not of item 1", ("items", 0, "secret")), ("not of item 3", ("items", 2, "secret"))]
    assert answer.errors[0].locations == ((1, 18),)


async def test_refused_objects_cost_no_resolver() -> None:
    asked = Asked()

    await compiled(SCHEMA, "{ items { batched plain column } }", context=asked)

    assert sorted(asked.calls, key=str) == [
        ("batch", [2, 4]),
        ("column", [2, 4]),
        ("plain", 2),
        ("plain", 4),
        ("rights", [1, 2, 3, 4]),
    ]


async def test_where_all_are_refused_nothing_is_asked() -> None:
    asked = Asked()
    schema = guarded(SDL, MARKS, rights={"Item": lambda objects, _: [OPEN] * len(objects)})

    answer = await compiled(schema, "{ items { batched plain column listed child { number } } }", context=asked)

    assert asked.calls == []
    assert answer.data == {"items": [dict.fromkeys(["batched", "plain", "column", "listed", "child"])] * 4}
    assert len(answer.errors) == 20


async def test_rights_are_asked_once_for_each_selection_and_level() -> None:
    asked = Asked()

    await compiled(SCHEMA, "{ items { number secret hard batched children { secret hard } } }", context=asked)

    assert [numbers for name, numbers in asked.calls if name == "rights"] == [[1, 2, 3, 4], [12, 13, 14, 15]]


async def test_what_is_refused_where_no_null_may_be_takes_its_object() -> None:
    answer = await both(SCHEMA, "{ items { number hard } }")

    assert answer.data == {"items": [None, {"number": 2, "hard": 2}, None, {"number": 4, "hard": 4}]}


async def test_what_is_refused_at_the_root() -> None:
    schema = guarded(SDL, MARKS, rights={"Query": lambda objects, _: [OPEN] * len(objects)})

    answer = await both(schema, "{ items { number } secret }")

    assert answer.data["secret"] is None
    assert answer.said == [("not of None", ("secret",))]


async def test_nobody_gets_past_bits_that_are_not_his() -> None:
    held = {1: 0, 2: SECRET, 3: 4, 4: OPEN}
    schema = guarded(SDL, MARKS, rights={"Item": lambda objects, _: [held[one.number] for one in objects]})

    answer = await both(schema, "{ items { number secret } }")

    assert answer.data["items"] == [
        {"number": None, "secret": None},
        {"number": None, "secret": 2},
        {"number": None, "secret": None},
        {"number": 4, "secret": None},
    ]


# ---- What a host may do wrong ----------------------------------------------------------------


def raising(*_: object) -> Any:
    raise LookupError("not loaded")


async def test_rights_that_cannot_be_told_open_nothing() -> None:
    schema = guarded(SDL, MARKS, rights={"Item": raising})

    answer = await both(schema, "{ items { __typename number secret batched } }", context=Asked, in_order=False)

    assert answer.data["items"][0] == {"__typename": "Item", "number": None, "secret": None, "batched": None}
    assert {error.message for error in answer.errors} == {"not loaded"}
    assert len(answer.errors) == 12


@pytest.mark.parametrize("given", [[], [OPEN | SECRET], [OPEN | SECRET] * 5, None, 7])
async def test_rights_of_a_wrong_number_open_nothing(given: object) -> None:
    asked = Asked()
    schema = guarded(SDL, MARKS, rights={"Item": lambda *_: given})

    answer = await compiled(schema, "{ items { number batched } }", context=asked)

    assert answer.data == {"items": [{"number": None, "batched": None}] * 4}
    assert all("rights of Item" in error.message for error in answer.errors)
    assert asked.calls == []


async def test_a_refusal_that_cannot_be_worded_refuses_all_the_same() -> None:
    marks = {**MARKS, "Item.secret": {**KEPT, "refuse": raising}}

    answer = await both(guarded(SDL, marks, rights={"Item": even}), "{ items { number secret } }")

    assert [item["secret"] for item in answer.data["items"]] == [None, 2, None, 4]
    assert answer.said[0] == ("not loaded", ("items", 0, "secret"))


class Common(list[int]):
    """Rights that tell what all have, and whether somebody has looked at single ones."""

    def __init__(self, bits: list[int], common: int) -> None:
        super().__init__(bits)
        self.common = common
        self.looks = 0

    def __iter__(self) -> Iterator[int]:
        self.looks += 1
        return super().__iter__()


@pytest.mark.parametrize(
    ("selection", "common", "looks"),
    [("number", OPEN, False), ("number secret", OPEN, True), ("secret", OPEN | SECRET, False), ("number", 0, True)],
)
async def test_what_all_have_is_enough_where_it_is(selection: str, common: int, *, looks: bool) -> None:
    given = [OPEN | (SECRET if common & SECRET or number % 2 == 0 else 0) for number in range(1, 5)]
    held = Common(given, common)

    answer = await compiled(guarded(SDL, MARKS, rights={"Item": lambda *_: held}), f"{{ items {{ {selection} }} }}")
    plainly = await compiled(guarded(SDL, MARKS, rights={"Item": lambda *_: given}), f"{{ items {{ {selection} }} }}")

    assert bool(held.looks) == looks
    assert (answer.data, answer.said) == (plainly.data, plainly.said)


async def test_refusals_that_are_too_few_refuse_all_the_same() -> None:
    marks = {**MARKS, "Item.secret": {**KEPT, "refuse": lambda *_: [ValueError("one")]}}

    answer = await compiled(guarded(SDL, marks, rights={"Item": even}), "{ items { secret } }")

    assert [item["secret"] for item in answer.data["items"]] == [None, 2, None, 4]
    assert all("refusals of Item.secret" in error.message for error in answer.errors)


async def test_a_type_with_rules_and_no_rights_does_not_run() -> None:
    schema = guarded(SDL, MARKS)
    del schema.type_map["Item"].extensions["rights"]

    with pytest.raises(TypeError, match="Item has no rights"):
        await compiled(schema, "{ items { secret } }")


# ---- Mutations -------------------------------------------------------------------------------


class Standing:
    """A context whose rights change on the way."""

    def __init__(self, held: int) -> None:
        self.held = held


def changing(to: int) -> Callable[..., int]:
    def change(_: object, info: Any) -> int:
        info.context.held = to
        return to

    return change


@pytest.mark.parametrize("waits", [False, True])
async def test_a_mutation_may_change_what_the_next_may(*, waits: bool) -> None:
    async def later(_: object, info: Any) -> int:
        info.context.held = OPEN
        return OPEN

    schema = guarded(
        SDL,
        {
            "Mutation.rise": {"resolve": changing(OPEN | SECRET)},
            "Mutation.fall": {"resolve": later if waits else changing(OPEN)},
            "Mutation.secret": {**KEPT, "resolve": lambda *_: 7},
        },
        rights={"Mutation": lambda objects, context: [context.held] * len(objects)},
    )

    answer = await both(schema, "mutation { a: secret rise b: secret fall c: secret }", context=lambda: Standing(OPEN))

    assert answer.data == {"a": None, "rise": 3, "b": 7, "fall": 1, "c": None}
    assert [error.path for error in answer.errors] == [("a",), ("c",)]


async def test_a_rule_that_nobody_has_is_closed_to_everybody() -> None:
    schema = guarded(SDL, {**MARKS, "Item.number": {"needs": 0}, "Query.secret": {"needs": 0, "resolve": lambda *_: 1}})

    answer = await both(schema, "{ secret items { number secret } }")

    assert answer.data == {"secret": None, "items": [{"number": None, "secret": n} for n in range(1, 5)]}
    assert [path for _, path in answer.said] == [("secret",), *(("items", n, "number") for n in range(4))]
