"""Sources of subscriptions, and the results of their events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from graphql import GraphQLSchema, parse, subscribe

from executor import Engine
from tests.executor.harness import OPEN, SECRET, guarded_schema, plain_schema

SDL = """
    type Query { a: Int }
    type Subscription { ticks(from: Int): Tick }
    type Tick { number: Int  twice: Int!  list: [Int!] }
"""


async def tick_source(_: object, __: object, **arguments: Any) -> AsyncIterator[dict[str, Any]]:
    for number in range(arguments.get("from", 1), 4):
        await asyncio.sleep(0)
        twice = None if number == 2 else number * 2
        yield {"ticks": {"number": number, "twice": twice, "list": [number, None if number == 3 else 0]}}


async def subscribe_with_both(schema: GraphQLSchema, query: str, **options: Any) -> tuple[list[Any], list[Any]]:
    """The result of each event, by graphql-core and by our executor."""
    parameter_names = {"variables": "variable_values", "context": "context_value", "root": "root_value"}
    stream: Any = subscribe(schema, parse(query), **{parameter_names[key]: value for key, value in options.items()})
    stream = await stream if hasattr(stream, "__await__") else stream
    reference_results = [result async for result in stream] if hasattr(stream, "__aiter__") else [stream]
    parameter_names = {"variables": "variables", "context": "context", "root": "root_value"}
    compiled_stream = Engine(schema).subscribe(
        parse(query), query, **{parameter_names[key]: value for key, value in options.items()}
    )
    compiled_results = [result async for result in compiled_stream]
    return [event_result(result) for result in reference_results], [event_result(result) for result in compiled_results]


def event_result(result: Any) -> Any:
    return result.data, [error.formatted for error in result.errors or ()]


@pytest.mark.parametrize(
    "query",
    [
        "subscription { ticks { number } }",
        "subscription { x: ticks(from: 2) { number twice } }",
        "subscription ($from: Int = 2) { ticks(from: $from) { list twice } }",
        "subscription { ticks { __typename number ... @skip(if: true) { twice } } }",
    ],
)
async def test_each_event_runs_through_the_plan(query: str) -> None:
    schema = plain_schema(SDL, {"Subscription.subscribe": tick_source})
    schema.type_map["Subscription"].fields["ticks"].resolve = lambda event, _, **__: event["ticks"]  # type: ignore[attr-defined]

    expected, results = await subscribe_with_both(schema, query)

    assert results == expected
    assert len(results) in {2, 3}


async def return_number(*_: object, **__: object) -> int:
    return 5


async def raise_error_later(*_: object, **__: object) -> AsyncIterator[Any]:
    raise ValueError("no source")


def raise_error(*_: object, **__: object) -> Any:
    raise ValueError("refused")


@pytest.mark.parametrize(
    "source", [return_number, raise_error_later, raise_error, lambda *_, **__: None, lambda *_, **__: ValueError("x")]
)
async def test_source_that_cannot_start_is_one_result_with_an_error(source: Any) -> None:
    expected, results = await subscribe_with_both(
        plain_schema(SDL, {"Subscription.subscribe": source}), "subscription { ticks { number } }"
    )

    assert results == expected
    assert len(results) == 1
    assert results[0][1]


async def test_invalid_variables_are_one_result_with_an_error() -> None:
    query = "subscription ($from: Int!) { ticks(from: $from) { number } }"

    expected, results = await subscribe_with_both(
        plain_schema(SDL, {"Subscription.subscribe": tick_source}), query, variables={"from": "x"}
    )

    assert results == expected
    assert len(results) == 1


async def test_raising_source_ends_the_results() -> None:
    async def break_after_one_event(*_: object, **__: object) -> AsyncIterator[Any]:
        yield {"ticks": {"number": 1}}
        raise ValueError("broken")

    query = "subscription { ticks { number } }"
    results = Engine(plain_schema(SDL, {"Subscription.subscribe": break_after_one_event})).subscribe(
        parse(query), query
    )

    first_result = await anext(results)
    with pytest.raises(ValueError, match="broken"):
        await anext(results)

    assert first_result.data == {"ticks": {"number": 1}}


async def test_closing_the_results_closes_the_source() -> None:
    closings: list[bool] = []

    async def endless_source(*_: object, **__: object) -> AsyncIterator[Any]:
        try:
            while True:
                yield {"ticks": {"number": 1}}
        finally:
            closings.append(True)

    query = "subscription { ticks { number } }"
    results = Engine(plain_schema(SDL, {"Subscription.subscribe": endless_source})).subscribe(parse(query), query)

    await anext(results)
    assert isinstance(results, AsyncGenerator)
    await results.aclose()

    assert closings == [True]


GUARDED_SDL = """
    type Tick { number: Int }
    type Query { a: Int }
    type Subscription { ticks(fromNumber: Int): Tick }
