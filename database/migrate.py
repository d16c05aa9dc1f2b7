"""Bringing a database to the newest schema, one process at a time."""

from collections.abc import AsyncGenerator
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

_LOCK: Final = 0x46756C6C  # any number, the same in every process
_LATEST: Final = [MigrationTarget("models", "__latest__")]


async def migrate(
    url: str, schema: DatabaseSchema, *, target: str | None = None, server_role: str | None = None
) -> None:
    """Apply what is missing; processes that come at once wait for each other.

    A step is one transaction: killed half way, it leaves nothing behind. `target` names a step
    (`models.0001_main_path`) to go up or down to, `models.__first__` for an empty database. The
    `server_role`, made if there is none, can then do what the server does, and no more.
    """
    async with _alone(url) as connection:
        try:
            await apply(config=db.config(url, schema, pool_size=2), target=target)
        finally:
            await Tortoise.close_connections()
        if server_role is not None:
            await _admit(connection, schema, server_role)


_ROLE_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"


async def _admit(connection: "asyncpg.Connection[asyncpg.Record]", schema: DatabaseSchema, role: str) -> None:
    """Let a role read and write everything, but only add to what is append-only, and define nothing."""
    name = '"' + role.replace('"', '""') + '"'
    if not await connection.fetchval(_ROLE_EXISTS, role):
        await connection.execute(f"CREATE ROLE {name} LOGIN")
    kept = ", ".join((*schema.read_only, *schema.append_only))
    async with connection.transaction():
        await connection.execute(f"""
            GRANT USAGE ON SCHEMA public TO {name};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name};
            REVOKE INSERT, UPDATE, DELETE ON {kept} FROM {name};
            GRANT INSERT ON {", ".join(schema.append_only)} TO {name};
            GRANT EXECUTE ON FUNCTION {", ".join(schema.functions)} TO {name};
        """)


_ROOM: Final = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()))
"""


async def room(url: str) -> int:
    """How many connections the role in `url` may have to its database, if nobody else has any."""
    connection = await _connect(url)
    try:
        found: int = await connection.fetchval(_ROOM)
        return found
    finally:
        await connection.close()


_MAY_REWRITE: Final = "SELECT has_table_privilege($1, 'UPDATE') OR has_table_privilege($1, 'DELETE')"


async def may_rewrite(url: str, table: str) -> bool:
    """Whether the role in `url` could change or delete rows of `table` if no trigger kept it from it."""
    connection = await _connect(url)
    try:
        return bool(await connection.fetchval(_MAY_REWRITE, table))
    finally:
        await connection.close()


async def pending(url: str, schema: DatabaseSchema) -> list[str]:
    """The names of the steps that the database at `url` does not have yet."""
    settings = db.config(url, schema, pool_size=2)
    await Tortoise.init(config=settings)
    try:
        database = get_connection("default")
        await database.execute_query("SELECT 1")  # Tortoise takes a database that is away for an empty one
        executor = MigrationExecutor(database, settings["apps"])
        return [step.migration.name for step in await executor.plan(_LATEST)]
    finally:
        await Tortoise.close_connections()


@asynccontextmanager
async def _alone(url: str) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    lock = await _connect(url)
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", _LOCK)
        yield lock
    finally:
        await lock.close()


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    credentials = expand_db_url(url)["credentials"]
    wanted = {key: credentials[key] for key in ("host", "port", "user", "password", "database")}
    return await asyncpg.connect(**wanted)
