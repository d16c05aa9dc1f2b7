from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from auth import policy
from auth.policy import Permission
from benchmarks import seed
from benchmarks.seed import Amounts, Unseedable
from database import db
from models.tables import SCHEMA
from tests.api import Api

TINY = Amounts(users=130, accounts=70, grants=903)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = """
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


async def live() -> dict[int, int]:
    return {row.number: row.live for row in await db.fetch(LIVE, row=db.Row)}


async def test_the_amounts_are_exact(database_url: str) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        steps = await write(TINY)

        (counted,) = await db.fetch(COUNTS, row=db.Row)
        assert dict(counted) == {"users": TINY.users, "accounts": TINY.accounts, "grants": TINY.grants}
        assert sum(steps) == TINY.rows


async def test_grants_are_spread_as_promised(database_url: str) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        await write(TINY)

        found = await live()
        assert [found[number] for number in range(1, seed.CONSULTED + 1)] == [seed.PER_ACCOUNT] * seed.CONSULTED
        assert found[seed.LARGE] == seed.IN_LARGE
        assert [found[number] for number in range(seed.LARGE + 1, TINY.accounts + 1)] == [14] * 6 + [13] * 3


@pytest.mark.parametrize("amounts", [TINY, Amounts(1009 + 2, 61, 780), Amounts(122, 62, 900)])
async def test_every_account_has_one_owner(database_url: str, amounts: Amounts) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        await write(amounts)

        rows = await db.fetch(LIVE, row=db.Row)
        assert {row.owners for row in rows} == {1}
        owner = "SELECT FROM accounts WHERE id = $1 AND owner_id = $2"
        for number in (1, seed.OWNED, seed.OWNED + 1, amounts.accounts):
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
def test_amounts_that_do_not_fit_are_refused(amounts: tuple[int, int, int], reason: str) -> None:
    with pytest.raises(Unseedable) as refused:
        Amounts(*amounts)

    assert str(refused.value) == reason


async def test_a_database_in_use_is_left_alone(database_url: str) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        await write(TINY)

        with pytest.raises(Unseedable, match="has users already"):
            await write(TINY)

        (counted,) = await db.fetch(COUNTS, row=db.Row)
        assert counted.users == TINY.users


async def test_the_owner_sees_fifty_accounts_with_ten_grants_each(api: Api) -> None:
    await write(TINY, at=api.clock.now)

    accounts = (await api.ask(seed.Q2, by=seed.token(2))).data["viewer"]["accounts"]["nodes"]

    assert len(accounts) == seed.OWNED
    assert {len(account["grants"]["nodes"]) for account in accounts} == {10}
    assert {account["viewerGrant"]["role"] for account in accounts} == {"OWNER"}
    assert all(account["settings"]["bankAccountNumber"] for account in accounts)
    assert all(grant["user"]["email"] for account in accounts for grant in account["grants"]["nodes"])


async def test_the_bureau_sees_the_same_and_is_refused_the_settings(api: Api) -> None:
    await write(TINY, at=api.clock.now)
    owners = (await api.ask(seed.Q2, by=seed.token(2))).data["viewer"]["accounts"]["nodes"]

    answer = await api.ask(seed.Q2, by=seed.token(1))

    accounts = answer.partial["viewer"]["accounts"]["nodes"]
    own = {"settings": None, "viewerGrant": {"role": "CONSULTANT"}}
    assert accounts == [account | own for account in owners]
    assert answer.codes == ["FORBIDDEN"] * seed.OWNED
    assert {error["path"][-1] for error in answer.errors} == {"settings"}


async def test_every_change_of_the_peer_file_is_made(api: Api, tmp_path: Path) -> None:
    await write(TINY, at=api.clock.now)
    seed.write_peer_file(tmp_path / "peer.json", "http://127.0.0.1:8000/graphql")
    peer = msgspec.json.decode((tmp_path / "peer.json").read_bytes())
    changes = peer["queries"]["Q4"]["variables"]

    for variables in [*changes[:60], *changes[-60:]]:
        payload = (await api.ask(seed.Q4, variables, by=peer["tokens"]["owner"])).data["updateGrant"]
        assert payload["errors"] == []
        assert payload["grant"]["role"] == variables["input"]["role"]

    assert len({variables["input"]["grantId"] for variables in changes}) == 450
    assert (await api.ask(seed.Q1, by=peer["tokens"]["bureau"])).data["viewer"]["user"]["name"] == "User 1"


def test_the_bureau_may_read_users_and_no_settings() -> None:
    held = policy.permissions(seed.CONSULTANTS_LIST)

    assert Permission.USERS_READ in held
    assert Permission.SETTINGS_READ not in held
