"""Access to the database: `connection` opens it, `transaction` changes it, `fetch` reads.

Tortoise models define the tables and write single rows. Lists are read as driver rows, which cost a seventh of a
model instance.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final, Protocol, TypeVar, cast

import asyncpg
from asyncpg.connection import LoggedQuery
from tortoise import Tortoise
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection, get_connections
from tortoise.exceptions import DBConnectionError, IntegrityError
from tortoise.transactions import in_transaction

from database.pool import DEFAULT_PER_CALLER, Pool
from database.rows import annotations, kinds

POOL_SIZE: Final = 20
STATEMENT_SECONDS: Final = 10

SERVER_SETTINGS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
"""Settings of each database connection. Each statement of the product has one good plan. By default PostgreSQL plans
a statement again for each list of keys, because the generic plan assumes ten keys. That took a quarter of its time.

Statements read by indexes, in the order of the index. A sequential scan or a bitmap reads all rows of an account before
the first one is shown, and the planner prefers them when a list is long. They are still used where nothing else serves.
"""


@dataclass(frozen=True, slots=True)
class DatabaseSchema:
    """The tables of a product, and the privileges of its server's role.

    `modules` define the tables for Tortoise. `migrations` is the package of the migrations. The server's role may
    only read the tables in `read_only`, and only insert into those in `append_only`. It may call `functions`, which
    are listed with their argument types. `constraint_errors` has, by the name of a constraint, a factory of the error
    that `transaction` raises when the constraint is violated. `contractions` has, by the name of a migration, the
    reason why its statements that drop or require something break no server of the release before.

    `parts` are the schemas of modules, each with the `label` of its own chain of migrations.
    """

    modules: Sequence[str]
    migrations: str
    read_only: Sequence[str] = ()
    append_only: Sequence[str] = ()
    functions: Sequence[str] = ()
    constraint_errors: Mapping[str, Callable[[], Exception]] = field(default_factory=dict[str, Callable[[], Exception]])
    contractions: Mapping[str, str] = field(default_factory=dict[str, str])
    label: str = "models"
    parts: Sequence["DatabaseSchema"] = ()

    @property
    def all_parts(self) -> "tuple[DatabaseSchema, ...]":
        """This schema and its parts, in the order in which they are migrated."""
        return self, *self.parts


UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    DBConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised when the connection breaks just as a statement starts
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
)
"""The errors of the driver while the database is unreachable, restarting, or too busy to respond in time."""


class Row(asyncpg.Record):
    """A driver row whose columns can be read as attributes, as on a model.

    A row class annotates each of its columns. `columns_of` makes the SQL from the annotations, and `database.rows`
    reads the columns of a connection by their types.
    """

    graphql_type: ClassVar[str] = ""
    """The GraphQL type of the rows, or "" if they have none. Never change it: cursors that clients hold contain it."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Columns(Protocol):
    """Anything that is read by column name: a driver row, or a dict with the same columns."""

    def __getitem__(self, name: str, /) -> Any:
        """The column's value."""
        ...


class Params:
    """The arguments of a statement, numbered as they are added."""

    def __init__(self, *values: object) -> None:
        self.values: list[object] = list(values)

    def add(self, value: object) -> str:
        """Add an argument. Returns its placeholder: `$1`, `$2`, ..."""
        self.values.append(value)
        return f"${len(self.values)}"


def columns(table: str, names: str) -> dict[str, str]:
    """The SQL expression of each column, by name: `columns("g", "id role")` has `g.id` under `id`."""
    return {name: f"{table}.{name}" for name in names.split()}


