from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from auth import policy
from auth.policy import Permission
from benchmarks import seed
from benchmarks.seed import Amounts, SeedError
from database import db
from models.tables import SCHEMA
from tests.api import Api

AMOUNTS = Amounts(users=130, accounts=70, grants=903)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GRANTS_BY_ACCOUNT = """
SELECT a.number - 10000000 AS number, count(*)::int AS live,
       count(*) FILTER (WHERE g.role = 'OWNER' AND g.user_id = a.owner_id)::int AS owners
FROM accounts a LEFT JOIN grants g ON g.account_id = a.id AND g.status = 'ACTIVE' GROUP BY a.number ORDER BY a.number
"""
COUNTS = """
SELECT (SELECT count(*) FROM users)::int AS users, (SELECT count(*) FROM accounts)::int AS accounts,
       (SELECT count(*) FROM grants)::int AS grants
"""


async def write(amounts: Amounts, *, at: datetime | None = None) -> list[int]:
    steps: list[int] = []
    await seed.write(amounts, now=at or datetime.now(UTC), progress=steps.append)
    return steps


async def count_grants() -> dict[int, int]:
    return {row.number: row.live for row in await db.fetch(GRANTS_BY_ACCOUNT, row=db.Row)}


async def test_amounts_are_exact(database_url: str) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        steps = await write(AMOUNTS)

        (counts,) = await db.fetch(COUNTS, row=db.Row)
        assert dict(counts) == {"users": AMOUNTS.users, "accounts": AMOUNTS.accounts, "grants": AMOUNTS.grants}
        assert sum(steps) == AMOUNTS.row_count


async def test_grants_are_distributed_as_documented(database_url: str) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        await write(AMOUNTS)

        grant_counts = await count_grants()
        assert {grant_counts[number] for number in range(1, seed.BUREAU_ACCOUNTS + 1)} == {seed.GRANTS_PER_ACCOUNT}
        assert grant_counts[seed.LARGE_ACCOUNT] == seed.LARGE_ACCOUNT_GRANTS
        small_accounts = range(seed.LARGE_ACCOUNT + 1, AMOUNTS.accounts + 1)
        assert [grant_counts[number] for number in small_accounts] == [14] * 6 + [13] * 3


@pytest.mark.parametrize("amounts", [AMOUNTS, Amounts(1009 + 2, 61, 780), Amounts(122, 62, 900)])
async def test_every_account_has_one_owner(database_url: str, amounts: Amounts) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        await write(amounts)

        rows = await db.fetch(GRANTS_BY_ACCOUNT, row=db.Row)
        assert {row.owners for row in rows} == {1}
        owner = "SELECT FROM accounts WHERE id = $1 AND owner_id = $2"
        for number in (1, seed.OWNER_ACCOUNTS, seed.OWNER_ACCOUNTS + 1, amounts.accounts):
            keys = seed.account_id(number), seed.user_id(seed.owner(number, amounts.users))
            assert len(await db.fetch(owner, *keys, row=db.Row)) == 1


@pytest.mark.parametrize(
    ("amounts", "reason"),
    [
        ((1000, 60, 1000), "There must be at least 61 accounts."),
        ((1000, 70, 788), "70 accounts take 789 grants or more."),
        ((1000, 61, 781), "61 accounts take 780 grants."),
        ((121, 70, 789), "789 grants on 70 accounts take 122 users."),
        ((200, 70, 780 + 9 * 198 + 1), "2563 grants on 70 accounts take 201 users."),
    ],
)
def test_amounts_that_do_not_fit_are_rejected(amounts: tuple[int, int, int], reason: str) -> None:
    with pytest.raises(SeedError) as error:
        Amounts(*amounts)

    assert str(error.value) == reason


async def test_database_with_users_is_not_changed(database_url: str) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        await write(AMOUNTS)

        with pytest.raises(SeedError, match="has users already"):
            await write(AMOUNTS)

        (counts,) = await db.fetch(COUNTS, row=db.Row)
        assert counts.users == AMOUNTS.users


async def test_owner_reads_fifty_accounts_with_ten_grants_each(api: Api) -> None:
    await write(AMOUNTS, at=api.clock.now)

    accounts = (await api.ask(seed.Q2, by=seed.token(2))).data["viewer"]["accounts"]["nodes"]

    assert len(accounts) == seed.OWNER_ACCOUNTS
    assert {len(account["grants"]["nodes"]) for account in accounts} == {10}
    assert {account["viewerGrant"]["role"] for account in accounts} == {"OWNER"}
    assert all(account["settings"]["bankAccountNumber"] for account in accounts)
    assert all(grant["user"]["email"] for account in accounts for grant in account["grants"]["nodes"])


async def test_consultant_reads_the_same_without_settings(api: Api) -> None:
    await write(AMOUNTS, at=api.clock.now)
    owner_accounts = (await api.ask(seed.Q2, by=seed.token(2))).data["viewer"]["accounts"]["nodes"]

    response = await api.ask(seed.Q2, by=seed.token(1))

    accounts = response.partial["viewer"]["accounts"]["nodes"]
    consultant_values = {"settings": None, "viewerGrant": {"role": "CONSULTANT"}}
    assert accounts == [account | consultant_values for account in owner_accounts]
    assert response.codes == ["FORBIDDEN"] * seed.OWNER_ACCOUNTS
    assert {error["path"][-1] for error in response.errors} == {"settings"}


async def test_every_mutation_of_the_peer_file_succeeds(api: Api, tmp_path: Path) -> None:
    await write(AMOUNTS, at=api.clock.now)
    seed.write_peer_file(tmp_path / "peer.json", "http://127.0.0.1:8000/graphql")
    peer = msgspec.json.decode((tmp_path / "peer.json").read_bytes())
    changes = peer["queries"]["Q4"]["variables"]

    for variables in [*changes[:60], *changes[-60:]]:
        payload = (await api.ask(seed.Q4, variables, by=peer["tokens"]["owner"])).data["updateGrant"]
        assert payload["errors"] == []
        assert payload["grant"]["role"] == variables["input"]["role"]

    assert len({variables["input"]["grantId"] for variables in changes}) == 450
    assert (await api.ask(seed.Q1, by=peer["tokens"]["bureau"])).data["viewer"]["user"]["name"] == "User 1"


def test_consultant_may_read_users_and_no_settings() -> None:
    permissions = policy.permissions(seed.CONSULTANT_ALLOWLIST)

    assert Permission.USERS_READ in permissions
    assert Permission.SETTINGS_READ not in permissions
