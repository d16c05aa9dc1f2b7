"""Guards: refused fields, the calls that guards save, and errors in functions of the host.

Fields called `hard` or `firm` are non-null.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.executor.harness import OPEN, SECRET, CallLog, execute_both, execute_compiled, guarded_schema

SDL = """
    type Item {
        number: Int  secret: Int  hard: Int!  batched: Int  plain: Int  column: Int  numbers: [Int!]
        child: Item  firm: Item!  children: [Item!]
    }
    type Query { items: [Item]  secret: Int  hidden: Item  firmItems: [Item!]! }
    type Mutation { rise: Int  secret: Int  fall: Int }
"""


class Item:
    def __init__(self, number: int) -> None:
        self.number = self.secret = self.hard = number
        self.numbers = [number]

    def __str__(self) -> str:
        return f"item {self.number}"

    @property
    def child(self) -> "Item":
        return Item(self.number + 10)

    firm = child

    @property
    def children(self) -> list["Item"]:
        return [Item(self.number + 10), Item(self.number + 11)]


def even_rights(objects: Sequence[Item], context: Any) -> list[int]:
    if isinstance(context, CallLog):
        context.calls.append(("rights", [item.number for item in objects]))
    return [OPEN | (SECRET if item.number % 2 == 0 else 0) for item in objects]


def items(*_: object) -> list[Item]:
    return [Item(number) for number in range(1, 5)]


async def resolve_batch(objects: list[Item], info: Any) -> list[int]:
    info.context.calls.append(("batch", [item.number for item in objects]))
    return [item.number for item in objects]


def resolve_plain(item: Item, info: Any) -> int:
    info.context.calls.append(("plain", item.number))
    return item.number


def resolve_column(objects: list[Item], info: Any) -> list[int]:
    info.context.calls.append(("column", [item.number for item in objects]))
    return [item.number for item in objects]


SECRET_FIELD: dict[str, Any] = {"needs": SECRET}
METADATA: dict[str, dict[str, Any]] = {
    "Query.items": {"resolve": items},
    "Query.firmItems": {"resolve": items},
    "Query.secret": {**SECRET_FIELD, "resolve": lambda *_: 1},
    "Item.secret": SECRET_FIELD,
    "Item.hard": SECRET_FIELD,
    "Item.numbers": SECRET_FIELD,
    "Item.batched": {**SECRET_FIELD, "batch": resolve_batch},
    "Item.plain": {**SECRET_FIELD, "resolve": resolve_plain},
    "Item.column": {**SECRET_FIELD, "column": resolve_column},
    "Item.child": SECRET_FIELD,
    "Item.firm": SECRET_FIELD,
    "Item.children": SECRET_FIELD,
}
SCHEMA = guarded_schema(SDL, METADATA, rights={"Item": even_rights})


@pytest.mark.parametrize(
    "selection",
    [
        "number secret",
        "number batched",
        "number plain",
        "number column",
        "number numbers",
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
async def test_refused_and_allowed_objects_in_one_list(root: str, selection: str) -> None:
    await execute_both(SCHEMA, f"{{ {root} {{ {selection} }} }}", context=CallLog, in_order=False)


async def test_refused_field_is_null_with_an_error() -> None:
    response = await execute_both(SCHEMA, "{ items { number secret } }")

    assert response.data == {"items": [{"number": n, "secret": n if n % 2 == 0 else None} for n in range(1, 5)]}
    assert response.located_messages == [
        ("not of item 1", ("items", 0, "secret")),
        ("not of item 3", ("items", 2, "secret")),
    ]
    assert response.errors[0].locations == ((1, 18),)


async def test_resolvers_get_only_allowed_objects() -> None:
    context = CallLog()

    await execute_compiled(SCHEMA, "{ items { batched plain column } }", context=context)

    assert sorted(context.calls, key=str) == [
        ("batch", [2, 4]),
        ("column", [2, 4]),
        ("plain", 2),
        ("plain", 4),
        ("rights", [1, 2, 3, 4]),
    ]


async def test_no_resolver_is_called_if_all_objects_are_refused() -> None:
    context = CallLog()
    schema = guarded_schema(SDL, METADATA, rights={"Item": lambda objects, _: [OPEN] * len(objects)})

    response = await execute_compiled(
        schema, "{ items { batched plain column numbers child { number } } }", context=context
    )

    assert context.calls == []
    assert response.data == {"items": [dict.fromkeys(["batched", "plain", "column", "numbers", "child"])] * 4}
    assert len(response.errors) == 20


async def test_rights_are_computed_once_for_each_selection_and_level() -> None:
    context = CallLog()

    await execute_compiled(SCHEMA, "{ items { number secret hard batched children { secret hard } } }", context=context)

    assert [numbers for name, numbers in context.calls if name == "rights"] == [[1, 2, 3, 4], [12, 13, 14, 15]]


async def test_refused_non_null_field_nulls_its_object() -> None:
    response = await execute_both(SCHEMA, "{ items { number hard } }")

    assert response.data == {"items": [None, {"number": 2, "hard": 2}, None, {"number": 4, "hard": 4}]}


async def test_refused_root_field_is_null() -> None:
    schema = guarded_schema(SDL, METADATA, rights={"Query": lambda objects, _: [OPEN] * len(objects)})

    response = await execute_both(schema, "{ items { number } secret }")

    assert response.data["secret"] is None
    assert response.located_messages == [("not of None", ("secret",))]


async def test_only_matching_bits_allow_a_field() -> None:
    rights_by_number = {1: 0, 2: SECRET, 3: 4, 4: OPEN}
    schema = guarded_schema(
        SDL, METADATA, rights={"Item": lambda objects, _: [rights_by_number[item.number] for item in objects]}
    )

    response = await execute_both(schema, "{ items { number secret } }")

    assert response.data["items"] == [
        {"number": None, "secret": None},
        {"number": None, "secret": 2},
        {"number": None, "secret": None},
        {"number": 4, "secret": None},
    ]


# ---- Errors of the host ------------------------------------------------------------------------


def raise_not_loaded(*_: object) -> Any:
    raise LookupError("not loaded")


async def test_raising_rights_allow_no_field() -> None:
    schema = guarded_schema(SDL, METADATA, rights={"Item": raise_not_loaded})

    response = await execute_both(
        schema, "{ items { __typename number secret batched } }", context=CallLog, in_order=False
    )

    assert response.data["items"][0] == {"__typename": "Item", "number": None, "secret": None, "batched": None}
    assert {error.message for error in response.errors} == {"not loaded"}
    assert len(response.errors) == 12


@pytest.mark.parametrize("rights_result", [[], [OPEN | SECRET], [OPEN | SECRET] * 5, None, 7])
async def test_wrong_number_of_rights_allows_no_field(rights_result: object) -> None:
    context = CallLog()
    schema = guarded_schema(SDL, METADATA, rights={"Item": lambda *_: rights_result})

    response = await execute_compiled(schema, "{ items { number batched } }", context=context)

    assert response.data == {"items": [{"number": None, "batched": None}] * 4}
    assert all("rights of Item" in error.message for error in response.errors)
    assert context.calls == []


async def test_raising_refusal_still_refuses() -> None:
    metadata = {**METADATA, "Item.secret": {**SECRET_FIELD, "refuse": raise_not_loaded}}

    response = await execute_both(
        guarded_schema(SDL, metadata, rights={"Item": even_rights}), "{ items { number secret } }"
    )

    assert [item["secret"] for item in response.data["items"]] == [None, 2, None, 4]
    assert response.located_messages[0] == ("not loaded", ("items", 0, "secret"))


class RightsWithCommon(list[int]):
    """Rights with their common bits. Counts the iterations over single rights."""

    def __init__(self, bits: list[int], common: int) -> None:
        super().__init__(bits)
        self.common = common
        self.iteration_count = 0

    def __iter__(self) -> Iterator[int]:
        self.iteration_count += 1
        return super().__iter__()


@pytest.mark.parametrize(
    ("selection", "common", "reads_single_rights"),
    [("number", OPEN, False), ("number secret", OPEN, True), ("secret", OPEN | SECRET, False), ("number", 0, True)],
)
async def test_single_rights_are_not_read_if_common_rights_suffice(
    selection: str, common: int, *, reads_single_rights: bool
) -> None:
    bits = [OPEN | (SECRET if common & SECRET or number % 2 == 0 else 0) for number in range(1, 5)]
    row_rights = RightsWithCommon(bits, common)

    response = await execute_compiled(
        guarded_schema(SDL, METADATA, rights={"Item": lambda *_: row_rights}), f"{{ items {{ {selection} }} }}"
    )
    plain_response = await execute_compiled(
        guarded_schema(SDL, METADATA, rights={"Item": lambda *_: bits}), f"{{ items {{ {selection} }} }}"
    )

    assert bool(row_rights.iteration_count) == reads_single_rights
    assert (response.data, response.located_messages) == (plain_response.data, plain_response.located_messages)


async def test_too_few_refusals_still_refuse() -> None:
    metadata = {**METADATA, "Item.secret": {**SECRET_FIELD, "refuse": lambda *_: [ValueError("one")]}}

    response = await execute_compiled(
        guarded_schema(SDL, metadata, rights={"Item": even_rights}), "{ items { secret } }"
    )

    assert [item["secret"] for item in response.data["items"]] == [None, 2, None, 4]
    assert all("refusals of Item.secret" in error.message for error in response.errors)


async def test_type_with_rules_but_without_rights_is_an_error() -> None:
    schema = guarded_schema(SDL, METADATA)
    del schema.type_map["Item"].extensions["rights"]

    with pytest.raises(TypeError, match="Item has no rights"):
        await execute_compiled(schema, "{ items { secret } }")


# ---- Mutations -------------------------------------------------------------------------------


class ChangingRights:
    """A context whose rights change during the operation."""

    def __init__(self, rights: int) -> None:
        self.rights = rights


def set_rights(rights: int) -> Callable[..., int]:
    def change(_: object, info: Any) -> int:
        info.context.rights = rights
        return rights

    return change


@pytest.mark.parametrize("waits", [False, True])
async def test_mutation_may_change_rights_of_the_next(*, waits: bool) -> None:
    async def set_rights_later(_: object, info: Any) -> int:
        info.context.rights = OPEN
        return OPEN

    schema = guarded_schema(
        SDL,
        {
            "Mutation.rise": {"resolve": set_rights(OPEN | SECRET)},
            "Mutation.fall": {"resolve": set_rights_later if waits else set_rights(OPEN)},
            "Mutation.secret": {**SECRET_FIELD, "resolve": lambda *_: 7},
        },
        rights={"Mutation": lambda objects, context: [context.rights] * len(objects)},
    )

    response = await execute_both(
        schema, "mutation { a: secret rise b: secret fall c: secret }", context=lambda: ChangingRights(OPEN)
    )

    assert response.data == {"a": None, "rise": 3, "b": 7, "fall": 1, "c": None}
    assert [error.path for error in response.errors] == [("a",), ("c",)]


async def test_needs_zero_refuses_every_caller() -> None:
    schema = guarded_schema(
        SDL, {**METADATA, "Item.number": {"needs": 0}, "Query.secret": {"needs": 0, "resolve": lambda *_: 1}}
    )

    response = await execute_both(schema, "{ secret items { number secret } }")

    assert response.data == {"secret": None, "items": [{"number": None, "secret": n} for n in range(1, 5)]}
    assert [path for _, path in response.located_messages] == [("secret",), *(("items", n, "number") for n in range(4))]
