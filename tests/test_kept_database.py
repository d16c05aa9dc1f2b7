from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from database import db
from tests.api import Clock, run_application
from tests.conftest import create_application
from tests.databases import connect, database_address, execute_outside_transaction
from tests.kept_database import RELATIONS, KeptDatabase, keep_database

FILLED_BY_MIGRATIONS = {"tortoise_migrations", "tortoise_migrations_id_seq"}
VALUES = {
    "bool": "TRUE",
    "bytea": "''",
    "date": "now()",
    "int2": "1",
    "int4": "1",
    "int8": "1",
    "jsonb": "'{}'",
    "numeric": "1",
    "text": "''",
    "timestamptz": "now()",
    "uuid": "gen_random_uuid()",
    "varchar": "''",
}
REQUIRED_COLUMNS = """
    SELECT table_name, array_agg(column_name::text) AS names, array_agg(udt_name::text) AS types
    FROM information_schema.columns
    WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
        AND is_generated = 'NEVER'
    GROUP BY table_name
"""
POOLED = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
CHECKS = "SELECT conrelid::regclass::text AS name, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0"


@pytest.fixture
async def kept(postgres: str, template: str) -> AsyncIterator[KeptDatabase]:
    """A kept database for this test alone."""
    async with keep_database(postgres, template) as database:
        yield database


@pytest.fixture
async def unchecked_template(postgres: str, template: str) -> AsyncIterator[str]:
    """A copy of the template without CHECK constraints, so that a row of any values can be written."""
    name = "unchecked_template"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    connection = await connect(database_address(postgres, name))
    for check in await connection.fetch(CHECKS):
        await connection.execute(f'ALTER TABLE {check["name"]} DROP CONSTRAINT "{check["conname"]}"')
    await connection.close()
    yield name
    await execute_outside_transaction(postgres, f"DROP DATABASE {name}")


async def read_rows(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, and the numbers of all sequences."""
    rows = dict[str, list[tuple[object, ...]]]()
    for relation in await connection.fetch(RELATIONS):
        name, columns = relation["name"], "last_value, is_called" if relation["is_sequence"] else "*"
        rows[name] = [tuple(row) for row in await connection.fetch(f"SELECT {columns} FROM {name}")]
    return rows


async def fill(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Write a row into each table that has none, and take a number from each sequence."""
    await connection.execute("SET session_replication_role = replica")
    required = {row["table_name"]: row for row in await connection.fetch(REQUIRED_COLUMNS)}
    for relation in await connection.fetch(RELATIONS):
        name = relation["name"]
        if name in FILLED_BY_MIGRATIONS:
            continue
        if relation["is_sequence"]:
            await connection.execute(f"SELECT nextval('{name}')")
        else:
            columns = ", ".join(f'"{column}"' for column in required[name]["names"])
            values = ", ".join(VALUES.get(type_, "'{}'") for type_ in required[name]["types"])
            await connection.execute(f"INSERT INTO {name} ({columns}) VALUES ({values})")


async def test_reset_leaves_no_row_in_any_table(postgres: str, unchecked_template: str) -> None:
    kept = KeptDatabase(postgres, unchecked_template)
    address = await kept.address()
    connection = await connect(address)
    rows_before = await read_rows(connection)
    await fill(connection)
    rows = await read_rows(connection)
    await connection.close()
    assert all(rows.values())
    assert {name for name in rows if rows[name] == rows_before[name]} == FILLED_BY_MIGRATIONS

    await kept.reset()

    assert await kept.address() == address
    connection = await connect(address)
    assert await read_rows(connection) == rows_before
    await connection.close()
    await kept.drop()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE notes ()",
        "DROP INDEX guesses_by_user",
        "ALTER TABLE accounts ALTER COLUMN name SET DEFAULT ''",
        "ALTER TABLE accounts ALTER COLUMN name DROP NOT NULL",
        "ALTER TABLE events DISABLE TRIGGER events_append_only",
        "ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE",
        "GRANT UPDATE ON events TO fullmakt_server",
        "GRANT UPDATE (type) ON events TO fullmakt_server",
        "CREATE FUNCTION number() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DELETE FROM tortoise_migrations WHERE id = 1",
        "ANALYZE users",
        "VACUUM users",
        "INSERT INTO guesses SELECT n::text, sha256('')::bytea, '{}', now() FROM generate_series(1, 20000) n",
    ],
)
async def test_other_change_leads_to_new_copy(kept: KeptDatabase, statement: str) -> None:
    address = await kept.address()
    await execute_outside_transaction(address, statement)

    await kept.reset()

    assert await kept.address() != address


async def test_applications_use_the_same_connections_one_after_the_other(kept: KeptDatabase) -> None:
    process_ids = list[set[int]]()
    for _ in range(2):
        async with run_application(create_application(await kept.address(), Clock())):
            rows = await db.fetch(POOLED, row=db.Row)
        process_ids.append({row.pid for row in rows})
        await kept.reset()

    assert process_ids[0] & process_ids[1]


async def test_connection_that_a_test_left_open_is_closed(kept: KeptDatabase) -> None:
    connection = await connect(await kept.address())
    await connection.execute("BEGIN")
    await connection.execute("LOCK TABLE users")

    await kept.reset()

    assert connection.is_closed()


async def test_reset_without_its_connection_leads_to_new_copy(kept: KeptDatabase, postgres: str) -> None:
    address = await kept.address()
    name = urlsplit(address).path.removeprefix("/")
    sql = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
    await execute_outside_transaction(postgres, sql)

    await kept.reset()

    assert await kept.address() != address
