"""The database, behind three words: `connection` opens it, `transaction` changes it, `fetch` reads.

Tortoise's models define the tables and write single rows; lists come as driver rows, which cost a
seventh of a model instance.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
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

from database.pool import Pool

POOL_SIZE: Final = 20
STATEMENT_SECONDS: Final = 10

SERVER_SETTINGS: Final = {"plan_cache_mode": "force_generic_plan"}
"""Of each connection. Our statements have one good plan each. Left to itself the database makes a new one for
each list of keys, because it takes any list to be as long as ten: a quarter of its time."""


@dataclass(frozen=True, slots=True)
class DatabaseSchema:
    """What a product keeps in the database, and what the role of its server may do there.

    `modules` define the tables for Tortoise; `migrations` is the package of the migrations. The server may only
    read the tables of `read_only`, and only add rows to those of `append_only`; it may call `functions`, given
    with their argument types. `constraint_errors` makes the error to raise from `transaction` instead of the
    violation of a constraint, by the constraint's name.
    """

    modules: Sequence[str]
    migrations: str
    read_only: Sequence[str] = ()
    append_only: Sequence[str] = ()
    functions: Sequence[str] = ()
    constraint_errors: Mapping[str, Callable[[], Exception]] = field(default_factory=dict[str, Callable[[], Exception]])


UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    DBConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that is cut at the moment when a statement starts
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
)
"""What the driver raises when the database is away, restarting, or too busy to answer in time."""


class Row(asyncpg.Record):
    """A driver row whose columns read as attributes, like a model's.

    Classes of rows annotate all columns: lists are read by these types, see `database.rows`.
    """

    graphql_type: ClassVar[str] = ""
    """The GraphQL type of the rows, where they have one. Stored cursors depend on it: never change one."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Columns(Protocol):
    """What is read by column name: a driver row, or a dict with the same columns."""

    def __getitem__(self, name: str, /) -> Any:
        """The column's value."""
        ...


class Params:
    """The arguments of a statement, numbered as they are added."""

    def __init__(self, *values: object) -> None:
        self.values: list[object] = list(values)

    def add(self, value: object) -> str:
        """Add one, and give its place in the statement: `$1`, `$2`, ..."""
        self.values.append(value)
        return f"${len(self.values)}"


def columns(table: str, names: str) -> dict[str, str]:
    """Columns by their names, each with its SQL: `columns("g", "id role")`."""
    return {name: f"{table}.{name}" for name in names.split()}


def prefixed(part: str, given: Mapping[str, str]) -> dict[str, str]:
    """Columns of something joined, called `<part>.<column>`."""
    return {f"{part}.{name}": sql.partition(" AS ")[0] for name, sql in given.items()}


R = TypeVar("R", bound=asyncpg.Record)
Watch = Callable[[LoggedQuery], None]
_committed: Final[list[Callable[[], None]]] = []
_constraint_errors: Final[dict[str, Callable[[], Exception]]] = {}


def config(url: str, schema: DatabaseSchema, *, pool_size: int = POOL_SIZE) -> dict[str, Any]:
    """Tortoise's configuration for the database at `url`."""
    joint = "&" if "?" in url else "?"
    options = f"minsize=1&maxsize={pool_size}&command_timeout={STATEMENT_SECONDS}"
    return {
        "connections": {"default": f"{url}{joint}{options}"},
        "apps": {"models": {"models": [*schema.modules], "migrations": schema.migrations}},
        "use_tz": True,
        "timezone": "UTC",
    }


@asynccontextmanager
async def connection(
    url: str, schema: DatabaseSchema, *, pool_size: int = POOL_SIZE, watch: Watch | None = None
) -> AsyncGenerator[None]:
    """Bind the tables of `schema` to the database at `url` for the whole process, until the block ends.

    `watch` is told of each statement when it has run, in the context of the task that ran it.
    """
    # The server's lifespan runs in another task than its requests: without the fallback they
    # would find no database.
    await Tortoise.init(config=config(url, schema, pool_size=pool_size), _enable_global_fallback=True)
    # Sessions keep no state of their own, so that a reset at each release is a wasted round trip.
    client = cast("AsyncpgDBClient", _client())
    client.extra["reset"] = _no_reset
    client.server_settings.update(SERVER_SETTINGS)
    client.create_pool = partial(_pool, watch)  # type: ignore[method-assign]
    _constraint_errors.update(schema.constraint_errors)
    try:
        yield
    finally:
        await Tortoise.close_connections()


