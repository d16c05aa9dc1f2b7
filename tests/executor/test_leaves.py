"""Leaves: what each scalar and enum makes of values, and what becomes of those it cannot write."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import Undefined

from tests.executor.toy import both, compiled, enum, guarded, scalar, toy

SDL = """
    scalar Odd
    enum Colour { RED GREEN BLUE }
    type Query {
        int: Int  float: Float  string: String  boolean: Boolean  id: ID  odd: Odd  colour: Colour
        ints: [Int]  floats: [Float!]  strings: [String!]!  booleans: [Boolean]!  ids: [ID!]  odds: [Odd]
        colours: [Colour!]
        needed: Int!
    }
"""


class Named(StrEnum):
    RED = "RED"


class Number(Enum):
    ONE = 1


class Text(str):
    __slots__ = ()


class Strange:
    def __str__(self) -> str:
        return "strange"

    def __repr__(self) -> str:
        return "<Strange>"


VALUES: list[Any] = [
    None,
    Undefined,
    0,
    1,
    -1,
    True,
    False,
    2**31 - 1,
    2**31,
    -(2**31),
    -(2**31) - 1,
    2**70,
    1.0,
    1.5,
    -0.0,
    math.inf,
    math.nan,
    1e300,
    "",
    "x",
    "1",
    "1.5",
    "ø😀",
    "RED",
    "red",
    Decimal(1),
    Decimal("1.5"),
    UUID(int=5),
    datetime(2026, 1, 2, tzinfo=UTC),
    Named.RED,
    Number.ONE,
    Text("x"),
    b"x",
    [],
    [1],
    {},
    (),
    Strange(),
    ValueError("an error"),
    object,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_every_scalar_of_every_value(value: object) -> None:
    schema = toy(SDL)
    scalar(schema, "Odd", lambda given: None if given == "x" else given)
    root = dict.fromkeys(["int", "float", "string", "boolean", "id", "colour"], value)

    answer = await both(schema, "{ int float string boolean id colour }", root=root)

    assert list(answer.data) == ["int", "float", "string", "boolean", "id", "colour"]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize(
    ("name", "beside"),
    [("ints", 1), ("floats", 1.5), ("strings", "a"), ("booleans", True), ("ids", "a"), ("colours", "RED")],
)
async def test_one_value_among_many(name: str, beside: object, value: object) -> None:
    await both(toy(SDL), f"{{ {name} }}", root={name: [beside, value, None, beside, value]})


async def test_null_where_none_may_be() -> None:
    answer = await both(toy(SDL), "{ int needed }", root={"int": 1})

    assert answer.data is None
    assert answer.said == [("Cannot return null for non-nullable field Query.needed.", ("needed",))]


# ---- Enums -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [["RED"], ["RED", "GREEN"], ["r"], [1], ["RED", "r", 1], [None], [Number.ONE], ["NONE"]]
)
async def test_enums_are_written_by_their_names(values: list[object]) -> None:
    schema = toy(SDL)
    enum(schema, "Colour", RED="r", GREEN="GREEN", BLUE=1)

    await both(schema, "{ colours colour }", root={"colours": values, "colour": values[0]})


async def test_enums_of_python_by_value() -> None:
    schema = toy(SDL)
    enum(schema, "Colour", RED=Named.RED, GREEN=Number.ONE)

    answer = await both(schema, "{ colours }", root={"colours": [Named.RED, "RED", Number.ONE]})

    assert answer.data == {"colours": ["RED", "RED", "GREEN"]}


async def test_two_names_of_one_value() -> None:
    schema = toy(SDL)
    enum(schema, "Colour", RED="RED", GREEN="RED")

    await both(schema, "{ colours }", root={"colours": ["RED", "RED"]})


# ---- Scalars of the host ---------------------------------------------------------------------


def choosy(value: Any) -> Any:
    if value == "raise":
        raise ValueError("cannot be written")
    return {"none": None, "undefined": Undefined}.get(value, f"<{value}>")


async def test_scalars_that_raise_or_write_nothing() -> None:
    schema = toy(SDL)
    scalar(schema, "Odd", choosy)

    answer = await both(schema, "{ odds odd }", root={"odds": ["a", "raise", "none", None, "undefined"], "odd": "none"})

    assert answer.data == {"odds": ["<a>", None, None, None, None], "odd": None}
    assert [error.path for error in answer.errors] == [("odds", 1), ("odds", 2), ("odds", 4), ("odd",)]


async def test_a_type_that_is_written_just_so_is_left_to_the_writer() -> None:
    schema = toy(SDL)
    scalar(schema, "Odd", lambda value: value.isoformat().replace("+00:00", "Z"), serialized_as=datetime)
    instant = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)

    left = await compiled(schema, "{ odds odd }", root={"odds": [instant, None], "odd": instant})
    mixed = await compiled(schema, "{ odds }", root={"odds": [instant, datetime.now(UTC).date(), None]})

    assert left.data == {"odds": [instant, None], "odd": instant}
    assert orjson.dumps(left.data["odd"], option=orjson.OPT_UTC_Z) == b'"2026-01-02T03:04:05.000600Z"'
    assert mixed.data["odds"][0] == "2026-01-02T03:04:05.000600Z"


async def test_columns_of_rows() -> None:
    class Row:
        def __init__(self, number: object, colour: object) -> None:
            self.number = number
            self.colour = colour

    rows = [Row(1, "RED"), Row("2", "NONE"), Row(None, None), Row(4.5, "BLUE")]
    schema = guarded(
        "enum Colour { RED BLUE }  type Row { number: Int  colour: Colour }  type Query { rows: [Row] }",
        {"Query.rows": {"resolve": lambda *_: rows}},
    )

    answer = await both(schema, "{ rows { number colour } }")

    assert [row["number"] for row in answer.data["rows"]] == [1, 2, None, None]
    assert [error.path for error in answer.errors] == [("rows", 1, "colour"), ("rows", 3, "number")]
