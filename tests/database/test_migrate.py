"""Migrations: up from an empty database, repeated, concurrent, down, and failing."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import asyncpg
import pytest

from database import db, migrate
from models.tables import SCHEMA
from tests.conftest import connect, database_address, execute_outside_transaction

NUMBERS = count(1)


@pytest.fixture
async def empty_database(postgres: str) -> AsyncIterator[str]:
    """The URL of a database without tables."""
    name = f"empty_{next(NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name}")
    yield database_address(postgres, name)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def tables(url: str) -> set[str]:
    connection = await connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows}


async def test_pending_migrations_are_applied_once(empty_database: str) -> None:
    names = await migrate.pending_migrations(empty_database, SCHEMA)
    assert names[0] == "0001_main_path"

    await migrate.migrate(empty_database, SCHEMA)

    assert await migrate.pending_migrations(empty_database, SCHEMA) == []
    assert await tables(empty_database) >= {"users", "accounts", "grants", "events"}
    await migrate.migrate(empty_database, SCHEMA)
    assert await migrate.pending_migrations(empty_database, SCHEMA) == []


async def test_concurrent_processes_wait_for_each_other(empty_database: str) -> None:
    """Separate processes, because Tortoise supports one database in each process."""
    program = (
        "import asyncio, sys; from database import migrate; from models.tables import SCHEMA;"
        " asyncio.run(migrate.migrate(sys.argv[1], SCHEMA))"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            ".venv/bin/python", "-c", program, empty_database, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]

    outputs = await asyncio.gather(*(process.communicate() for process in processes))

    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert await migrate.pending_migrations(empty_database, SCHEMA) == []


async def test_migrating_down_removes_all_tables(empty_database: str) -> None:
    await migrate.migrate(empty_database, SCHEMA)

    await migrate.migrate(empty_database, SCHEMA, target="models.__first__")

    assert not await tables(empty_database) & {"users", "accounts", "grants", "events"}
    await migrate.migrate(empty_database, SCHEMA)
    assert await tables(empty_database) >= {"users", "accounts", "grants", "events"}


@pytest.mark.parametrize(("colleagues", "seats"), [(2, 5), (7, 9)])
async def test_members_from_before_seats_were_counted_have_seats(
    empty_database: str, colleagues: int, seats: int
) -> None:
    """Two pending invitations reserve seats, too. An accountant needs none."""
    await migrate.migrate(empty_database, SCHEMA, target="models.0005_access_requests")
    connection = await connect(empty_database)
    try:
        await connection.execute(BEFORE_SEATS.format(colleagues=colleagues))

        await migrate.migrate(empty_database, SCHEMA)

        assert await connection.fetchval("SELECT purchased_seats FROM accounts") == seats
    finally:
        await connection.close()


BEFORE_SEATS = """
BEGIN;
INSERT INTO users (id, email, email_key, name, locale, created_at)
    SELECT md5(n::text)::uuid, n || '@example.com', n || '@example.com', 'User', 'en', now()
    FROM generate_series(0, 9) n;
INSERT INTO accounts (id, number, name, kind, owner_id, created_at, subscription_until, invoice_prefix,
    default_currency, default_locale, payment_term_days, simple_user_restrictions, locks, requires_two_factor)
    SELECT id, 100000, 'Firm', 'BUSINESS', id, now(), now(), '', 'EUR', 'en', 14, 0, 0, false
    FROM users WHERE email = '0@example.com';
INSERT INTO grants (id, account_id, user_id, role, status, created_at)
    SELECT u.id, a.id, u.id, CASE u.email WHEN '0@example.com' THEN 'OWNER' WHEN '9@example.com' THEN 'ACCOUNTANT'
        ELSE 'COLLABORATOR' END, 'ACTIVE', now()
    FROM users u, accounts a WHERE left(u.email, 1)::int <= {colleagues} OR u.email = '9@example.com';
INSERT INTO invitations (id, account_id, email, email_key, role, status, invited_by_id, locale, allow_other_login,
    token_digest, created_at, expires_at)
    SELECT u.id, a.id, u.email, u.email, 'SIMPLE_USER', 'PENDING', a.owner_id, 'en', false, sha256(u.email::bytea),
        now(), now() + interval '7 days'
    FROM users u, accounts a WHERE u.email IN ('8@example.com', '9@example.com');
COMMIT;
"""


async def test_failed_migration_leaves_no_table(empty_database: str) -> None:
    connection = await connect(empty_database)
    try:
        await connection.execute(
            "CREATE TABLE messages (id int)"
        )  # conflicts with the last table of the first migration
    finally:
        await connection.close()

    with pytest.raises(Exception, match="messages"):
        await migrate.migrate(empty_database, SCHEMA)

    assert "users" not in await tables(empty_database)
    await execute_outside_transaction(empty_database, "DROP TABLE messages")
    await migrate.migrate(empty_database, SCHEMA)
    assert await migrate.pending_migrations(empty_database, SCHEMA) == []


async def test_missing_database_is_an_error(postgres: str) -> None:
    with pytest.raises((*db.UNAVAILABLE, asyncpg.InvalidCatalogNameError)):
        await migrate.pending_migrations(database_address(postgres, "not_there"), SCHEMA)
