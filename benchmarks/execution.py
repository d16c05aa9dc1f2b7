"""Executing Q2 in memory: our executor, graphql-core through Strawberry, and graphql-core alone.

All three execute one operation of the shape of Q2 on the same 50 accounts with 10 grants each. Every field has a rule.
The document is parsed and validated before. The processor time up to the finished data is measured.

- Strawberry: used as its guides recommend.
- graphql-core alone: synchronous resolvers inside a closure that checks the rule. This is its fastest use.
- Our executor: batch resolvers, and rules as bits of each object.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvloop
from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    execute_sync,
    parse,
    validate,
)

import executor
from benchmarks.measurement import Goal, Pace, Section, compare_as_slowdown, compare_as_speedup, interleave
from benchmarks.sample_query import (
    QUERY,
    READ,
    SDL,
    AccountRow,
    Execution,
    GrantRow,
    UserRow,
    ViewerRow,
    create_viewer,
    require_data,
)
from benchmarks.strawberry_execution import strawberry_execution

# ---- graphql-core alone ----------------------------------------------------------------------


def graphql_core_execution(viewer: ViewerRow) -> Execution:
    """Return a function that executes the query by graphql-core."""
    schema = build_schema(SDL)
    for type_, name, field_ in _fields(schema):
        field_.resolve = _guarded_resolver(type_, name, viewer)
    document = parse(QUERY)
    assert validate(schema, document) == []

    async def run() -> dict[str, Any]:
        result = execute_sync(schema, document)
        return require_data(result.data, result.errors)

    return run


def _guarded_resolver(type_: GraphQLObjectType, name: str, viewer: ViewerRow) -> Callable[..., Any]:
    if type_.name == "Query":
        return lambda _source, _info: viewer

    def resolve(source: Any, _info: GraphQLResolveInfo[Any], first: int | None = None) -> Any:
        if not source.rights & READ:
            raise GraphQLError("Forbidden")
        value = getattr(source, name)
        return value if first is None else value[:first]

    return resolve


# ---- Our executor ----------------------------------------------------------------------------


def engine_execution(viewer: ViewerRow, *, has_rules: bool = True) -> Execution:
    """Return a function that executes the query by our executor. Without rules, it shows the cost of the rules."""
    schema = build_schema(SDL)
    for type_, _, field_ in _fields(schema):
        type_.extensions["rights"] = _rights
        field_.extensions |= {"needs": READ, "refuse": _refuse, "convert": _arguments_unchanged}
    _extensions(schema, "Query", "viewer")["resolve"] = lambda _source, _info: viewer
    _extensions(schema, "Viewer", "accounts")["batch"] = _accounts_of_viewers
    _extensions(schema, "Account", "grants")["batch"] = _grants_of_accounts
    _extensions(schema, "Grant", "user")["batch"] = _users_of_grants
    if not has_rules:
        remove_rules(schema)
    document = parse(QUERY)
    assert validate(schema, document) == []
    engine = executor.Engine(schema)

    async def run() -> dict[str, Any]:
        result = await engine.execute(document, QUERY)
        return require_data(result.data, result.errors)

    return run


def remove_rules(schema: GraphQLSchema) -> GraphQLSchema:
    """Remove the rules from our schema: no rights are computed, and no field needs any. For benchmarks only."""
    for type_, _, field_ in _fields(schema):
        type_.extensions.pop("rights", None)
        field_.extensions["needs"] = None
    return schema


def _rights(rows: Sequence[Any], _: object) -> list[int]:
    return [READ if row is None else row.rights for row in rows]


def _refuse(rows: Sequence[object], _context: object) -> list[Exception]:
    return [GraphQLError("Forbidden") for _ in rows]


def _arguments_unchanged(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments


async def _accounts_of_viewers(viewers: Sequence[ViewerRow], _: object, first: int) -> list[list[AccountRow]]:
    return [viewer.accounts[:first] for viewer in viewers]


async def _grants_of_accounts(accounts: Sequence[AccountRow], _: object, first: int) -> list[list[GrantRow]]:
    return [account.grants[:first] for account in accounts]


async def _users_of_grants(grants: Sequence[GrantRow], _: object) -> list[UserRow]:
    return [grant.user for grant in grants]


def _extensions(schema: GraphQLSchema, type_name: str, field_name: str) -> dict[str, Any]:
    type_ = schema.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    extensions: dict[str, Any] = type_.fields[field_name].extensions
    return extensions


def _fields(schema: GraphQLSchema) -> list[tuple[GraphQLObjectType, str, GraphQLField]]:
    return [
        (type_, name, field_)
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field_ in type_.fields.items()
    ]


# ---- Measuring -------------------------------------------------------------------------------


def measure(pace: Pace) -> Section:
    """Measure all contestants in this process. They take turns."""
    viewer = create_viewer()
    contestants = {
        "ours": engine_execution(viewer),
        "ours without rules": engine_execution(viewer, has_rules=False),
        "strawberry": strawberry_execution(viewer),
        "graphql-core": graphql_core_execution(viewer),
    }
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        responses = [runner.run(run()) for run in contestants.values()]
        assert all(response == responses[0] for response in responses)
        field_count = count_fields(responses[0])
        turns = {name: _turn(runner, run, pace) for name, run in contestants.items()}
        times = interleave(turns, pace.rounds * 3)
    unit = "CPU ms"
    return Section(
        "execution",
        [
            compare_as_speedup(
                f"Executing Q2 in memory ({field_count:,} fields): Strawberry",
                times["ours"],
                times["strawberry"],
                unit,
                Goal(20),
            ),
            compare_as_speedup(
                "Executing Q2 in memory: graphql-core alone", times["ours"], times["graphql-core"], unit
            ),
            compare_as_slowdown(
                "Rules on every field, execution in memory: none", times["ours"], times["ours without rules"], unit
            ),
        ],
        {"fields": field_count, "milliseconds": times},
    )


def _turn(runner: asyncio.Runner, run: Execution, pace: Pace) -> Callable[[], float]:
    """Return a function that runs one turn: as many executions as fill one eighth of a round."""
    seconds = runner.run(measure_cpu_milliseconds(run, 1)) / 1000
    repetitions = max(1, round(pace.seconds / 8 / max(seconds, 1e-6)))
    return lambda: runner.run(measure_cpu_milliseconds(run, repetitions))


async def measure_cpu_milliseconds(run: Callable[[], Awaitable[object]], repetitions: int) -> float:
    """Return the mean processor time of one run."""
    gc.collect()
    start = time.process_time()
    for _ in range(repetitions):
        await run()
    return (time.process_time() - start) / repetitions * 1000


def count_fields(value: Any) -> int:
    """Count the fields of a response."""
    if isinstance(value, dict):
        return sum(1 + count_fields(inner) for inner in value.values())
    return sum(map(count_fields, value)) if isinstance(value, list) else 0
