"""A server that is killed in the middle of its work: what it acknowledged is there, once, and nothing by halves.

CI kills it five times. KILL_CYCLES=200 makes a campaign of it:

    KILL_CYCLES=200 .venv/bin/python -m pytest tests/races/test_killed.py
"""

import asyncio
import os
import random
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import httpx2

from database import db
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.billing import subscription, voucher
from models.billing.subscription import SubscriptionEntry
from models.tables import SCHEMA
from resolvers import ids
from tests.api import KEY, Api, Person
from tests.races.ledger import reconciled
from tests.races.racing import outcome
from tests.serving import serve

CYCLES: Final = int(os.environ.get("KILL_CYCLES", "5"))
CLIENTS: Final = 6
VOUCHERS_EACH: Final = 3


class Books:
    """What clients asked of the servers, and what they were told."""

    def __init__(self, anna: Person, accounts: tuple[str, str]) -> None:
        self.anna = anna
        self.accounts = accounts
        self.asked: dict[str, dict[str, object]] = {}
        self.told: dict[str, str] = {}
        self.codes: list[str] = []
        self.redeemed: set[str] = set()

    async def pay(self, api: Api, key: str) -> None:
        """Move ten days, one way or the other; `key` may have been tried before."""
        payer, receiver = random.sample(self.accounts, 2)
        given: dict[str, object] = {"accountId": receiver, "payerAccountId": payer, "days": 10, "idempotencyKey": key}
        done = await api.do("extendSubscription", self.asked.setdefault(key, given), "entry { id }", by=self.anna)
        assert outcome(done) == "done"
        assert self.told.setdefault(key, done["entry"]["id"]) == done["entry"]["id"]

    async def redeem(self, api: Api, code: str) -> None:
        """Use a voucher up."""
        done = await api.do("redeemVoucher", {"accountId": self.accounts[0], "code": code}, by=self.anna)
        assert outcome(done) == "done"
        self.redeemed.add(code)

    async def work(self, api: Api, name: str) -> None:
        """Go on until the server is no more."""
        try:
            for place in range(10_000):
                await self.pay(api, f"{name} {place}")
                if place < VOUCHERS_EACH:
                    await self.redeem(api, self.codes.pop())
        except httpx2.TransportError:
            return


async def opened(api: Api) -> Books:
    """Somebody with two accounts, both with days to give."""
    anna = await api.person("anna@example.com")
    second = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    for row in await Account.all():
        await subscription.credit(operator(), row.number, 1500, reference=str(row.number))
    return Books(anna, (anna.account_id, second["account"]["id"]))


def operator() -> Caller:
    return Caller(now=datetime.now(UTC), config=OperationConfig(KEY))


async def test_nothing_acknowledged_is_lost_or_doubled(database_url: str) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        books: Books | None = None
        for cycle in range(CYCLES):
            async with serve(database_url) as served:
                books = books or await opened(served.api)
                codes = voucher.new_codes(CLIENTS * VOUCHERS_EACH)
                await voucher.issue(operator(), codes, days=1, reference=f"cycle {cycle}")
                books.codes = codes
                for key in books.asked.keys() - books.told.keys():
                    await books.pay(served.api, key)
                clients = [asyncio.create_task(books.work(served.api, f"{cycle}/{n}")) for n in range(CLIENTS)]
                await asyncio.sleep(0.2 + random.random() * 0.6)  # noqa: S311 - not a secret
                served.process.kill()
                await asyncio.gather(*clients)
            await _until_nobody_is_connected()
            await _check(books)
        assert books is not None
        assert len(books.told) >= CYCLES * CLIENTS


async def _check(books: Books) -> None:
    """What the clients were told is what the database has."""
    kept: list[Any] = await db.fetch("SELECT key, entry_id FROM idempotency_keys", row=db.Row)
    done = {row.key: row.entry_id for row in kept}
    moved: list[UUID] = [entry.id for entry in await SubscriptionEntry.filter(kind="TRANSFER_IN")]
    used = await db.fetch("SELECT code_digest FROM vouchers WHERE entry_id IS NOT NULL", row=db.Row)

    assert {key: ids.encode("SubscriptionEntry", done[key]) for key in books.told} == books.told
    assert done.keys() <= books.asked.keys()
    assert sorted(moved) == sorted(done.values())
    assert {voucher.digest(code) for code in books.redeemed} <= {row.code_digest for row in used}
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == len(used)
    await reconciled(2 * (30 + 1500) + len(used))


async def _until_nobody_is_connected() -> None:
    """PostgreSQL finishes, or rolls back, what the dead server had begun."""
    others = "datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    async with asyncio.timeout(10):
        while await db.fetch(f"SELECT FROM pg_stat_activity WHERE {others}", row=db.Row):  # noqa: ASYNC110 - no event of ours
            await asyncio.sleep(0.05)
