"""Plans are kept, within bounds, and no document makes more of one than it is."""

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, parse

from executor import Engine
from executor.compile import MAX_LEVELS, TOO_DEEP, TOO_MANY, compile_plan
from executor.engine import MAX_BYTES
from executor.object_builder import builder
from executor.plan import Plan
from tests.executor.toy import both, compiled, guarded, toy

SDL = """
    interface Node { id: ID  node: Node  nodes: [[Item]] }
    type Item implements Node { id: ID  node: Node  nodes: [[Item]]
        item: Item  items: [Item]  a: Item  b: Item  n(x: Int): Int }
    type Query { item: Item  n(x: Int): Int }
"""
SCHEMA = toy(SDL)


def planned(engine: Engine, source: str, **variables: object) -> Plan:
    document = parse(source)
    (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    return engine.plan(document, source, operation, variables)


def kept(engine: Engine) -> list[Plan]:
    return [plan for document in engine._documents.values() for plan in document.plans.values()]


# ---- Bounds ----------------------------------------------------------------------------------


def test_a_plan_is_made_once() -> None:
    engine = Engine(SCHEMA)

    assert planned(engine, "{ n }") is planned(engine, "{ n }")
    assert planned(engine, "{ n }") is not planned(engine, "{ n  }")


async def test_each_operation_of_a_document_has_its_plan() -> None:
    engine = Engine(SCHEMA)
    query = "query A { n } query B { x: n }"

    answers = [await compiled(SCHEMA, query, engine=engine, name=name, root={"n": 1}) for name in ("A", "B", "A")]

    assert [answer.data for answer in answers] == [{"n": 1}, {"x": 1}, {"n": 1}]
    assert len(kept(engine)) == 2


def test_no_more_than_the_most_plans_are_kept() -> None:
    engine = Engine(SCHEMA, max_plans=3)
    first = [planned(engine, f"{{ n(x: {number}) }}") for number in range(3)]

    planned(engine, "{ n(x: 0) }")
    planned(engine, "{ n(x: 3) }")

    assert len(kept(engine)) == 3
    assert planned(engine, "{ n(x: 0) }") is first[0]  # used again, so that the second made room
    assert planned(engine, "{ n(x: 1) }") is not first[1]


def test_a_flood_of_documents_does_not_grow_the_cache() -> None:
    engine = Engine(SCHEMA, max_plans=100, max_bytes=1000)

    for number in range(2000):
        planned(engine, f"{{ n(x: {number}) }}")

    assert len(engine._documents) == len(kept(engine)) < 100
    assert engine._documents.bytes <= 1000
    assert engine._documents.count == len(kept(engine))


def test_a_flood_of_documents_that_do_not_compile_leaves_nothing() -> None:
    engine = Engine(SCHEMA)

    for number in range(50):
        with pytest.raises(Exception, match="too deeply"):
            planned(engine, deep(MAX_LEVELS + number))

    assert len(engine._documents) == 0


def test_a_document_beyond_the_bytes_is_not_kept() -> None:
    engine = Engine(SCHEMA, max_bytes=100)
    planned(engine, "{ n }")

    planned(engine, "{ n " + " " * 100 + "}")

    assert kept(engine) == []
    assert (engine._documents.count, engine._documents.bytes) == (0, 0)


def test_the_shapes_of_one_document_count_each() -> None:
    engine = Engine(SCHEMA, max_plans=5)
    source = (
        "query ($a: Boolean!, $b: Boolean!, $c: Boolean!) { x: n @skip(if: $a) y: n @skip(if: $b) n @skip(if: $c) }"
    )

    for number in range(8):
        planned(engine, source, a=bool(number & 1), b=bool(number & 2), c=bool(number & 4))
        assert len(kept(engine)) == engine._documents.count <= 5


def test_what_is_selected_weighs_more_than_its_text() -> None:
    one, two = Engine(SCHEMA), Engine(SCHEMA)
    planned(one, "{ n n n n n n }")
    planned(two, "{ a:n b:n c:n }")

    assert one._documents.bytes < two._documents.bytes


def test_the_bound_is_a_size_that_a_process_can_bear() -> None:
    assert MAX_BYTES * 130 < 100 * 1024 * 1024


async def test_conditions_that_are_no_variables_share_one_plan() -> None:
    engine = Engine(SCHEMA)
    source = "query ($x: Int) { n(x: $x) @skip(if: false) }"

    await compiled(SCHEMA, source, engine=engine, variables={"x": 1})
    await compiled(SCHEMA, source, engine=engine, variables={"x": 2})

    assert len(kept(engine)) == 1


# ---- Documents that want to be large ---------------------------------------------------------


def spread(levels: int) -> str:
    """Each fragment spreads the next one twice: as a tree it has 2^levels leaves."""
    parts = [f"fragment F{n} on Item {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }}" for n in range(levels)]
    return f"{{ item {{ ...F0 }} }} {' '.join(parts)} fragment F{levels} on Item {{ id }}"


def merged(levels: int) -> str:
    """Each way down by a and b merges other fragments: every level has twice as many selections as the one above."""
    parts: list[str] = []
    for n in range(levels):
        parts += [f"fragment Q{n} on Item {{ a {{ ...Q{n + 1} ...P{n + 1}_1 }} b {{ ...Q{n + 1} }} }}"]
        for k in range(1, n + 1):
            inner = f"{{ ...P{n + 1}_{k + 1} }}"
            parts += [f"fragment P{n}_{k} on Item {{ a {inner} b {inner} }}"]
    parts += [f"fragment Q{levels} on Item {{ id }}"]
    parts += [f"fragment P{levels}_{k} on Item {{ k{k}: id }}" for k in range(1, levels + 1)]
    return f"{{ item {{ ...Q0 }} }} {' '.join(parts)}"


def deep(levels: int) -> str:
    return "{ item " * 1 + "{ item " * levels + "{ id }" + " }" * levels + "}"


async def test_fragments_spread_twice_do_not_double_the_plan() -> None:
    engine = Engine(SCHEMA)

    answer = await compiled(SCHEMA, spread(30), engine=engine, root={"item": {"a": {"b": None}}})

    assert answer.errors == []
    assert kept(engine)[0].size < 4 * 31


async def test_spread_fragments_are_answered_as_ever() -> None:
    root: dict[str, object] = {"id": "1"}
    for _ in range(4):
        root = {"id": "1", "a": root, "b": root}

    await both(SCHEMA, spread(4), root={"item": root})
    await both(SCHEMA, merged(4), root={"item": root})


async def test_selections_without_end_are_refused() -> None:
    answer = await compiled(SCHEMA, merged(16), root={})

    assert answer.said == [(TOO_MANY, None)]


@pytest.mark.parametrize("levels", [5, MAX_LEVELS - 3])
async def test_deep_selections_run(levels: int) -> None:
    class Item:
        id = "1"

        @property
        def item(self) -> "Item":
            return self

    answer = await compiled(SCHEMA, deep(levels), root={"item": Item()})

    assert answer.errors == []


async def test_selections_beyond_the_levels_are_refused() -> None:
    answer = await compiled(SCHEMA, deep(MAX_LEVELS))

    assert answer.said == [(TOO_DEEP, None)]


async def test_levels_count_through_fragments_and_abstract_types() -> None:
    parts = " ".join(f"fragment F{n} on Node {{ node {{ node {{ ...F{n + 1} }} }} }}" for n in range(50))

    answer = await compiled(SCHEMA, f"{{ item {{ ...F0 }} }} {parts} fragment F50 on Node {{ id }}", root={})

    assert answer.said == [(TOO_DEEP, None)]


async def test_fragments_in_fragments_without_end_are_refused() -> None:
    parts = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(2000))

    answer = await compiled(SCHEMA, f"{{ ...F0 }} {parts} fragment F2000 on Query {{ n }}", root={"n": 1})

    assert answer.said == [(TOO_DEEP, None)]


