"""A server killed during its work: acknowledged operations are stored once, and no operation is stored in part.

The server is killed five times by default; more often with KILL_CYCLES:

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
from tests.races.ledger import check_ledgers
from tests.races.rounds import outcome
from tests.serving import run_process

CYCLES: Final = int(os.environ.get("KILL_CYCLES", "5"))
CLIENTS: Final = 6
VOUCHERS_PER_CLIENT: Final = 3


class ClientLog:
    """The requests of the clients and the responses that they received."""

    def __init__(self, owner: Person, account_ids: tuple[str, str]) -> None:
        self.owner = owner
        self.account_ids = account_ids
        self.inputs: dict[str, dict[str, object]] = {}
        self.entry_ids: dict[str, str] = {}
        self.codes: list[str] = []
        self.redeemed_codes: set[str] = set()

    async def pay(self, api: Api, key: str) -> None:
        """Transfer ten days in a random direction. `key` may be the key of a request without a response."""
        payer, receiver = random.sample(self.account_ids, 2)
        arguments: dict[str, object] = {
            "accountId": receiver,
            "payerAccountId": payer,
            "days": 10,
            "idempotencyKey": key,
        }
        payload = await api.do(
            "extendSubscription", self.inputs.setdefault(key, arguments), "entry { id }", by=self.owner
        )
        assert outcome(payload) == "done"
        assert self.entry_ids.setdefault(key, payload["entry"]["id"]) == payload["entry"]["id"]

    async def redeem(self, api: Api, code: str) -> None:
        """Redeem a voucher."""
        payload = await api.do("redeemVoucher", {"accountId": self.account_ids[0], "code": code}, by=self.owner)
        assert outcome(payload) == "done"
        self.redeemed_codes.add(code)

    async def work(self, api: Api, name: str) -> None:
        """Send requests until the server is gone."""
        try:
            for index in range(10_000):
                await self.pay(api, f"{name} {index}")
                if index < VOUCHERS_PER_CLIENT:
                    await self.redeem(api, self.codes.pop())
        except httpx2.TransportError:
            return


async def open_accounts(api: Api) -> ClientLog:
    """Register a user with two accounts that have days to transfer."""
    anna = await api.person("anna@example.com")
    payload = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    for row in await Account.all():
        await subscription.credit(operator(), row.number, 1500, reference=str(row.number))
    return ClientLog(anna, (anna.account_id, payload["account"]["id"]))


def operator() -> Caller:
    return Caller(now=datetime.now(UTC), config=OperationConfig(KEY))


async def test_acknowledged_operations_are_stored_exactly_once(database_url: str) -> None:
    async with db.connection(database_url, SCHEMA, pool_size=2):
        books: ClientLog | None = None
        for cycle in range(CYCLES):
            async with run_process(database_url, FULLMAKT_TRIALS_PER_USER="2") as server_process:
                books = books or await open_accounts(server_process.api)
                codes = voucher.new_codes(CLIENTS * VOUCHERS_PER_CLIENT)
                await voucher.issue(operator(), codes, days=1, reference=f"cycle {cycle}")
                books.codes = codes
                for key in books.inputs.keys() - books.entry_ids.keys():
                    await books.pay(server_process.api, key)
                clients = [asyncio.create_task(books.work(server_process.api, f"{cycle}/{n}")) for n in range(CLIENTS)]
                await asyncio.sleep(0.2 + random.random() * 0.6)  # noqa: S311 - not a secret
                server_process.process.kill()
                await asyncio.gather(*clients)
            await _wait_for_disconnect()
            await _check(books)
        assert books is not None
        assert len(books.entry_ids) >= CYCLES * CLIENTS


async def _check(books: ClientLog) -> None:
    """Check that the database agrees with the responses that the clients received."""
    key_rows: list[Any] = await db.fetch("SELECT key, outcome[1] AS entry_id FROM idempotency_keys", row=db.Row)
    entry_id_by_key = {row.key: row.entry_id for row in key_rows}
    transfer_ids: list[UUID] = [entry.id for entry in await SubscriptionEntry.filter(kind="TRANSFER_IN")]
    used_vouchers = await db.fetch("SELECT code_digest FROM vouchers WHERE entry_id IS NOT NULL", row=db.Row)

    assert {key: ids.encode("SubscriptionEntry", entry_id_by_key[key]) for key in books.entry_ids} == books.entry_ids
    assert entry_id_by_key.keys() <= books.inputs.keys()
    assert sorted(transfer_ids) == sorted(entry_id_by_key.values())
    assert {voucher.digest(code) for code in books.redeemed_codes} <= {row.code_digest for row in used_vouchers}
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == len(used_vouchers)
    await check_ledgers(2 * (30 + 1500) + len(used_vouchers))


async def _wait_for_disconnect() -> None:
    """Wait until PostgreSQL has ended the transactions of the killed server."""
    condition = "datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    async with asyncio.timeout(10):
        while await db.fetch(f"SELECT FROM pg_stat_activity WHERE {condition}", row=db.Row):  # noqa: ASYNC110 - the state of another process
            await asyncio.sleep(0.05)
