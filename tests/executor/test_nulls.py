"""Null propagation: nulls in non-null fields, the reported errors and their order.

Fields called `hard` or `firm` are non-null.
"""

import asyncio
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from graphql import Undefined

from tests.executor.harness import execute_both, execute_compiled, plain_schema

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


class ResolverError(Exception):
    """The error that a resolver raises."""


def raise_error(*_: object) -> object:
    raise ResolverError("wrong")


async def raise_error_later(*_: object) -> object:
    await asyncio.sleep(0)
    raise ResolverError("wrong")


def node_values(**values: Any) -> dict[str, Any]:
    """The values of a node. `values` replace the defaults."""
    return {"leaf": 1, "hard": 2, "leaves": [1, 2], "hardLeaves": [3], "nodes": [], **values}


FAILURES: list[Any] = [None, raise_error, ResolverError("returned")]
SCHEMA = plain_schema(SDL)


@pytest.mark.parametrize("failure", FAILURES, ids=["null", "raising", "returning"])
@pytest.mark.parametrize("name", ["leaf", "hard"])
@pytest.mark.parametrize(
    "path",
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
async def test_failing_leaf_at_each_depth(root: str, path: list[str], name: str, failure: object) -> None:
    leaf_node = node_values(**{name: failure})
    value: Any = leaf_node
    for step in reversed(path):
        if step == "grid":
            value = node_values(grid=[[node_values(), value], [node_values()], [value]])
        elif step.lower().endswith("nodes"):
            value = node_values(**{step: [node_values(), value, node_values(), value]})
        else:
            value = node_values(**{step: value})
    query = f"leaf {name} bad: leaf"
    for step in reversed(path):
        query = f"leaf {step} {{ {query} }} hard"

    await execute_both(
        SCHEMA, f"{{ a {root} {{ {query} }} z: a }}", root={"a": 1, root: [value] if root == "roots" else value}
    )


LISTS: list[Any] = [
    [1, None, 2],
    [None, None],
    [raise_error, 1],
    [ResolverError("one"), ResolverError("two")],
    None,
    raise_error,
    5,
    "text",
    {"a": 1},
    (1, 2),
    range(3),
    Undefined,
    [[1, Undefined], Undefined],
    [[1, None], None, [2]],
    [[1], 5, [None, ResolverError("x"), None]],
    [[[1, None], [None]], None, [None, [2]], [5]],
]


@pytest.mark.parametrize("value", LISTS)
@pytest.mark.parametrize("name", ["leaves", "hardLeaves", "matrix", "hardMatrix", "tensor"])
async def test_lists_with_nulls_and_errors(name: str, value: object) -> None:
    root = {
        "root": node_values(**{name: value}),
        "roots": [node_values(**{name: value}), node_values(**{name: [[[1]]]})],
    }

    await execute_both(SCHEMA, f"{{ root {{ leaf {name} hard }} roots {{ {name} }} }}", root=root)


@pytest.mark.parametrize("name", ["nodes", "firmNodes", "allNodes", "hardNodes", "grid"])
async def test_lists_of_objects_with_nulls_and_errors(name: str) -> None:
    for nodes in (
        [None],
        [node_values(), None],
        [None, node_values(), ResolverError("item")],
        [node_values(hard=None), ResolverError("x"), None],
        [Undefined, node_values()],
        [],
    ):
        value = [nodes, None, [node_values()]] if name == "grid" else nodes

        await execute_both(
            SCHEMA, f"{{ root {{ {name} {{ leaf hard }} leaf }} }}", root={"root": node_values(**{name: value})}
        )


# ---- Errors and their order ------------------------------------------------------------------


@pytest.mark.parametrize("kinds", list(product(["fine", "leaf", "hard"], repeat=3)), ids="-".join)
async def test_errors_before_and_after_the_cause_of_a_null(kinds: tuple[str, ...]) -> None:
    """graphql-core stops at a null that propagates. It reports the errors before the null, and none after it."""

    def node(kind: str) -> dict[str, Any]:
        return node_values(**({} if kind == "fine" else {kind: ResolverError(kind)}))

    root = {"root": node_values(node=node(kinds[0]), nodes=[node(kinds[1]), node(kinds[1])], firm=node(kinds[2]))}

    await execute_both(
        SCHEMA, "{ a root { node { leaf hard } nodes { hard leaf } firm { leaf hard } bad z: hard } z: a }", root=root
    )


async def test_null_at_the_root_reports_its_first_error() -> None:
    root = {
        "hardRoot": node_values(hard=ResolverError("first"), firm=node_values(hard=ResolverError("second"))),
        "a": ResolverError("before"),
    }

    response = await execute_both(SCHEMA, "{ a hardRoot { hard firm { hard } } b: a }", root=root)

    assert response.data is None
    assert response.located_messages == [("before", ("a",)), ("first", ("hardRoot", "hard"))]


async def test_errors_are_in_response_order() -> None:
    def raise_late(*_: object) -> Any:
        async def wait() -> object:
            await asyncio.sleep(0.01)
            raise ResolverError("late")

        return wait()

    root = {
        "z": node_values(),
        "root": {
            "leaf": raise_late,
            "bad": raise_error,
            "nodes": [{"leaf": raise_late}, {"leaf": raise_error}],
            "node": {"leaf": raise_late},
        },
        "a": raise_error,
    }

    response = await execute_both(
        SCHEMA, "{ root { leaf node { leaf } nodes { leaf } bad } a }", root=root, in_order=False
    )

    assert [error.path for error in response.errors] == [
        ("root", "leaf"),
        ("root", "node", "leaf"),
        ("root", "nodes", 0, "leaf"),
        ("root", "nodes", 1, "leaf"),
        ("root", "bad"),
        ("a",),
    ]


async def test_error_locates_all_nodes_of_its_field() -> None:
    response = await execute_both(SCHEMA, "{ a\n  a\n    a }", root={"a": raise_error})

    assert response.errors[0].locations == ((1, 3), (2, 3), (3, 5))


async def test_time_is_linear_in_the_number_of_nulls() -> None:
    """Each error is matched with the nulls above it by position, not with every other error."""
    node_count = 3000
    root = {"root": node_values(nodes=[node_values(hard=None) for _ in range(node_count)])}

    async with asyncio.timeout(5):
        response = await execute_compiled(SCHEMA, "{ root { nodes { hard } } }", root=root)

    assert response.data == {"root": {"nodes": [None] * node_count}}
    assert len(response.errors) == node_count


@pytest.mark.parametrize("resolve", [raise_error, raise_error_later])
async def test_error_in_one_field_does_not_affect_others(resolve: Callable[..., Any]) -> None:
    response = await execute_both(
        SCHEMA, "{ root { leaf bad hard } a }", root={"root": node_values(bad=resolve), "a": 1}
    )

    assert response.data == {"root": {"leaf": 1, "bad": None, "hard": 2}, "a": 1}
    assert response.located_messages == [("wrong", ("root", "bad"))]
