"""Tests of the checks of `fullmakt serve` before it starts."""

import pytest

import embedded
from tests.conftest import execute_outside_transaction
from tests.serving import run_process

WARNING = "The database role of the server may rewrite events. FULLMAKT_DATABASE_ROLE creates a safe role.\n"


async def test_warning_if_the_database_role_may_rewrite_events(database_url: str) -> None:
    async with run_process(database_url, FULLMAKT_DATABASE_URL=database_url) as server:
        _, _, log = await server.stop()

    assert log == WARNING


@pytest.mark.parametrize(
    ("workers", "pool_size", "max_pool_size"), [("4", "50", 48), ("64", "3", 2)], ids=["large pools", "many workers"]
)
async def test_too_many_database_connections_are_rejected(
    database_url: str, workers: str, pool_size: str, max_pool_size: int
) -> None:
    with pytest.raises(AssertionError) as error:
        async with run_process(database_url, FULLMAKT_WORKERS=workers, FULLMAKT_POOL_SIZE=pool_size):
            pass

    required_connections = int(workers) * (int(pool_size) + 1)
    assert (
        f"{workers} workers with FULLMAKT_POOL_SIZE={pool_size} need {required_connections} connections, "
        f"but PostgreSQL has only 197. Set FULLMAKT_POOL_SIZE to {max_pool_size} or less."
    ) in str(error.value)


async def test_connection_limit_of_the_role_is_applied(database_url: str) -> None:
    role = f"narrow_{database_url.rpartition('/')[2].partition('?')[0]}"
    await execute_outside_transaction(
        database_url, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 7 IN ROLE {embedded.SERVER_ROLE}"
    )
    try:
        with pytest.raises(AssertionError) as error:
            async with run_process(database_url, FULLMAKT_DATABASE_URL=database_url.replace(embedded.OWNER, role, 1)):
                pass
    finally:
        await execute_outside_transaction(database_url, f"DROP ROLE {role}")

    assert "PostgreSQL has only 7. Set FULLMAKT_POOL_SIZE to 6 or less." in str(error.value)
