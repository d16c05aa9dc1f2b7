"""Operations: which of a document runs, mutations one after the other, subscriptions event by event."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from graphql import GraphQLSchema, parse, subscribe

from executor import Engine
from tests.executor.toy import OPEN, SECRET, Asked, both, compiled, guarded, toy

SDL = """
    type Query { a: Int  b: Int }
    type Mutation { first(x: Int): Int  second: Int  hard: Int!  slow: Int  object: Result  column: Int }
    type Result { value: Int  other: Int }
    type Subscription { ticks(from: Int): Tick }
    type Tick { number: Int  twice: Int!  list: [Int!] }
"""


@pytest.mark.parametrize("name", [None, "A", "B", "M", "C", ""])
async def test_the_operation_that_is_named_runs(name: str | None) -> None:
    query = "query A { a } query B { b x: a } mutation M { second }"

    await both(toy(SDL), query, name=name, root={"a": 1, "b": 2, "second": 3})


@pytest.mark.parametrize("name", [None, "A", "B"])
@pytest.mark.parametrize("query", ["query A { a }", "{ a }"])
async def test_the_only_operation_needs_no_name(query: str, name: str | None) -> None:
    await both(toy(SDL), query, name=name, root={"a": 1})


async def test_a_document_without_operation() -> None:
    answer = await both(toy(SDL), "fragment F on Query { a }", valid=False)

    assert answer.said == [("Must provide an operation.", None)]


@pytest.mark.parametrize("kind", ["mutation", "subscription"])
async def test_a_root_that_the_schema_lacks(kind: str) -> None:
    answer = await both(toy("type Query { a: Int }"), f"{kind} {{ a }}", valid=False)

    assert answer.said == [(f"Schema is not configured to execute {kind} operation.", None)]


async def test_variables_of_other_operations_do_not_matter() -> None:
    """A condition of one is a list in the other, by the same name."""
    schema = toy("type Query { a: Int  b(x: [Int]): Int }", {"Query.b": lambda *_, x: sum(x)})
    query = "query A($x: Boolean!) { a @skip(if: $x) } query B($x: [Int]) { b(x: $x) }"

    answer = await both(schema, query, name="B", variables={"x": [1, 2]})
    skipped = await both(schema, query, name="A", variables={"x": True})

    assert answer.data == {"b": 3}
    assert skipped.data == {}


# ---- Mutations -------------------------------------------------------------------------------


def logging(name: str, *, fails: bool = False, nothing: bool = False) -> Any:
    async def resolve(_: object, info: Any, **__: object) -> int | None:
        info.context.calls.append(f"{name} starts")
        await asyncio.sleep(0.002)
        info.context.calls.append(f"{name} ends")
        if fails:
            raise ValueError(name)
        return None if nothing else 1

    return resolve


async def test_mutations_run_one_after_the_other() -> None:
    schema = toy(SDL, {"Mutation.first": logging("first"), "Mutation.second": logging("second")})
    asked = Asked()

    await both(schema, "mutation { second x: first(x: 1) first(x: 2) }", context=Asked)
    await compiled(schema, "mutation { second x: first(x: 1) first(x: 2) }", context=asked)

    assert asked.calls == [
        "second starts",
        "second ends",
        "first starts",
        "first ends",
        "first starts",
        "first ends",
    ]


async def test_all_of_one_mutation_is_answered_before_the_next_begins() -> None:
    def value(parent: dict[str, Any], info: Any) -> Any:
        return logging(f"value {parent['of']}")(parent, info)

    def made(_: object, info: Any) -> dict[str, str]:
        info.context.calls.append("object")
        return {"of": str(len(info.context.calls))}

    asked = Asked()
    schema = toy(SDL, {"Mutation.object": made, "Result.value": value, "Mutation.second": logging("second")})

    answer = await compiled(schema, "mutation { object { value } second }", context=asked)

    assert answer.errors == []
    assert asked.calls == ["object", "value 1 starts", "value 1 ends", "second starts", "second ends"]


async def test_an_error_in_the_first_leaves_the_second_running() -> None:
    schema = toy(SDL, {"Mutation.first": logging("first", fails=True), "Mutation.second": logging("second")})
    asked = Asked()

    answer = await both(schema, "mutation { first second }", context=Asked)
    await compiled(schema, "mutation { first second }", context=asked)

    assert answer.data == {"first": None, "second": 1}
    assert asked.calls[-1] == "second ends"


@pytest.mark.parametrize("kind", ["fails", "nothing"])
async def test_after_one_that_takes_the_whole_answer_no_other_begins(kind: str) -> None:
    schema = toy(SDL, {"Mutation.hard": logging("hard", **{kind: True}), "Mutation.second": logging("second")})
    asked, before = Asked(), Asked()

    answer = await both(schema, "mutation { second hard x: second }", context=Asked)
    await compiled(schema, "mutation { second hard x: second }", context=asked)
    await compiled(schema, "mutation { hard second }", context=before)

    assert answer.data is None
    assert asked.calls == ["second starts", "second ends", "hard starts", "hard ends"]
    assert before.calls == ["hard starts", "hard ends"]


async def test_after_a_column_that_takes_the_whole_answer_no_other_begins() -> None:
    schema = guarded(
        SDL, {"Mutation.hard": {"column": lambda *_: [None]}, "Mutation.second": {"resolve": logging("x")}}
    )
    asked = Asked()

    await both(schema, "mutation { hard second }", context=Asked)
    await compiled(schema, "mutation { hard second }", context=asked)

    assert asked.calls == []


async def test_columns_keep_the_order_of_mutations() -> None:
    def column(_: object, info: Any) -> list[int]:
        info.context.calls.append("column")
        return [1]

    schema = guarded(SDL, {"Mutation.first": {"resolve": logging("first")}, "Mutation.column": {"column": column}})
    asked = Asked()

    await both(schema, "mutation { first column x: first }", context=Asked)
    await compiled(schema, "mutation { first column x: first }", context=asked)

    assert asked.calls == ["first starts", "first ends", "column", "first starts", "first ends"]


async def test_queries_run_together() -> None:
    met = asyncio.Barrier(2)

    async def meet(*_: object) -> int:
        await met.wait()
        return 1

    async with asyncio.timeout(5):
        answer = await compiled(toy(SDL, {"Query.a": meet, "Query.b": meet}), "{ a b }")

    assert answer.data == {"a": 1, "b": 1}


# ---- Subscriptions ---------------------------------------------------------------------------


async def ticking(_: object, __: object, **given: Any) -> AsyncIterator[dict[str, Any]]:
    for number in range(given.get("from", 1), 4):
        await asyncio.sleep(0)
        hard = None if number == 2 else number * 2
        yield {"ticks": {"number": number, "twice": hard, "list": [number, None if number == 3 else 0]}}


async def events(schema: GraphQLSchema, query: str, **more: Any) -> tuple[list[Any], list[Any]]:
    """What each of the executors answers, event by event."""
    renamed = {"variables": "variable_values", "context": "context_value", "root": "root_value"}
    stream: Any = subscribe(schema, parse(query), **{renamed[key]: value for key, value in more.items()})
    stream = await stream if hasattr(stream, "__await__") else stream
    expected = [one async for one in stream] if hasattr(stream, "__aiter__") else [stream]
    renamed = {"variables": "variables", "context": "context", "root": "root_value"}
    ours = Engine(schema).subscribe(parse(query), query, **{renamed[key]: value for key, value in more.items()})
    found = [one async for one in ours]
    return [shown(one) for one in expected], [shown(one) for one in found]


def shown(result: Any) -> Any:
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
async def test_each_event_is_answered_by_the_plan(query: str) -> None:
    schema = toy(SDL, {"Subscription.subscribe": ticking})
    schema.type_map["Subscription"].fields["ticks"].resolve = lambda event, _, **__: event["ticks"]  # type: ignore[attr-defined]

    expected, found = await events(schema, query)

    assert found == expected
    assert len(found) in {2, 3}


async def no_stream(*_: object, **__: object) -> int:
    return 5


async def failing(*_: object, **__: object) -> AsyncIterator[Any]:
    raise ValueError("no source")


def refusing(*_: object, **__: object) -> Any:
    raise ValueError("refused")


@pytest.mark.parametrize(
    "source", [no_stream, failing, refusing, lambda *_, **__: None, lambda *_, **__: ValueError("x")]
)
async def test_a_source_that_does_not_start_is_one_answer_with_its_error(source: Any) -> None:
    expected, found = await events(toy(SDL, {"Subscription.subscribe": source}), "subscription { ticks { number } }")

    assert found == expected
    assert len(found) == 1
    assert found[0][1]


async def test_variables_that_do_not_fit_subscribe_to_nothing() -> None:
    query = "subscription ($from: Int!) { ticks(from: $from) { number } }"

    expected, found = await events(toy(SDL, {"Subscription.subscribe": ticking}), query, variables={"from": "x"})

    assert found == expected
    assert len(found) == 1


async def test_a_source_that_breaks_ends_the_answers_with_its_error() -> None:
    async def breaking(*_: object, **__: object) -> AsyncIterator[Any]:
        yield {"ticks": {"number": 1}}
        raise ValueError("broken")

    query = "subscription { ticks { number } }"
    answers = Engine(toy(SDL, {"Subscription.subscribe": breaking})).subscribe(parse(query), query)

    first = await anext(answers)
    with pytest.raises(ValueError, match="broken"):
        await anext(answers)

    assert first.data == {"ticks": {"number": 1}}


async def test_who_goes_away_closes_the_source() -> None:
    closed: list[bool] = []

    async def endless(*_: object, **__: object) -> AsyncIterator[Any]:
        try:
            while True:
                yield {"ticks": {"number": 1}}
        finally:
            closed.append(True)

    query = "subscription { ticks { number } }"
    answers = Engine(toy(SDL, {"Subscription.subscribe": endless})).subscribe(parse(query), query)

    await anext(answers)
    assert isinstance(answers, AsyncGenerator)
    await answers.aclose()

    assert closed == [True]


GUARDED = """
    type Tick { number: Int }
    type Query { a: Int }
    type Subscription { ticks(fromNumber: Int): Tick }
