"""Variables, defaults and arguments: what a resolver is given, and what never starts."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.executor.toy import Asked, both, compiled, guarded, toy

SDL = """
    enum Colour { RED GREEN }
    input Point { x: Int = 7  y: Int!  more: [Point!]  colour: Colour = GREEN }
    type Query {
        given(i: Int, f: Float, s: String, b: Boolean, id: ID, c: Colour, p: Point, l: [Int!], ll: [[Int]]): String
        defaults(i: Int = 3, s: String = "x", l: [Int] = [1, 2], c: Colour = RED): String
        needed(i: Int!, s: String! = "d"): String
        list: [Query]
        object: Query
    }
"""


def said(_: object, __: object, **arguments: object) -> str:
    return repr(sorted(arguments.items()))


def same(*_: object) -> dict[str, Any]:
    return {}


SCHEMA = toy(
    SDL,
    {
        "Query.given": said,
        "Query.defaults": said,
        "Query.needed": said,
        "Query.list": lambda *_: [{}, {}],
        "Query.object": same,
    },
)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "(i: 1, f: 2, s: null, b: false, id: 5, c: RED)",
        '(id: "5", f: 1.5e3, s: "ø", b: true, c: GREEN)',
        "(p: { y: 1 })",
        "(p: { y: 1, x: null, more: [{ y: 2 }, { y: 3, x: 4, colour: RED }] })",
        "(l: 1)",
        "(l: [])",
        "(ll: [[1, null], null, 3])",
        "(ll: 3)",
    ],
)
async def test_literals(arguments: str) -> None:
    await both(SCHEMA, f"{{ given{arguments} }}")


@pytest.mark.parametrize("arguments", ["", "(i: null, s: null, l: null, c: null)", "(i: 4, l: 5, c: GREEN)"])
async def test_defaults_of_arguments(arguments: str) -> None:
    await both(SCHEMA, f"{{ defaults{arguments} needed(i: 1) }}")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"i": 1},
        {"i": None, "s": None, "l": None},
        {"i": 2, "s": "s", "l": [1], "p": {"y": 1}},
        {"l": 3, "p": {"y": 1, "more": {"y": 5}}},
        {"d": 9, "unknown": 1},
        {"d": None},
    ],
)
async def test_variables(variables: dict[str, Any]) -> None:
    query = """query ($i: Int, $s: String, $l: [Int!], $p: Point, $d: Int = 8, $n: Int) {
        given(i: $i, s: $s, l: $l, p: $p)
        defaults(i: $i, s: $s)
        d: defaults(i: $d)
        n: given(ll: [[$n, 1], [$d]], p: { y: 1, x: $n, more: [{ y: 2, x: $d }] })
        object { given(i: $d) object { list { given(i: $n, s: $s) } } }
    }"""

    await both(SCHEMA, query, variables=variables)


@pytest.mark.parametrize(
    "variables",
    [
        {"i": "1"},
        {"i": 2**31},
        {"i": 1.5},
        {"p": {}},
        {"p": {"y": 1, "z": 1}},
        {"p": {"y": "no", "x": [], "more": [{}]}},
        {"c": "BLUE"},
        {"c": 3},
        {"l": [1, None]},
    ],
)
async def test_variables_that_do_not_fit_start_nothing(variables: dict[str, Any]) -> None:
    query = """query ($i: Int, $p: Point, $c: Colour, $l: [Int!]) {
        given(i: $i, p: $p, c: $c, l: $l)
    }"""

    answer = await both(SCHEMA, query, variables=variables)

    assert answer.data is None
    assert answer.errors


async def test_a_missing_variable_starts_nothing() -> None:
    answer = await both(SCHEMA, "query ($i: Int!) { needed(i: $i) }")

    assert answer.said == [
        ("Variable '$i' has invalid value: Expected a value of non-null type 'Int!' to be provided.", None)
    ]


async def test_suggestions_are_hidden_when_asked_to() -> None:
    query = "query ($c: Colour) { given(c: $c) }"

    shown = await compiled(SCHEMA, query, variables={"c": "REDD"})
    hidden = await compiled(SCHEMA, query, variables={"c": "REDD"}, hide_suggestions=True)

    assert "RED" in shown.errors[0].message.replace("REDD", "")
    assert "RED" not in hidden.errors[0].message.replace("REDD", "")


async def test_a_null_by_variable_where_none_may_be_fails_each_field() -> None:
    query = 'query ($s: String = "x") { needed(i: 1, s: $s) list { needed(i: 2, s: $s) } }'

    answer = await both(SCHEMA, query, variables={"s": None})

    assert [error.path for error in answer.errors] == [("needed",), ("list", 0, "needed"), ("list", 1, "needed")]


# ---- What a host converts --------------------------------------------------------------------

HOST = """
    input Wish { tags: [String!] }
    type Item { number: Int  named(by: String, wish: Wish): String }
    type Query { items: [Item] }
"""


class Item:
    number = 1


async def named(items: list[Item], info: Any, **given: Any) -> list[str]:
    info.context.calls.append(given)
    given.get("tags", []).append("changed")
    return [str(given)] * len(items)


def host(convert: Any) -> Any:
    return guarded(
        HOST,
        {
            "Query.items": {"resolve": lambda *_: [Item(), Item(), Item()]},
            "Item.named": {"batch": named, "convert": convert},
        },
    )


@pytest.mark.parametrize("given", ['by: "x"', "by: $by"])
async def test_arguments_are_converted_once_for_all_objects(given: str) -> None:
    seen: list[Mapping[str, Any]] = []

    def convert(arguments: dict[str, Any]) -> dict[str, Any]:
        seen.append(arguments)
        return {"BY": arguments["by"]}

    variables = "query ($by: String) " if "$" in given else ""
    answer = await compiled(
        host(convert), f"{variables}{{ items {{ named({given}) }} }}", variables={"by": "x"}, context=Asked()
    )

    assert answer.data == {"items": [{"named": "{'BY': 'x'}"}] * 3}
    assert seen == [{"by": "x"}]


async def test_what_a_resolver_does_to_its_arguments_does_not_last() -> None:
    schema = host(lambda given: given["wish"])
    query = '{ items { named(wish: { tags: ["a"] }) } }'
    from executor import Engine

    engine = Engine(schema)
    first = await compiled(schema, query, engine=engine, context=Asked())
    second = await compiled(schema, query, engine=engine, context=Asked())

    assert first == second
    assert first.data["items"][0] == {"named": "{'tags': ['a', 'changed']}"}


async def test_a_conversion_that_raises_fails_each_field() -> None:
    def convert(_: object) -> dict[str, Any]:
        raise ValueError("strange")

    answer = await both(host(convert), '{ items { number named(by: "x") } }', context=Asked)

    assert answer.said == [("strange", ("items", place, "named")) for place in range(3)]


async def test_where_nothing_is_given_nothing_is_converted() -> None:
    def convert(_: object) -> dict[str, Any]:
        raise AssertionError

    answer = await both(host(convert), "{ items { named } }", context=Asked)

    assert answer.data == {"items": [{"named": "{}"}] * 3}
