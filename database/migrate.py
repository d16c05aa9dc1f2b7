"""Migrations: bring a database to the newest schema, one process at a time."""

import importlib
import pkgutil
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from tortoise import Tortoise
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.connection import get_connection
from tortoise.migrations.api import migrate as apply
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget

from database import db
from database.db import DatabaseSchema

_LOCK: Final = 0x46756C6C  # an arbitrary number, the same in every process


async def migrate(
    url: str, schema: DatabaseSchema, *, target: str | None = None, server_role: str | None = None
) -> None:
    """Apply the pending migrations. Concurrent processes wait for each other.

    Each migration is one transaction: if it is interrupted, it changes nothing. `target` names a migration
    (`models.0001_main_path`) to migrate up or down to; `models.__first__` empties the database. `server_role` is
    created if it does not exist, and gets only the privileges that the server needs.
    """
    async with _migration_lock(url) as connection:
        try:
            await apply(config=db.config(url, schema, pool_size=2), target=target)
        finally:
            await Tortoise.close_connections()
        if server_role is not None:
            await _grant_privileges(connection, schema, server_role)


_ROLE_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"


async def _grant_privileges(
    connection: "asyncpg.Connection[asyncpg.Record]", schema: DatabaseSchema, role: str
) -> None:
    """Grant a role what the server needs: all rows of most tables, inserts only into append-only ones, no DDL."""
    name = '"' + role.replace('"', '""') + '"'
    if not await connection.fetchval(_ROLE_EXISTS, role):
        await connection.execute(f"CREATE ROLE {name} LOGIN")
    append_only = [table for part in schema.all_parts for table in part.append_only]
    write_protected = ", ".join([*(table for part in schema.all_parts for table in part.read_only), *append_only])
    functions = ", ".join(function for part in schema.all_parts for function in part.functions)
    async with connection.transaction():
        await connection.execute(f"""
            GRANT USAGE ON SCHEMA public TO {name};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name};
            REVOKE INSERT, UPDATE, DELETE ON {write_protected} FROM {name};
            GRANT INSERT ON {", ".join(append_only)} TO {name};
            GRANT EXECUTE ON FUNCTION {functions} TO {name};
        """)


_MAX_CONNECTIONS: Final = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()))
"""


async def max_connections(url: str) -> int:
    """The maximum number of connections that the role in `url` may have to its database."""
    connection = await _connect(url)
    try:
        count: int = await connection.fetchval(_MAX_CONNECTIONS)
        return count
    finally:
        await connection.close()


_MAY_REWRITE: Final = "SELECT has_table_privilege($1, 'UPDATE') OR has_table_privilege($1, 'DELETE')"


async def may_rewrite(url: str, table: str) -> bool:
    """True if the role in `url` has the privilege to update or delete rows of `table`, apart from any trigger."""
    connection = await _connect(url)
    try:
        return bool(await connection.fetchval(_MAY_REWRITE, table))
    finally:
        await connection.close()


async def pending_migrations(url: str, schema: DatabaseSchema) -> list[str]:
    """The names of the migrations that the database at `url` does not have yet."""
    settings = db.config(url, schema, pool_size=2)
    await Tortoise.init(config=settings)
    try:
        database = get_connection("default")
        await database.execute_query("SELECT 1")  # Tortoise treats an unreachable database as an empty one
        executor = MigrationExecutor(database, settings["apps"])
        return [step.migration.name for step in await executor.plan(_latest(schema))]
    finally:
        await Tortoise.close_connections()


def _latest(schema: DatabaseSchema) -> list[MigrationTarget]:
    return [MigrationTarget(part.label, "__latest__") for part in schema.all_parts]


_CONTRACTION: Final = re.compile(
    r"DROP (COLUMN|TABLE|FUNCTION|VIEW|DEFAULT)|RENAME|SET NOT NULL|(ALTER|COLUMN) \w+ (SET DATA )?TYPE"
    r"|ADD (?!CONSTRAINT)(?!.*(DEFAULT|GENERATED)).* NOT NULL"
)
"""Statements that drop or rename something, or require a value that the code before does not write."""


def is_contracting(sql: str) -> bool:
    """True if a clause of the SQL is contracting. Comments are left out."""
    clauses = re.split(r";|,\s*(?=ADD|DROP|ALTER)", re.sub(r"--[^\n]*", "", sql).upper())
    return any(_CONTRACTION.search(" ".join(clause.split())) for clause in clauses)


def contracting_migrations(schema: DatabaseSchema) -> Iterator[tuple[DatabaseSchema, str]]:
    """The part and the name of each migration that can break a server of the release before.

    Migrations that are written in Python, without SQL, are left out.
    """
    for part in schema.all_parts:
        package = importlib.import_module(part.migrations)
        for module in pkgutil.iter_modules(package.__path__):
            operations = importlib.import_module(f"{part.migrations}.{module.name}").Migration.operations
            if is_contracting(";".join(str(getattr(operation, "sql", "")) for operation in operations)):
                yield part, module.name


@asynccontextmanager
async def _migration_lock(url: str) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    lock = await _connect(url)
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", _LOCK)
        yield lock
    finally:
        await lock.close()


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    credentials = expand_db_url(url)["credentials"]
    options = {key: credentials[key] for key in ("host", "port", "user", "password", "database")}
    return await asyncpg.connect(**options)