"""


def guarded_ticks(held: int, started: list[object]) -> GraphQLSchema:
    """A subscription under a rule, whose arguments have other names in Python."""

    def source(_: object, __: object, from_number: int = 0) -> AsyncIterator[dict[str, Any]]:
        async def numbers() -> AsyncIterator[dict[str, Any]]:
            yield {"ticks": {"number": from_number}}

        started.append(from_number)
        return numbers()

    marks: dict[str, dict[str, Any]] = {
        "Subscription.ticks": {
            "needs": SECRET,
            "convert": lambda given: {"from_number": given["fromNumber"]},
            "resolve": lambda event, _, **__: event["ticks"],
        }
    }
    schema = guarded(GUARDED, marks, rights={"Subscription": lambda objects, _: [held] * len(objects)})
    schema.type_map["Subscription"].fields["ticks"].subscribe = source  # type: ignore[attr-defined]
    return schema


async def heard(schema: GraphQLSchema, query: str) -> list[Any]:
    return [shown(one) async for one in Engine(schema).subscribe(parse(query), query)]


async def test_a_source_has_its_arguments_converted() -> None:
    started: list[object] = []

    found = await heard(guarded_ticks(OPEN | SECRET, started), "subscription { ticks(fromNumber: 7) { number } }")

    assert found == [({"ticks": {"number": 7}}, [])]
    assert started == [7]


async def test_a_refused_source_never_starts() -> None:
    started: list[object] = []

    found = await heard(guarded_ticks(OPEN, started), "subscription { x: ticks(fromNumber: 7) { number } }")

    (answer,) = found
    assert answer == (
        None, [{"message": "not of None", "locations": [{"line": 1, "column": 16}], "path": ["x"]}]
    )  # fmt: skip
    assert started == []


async def test_a_guard_that_closes_while_events_come_refuses_the_next_one() -> None:
    held = [OPEN | SECRET]

    async def two(*_: object, **__: object) -> AsyncIterator[dict[str, Any]]:
        yield {"ticks": {"number": 1}}
        held[0] = OPEN
        yield {"ticks": {"number": 2}}

    schema = guarded_ticks(OPEN, [])
    schema.type_map["Subscription"].extensions["rights"] = lambda objects, _: held * len(objects)
    schema.type_map["Subscription"].fields["ticks"].subscribe = two  # type: ignore[attr-defined]
    schema.type_map["Subscription"].fields["ticks"].extensions["convert"] = dict  # type: ignore[attr-defined]

    found = await heard(schema, "subscription { ticks { number } }")

    assert [data for data, _ in found] == [{"ticks": {"number": 1}}, {"ticks": None}]
    assert [[error["message"] for error in errors] for _, errors in found] == [[], ["not of {'ticks': {'number': 2}}"]]