"""


def guarded_tick_schema(rights: int, started_sources: list[object]) -> GraphQLSchema:
    """A subscription with a rule, whose arguments have different names in Python."""

    def source(_: object, __: object, from_number: int = 0) -> AsyncIterator[dict[str, Any]]:
        async def numbers() -> AsyncIterator[dict[str, Any]]:
            yield {"ticks": {"number": from_number}}

        started_sources.append(from_number)
        return numbers()

    metadata: dict[str, dict[str, Any]] = {
        "Subscription.ticks": {
            "needs": SECRET,
            "convert": lambda arguments: {"from_number": arguments["fromNumber"]},
            "resolve": lambda event, _, **__: event["ticks"],
        }
    }
    schema = guarded_schema(GUARDED_SDL, metadata, rights={"Subscription": lambda objects, _: [rights] * len(objects)})
    schema.type_map["Subscription"].fields["ticks"].subscribe = source  # type: ignore[attr-defined]
    return schema


async def subscribe_compiled(schema: GraphQLSchema, query: str) -> list[Any]:
    return [event_result(result) async for result in Engine(schema).subscribe(parse(query), query)]


async def test_arguments_of_a_source_are_converted() -> None:
    started_sources: list[object] = []

    results = await subscribe_compiled(
        guarded_tick_schema(OPEN | SECRET, started_sources), "subscription { ticks(fromNumber: 7) { number } }"
    )

    assert results == [({"ticks": {"number": 7}}, [])]
    assert started_sources == [7]


async def test_refused_source_does_not_start() -> None:
    started_sources: list[object] = []

    results = await subscribe_compiled(
        guarded_tick_schema(OPEN, started_sources), "subscription { x: ticks(fromNumber: 7) { number } }"
    )

    (result,) = results
    assert result == (
        None, [{"message": "not of None", "locations": [{"line": 1, "column": 16}], "path": ["x"]}]
    )  # fmt: skip
    assert started_sources == []


async def test_lost_right_refuses_the_next_event() -> None:
    rights = [OPEN | SECRET]

    async def two_events(*_: object, **__: object) -> AsyncIterator[dict[str, Any]]:
        yield {"ticks": {"number": 1}}
        rights[0] = OPEN
        yield {"ticks": {"number": 2}}

    schema = guarded_tick_schema(OPEN, [])
    schema.type_map["Subscription"].extensions["rights"] = lambda objects, _: rights * len(objects)
    schema.type_map["Subscription"].fields["ticks"].subscribe = two_events  # type: ignore[attr-defined]
    schema.type_map["Subscription"].fields["ticks"].extensions["convert"] = dict  # type: ignore[attr-defined]

    results = await subscribe_compiled(schema, "subscription { ticks { number } }")

    assert [data for data, _ in results] == [{"ticks": {"number": 1}}, {"ticks": None}]
    assert [[error["message"] for error in errors] for _, errors in results] == [
        [],
        ["not of {'ticks': {'number': 2}}"],
    ]
