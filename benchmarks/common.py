"""What is measured on: seeded databases, kept from run to run while they fit."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import uvloop

from benchmarks import seed
from benchmarks.seed import Amounts
from database import db, migrate
from models.tables import SCHEMA

STANDARD: Final = Amounts(users=20_000, accounts=20_000, grants=200_000)
FEW_GRANTS: Final = Amounts(users=20_000, accounts=1_000, grants=10_000)
MANY_GRANTS: Final = Amounts(users=20_000, accounts=20_000, grants=1_000_000)

# As many as there should be, and its sessions good for a day more.
_FITS: Final = """
SELECT (SELECT count(*) FROM users) = $1 AND (SELECT count(*) FROM accounts) = $2
   AND (SELECT count(*) FROM grants) = $3 AND EXISTS (
    SELECT FROM sessions WHERE last_used_at > now() - interval '13 days' AND expires_at > now() + interval '1 day')
"""


async def database(server_url: str, amounts: Amounts) -> str:
    """The address of a database with these amounts on a server: an older one that fits, else a new one."""
    name = f"seed_{amounts.users}_{amounts.accounts}_{amounts.grants}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    if await _fits(url, amounts):
        await _administer(url, "VACUUM (ANALYZE)")  # changes of a former run; autovacuum would come while we measure
        return url
    await _administer(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await _administer(server_url, f"CREATE DATABASE {name}")
    await migrate.migrate(url, SCHEMA)
    async with db.connection(url, SCHEMA, pool_size=2):
        await seed.write(amounts, now=datetime.now(UTC), progress=_silently)
    return url


@contextmanager
def opened(url: str, *, pool_size: int) -> Generator[asyncio.Runner]:
    """A loop to run in, as a server has it, on which the database is open."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        connection = db.connection(url, SCHEMA, pool_size=pool_size)
        runner.run(connection.__aenter__())
        try:
            yield runner
        finally:
            runner.run(connection.__aexit__(None, None, None))


async def _fits(url: str, amounts: Amounts) -> bool:
    try:
        connection = await asyncpg.connect(_plain(url))
    except asyncpg.InvalidCatalogNameError:
        return False
    try:
        fits = await connection.fetchval(_FITS, amounts.users, amounts.accounts, amounts.grants)
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
    return bool(fits) and not await migrate.pending_migrations(url, SCHEMA)


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(_plain(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _plain(url: str) -> str:
    return url.replace("asyncpg:", "postgresql:", 1)


def _silently(_: int) -> None:
    return None
