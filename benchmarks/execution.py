"""Executing Q2 in memory: our executor, graphql-core through Strawberry, and graphql-core alone.

All three answer one operation, of the shape of Q2, from the same 50 accounts with 10 grants each, with a rule on every
field, its document parsed and validated beforehand. Measured is the processor's time up to the finished data.

- Strawberry as its guides have it: types with `permission_classes` on every field, asynchronous resolvers with
  DataLoaders for what would come from a database, parser and validation caches. Its objects are made beforehand,
  which a server could not do.
- graphql-core alone: synchronous resolvers behind a closure as guard, the fastest that it can be used.
- Ours: batch resolvers, and guards as bits of each object.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import strawberry
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
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.permission import BasePermission

import executor
from benchmarks.measure import Goal, Pace, Section, faster, interleave, slower

ACCOUNTS: Final = 50
GRANTS: Final = 10
QUERY: Final = """{ viewer { accounts(first: 50) {
  id name validUntil role
  settings { invoicePrefix vatNumber bankAccountNumber }
  grants(first: 10) { id role user { id name email } } } } }"""
SDL: Final = """
enum Role { OWNER ACCOUNTANT SIMPLE_USER }
type Query { viewer: Viewer! }
type Viewer { accounts(first: Int!): [Account!]! }
type Account {
  id: ID!  name: String!  validUntil: String!  role: Role!  settings: Settings  grants(first: Int!): [Grant!]! }
type Settings { invoicePrefix: String!  vatNumber: String  bankAccountNumber: String }
type Grant { id: ID!  role: Role!  user: User! }
type User { id: ID!  name: String!  email: String }
"""
READ: Final = 1


# ---- The objects -----------------------------------------------------------------------------


@dataclass(slots=True)
class UserRow:
    """A user, and what the caller may do with it; the same in all rows below."""

    id: str
    name: str
    email: str
    rights: int = READ


@dataclass(slots=True)
class GrantRow:
    """A grant."""

    id: str
    role: str
    user: UserRow
    rights: int = READ


@dataclass(slots=True)
class SettingsRow:
    """The settings of an account."""

    invoicePrefix: str  # noqa: N815 - the graph's names, so that nobody has to translate
    vatNumber: str  # noqa: N815
    bankAccountNumber: str  # noqa: N815
    rights: int = READ


@dataclass(slots=True)
class AccountRow:
    """An account."""

    id: str
    name: str
    validUntil: str  # noqa: N815
    role: str
    settings: SettingsRow
    grants: list[GrantRow]
    rights: int = READ


@dataclass(slots=True)
class ViewerRow:
    """Who asks."""

    accounts: list[AccountRow]
    rights: int = READ


def world() -> ViewerRow:
    """What is read."""
    return ViewerRow([_account(number) for number in range(1, ACCOUNTS + 1)])


def _account(number: int) -> AccountRow:
    return AccountRow(
        id=f"account-{number}",
        name=f"Account {number:05}",
        validUntil="2027-01-01T00:00:00Z",
        role="OWNER",
        settings=SettingsRow(f"INV{number}/", f"SE55000000{number:04}", f"SE45{number:020}"),
        grants=[
            GrantRow(f"grant-{number}-{k}", "SIMPLE_USER", UserRow(f"user-{k}", f"User {k}", f"user{k}@example.com"))
            for k in range(GRANTS)
        ],
    )


# ---- graphql-core, through Strawberry --------------------------------------------------------


@strawberry.enum
class Role(Enum):
    """What somebody is in an account."""

    OWNER = "OWNER"
    ACCOUNTANT = "ACCOUNTANT"
    SIMPLE_USER = "SIMPLE_USER"


class MayRead(BasePermission):
    """The rule of every field."""

    message = "Forbidden"
    error_extensions = {"code": "FORBIDDEN"}  # noqa: RUF012 - the library's own way

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        del info
        return source is None or bool(source.rights & READ)


def guarded(resolver: Any = None) -> Any:
    """A field with the rule, by default read off the object."""
    return strawberry.field(resolver=resolver, permission_classes=[MayRead])


async def user_of_grant(self: "Grant", info: strawberry.Info) -> "User":
    loaders: Loaders = info.context
    return await loaders.users.load(self.user_id)


async def grants_of_account(self: "Account", info: strawberry.Info, first: int) -> list["Grant"]:
    loaders: Loaders = info.context
    return (await loaders.grants.load(self.id))[:first]


async def accounts_of_viewer(info: strawberry.Info, first: int) -> list["Account"]:
    loaders: Loaders = info.context
    return loaders.tables.accounts[:first]


@strawberry.type
class User:
    """A user."""

    rights: strawberry.Private[int]
    id: strawberry.ID = guarded()
    name: str = guarded()
    email: str | None = guarded()


@strawberry.type
class Grant:
    """A grant."""

    rights: strawberry.Private[int]
    user_id: strawberry.Private[str]
    id: strawberry.ID = guarded()
    role: Role = guarded()
    user: User = guarded(user_of_grant)


@strawberry.type
class Settings:
    """The settings of an account."""

    rights: strawberry.Private[int]
    invoice_prefix: str = guarded()
    vat_number: str | None = guarded()
    bank_account_number: str | None = guarded()


@strawberry.type
class Account:
    """An account."""

    rights: strawberry.Private[int]
    id: strawberry.ID = guarded()
    name: str = guarded()
    valid_until: str = guarded()
    role: Role = guarded()
    settings: Settings | None = guarded()
    grants: list[Grant] = guarded(grants_of_account)


@strawberry.type
class Viewer:
    """Who asks."""

    rights: strawberry.Private[int]
    accounts: list[Account] = guarded(accounts_of_viewer)


@strawberry.type
class Query:
    """The root."""

    viewer: Viewer = guarded(lambda: Viewer(rights=READ))


class Tables:
    """The world in Strawberry's types, by key."""

    def __init__(self, viewer: ViewerRow) -> None:
        self.accounts = [self._account(row) for row in viewer.accounts]
        self.grants = {row.id: [self._grant(one) for one in row.grants] for row in viewer.accounts}
        self.users = {
            one.user.id: User(rights=READ, id=strawberry.ID(one.user.id), name=one.user.name, email=one.user.email)
            for row in viewer.accounts
            for one in row.grants
        }

    @staticmethod
    def _account(row: AccountRow) -> Account:
        return Account(
            rights=row.rights,
            id=strawberry.ID(row.id),
            name=row.name,
            valid_until=row.validUntil,
            role=Role(row.role),
            settings=Settings(
                rights=row.settings.rights,
                invoice_prefix=row.settings.invoicePrefix,
                vat_number=row.settings.vatNumber,
                bank_account_number=row.settings.bankAccountNumber,
            ),
        )

    @staticmethod
    def _grant(row: GrantRow) -> Grant:
        return Grant(rights=row.rights, user_id=row.user.id, id=strawberry.ID(row.id), role=Role(row.role))


