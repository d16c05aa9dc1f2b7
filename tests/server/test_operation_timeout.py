"""The time limit of an operation, which also cancels its statements in the database."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import pytest

import app
from database import db
from settings import Settings
from tests.api import KEY, Api, run_application
from tests.conftest import EXECUTOR, connect
from tests.server.conftest import PRODUCTION_URL

SECONDS = 0.5
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"


@asynccontextmanager
async def short_timeout(database_url: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of an application with a limit of half a second per operation."""
    application = app.create(
        Settings(
            database_url=database_url,
            secret_key=KEY,
            public_url=PRODUCTION_URL,
            max_seconds=SECONDS,
            executor=EXECUTOR,
        )
    )
    async with run_application(application, PRODUCTION_URL) as http:
        yield http


@asynccontextmanager
async def hold_lock(database_url: str, statement: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """Hold a lock that the operation needs. Yields a second connection to watch the database."""
    holder, watcher = await connect(database_url), await connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute(statement)
            yield watcher
    finally:
        await holder.close()
        await watcher.close()


async def activity(watcher: "asyncpg.Connection[asyncpg.Record]") -> tuple[Any, Any]:
    """The numbers of running statements and of idle transactions. Waits until only the test's own are left: (1, 1)."""
    for _ in range(100):
        if (await watcher.fetchval(BUSY), await watcher.fetchval(OPEN)) == (1, 1):
            break
        await asyncio.sleep(0.05)
    return await watcher.fetchval(BUSY), await watcher.fetchval(OPEN)


def running_tasks() -> set["asyncio.Task[Any]"]:
    """All asyncio tasks except those of the scheduled jobs."""
    return {task for task in asyncio.all_tasks() if "Event.wait" not in repr(task.get_coro())}


BLOCKED_OPERATIONS = {
    "queries": (
        "LOCK TABLE invitations IN ACCESS EXCLUSIVE MODE",
        '{ viewer { invitations { nodes { id } } user { name } } a: invitation(token: "x") { role } }',
    ),
    "mutations": (
        "SELECT FROM accounts FOR UPDATE",
        'mutation { updateAccount(input: { accountId: "%s", name: "Other" }) { errors { code } } }',
    ),
}


@pytest.mark.parametrize(("statement", "query"), BLOCKED_OPERATIONS.values(), ids=BLOCKED_OPERATIONS)
async def test_timed_out_operation_is_cancelled_in_the_database(
    api: Api, database_url: str, statement: str, query: str
) -> None:
    anna = await api.person("anna@example.com")
    headers = {"Authorization": f"Bearer {anna.token}"}
    body = {"query": query.replace("%s", anna.account_id)}

    async with short_timeout(database_url) as http:
        _ = await http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        tasks = running_tasks()
        async with hold_lock(database_url, statement) as watcher:
            answers = await asyncio.gather(*(http.post("/graphql", json=body, headers=headers) for _ in range(3)))
            assert await activity(watcher) == (1, 1)
        assert running_tasks() <= tasks

        for answer in answers:
            (error,) = answer.json()["errors"]
            assert (answer.status_code, error["extensions"]["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert (error["extensions"]["limit"], error["extensions"]["most"]) == ("seconds", SECONDS)
            assert "data" not in answer.json()
        # All connections are usable again: send more requests than the pool has connections.
        viewer_body = {"query": "{ viewer { currentAccount { name } } }"}
        requests = [http.post("/graphql", json=viewer_body, headers=headers) for _ in range(db.POOL_SIZE + 5)]
        answers = await asyncio.gather(*requests)
        names = {answer.json()["data"]["viewer"]["currentAccount"]["name"] for answer in answers}
        assert names == {"Anna Nowak"}
