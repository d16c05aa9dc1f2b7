"""Coercion and conversion of variables and arguments, and their defaults."""

from collections.abc import Mapping
from typing import Any

import pytest

from executor import Engine
from tests.executor.harness import CallLog, execute_both, execute_compiled, guarded_schema, plain_schema

SDL = """
    enum Colour { RED GREEN }
    input Point { x: Int = 7  y: Int!  neighbours: [Point!]  colour: Colour = GREEN }
    type Query {
        formatted(i: Int, f: Float, s: String, b: Boolean, id: ID, c: Colour, p: Point, l: [Int!], ll: [[Int]]): String
        defaults(i: Int = 3, s: String = "x", l: [Int] = [1, 2], c: Colour = RED): String
        needed(i: Int!, s: String! = "d"): String
        list: [Query]
        object: Query
    }
"""


def format_arguments(_: object, __: object, **arguments: object) -> str:
    return repr(sorted(arguments.items()))


def empty_object(*_: object) -> dict[str, Any]:
    return {}


SCHEMA = plain_schema(
    SDL,
    {
        "Query.formatted": format_arguments,
        "Query.defaults": format_arguments,
        "Query.needed": format_arguments,
        "Query.list": lambda *_: [{}, {}],
        "Query.object": empty_object,
    },
)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "(i: 1, f: 2, s: null, b: false, id: 5, c: RED)",
        '(id: "5", f: 1.5e3, s: "ø", b: true, c: GREEN)',
        "(p: { y: 1 })",
        "(p: { y: 1, x: null, neighbours: [{ y: 2 }, { y: 3, x: 4, colour: RED }] })",
        "(l: 1)",
        "(l: [])",
        "(ll: [[1, null], null, 3])",
        "(ll: 3)",
    ],
)
async def test_literals_are_coerced(arguments: str) -> None:
    await execute_both(SCHEMA, f"{{ formatted{arguments} }}")


@pytest.mark.parametrize("arguments", ["", "(i: null, s: null, l: null, c: null)", "(i: 4, l: 5, c: GREEN)"])
async def test_defaults_of_arguments_are_used(arguments: str) -> None:
    await execute_both(SCHEMA, f"{{ defaults{arguments} needed(i: 1) }}")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"i": 1},
        {"i": None, "s": None, "l": None},
        {"i": 2, "s": "s", "l": [1], "p": {"y": 1}},
        {"l": 3, "p": {"y": 1, "neighbours": {"y": 5}}},
        {"d": 9, "unknown": 1},
        {"d": None},
    ],
)
async def test_variables_are_coerced(variables: dict[str, Any]) -> None:
    query = """query ($i: Int, $s: String, $l: [Int!], $p: Point, $d: Int = 8, $n: Int) {
        formatted(i: $i, s: $s, l: $l, p: $p)
        defaults(i: $i, s: $s)
        d: defaults(i: $d)
        n: formatted(ll: [[$n, 1], [$d]], p: { y: 1, x: $n, neighbours: [{ y: 2, x: $d }] })
        object { formatted(i: $d) object { list { formatted(i: $n, s: $s) } } }
    }"""

    await execute_both(SCHEMA, query, variables=variables)


@pytest.mark.parametrize(
    "variables",
    [
        {"i": "1"},
        {"i": 2**31},
        {"i": 1.5},
        {"p": {}},
        {"p": {"y": 1, "z": 1}},
        {"p": {"y": "no", "x": [], "neighbours": [{}]}},
        {"c": "BLUE"},
        {"c": 3},
        {"l": [1, None]},
    ],
)
async def test_invalid_variables_prevent_execution(variables: dict[str, Any]) -> None:
    query = """query ($i: Int, $p: Point, $c: Colour, $l: [Int!]) {
        formatted(i: $i, p: $p, c: $c, l: $l)
    }"""

    response = await execute_both(SCHEMA, query, variables=variables)

    assert response.data is None
    assert response.errors


