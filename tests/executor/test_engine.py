"""The engine: the cache of plans and its limits."""

import pytest
from graphql import OperationDefinitionNode, parse

from executor import Engine
from executor.compile import MAX_LEVELS
from executor.engine import MAX_BYTES
from executor.plan import Plan
from tests.executor.harness import execute_compiled, plain_schema
from tests.executor.large_queries import deep_query

SCHEMA = plain_schema("type Query { item: Item  n(x: Int): Int }  type Item { id: ID  item: Item }")


def plan_of(engine: Engine, source: str, **variables: object) -> Plan:
    document = parse(source)
    (operation,) = (
        definition for definition in document.definitions if isinstance(definition, OperationDefinitionNode)
    )
    return engine.plan(document, source, operation, variables)


def cached_plans(engine: Engine) -> list[Plan]:
    return [plan for document in engine._documents.values() for plan in document.plans.values()]


def test_plan_is_compiled_once() -> None:
    engine = Engine(SCHEMA)

    assert plan_of(engine, "{ n }") is plan_of(engine, "{ n }")
    assert plan_of(engine, "{ n }") is not plan_of(engine, "{ n  }")


async def test_each_operation_of_a_document_has_its_own_plan() -> None:
    engine = Engine(SCHEMA)
    query = "query A { n } query B { x: n }"

    responses = [
        await execute_compiled(SCHEMA, query, engine=engine, name=name, root={"n": 1}) for name in ("A", "B", "A")
    ]

    assert [response.data for response in responses] == [{"n": 1}, {"x": 1}, {"n": 1}]
    assert len(cached_plans(engine)) == 2


def test_least_recently_used_plan_is_evicted() -> None:
    engine = Engine(SCHEMA, max_plans=3)
    plans = [plan_of(engine, f"{{ n(x: {number}) }}") for number in range(3)]

    plan_of(engine, "{ n(x: 0) }")
    plan_of(engine, "{ n(x: 3) }")

    assert len(cached_plans(engine)) == 3
    assert plan_of(engine, "{ n(x: 0) }") is plans[0]  # used again, so the second plan was evicted
    assert plan_of(engine, "{ n(x: 1) }") is not plans[1]


def test_many_documents_stay_within_the_limits() -> None:
    engine = Engine(SCHEMA, max_plans=100, max_bytes=1000)

    for number in range(2000):
        plan_of(engine, f"{{ n(x: {number}) }}")

    assert len(engine._documents) == len(cached_plans(engine)) < 100
    assert engine._documents.bytes <= 1000
    assert engine._documents.count == len(cached_plans(engine))


def test_documents_that_do_not_compile_are_not_cached() -> None:
    engine = Engine(SCHEMA)

    for number in range(50):
        with pytest.raises(Exception, match="too deeply"):
            plan_of(engine, deep_query(MAX_LEVELS + number))

    assert len(engine._documents) == 0


def test_document_larger_than_the_cache_is_not_cached() -> None:
    engine = Engine(SCHEMA, max_bytes=100)
    plan_of(engine, "{ n }")

    plan_of(engine, "{ n " + " " * 100 + "}")

    assert cached_plans(engine) == []
    assert (engine._documents.count, engine._documents.bytes) == (0, 0)


def test_each_shape_of_a_document_counts_as_a_plan() -> None:
    engine = Engine(SCHEMA, max_plans=5)
    source = (
        "query ($a: Boolean!, $b: Boolean!, $c: Boolean!) { x: n @skip(if: $a) y: n @skip(if: $b) n @skip(if: $c) }"
    )

    for number in range(8):
        plan_of(engine, source, a=bool(number & 1), b=bool(number & 2), c=bool(number & 4))
        assert len(cached_plans(engine)) == engine._documents.count <= 5


def test_fields_of_a_plan_count_as_bytes() -> None:
    small_engine, large_engine = Engine(SCHEMA), Engine(SCHEMA)
    plan_of(small_engine, "{ n n n n n n }")
    plan_of(large_engine, "{ a:n b:n c:n }")

    assert small_engine._documents.bytes < large_engine._documents.bytes


def test_default_limit_is_below_100_mib() -> None:
    assert MAX_BYTES * 130 < 100 * 1024 * 1024


async def test_literal_conditions_share_one_plan() -> None:
    engine = Engine(SCHEMA)
    source = "query ($x: Int) { n(x: $x) @skip(if: false) }"

    await execute_compiled(SCHEMA, source, engine=engine, variables={"x": 1})
    await execute_compiled(SCHEMA, source, engine=engine, variables={"x": 2})

    assert len(cached_plans(engine)) == 1
