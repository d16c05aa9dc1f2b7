"""Seeded databases for benchmarks. A database is reused by later runs while its amounts fit."""

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
from workspace import seed as workspace_seed

STANDARD: Final = Amounts(users=20_000, accounts=20_000, grants=200_000)
FEW_GRANTS: Final = Amounts(users=20_000, accounts=1_000, grants=10_000)
FLOODED: Final = Amounts(users=20_000, accounts=1_001, grants=10_000)
"""A database of its own for floods: they add accounts, mails and a million events."""
MANY_GRANTS: Final = Amounts(users=20_000, accounts=20_000, grants=1_000_000)
SMALL: Final = Amounts(users=130, accounts=70, grants=903)
"""For databases with many documents."""
DOCUMENT_ACCOUNT: Final = 1
"""The account with all documents of a database with documents."""
DOCUMENT_OWNER: Final = 2
"""The number of its owner, who created them."""

# The amounts are exact, and the sessions are valid for at least one more day.
_HAS_AMOUNTS: Final = """
SELECT (SELECT count(*) FROM users) = $1 AND (SELECT count(*) FROM accounts) = $2
   AND (SELECT count(*) FROM grants) = $3 AND (SELECT count(*) FROM sales_documents) = $4 AND EXISTS (
    SELECT FROM sessions WHERE last_used_at > now() - interval '13 days' AND expires_at > now() + interval '1 day')
"""


async def prepare_database(server_url: str, amounts: Amounts, *, documents: int = 0) -> str:
    """Return the address of a database with these amounts. An existing database that fits is reused.

    DOCUMENT_ACCOUNT has the documents.
    """
    name = f"seed_{amounts.users}_{amounts.accounts}_{amounts.grants}" + (f"_{documents}" if documents else "")
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    if await _has_amounts(url, amounts, documents):
        await _run_outside_transaction(
            url, "VACUUM (ANALYZE)"
        )  # Removes dead rows of an earlier run. Otherwise autovacuum runs during a measurement.
        return url
    await _run_outside_transaction(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await _run_outside_transaction(server_url, f"CREATE DATABASE {name}")
    await migrate.migrate(url, SCHEMA)
    async with db.connection(url, SCHEMA, pool_size=2):
        await seed.write(amounts, now=datetime.now(UTC), progress=_ignore_progress)
        if documents:
            account, owner = seed.account_id(DOCUMENT_ACCOUNT), seed.user_id(DOCUMENT_OWNER)
            await workspace_seed.write(account, [owner], documents=documents, now=datetime.now(UTC))
    await _run_outside_transaction(url, "VACUUM (ANALYZE)")
    return url


@contextmanager
def open_database(url: str, *, pool_size: int) -> Generator[asyncio.Runner]:
    """Open the database on an event loop like that of a server, until the block ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        connection = db.connection(url, SCHEMA, pool_size=pool_size)
        runner.run(connection.__aenter__())
        try:
            yield runner
        finally:
            runner.run(connection.__aexit__(None, None, None))


async def _has_amounts(url: str, amounts: Amounts, documents: int) -> bool:
    try:
        connection = await asyncpg.connect(driver_url(url))
    except asyncpg.InvalidCatalogNameError:
        return False
    try:
        has_amounts = await connection.fetchval(
            _HAS_AMOUNTS, amounts.users, amounts.accounts, amounts.grants, documents
        )
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
    return bool(has_amounts) and not await migrate.pending_migrations(url, SCHEMA)


async def _run_outside_transaction(url: str, statement: str) -> None:
    connection = await asyncpg.connect(driver_url(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def driver_url(url: str) -> str:
    """Return the address of a database in the form that asyncpg reads."""
    return url.replace("asyncpg:", "postgresql:", 1)


def _ignore_progress(_row_count: int) -> None:
    return None
