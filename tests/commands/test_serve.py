"""What `fullmakt serve` says before it serves."""

import pytest

import embedded
from tests.conftest import administer
from tests.serving import serve

MAY_REWRITE = "The server's database role may rewrite events: FULLMAKT_DATABASE_ROLE makes one that may not.\n"


async def test_a_role_that_could_rewrite_events_is_named_at_start(database_url: str) -> None:
    async with serve(database_url, FULLMAKT_DATABASE_URL=database_url) as mighty:
        _, _, log = await mighty.stop()

    assert log == MAY_REWRITE


@pytest.mark.parametrize(
    ("workers", "pool_size", "most"), [("4", "50", 48), ("64", "3", 2)], ids=["large pools", "many workers"]
)
async def test_workers_whose_connections_do_not_fit_are_refused(
    database_url: str, workers: str, pool_size: str, most: int
) -> None:
    with pytest.raises(AssertionError) as caught:
        async with serve(database_url, FULLMAKT_WORKERS=workers, FULLMAKT_POOL_SIZE=pool_size):
            pass

    taken = int(workers) * (int(pool_size) + 1)
    assert (
        f"{workers} workers with FULLMAKT_POOL_SIZE={pool_size} take {taken} connections, "
        f"and PostgreSQL has 197 for them: choose {most} or less."
    ) in str(caught.value)


async def test_the_bound_of_the_role_counts_too(database_url: str) -> None:
    role = f"narrow_{database_url.rpartition('/')[2].partition('?')[0]}"
    await administer(database_url, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 7 IN ROLE {embedded.SERVER_ROLE}")
    try:
        with pytest.raises(AssertionError) as caught:
            async with serve(database_url, FULLMAKT_DATABASE_URL=database_url.replace(embedded.OWNER, role, 1)):
                pass
    finally:
        await administer(database_url, f"DROP ROLE {role}")

    assert "PostgreSQL has 7 for them: choose 6 or less." in str(caught.value)
