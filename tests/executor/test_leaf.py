"""Leaves: the serialization of scalars and enums, and errors of values that cannot be serialized."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import Undefined

from tests.executor.harness import (
    execute_both,
    execute_compiled,
    guarded_schema,
    plain_schema,
    set_enum_values,
    set_scalar,
)

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


class ColourName(StrEnum):
    RED = "RED"


class ColourNumber(Enum):
    FIRST = 1


class StringSubclass(str):
    __slots__ = ()


class UnserializableObject:
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
    ColourName.RED,
    ColourNumber.FIRST,
    StringSubclass("x"),
    b"x",
    [],
    [1],
    {},
    (),
    UnserializableObject(),
    ValueError("an error"),
    object,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_each_scalar_serializes_or_rejects_each_value(value: object) -> None:
    schema = plain_schema(SDL)
    set_scalar(schema, "Odd", lambda value: None if value == "x" else value)
    root = dict.fromkeys(["int", "float", "string", "boolean", "id", "colour"], value)

    response = await execute_both(schema, "{ int float string boolean id colour }", root=root)

    assert list(response.data) == ["int", "float", "string", "boolean", "id", "colour"]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize(
    ("name", "valid_value"),
    [("ints", 1), ("floats", 1.5), ("strings", "a"), ("booleans", True), ("ids", "a"), ("colours", "RED")],
)
async def test_value_beside_valid_values(name: str, valid_value: object, value: object) -> None:
    await execute_both(plain_schema(SDL), f"{{ {name} }}", root={name: [valid_value, value, None, valid_value, value]})


async def test_null_in_a_non_null_field_is_an_error() -> None:
    response = await execute_both(plain_schema(SDL), "{ int needed }", root={"int": 1})

    assert response.data is None
    assert response.located_messages == [("Cannot return null for non-nullable field Query.needed.", ("needed",))]


# ---- Enums -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [["RED"], ["RED", "GREEN"], ["r"], [1], ["RED", "r", 1], [None], [ColourNumber.FIRST], ["NONE"]]
)
async def test_enum_values_are_serialized_as_names(values: list[object]) -> None:
    schema = plain_schema(SDL)
    set_enum_values(schema, "Colour", RED="r", GREEN="GREEN", BLUE=1)

    await execute_both(schema, "{ colours colour }", root={"colours": values, "colour": values[0]})


async def test_python_enum_members_are_serialized_as_names() -> None:
    schema = plain_schema(SDL)
    set_enum_values(schema, "Colour", RED=ColourName.RED, GREEN=ColourNumber.FIRST)

    response = await execute_both(schema, "{ colours }", root={"colours": [ColourName.RED, "RED", ColourNumber.FIRST]})

    assert response.data == {"colours": ["RED", "RED", "GREEN"]}


async def test_enum_value_with_two_names() -> None:
    schema = plain_schema(SDL)
    set_enum_values(schema, "Colour", RED="RED", GREEN="RED")

    await execute_both(schema, "{ colours }", root={"colours": ["RED", "RED"]})


# ---- Scalars of the host ---------------------------------------------------------------------


def serialize_odd(value: Any) -> Any:
    if value == "raise":
        raise ValueError("cannot be serialized")
    return {"none": None, "undefined": Undefined}.get(value, f"<{value}>")


async def test_scalar_that_raises_or_returns_none_is_null() -> None:
    schema = plain_schema(SDL)
    set_scalar(schema, "Odd", serialize_odd)

    response = await execute_both(
        schema, "{ odds odd }", root={"odds": ["a", "raise", "none", None, "undefined"], "odd": "none"}
    )

    assert response.data == {"odds": ["<a>", None, None, None, None], "odd": None}
    assert [error.path for error in response.errors] == [("odds", 1), ("odds", 2), ("odds", 4), ("odd",)]


async def test_values_of_the_serialized_type_are_left_to_the_json_encoder() -> None:
    schema = plain_schema(SDL)
    set_scalar(schema, "Odd", lambda value: value.isoformat().replace("+00:00", "Z"), serialized_as=datetime)
    instant = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)

    response = await execute_compiled(schema, "{ odds odd }", root={"odds": [instant, None], "odd": instant})
    mixed_response = await execute_compiled(
        schema, "{ odds }", root={"odds": [instant, datetime.now(UTC).date(), None]}
    )

    assert response.data == {"odds": [instant, None], "odd": instant}
    assert orjson.dumps(response.data["odd"], option=orjson.OPT_UTC_Z) == b'"2026-01-02T03:04:05.000600Z"'
    assert mixed_response.data["odds"][0] == "2026-01-02T03:04:05.000600Z"


async def test_invalid_leaf_values_of_rows_are_errors() -> None:
    class Row:
        def __init__(self, number: object, colour: object) -> None:
            self.number = number
            self.colour = colour

    rows = [Row(1, "RED"), Row("2", "NONE"), Row(None, None), Row(4.5, "BLUE")]
    schema = guarded_schema(
        "enum Colour { RED BLUE }  type Row { number: Int  colour: Colour }  type Query { rows: [Row] }",
        {"Query.rows": {"resolve": lambda *_: rows}},
    )

    response = await execute_both(schema, "{ rows { number colour } }")

    assert [row["number"] for row in response.data["rows"]] == [1, 2, None, None]
    assert [error.path for error in response.errors] == [("rows", 1, "colour"), ("rows", 3, "number")]
