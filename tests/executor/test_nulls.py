"""Nulls where none may be: how far they climb, and which errors are told, in which order."""

import asyncio
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from graphql import Undefined

from tests.executor.toy import both, compiled, toy

SDL = """
    type Node {
        leaf: Int  hard: Int!  bad: Int  worse: Int!
        node: Node  firm: Node!
        nodes: [Node]  firmNodes: [Node!]  allNodes: [Node]!  hardNodes: [Node!]!
        leaves: [Int]  hardLeaves: [Int!]!  matrix: [[Int!]]  hardMatrix: [[Int!]!]!  tensor: [[[Int]!]]!
        grid: [[Node!]]
    }
    type Query { root: Node  hardRoot: Node!  roots: [Node!]  a: Int }
"""


class Wrong(Exception):
    """What a resolver raises."""


def wrong(*_: object) -> object:
    raise Wrong("wrong")


async def slowly_wrong(*_: object) -> object:
    await asyncio.sleep(0)
    raise Wrong("wrong")


def built(**values: Any) -> dict[str, Any]:
    """A node that has everything, and what is given instead."""
    return {"leaf": 1, "hard": 2, "leaves": [1, 2], "hardLeaves": [3], "nodes": [], **values}


FAILING: list[Any] = [None, wrong, Wrong("returned")]
SCHEMA = toy(SDL)


@pytest.mark.parametrize("failing", FAILING, ids=["null", "raising", "returning"])
@pytest.mark.parametrize("name", ["leaf", "hard"])
@pytest.mark.parametrize(
    "way",
    [
        [],
        ["node"],
        ["firm"],
        ["node", "firm"],
        ["firm", "firm", "firm"],
        ["nodes"],
        ["firmNodes"],
        ["allNodes"],
        ["hardNodes"],
        ["node", "hardNodes"],
        ["hardNodes", "firm", "hardNodes"],
        ["nodes", "firmNodes", "firm"],
        ["grid"],
    ],
    ids=".".join,
)
@pytest.mark.parametrize("root", ["root", "hardRoot", "roots"])
async def test_a_failing_leaf_at_every_depth(root: str, way: list[str], name: str, failing: object) -> None:
    lowest = built(**{name: failing})
    value: Any = lowest
    for step in reversed(way):
        if step == "grid":
            value = built(grid=[[built(), value], [built()], [value]])
        elif step.lower().endswith("nodes"):
            value = built(**{step: [built(), value, built(), value]})
        else:
            value = built(**{step: value})
    query = f"leaf {name} bad: leaf"
    for step in reversed(way):
        query = f"leaf {step} {{ {query} }} hard"

    await both(SCHEMA, f"{{ a {root} {{ {query} }} z: a }}", root={"a": 1, root: [value] if root == "roots" else value})


LISTS: list[Any] = [
    [1, None, 2],
    [None, None],
    [wrong, 1],
    [Wrong("one"), Wrong("two")],
    None,
    wrong,
    5,
    "text",
    {"a": 1},
    (1, 2),
    range(3),
    Undefined,
    [[1, Undefined], Undefined],
    [[1, None], None, [2]],
    [[1], 5, [None, Wrong("x"), None]],
    [[[1, None], [None]], None, [None, [2]], [5]],
]


@pytest.mark.parametrize("value", LISTS)
@pytest.mark.parametrize("name", ["leaves", "hardLeaves", "matrix", "hardMatrix", "tensor"])
async def test_lists_with_holes(name: str, value: object) -> None:
    root = {"root": built(**{name: value}), "roots": [built(**{name: value}), built(**{name: [[[1]]]})]}

    await both(SCHEMA, f"{{ root {{ leaf {name} hard }} roots {{ {name} }} }}", root=root)


@pytest.mark.parametrize("name", ["nodes", "firmNodes", "allNodes", "hardNodes", "grid"])
async def test_lists_of_objects_with_holes(name: str) -> None:
    several = [built(hard=None), Wrong("x"), None]
    for holes in ([None], [built(), None], [None, built(), Wrong("item")], several, [Undefined, built()], []):
        value = [holes, None, [built()]] if name == "grid" else holes

        await both(SCHEMA, f"{{ root {{ {name} {{ leaf hard }} leaf }} }}", root={"root": built(**{name: value})})


# ---- Which errors, and in which order --------------------------------------------------------


@pytest.mark.parametrize("fates", list(product(["fine", "leaf", "hard"], repeat=3)), ids="-".join)
async def test_what_stands_before_and_behind_the_cause(fates: tuple[str, ...]) -> None:
    """graphql-core stops at the null that climbs: what it had met before is told, what comes behind is not."""

    def node(fate: str) -> dict[str, Any]:
        return built(**({} if fate == "fine" else {fate: Wrong(fate)}))

    root = {"root": built(node=node(fates[0]), nodes=[node(fates[1]), node(fates[1])], firm=node(fates[2]))}

    await both(
        SCHEMA, "{ a root { node { leaf hard } nodes { hard leaf } firm { leaf hard } bad z: hard } z: a }", root=root
    )


async def test_the_first_null_takes_everything_and_its_error_is_told() -> None:
    root = {"hardRoot": built(hard=Wrong("first"), firm=built(hard=Wrong("second"))), "a": Wrong("before")}

    answer = await both(SCHEMA, "{ a hardRoot { hard firm { hard } } b: a }", root=root)

    assert answer.data is None
    assert answer.said == [("before", ("a",)), ("first", ("hardRoot", "hard"))]


async def test_errors_come_as_the_answer_is_read() -> None:
    def late(*_: object) -> Any:
        async def wait() -> object:
            await asyncio.sleep(0.01)
            raise Wrong("late")

        return wait()

    root = {
        "z": built(),
        "root": {"leaf": late, "bad": wrong, "nodes": [{"leaf": late}, {"leaf": wrong}], "node": {"leaf": late}},
        "a": wrong,
    }

    answer = await both(SCHEMA, "{ root { leaf node { leaf } nodes { leaf } bad } a }", root=root, in_order=False)

    assert [error.path for error in answer.errors] == [
        ("root", "leaf"),
        ("root", "node", "leaf"),
        ("root", "nodes", 0, "leaf"),
        ("root", "nodes", 1, "leaf"),
        ("root", "bad"),
        ("a",),
    ]


async def test_two_nodes_of_one_field_are_both_located() -> None:
    answer = await both(SCHEMA, "{ a\n  a\n    a }", root={"a": wrong})

    assert answer.errors[0].locations == ((1, 3), (2, 3), (3, 5))


async def test_many_nulls_take_no_more_time_than_they_are() -> None:
    """Errors are matched with the nulls above them by place, not each with each."""
    many = 3000
    root = {"root": built(nodes=[built(hard=None) for _ in range(many)])}

    async with asyncio.timeout(5):
        answer = await compiled(SCHEMA, "{ root { nodes { hard } } }", root=root)

    assert answer.data == {"root": {"nodes": [None] * many}}
    assert len(answer.errors) == many


@pytest.mark.parametrize("resolve", [wrong, slowly_wrong])
async def test_an_error_in_one_field_leaves_the_others(resolve: Callable[..., Any]) -> None:
    answer = await both(SCHEMA, "{ root { leaf bad hard } a }", root={"root": built(bad=resolve), "a": 1})

    assert answer.data == {"root": {"leaf": 1, "bad": None, "hard": 2}, "a": 1}
    assert answer.said == [("wrong", ("root", "bad"))]
