"""The migration of changes of addresses, up and down, with erasures and links that are open."""

from collections.abc import AsyncIterator
from itertools import count
from uuid import UUID, uuid4

import pytest

from database import migrate
from models.tables import SCHEMA
from tests.conftest import connect, database_address, execute_outside_transaction

NUMBERS = count(1)
BEFORE, AFTER = "models.0022_registration_secrets", "models.0023_email_changes"
USER = """
INSERT INTO users (id, email, email_key, name, locale, password_hash, activated_at, created_at)
VALUES ($1, $2, $2, 'Anna', 'en', 'x', now(), now())
"""
ERASE = """
UPDATE users SET erased_at = now(), email = 'x' || id, email_key = 'x' || id, password_hash = NULL, activated_at = NULL
WHERE id = $1
"""
LINK = """
INSERT INTO user_tokens (id, user_id, purpose, token_digest, created_at, expires_at, email, email_key)
VALUES (gen_random_uuid(), $1, $2, sha256($3::text::bytea), now(), now() + interval '1 hour', $4, $4)
"""
FORMER = "SELECT email_key FROM former_addresses WHERE user_id = $1 ORDER BY until, email_key"


@pytest.fixture
async def empty_database(postgres: str) -> AsyncIterator[str]:
    """The URL of a database without tables."""
    name = f"addresses_{next(NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name}")
    yield database_address(postgres, name)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def test_erasures_and_logins_pass_the_migration_both_ways(empty_database: str) -> None:
    await migrate.migrate(empty_database, SCHEMA, target=BEFORE)
    connection = await connect(empty_database)
    erased_id, anna, bo = (uuid4() for _ in range(3))

    async def erasure_addresses(user_id: UUID) -> list[str]:
        addresses: list[str] = await connection.fetchval("SELECT addresses FROM erasures WHERE user_id = $1", user_id)
        return sorted(addresses)

    try:
        for user_id, email in ((erased_id, "erased@example.com"), (anna, "anna@example.com"), (bo, "bo@example.com")):
            await connection.execute(USER, user_id, email)
        await connection.execute(ERASE, erased_id)

        await migrate.migrate(empty_database, SCHEMA, target=AFTER)

        assert {row["email_key"] for row in await connection.fetch(FORMER, erased_id)} == {"erased@example.com"}
        await connection.execute(LINK, anna, "email-change", "token", "new@example.com")
        await connection.execute(LINK, bo, "email-change", "other token", "third@example.com")
        change = "SELECT is_taken FROM change_address('token', 'email-change', now())"
        assert await connection.fetchval(change) is False
        await connection.execute(ERASE, anna)
        assert await erasure_addresses(anna) == ["anna@example.com", "new@example.com"]

        await migrate.migrate(empty_database, SCHEMA, target=BEFORE)

        assert await erasure_addresses(anna) == ["anna@example.com", "new@example.com"]
        assert await connection.fetchval("SELECT count(*) FROM user_tokens") == 0
        await connection.execute(ERASE, bo)
        assert set(await erasure_addresses(bo)) == {"bo@example.com"}
        assert "address_named" not in await connection.fetchval(
            "SELECT pg_get_functiondef('forget_person(uuid, uuid[], timestamptz)'::regprocedure)"
        )
        await migrate.migrate(empty_database, SCHEMA)
    finally:
        await connection.close()