def columns_of(table: str, row: type[Row], overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """The SQL expression of each column that `row` annotates, by name, in the order of the annotations.

    A column without an override is the column of the same name of `table`, which is an alias.

    Raises:
        TypeError: an override names no annotation, or `row` has a GraphQL type and annotates a column that a
            connection cannot read. Call it at import, so that such a mistake ends the start of the process.
    """
    expressions = overrides or {}
    names = annotations(row)
    if unknown := expressions.keys() - names:
        raise TypeError(f"{row.__name__} does not annotate the overridden columns {', '.join(sorted(unknown))}.")
    if row.graphql_type:
        kinds(cast("type", row))  # mypy takes a row class for unhashable
    return {name: expressions.get(name, f"{table}.{name}") for name in names}


def select_list(expressions: Mapping[str, str]) -> str:
    """The columns of a SELECT: each expression under its name."""
    return ", ".join(
        sql if re.fullmatch(rf"\w+\.{name}", sql) else f'{sql} AS "{name}"' for name, sql in expressions.items()
    )


def prefix_columns(part: str, expressions: Mapping[str, str]) -> dict[str, str]:
    """The columns of a joined table, named `<part>.<column>`."""
    return {f"{part}.{name}": sql for name, sql in expressions.items()}


R = TypeVar("R", bound=asyncpg.Record)
StatementLogger = Callable[[LoggedQuery], None]
_commit_callbacks: Final[list[Callable[[], None]]] = []
_constraint_errors: Final[dict[str, Callable[[], Exception]]] = {}


def config(url: str, schema: DatabaseSchema, *, pool_size: int = POOL_SIZE) -> dict[str, Any]:
    """Tortoise's configuration for the database at `url`."""
    separator = "&" if "?" in url else "?"
    options = f"minsize=1&maxsize={pool_size}&command_timeout={STATEMENT_SECONDS}"
    return {
        "connections": {"default": f"{url}{separator}{options}"},
        "apps": {
            part.label: {"models": [*part.modules], "migrations": part.migrations, "default_connection": "default"}
            for part in schema.all_parts
        },
        "use_tz": True,
        "timezone": "UTC",
    }


@asynccontextmanager
async def connection(
    url: str,
    schema: DatabaseSchema,
    *,
    pool_size: int = POOL_SIZE,
    per_caller: int = DEFAULT_PER_CALLER,
    on_statement: StatementLogger | None = None,
) -> AsyncGenerator[None]:
    """Bind the tables of `schema` to the database at `url` for the whole process, until the block ends.

    One caller uses `per_caller` database connections at once, see `pool.on_behalf_of`.
    `on_statement` is called after each statement, in the context of the task that ran it.
    """
    # The server's lifespan runs in another task than its requests. Without the fallback the requests would have no
    # database connection.
    await Tortoise.init(config=config(url, schema, pool_size=pool_size), _enable_global_fallback=True)
    # No statement leaves state in a database session, so a reset at each release would be a wasted round trip.
    client = cast("AsyncpgDBClient", _client())
    client.extra["reset"] = _no_reset
    client.server_settings.update(SERVER_SETTINGS)
    client.create_pool = partial(_create_pool, on_statement, per_caller)  # type: ignore[method-assign]
    for part in schema.all_parts:
        _constraint_errors.update(part.constraint_errors)
    try:
        yield
    finally:
        await Tortoise.close_connections()


async def _no_reset(_: object) -> None:
    return None


async def _create_pool(on_statement: StatementLogger | None, per_caller: int, **options: Any) -> Any:
    async def prepare(driver: Any) -> None:
        driver.add_query_logger(on_statement)

    return Pool(await asyncpg.create_pool(**options, init=prepare if on_statement else None), per_caller)


@asynccontextmanager
async def transaction() -> AsyncGenerator[None]:
    """Run the block in one READ COMMITTED transaction. Each statement of the block's task runs inside it.

    Only operations open transactions. Never start a task inside the block: the task would outlive the database
    connection that it inherits.

    Raises:
        TimeoutError: no database connection was free within WAIT_SECONDS.
        Exception: an error of the schema's `constraint_errors`, if the block violates that constraint.
    """
    context = in_transaction("default")
    try:
        await context.__aenter__()
    except BaseException:
        await _release(context)
        raise
    try:
        yield
    except BaseException as error:
        await context.__aexit__(type(error), error, error.__traceback__)
        if (constraint := _violated_constraint(error)) in _constraint_errors:
            raise _constraint_errors[constraint]() from error  # noqa: RSE102 - a factory, not a class
        raise
    else:
        await context.__aexit__(None, None, None)
        for callback in _commit_callbacks:
            callback()


class _RollBack(Exception):
    """Leaves a transaction so that its changes are rolled back."""


@asynccontextmanager
async def rolled_back() -> AsyncGenerator[None]:
    """A transaction that is always rolled back: it takes the same time as a real one and changes nothing.

    Inside another transaction it is a savepoint.
    """
    with suppress(_RollBack):
        async with transaction():
            yield
            raise _RollBack


@contextmanager
def after_commit(callback: Callable[[], None]) -> Generator[None]:
    """Call `callback` after each transaction that this process commits, until the block ends."""
    _commit_callbacks.append(callback)
    try:
        yield
    finally:
        _commit_callbacks.remove(callback)


def _violated_constraint(error: BaseException) -> str:
    """The name of the constraint that `error` reports, or "". Tortoise wraps the driver's error."""
    cause = error.args[0] if isinstance(error, IntegrityError) and error.args else error
    return getattr(cause, "constraint_name", None) or ""


async def _release(context: Any) -> None:
    """Release the database connection of a transaction whose BEGIN failed, which Tortoise itself would leak."""
    if token := getattr(context, "token", None):
        get_connections().reset(token)
    driver, pool = context.client._connection, context.client._parent._pool  # noqa: SLF001
    if driver is not None and pool is not None:
        await pool.release(driver)


async def dedicated_connection() -> "asyncpg.Connection[asyncpg.Record]":
    """Open a database connection outside of the pool, for LISTEN. The caller closes it."""
    client = cast("AsyncpgDBClient", _client())
    names = ("host", "port", "user", "password", "database", "server_settings")
    return await asyncpg.connect(**{name: getattr(client, name) for name in names}, command_timeout=STATEMENT_SECONDS)


async def fetch(sql: str, *args: object, row: type[R]) -> list[R]:
    """Run `sql`. Returns its rows, as `row`."""
    async with _client().acquire_connection() as driver:
        rows: list[R] = await driver.fetch(sql, *args, record_class=row)
        return rows


async def fetch_one(sql: str, *args: object, row: type[R]) -> R | None:
    """Run `sql`. Returns its first row, as `row`, or None if it has none."""
    rows = await fetch(sql, *args, row=row)
    return rows[0] if rows else None


async def execute(sql: str, *args: object) -> int:
    """Run `sql`. Returns the number of rows that it wrote."""
    async with _client().acquire_connection() as driver:
        status: str = await driver.execute(sql, *args)
        return int(status.rpartition(" ")[2])


def pool_use() -> tuple[int, int]:
    """The numbers of database connections that are in use and idle. Both are 0 before the first statement."""
    pool: object = getattr(_client(), "_pool", None)
    return pool.use if isinstance(pool, Pool) else (0, 0)


async def is_reachable() -> bool:
    """True if the database responds within a second."""
    try:
        async with asyncio.timeout(1):
            await execute("SELECT 1")
    except UNAVAILABLE:
        return False
    return True


def in_order(ids: Sequence[object], rows: Sequence[R], *, by: str = "id") -> list[R | None]:
    """Sort `rows` into the order of `ids`, with None for an id without a row. `by` is the column of the ids."""
    rows_by_id = {row[by]: row for row in rows}
    return [rows_by_id.get(key) for key in ids]


def _client() -> BaseDBAsyncClient:
    return get_connection("default")