async def test_missing_variable_prevents_execution() -> None:
    response = await execute_both(SCHEMA, "query ($i: Int!) { needed(i: $i) }")

    assert response.located_messages == [
        ("Variable '$i' has invalid value: Expected a value of non-null type 'Int!' to be provided.", None)
    ]


async def test_suggestions_can_be_hidden() -> None:
    query = "query ($c: Colour) { formatted(c: $c) }"

    with_suggestions = await execute_compiled(SCHEMA, query, variables={"c": "REDD"})
    without_suggestions = await execute_compiled(SCHEMA, query, variables={"c": "REDD"}, hide_suggestions=True)

    assert "RED" in with_suggestions.errors[0].message.replace("REDD", "")
    assert "RED" not in without_suggestions.errors[0].message.replace("REDD", "")


async def test_null_variable_for_a_non_null_argument_fails_each_field() -> None:
    query = 'query ($s: String = "x") { needed(i: 1, s: $s) list { needed(i: 2, s: $s) } }'

    response = await execute_both(SCHEMA, query, variables={"s": None})

    assert [error.path for error in response.errors] == [("needed",), ("list", 0, "needed"), ("list", 1, "needed")]


# ---- Conversion ---------------------------------------------------------------------------------

CONVERTING_SDL = """
    input Wish { tags: [String!] }
    type Item { number: Int  label(by: String, wish: Wish): String }
    type Query { items: [Item] }
"""


class Item:
    number = 1


async def resolve_label(items: list[Item], info: Any, **arguments: Any) -> list[str]:
    info.context.calls.append(arguments)
    arguments.get("tags", []).append("changed")
    return [str(arguments)] * len(items)


def converting_schema(convert: Any) -> Any:
    return guarded_schema(
        CONVERTING_SDL,
        {
            "Query.items": {"resolve": lambda *_: [Item(), Item(), Item()]},
            "Item.label": {"batch": resolve_label, "convert": convert},
        },
    )


@pytest.mark.parametrize("literals", ['by: "x"', "by: $by"])
async def test_arguments_are_converted_once_for_all_objects(literals: str) -> None:
    conversions: list[Mapping[str, Any]] = []

    def convert(arguments: dict[str, Any]) -> dict[str, Any]:
        conversions.append(arguments)
        return {"BY": arguments["by"]}

    variables = "query ($by: String) " if "$" in literals else ""
    response = await execute_compiled(
        converting_schema(convert),
        f"{variables}{{ items {{ label({literals}) }} }}",
        variables={"by": "x"},
        context=CallLog(),
    )

    assert response.data == {"items": [{"label": "{'BY': 'x'}"}] * 3}
    assert conversions == [{"by": "x"}]


async def test_resolver_cannot_change_arguments_of_later_runs() -> None:
    schema = converting_schema(lambda arguments: arguments["wish"])
    query = '{ items { label(wish: { tags: ["a"] }) } }'
    engine = Engine(schema)
    first_response = await execute_compiled(schema, query, engine=engine, context=CallLog())
    second_response = await execute_compiled(schema, query, engine=engine, context=CallLog())

    assert first_response == second_response
    assert first_response.data["items"][0] == {"label": "{'tags': ['a', 'changed']}"}


async def test_raising_conversion_fails_each_field() -> None:
    def convert(_: object) -> dict[str, Any]:
        raise ValueError("strange")

    response = await execute_both(converting_schema(convert), '{ items { number label(by: "x") } }', context=CallLog)

    assert response.located_messages == [("strange", ("items", index, "label")) for index in range(3)]


async def test_absent_arguments_are_not_converted() -> None:
    def convert(_: object) -> dict[str, Any]:
        raise AssertionError

    response = await execute_both(converting_schema(convert), "{ items { label } }", context=CallLog)

    assert response.data == {"items": [{"label": "{}"}] * 3}
