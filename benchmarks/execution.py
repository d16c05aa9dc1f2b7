"""Executing Q2 in memory: our executor, graphql-core through Strawberry, and graphql-core alone.

All three answer one operation, of the shape of Q2, from the same 50 accounts with 10 grants each, with a rule on every
field, its document parsed and validated beforehand. Measured is the processor's time up to the finished data.

- Strawberry as its guides have it.
- graphql-core alone: synchronous resolvers behind a closure as guard, the fastest that it can be used.
- Ours: batch resolvers, and guards as bits of each object.
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
from benchmarks.measure import Goal, Pace, Section, faster, interleave, slower
from benchmarks.question import (
    QUERY,
    READ,
    SDL,
    AccountRow,
    Execution,
    GrantRow,
    UserRow,
    ViewerRow,
    data_of,
    world,
)
from benchmarks.strawberries import through_strawberry

# ---- graphql-core alone ----------------------------------------------------------------------


def alone(viewer: ViewerRow) -> Execution:
    """One execution by graphql-core."""
    schema = build_schema(SDL)
    for type_, name, field_ in _fields(schema):
        field_.resolve = _closure(type_, name, viewer)
    document = parse(QUERY)
    assert validate(schema, document) == []

    async def run() -> dict[str, Any]:
        result = execute_sync(schema, document)
        return data_of(result.data, result.errors)

    return run


def _closure(type_: GraphQLObjectType, name: str, viewer: ViewerRow) -> Callable[..., Any]:
    if type_.name == "Query":
        return lambda _source, _info: viewer

    def resolve(source: Any, _info: GraphQLResolveInfo[Any], first: int | None = None) -> Any:
        if not source.rights & READ:
            raise GraphQLError("Forbidden")
        value = getattr(source, name)
        return value if first is None else value[:first]

    return resolve


# ---- Ours ------------------------------------------------------------------------------------


def ours(viewer: ViewerRow, *, has_rules: bool = True) -> Execution:
    """One execution by our executor; without rules, to see what they cost."""
    schema = build_schema(SDL)
    for type_, _, field_ in _fields(schema):
        type_.extensions["rights"] = _rights
        field_.extensions |= {"needs": READ, "refuse": _refuse, "convert": _as_given}
    _marks(schema, "Query", "viewer")["resolve"] = lambda _source, _info: viewer
    _marks(schema, "Viewer", "accounts")["batch"] = _accounts_of_viewers
    _marks(schema, "Account", "grants")["batch"] = _grants_of_accounts
    _marks(schema, "Grant", "user")["batch"] = _users_of_grants
    if not has_rules:
        without_rules(schema)
    document = parse(QUERY)
    assert validate(schema, document) == []
    engine = executor.Engine(schema)

    async def run() -> dict[str, Any]:
        result = await engine.execute(document, QUERY)
        return data_of(result.data, result.errors)

    return run


def without_rules(schema: GraphQLSchema) -> GraphQLSchema:
    """Take the rules from a schema of ours: no rights are worked out, and no field needs any. For measuring only."""
    for type_, _, field_ in _fields(schema):
        type_.extensions.pop("rights", None)
        field_.extensions["needs"] = None
    return schema


def _rights(rows: Sequence[Any], _: object) -> list[int]:
    return [READ if row is None else row.rights for row in rows]


def _refuse(rows: Sequence[object], _context: object) -> list[Exception]:
    return [GraphQLError("Forbidden") for _ in rows]


def _as_given(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments


async def _accounts_of_viewers(viewers: Sequence[ViewerRow], _: object, first: int) -> list[list[AccountRow]]:
    return [viewer.accounts[:first] for viewer in viewers]


async def _grants_of_accounts(accounts: Sequence[AccountRow], _: object, first: int) -> list[list[GrantRow]]:
    return [account.grants[:first] for account in accounts]


async def _users_of_grants(grants: Sequence[GrantRow], _: object) -> list[UserRow]:
    return [grant.user for grant in grants]


def _marks(schema: GraphQLSchema, type_name: str, field_name: str) -> dict[str, Any]:
    type_ = schema.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    marks: dict[str, Any] = type_.fields[field_name].extensions
    return marks


def _fields(schema: GraphQLSchema) -> list[tuple[GraphQLObjectType, str, GraphQLField]]:
    return [
        (type_, name, field_)
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field_ in type_.fields.items()
    ]


# ---- Measuring -------------------------------------------------------------------------------


def measure(pace: Pace) -> Section:
    """All contestants in turns, in this process."""
    viewer = world()
    contestants = {
        "ours": ours(viewer),
        "ours without rules": ours(viewer, has_rules=False),
        "strawberry": through_strawberry(viewer),
        "graphql-core": alone(viewer),
    }
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answers = [runner.run(run()) for run in contestants.values()]
        assert all(answer == answers[0] for answer in answers)
        fields = count(answers[0])
        slices = {name: _slice(runner, run, pace) for name, run in contestants.items()}
        found = interleave(slices, pace.rounds * 3)
    unit = "CPU ms"
    return Section(
        "execution",
        [
            faster(
                f"Executing Q2 in memory ({fields:,} fields): Strawberry",
                found["ours"],
                found["strawberry"],
                unit,
                Goal(20),
            ),
            faster("Executing Q2 in memory: graphql-core alone", found["ours"], found["graphql-core"], unit),
            slower("Rules on every field, execution in memory: none", found["ours"], found["ours without rules"], unit),
        ],
        {"fields": fields, "milliseconds": found},
    )


def _slice(runner: asyncio.Runner, run: Execution, pace: Pace) -> Callable[[], float]:
    """A turn: as many executions as fill a part of a round's time."""
    took = runner.run(cpu_milliseconds(run, 1)) / 1000
    times = max(1, round(pace.seconds / 8 / max(took, 1e-6)))
    return lambda: runner.run(cpu_milliseconds(run, times))


async def cpu_milliseconds(run: Callable[[], Awaitable[object]], times: int) -> float:
    """The processor's time for one run, on average of some."""
    gc.collect()
    began = time.process_time()
    for _ in range(times):
        await run()
    return (time.process_time() - began) / times * 1000


def count(value: Any) -> int:
    """The fields of an answer."""
    if isinstance(value, dict):
        return sum(1 + count(inner) for inner in value.values())
    return sum(map(count, value)) if isinstance(value, list) else 0
