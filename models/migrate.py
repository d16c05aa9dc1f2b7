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

from models import db

_LOCK: Final = 0x46756C6C  # any number, the same in every process
_LATEST: Final = [MigrationTarget("models", "__latest__")]


async def migrate(url: str, *, target: str | None = None) -> None:
    """Apply what is missing; processes that come at once wait for each other.

    A step is one transaction: killed half way, it leaves nothing behind. `target` names a step
    (`models.0001_main_path`) to go up or down to, `models.__first__` for an empty database.
    """
    async with _alone(url):
        try:
            await apply(config=db.config(url, pool_size=2), target=target)
        finally:
            await Tortoise.close_connections()


async def pending(url: str) -> list[str]:
    """The names of the steps that the database at `url` does not have yet."""
    settings = db.config(url, pool_size=2)
    await Tortoise.init(config=settings)
    try:
        database = get_connection("default")
        await database.execute_query("SELECT 1")  # Tortoise takes a database that is away for an empty one
        executor = MigrationExecutor(database, settings["apps"])
        return [step.migration.name for step in await executor.plan(_LATEST)]
    finally:
        await Tortoise.close_connections()


@asynccontextmanager
async def _alone(url: str) -> AsyncGenerator[None]:
    credentials = expand_db_url(url)["credentials"]
    wanted = {key: credentials[key] for key in ("host", "port", "user", "password", "database")}
    lock = await asyncpg.connect(**wanted)
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", _LOCK)
        yield
    finally:
        await lock.close()