async def _no_reset(_: object) -> None:
    return None


async def _pool(watch: Watch | None, **given: Any) -> Any:
    async def prepare(driver: Any) -> None:
        driver.add_query_logger(watch)

    return Pool(await asyncpg.create_pool(**given, init=prepare if watch else None))


@asynccontextmanager
async def transaction() -> AsyncGenerator[None]:
    """One transaction, READ COMMITTED; every statement of the block's task runs inside it.

    Operations open it, and nothing else does. Never start a task inside: it would outlive the
    connection it inherits.

    Raises:
        TimeoutError: no connection was free within WAIT_SECONDS.
        Exception: the one of the schema's `constraint_errors`, for a constraint that the block violates.
    """
    context = in_transaction("default")
    try:
        await context.__aenter__()
    except BaseException:
        await _give_back(context)
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
        for tell in _committed:
            tell()


@contextmanager
def telling(tell: Callable[[], None]) -> Generator[None]:
    """Call `tell` after each transaction that this process commits, for as long as the block lasts."""
    _committed.append(tell)
    try:
        yield
    finally:
        _committed.remove(tell)


def _violated_constraint(error: BaseException) -> str:
    """The constraint that `error` reports, or "". Tortoise wraps the error of the driver."""
    cause = error.args[0] if isinstance(error, IntegrityError) and error.args else error
    return getattr(cause, "constraint_name", None) or ""


async def _give_back(context: Any) -> None:
    """Release what Tortoise took before its BEGIN failed; it forgets, and the pool would run dry."""
    if token := getattr(context, "token", None):
        get_connections().reset(token)
    taken, pool = context.client._connection, context.client._parent._pool  # noqa: SLF001
    if taken is not None and pool is not None:
        await pool.release(taken)


async def dedicated() -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of one's own beside the pool, for who listens; the caller closes it."""
    client = cast("AsyncpgDBClient", _client())
    names = ("host", "port", "user", "password", "database", "server_settings")
    return await asyncpg.connect(**{name: getattr(client, name) for name in names}, command_timeout=STATEMENT_SECONDS)


async def fetch(sql: str, *args: object, row: type[R]) -> list[R]:
    """The rows that `sql` yields, as `row`."""
    async with _client().acquire_connection() as driver:
        rows: list[R] = await driver.fetch(sql, *args, record_class=row)
        return rows


async def fetch_one(sql: str, *args: object, row: type[R]) -> R | None:
    """The first row that `sql` yields, as `row`, or None."""
    rows = await fetch(sql, *args, row=row)
    return rows[0] if rows else None


async def execute(sql: str, *args: object) -> int:
    """Run `sql` and tell how many rows it touched."""
    async with _client().acquire_connection() as driver:
        status: str = await driver.execute(sql, *args)
        return int(status.rpartition(" ")[2])


def pool_use() -> tuple[int, int]:
    """How many connections of this process are in use, and how many lie about; none before the first statement."""
    pool: object = getattr(_client(), "_pool", None)
    return pool.use if isinstance(pool, Pool) else (0, 0)


async def is_reachable() -> bool:
    """Whether the database answers within a second."""
    try:
        async with asyncio.timeout(1):
            await execute("SELECT 1")
    except UNAVAILABLE:
        return False
    return True


def in_order(ids: Sequence[object], rows: Sequence[R], *, by: str = "id") -> list[R | None]:
    """`rows` in the order of `ids`, None where there is none."""
    found = {row[by]: row for row in rows}
    return [found.get(key) for key in ids]


def _client() -> BaseDBAsyncClient:
    return get_connection("default")