async def test_the_deepest_lists_of_guarded_objects_run() -> None:
    class Item:
        id = "1"
        number = 1

        @property
        def nodes(self) -> list[list["Item"]]:
            return [[self]]

    async def batch(objects: list[Item], _: object) -> list[object]:
        return [one.nodes for one in objects]

    schema = guarded(SDL, {"Query.item": {"resolve": lambda *_: Item()}, "Item.nodes": {"batch": batch}})
    levels = MAX_LEVELS - 3

    answer = await compiled(schema, "{ item " + "{ nodes " * levels + "{ id }" + " }" * levels + "}")

    assert answer.errors == []


# ---- Parts -----------------------------------------------------------------------------------


def test_objects_are_built_of_columns() -> None:
    assert builder(("a", "__b"))([1, 2], ["x", "y"]) == [{"a": 1, "__b": "x"}, {"a": 2, "__b": "y"}]
    assert builder(("a",))([1]) == [{"a": 1}]
    assert builder(())() == []


async def test_thousands_of_keys() -> None:
    query = "{ " + " ".join(f"k{number}: n" for number in range(3000)) + " }"

    answer = await both(SCHEMA, query, valid=False, root={"n": 1})

    assert len(answer.data) == 3000


def test_no_plan_for_a_root_that_is_missing() -> None:
    document = parse("mutation { a }")
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)

    with pytest.raises(Exception, match="not configured"):
        compile_plan(GraphQLSchema(SCHEMA.query_type), document, operation, {})
