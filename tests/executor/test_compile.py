"""Compilation: the limits on the size of a plan."""

import pytest
from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, parse

from executor.compile import MAX_LEVELS, TOO_DEEP, TOO_MANY, compile_plan
from executor.plan import Plan
from tests.executor.harness import execute_both, execute_compiled, guarded_schema, plain_schema
from tests.executor.large_queries import binary_fragments, deep_query, merging_fragments

SDL = """
    interface Node { id: ID  node: Node  nodes: [[Item]] }
    type Item implements Node { id: ID  node: Node  nodes: [[Item]]
        item: Item  items: [Item]  a: Item  b: Item  n(x: Int): Int }
    type Query { item: Item  n(x: Int): Int }
"""
SCHEMA = plain_schema(SDL)


def compile_source(source: str, schema: GraphQLSchema = SCHEMA) -> Plan:
    document = parse(source)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return compile_plan(schema, document, operation, {})


async def test_fragments_spread_twice_are_compiled_once() -> None:
    response = await execute_compiled(SCHEMA, binary_fragments(30), root={"item": {"a": {"b": None}}})

    assert response.errors == []
    assert compile_source(binary_fragments(30)).size < 4 * 31


async def test_nested_fragments_have_the_same_response() -> None:
    root: dict[str, object] = {"id": "1"}
    for _ in range(4):
        root = {"id": "1", "a": root, "b": root}

    await execute_both(SCHEMA, binary_fragments(4), root={"item": root})
    await execute_both(SCHEMA, merging_fragments(4), root={"item": root})


async def test_too_many_fields_are_an_error() -> None:
    response = await execute_compiled(SCHEMA, merging_fragments(16), root={})

    assert response.located_messages == [(TOO_MANY, None)]


@pytest.mark.parametrize("levels", [5, MAX_LEVELS - 3])
async def test_deep_selections_run(levels: int) -> None:
    class Item:
        id = "1"

        @property
        def item(self) -> "Item":
            return self

    response = await execute_compiled(SCHEMA, deep_query(levels), root={"item": Item()})

    assert response.errors == []


async def test_too_many_levels_are_an_error() -> None:
    response = await execute_compiled(SCHEMA, deep_query(MAX_LEVELS))

    assert response.located_messages == [(TOO_DEEP, None)]


async def test_levels_in_fragments_on_abstract_types_count() -> None:
    parts = " ".join(f"fragment F{n} on Node {{ node {{ node {{ ...F{n + 1} }} }} }}" for n in range(50))

    response = await execute_compiled(SCHEMA, f"{{ item {{ ...F0 }} }} {parts} fragment F50 on Node {{ id }}", root={})

    assert response.located_messages == [(TOO_DEEP, None)]


async def test_deeply_nested_fragments_are_an_error() -> None:
    parts = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(2000))

    response = await execute_compiled(SCHEMA, f"{{ ...F0 }} {parts} fragment F2000 on Query {{ n }}", root={"n": 1})

    assert response.located_messages == [(TOO_DEEP, None)]


async def test_deepest_lists_of_guarded_objects_run() -> None:
    class Item:
        id = "1"
        number = 1

        @property
        def nodes(self) -> list[list["Item"]]:
            return [[self]]

    async def batch(objects: list[Item], _: object) -> list[object]:
        return [item.nodes for item in objects]

    schema = guarded_schema(SDL, {"Query.item": {"resolve": lambda *_: Item()}, "Item.nodes": {"batch": batch}})
    levels = MAX_LEVELS - 3

    response = await execute_compiled(schema, "{ item " + "{ nodes " * levels + "{ id }" + " }" * levels + "}")

    assert response.errors == []


async def test_thousands_of_keys_are_supported() -> None:
    query = "{ " + " ".join(f"k{number}: n" for number in range(3000)) + " }"

    response = await execute_both(SCHEMA, query, valid=False, root={"n": 1})

    assert len(response.data) == 3000


def test_missing_root_type_is_an_error() -> None:
    with pytest.raises(GraphQLError, match="not configured"):
        compile_source("mutation { a }", GraphQLSchema(SCHEMA.query_type))