class Loaders:
    """The context of one execution."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.grants: DataLoader[str, list[Grant]] = DataLoader(self._grants)
        self.users: DataLoader[str, User] = DataLoader(self._users)

    async def _grants(self, keys: list[str]) -> list[list[Grant]]:
        return [self.tables.grants[key] for key in keys]

    async def _users(self, keys: list[str]) -> list[User]:
        return [self.tables.users[key] for key in keys]


Execution = Callable[[], Coroutine[Any, Any, dict[str, Any]]]


def through_strawberry(viewer: ViewerRow) -> Execution:
    """One execution by Strawberry's own method."""
    schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
    tables = Tables(viewer)

    async def run() -> dict[str, Any]:
        result = await schema.execute(QUERY, context_value=Loaders(tables))
        return _data(result.data, result.errors)

    return run


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
        return _data(result.data, result.errors)

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
        return _data(result.data, result.errors)

    return run


def without_rules(schema: GraphQLSchema) -> GraphQLSchema:
    """Take the rules from a schema of ours: no rights are worked out, and no field needs any. For measuring only."""
    for type_, _, field_ in _fields(schema):
        type_.extensions.pop("rights", None)
        field_.extensions["needs"] = None
    return schema


def _rights(rows: Sequence[Any], _: object) -> list[int]:
    return [READ if row is None else row.rights for row in rows]


def _refuse(_row: object, _context: object) -> Exception:
    return GraphQLError("Forbidden")


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


def _data(data: dict[str, Any] | None, errors: object) -> dict[str, Any]:
    assert not errors, errors
    assert data is not None
    return data


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
