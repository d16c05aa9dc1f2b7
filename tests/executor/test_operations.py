"""Operations: the choice by name, and the order of mutation and query fields.

Fields called `hard` are non-null.
"""

import asyncio
from typing import Any

import pytest

from tests.executor.harness import CallLog, execute_both, execute_compiled, guarded_schema, plain_schema

SDL = """
    type Query { a: Int  b: Int }
    type Mutation { first(x: Int): Int  second: Int  hard: Int!  slow: Int  object: Result  column: Int }
    type Result { value: Int }
"""


@pytest.mark.parametrize("name", [None, "A", "B", "M", "C", ""])
async def test_operation_with_the_name_runs(name: str | None) -> None:
    query = "query A { a } query B { b x: a } mutation M { second }"

    await execute_both(plain_schema(SDL), query, name=name, root={"a": 1, "b": 2, "second": 3})


@pytest.mark.parametrize("name", [None, "A", "B"])
@pytest.mark.parametrize("query", ["query A { a }", "{ a }"])
async def test_single_operation_needs_no_name(query: str, name: str | None) -> None:
    await execute_both(plain_schema(SDL), query, name=name, root={"a": 1})


async def test_document_without_operation_is_an_error() -> None:
    response = await execute_both(plain_schema(SDL), "fragment F on Query { a }", valid=False)

    assert response.located_messages == [("Must provide an operation.", None)]


@pytest.mark.parametrize("kind", ["mutation", "subscription"])
async def test_missing_root_type_is_an_error(kind: str) -> None:
    response = await execute_both(plain_schema("type Query { a: Int }"), f"{kind} {{ a }}", valid=False)

    assert response.located_messages == [(f"Schema is not configured to execute {kind} operation.", None)]


async def test_variables_of_other_operations_have_no_effect() -> None:
    """The variable `x` is a condition in one operation and a list in the other."""
    schema = plain_schema("type Query { a: Int  b(x: [Int]): Int }", {"Query.b": lambda *_, x: sum(x)})
    query = "query A($x: Boolean!) { a @skip(if: $x) } query B($x: [Int]) { b(x: $x) }"

    response = await execute_both(schema, query, name="B", variables={"x": [1, 2]})
    skip_response = await execute_both(schema, query, name="A", variables={"x": True})

    assert response.data == {"b": 3}
    assert skip_response.data == {}


# ---- Mutations -------------------------------------------------------------------------------


def logged_resolver(name: str, *, fails: bool = False, returns_null: bool = False) -> Any:
    async def resolve(_: object, info: Any, **__: object) -> int | None:
        info.context.calls.append(f"{name} starts")
        await asyncio.sleep(0.002)
        info.context.calls.append(f"{name} ends")
        if fails:
            raise ValueError(name)
        return None if returns_null else 1

    return resolve


async def test_mutation_fields_run_serially() -> None:
    schema = plain_schema(
        SDL, {"Mutation.first": logged_resolver("first"), "Mutation.second": logged_resolver("second")}
    )
    context = CallLog()

    await execute_both(schema, "mutation { second x: first(x: 1) first(x: 2) }", context=CallLog)
    await execute_compiled(schema, "mutation { second x: first(x: 1) first(x: 2) }", context=context)

    assert context.calls == [
        "second starts",
        "second ends",
        "first starts",
        "first ends",
        "first starts",
        "first ends",
    ]


async def test_mutation_field_is_completed_before_the_next_starts() -> None:
    def resolve_value(parent: dict[str, Any], info: Any) -> Any:
        return logged_resolver(f"value {parent['number']}")(parent, info)

    def resolve_object(_: object, info: Any) -> dict[str, str]:
        info.context.calls.append("object")
        return {"number": str(len(info.context.calls))}

    context = CallLog()
    schema = plain_schema(
        SDL,
        {
            "Mutation.object": resolve_object,
            "Result.value": resolve_value,
            "Mutation.second": logged_resolver("second"),
        },
    )

    response = await execute_compiled(schema, "mutation { object { value } second }", context=context)

    assert response.errors == []
    assert context.calls == ["object", "value 1 starts", "value 1 ends", "second starts", "second ends"]


async def test_mutation_field_runs_after_an_error_in_the_previous_field() -> None:
    schema = plain_schema(
        SDL, {"Mutation.first": logged_resolver("first", fails=True), "Mutation.second": logged_resolver("second")}
    )
    context = CallLog()

    response = await execute_both(schema, "mutation { first second }", context=CallLog)
    await execute_compiled(schema, "mutation { first second }", context=context)

    assert response.data == {"first": None, "second": 1}
    assert context.calls[-1] == "second ends"


@pytest.mark.parametrize("kind", ["fails", "returns_null"])
async def test_no_mutation_field_starts_after_data_is_null(kind: str) -> None:
    schema = plain_schema(
        SDL, {"Mutation.hard": logged_resolver("hard", **{kind: True}), "Mutation.second": logged_resolver("second")}
    )
    context, null_first_context = CallLog(), CallLog()

    response = await execute_both(schema, "mutation { second hard x: second }", context=CallLog)
    await execute_compiled(schema, "mutation { second hard x: second }", context=context)
    await execute_compiled(schema, "mutation { hard second }", context=null_first_context)

    assert response.data is None
    assert context.calls == ["second starts", "second ends", "hard starts", "hard ends"]
    assert null_first_context.calls == ["hard starts", "hard ends"]


async def test_no_mutation_field_starts_after_a_column_nulls_the_data() -> None:
    schema = guarded_schema(
        SDL, {"Mutation.hard": {"column": lambda *_: [None]}, "Mutation.second": {"resolve": logged_resolver("x")}}
    )
    context = CallLog()

    await execute_both(schema, "mutation { hard second }", context=CallLog)
    await execute_compiled(schema, "mutation { hard second }", context=context)

    assert context.calls == []


async def test_columns_run_in_the_order_of_mutation_fields() -> None:
    def column(_: object, info: Any) -> list[int]:
        info.context.calls.append("column")
        return [1]

    schema = guarded_schema(
        SDL, {"Mutation.first": {"resolve": logged_resolver("first")}, "Mutation.column": {"column": column}}
    )
    context = CallLog()

    await execute_both(schema, "mutation { first column x: first }", context=CallLog)
    await execute_compiled(schema, "mutation { first column x: first }", context=context)

    assert context.calls == ["first starts", "first ends", "column", "first starts", "first ends"]


async def test_query_fields_run_concurrently() -> None:
    barrier = asyncio.Barrier(2)

    async def meet(*_: object) -> int:
        await barrier.wait()
        return 1

    async with asyncio.timeout(5):
        response = await execute_compiled(plain_schema(SDL, {"Query.a": meet, "Query.b": meet}), "{ a b }")

    assert response.data == {"a": 1, "b": 1}
