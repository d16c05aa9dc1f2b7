"""Two servers on one database: nothing may rest on what a single process knows."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from models import db
from models.grant import Grant
from models.subscription import SubscriptionEntry
from tests.api import KEY, Api, Clock
from tests.races.racing import ROUNDS, accept, at_once, invite, outcomes

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def served(database_url: str) -> AsyncGenerator[Api]:
    """A client of a server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mine = {
        "FULLMAKT_ENV": "development",
        "FULLMAKT_DATABASE_URL": database_url,
        "FULLMAKT_SECRET_KEY": KEY,
        "FULLMAKT_PORT": str(port),
    }
    # Not FULLMAKT_... of whoever runs the tests.
    others = {name: value for name, value in os.environ.items() if not name.startswith("FULLMAKT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "cli.py", "serve", "--no-demo", cwd=ROOT, env=others | mine, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            await _until_ready(http)
            yield Api(http, Clock())
    finally:
        process.terminate()
        await process.wait()


async def _until_ready(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)


@pytest.fixture
async def servers(database_url: str) -> AsyncIterator[list[Api]]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(db.connection(database_url, pool_size=2))
        yield [await stack.enter_async_context(served(database_url)) for _ in range(2)]


async def test_access_and_days_are_given_once(servers: list[Api]) -> None:
    here, there = servers
    anna, bo = await here.person("anna@example.com"), await there.person("bo@example.com")
    second = (await here.do("createAccount", {"name": "Second"}, "account { id }", by=anna))["account"]["id"]
    await db.execute("UPDATE accounts SET subscription_until = subscription_until + interval '3000 days'")
    for place in range(ROUNDS):
        _, token = await invite(here, anna, bo.email)
        to = {"accountId": second, "payerAccountId": anna.account_id, "days": 10, "idempotencyKey": str(place)}
        back = {"accountId": anna.account_id, "payerAccountId": second, "days": 10}

        accepted = await at_once(accept(here, token, bo), accept(there, token, bo))
        moved = await at_once(
            *(api.do("extendSubscription", given, by=anna) for api in servers for given in (to, back))
        )

        assert outcomes(accepted) == ["TOKEN_INVALID", "done"]
        assert await Grant.filter(status="ACTIVE").exclude(role="OWNER").count() == 1
        assert outcomes(moved) == ["done"] * 4
        await db.execute("UPDATE grants SET status = 'REVOKED' WHERE role <> 'OWNER'")
    entries = await SubscriptionEntry.filter(kind__in=["TRANSFER_IN", "TRANSFER_OUT"])
    assert len(entries) == ROUNDS * 3 * 2
    assert sum(entry.days for entry in entries) == 0
