"""An operation that takes too long is stopped, at the database too, and leaves nothing behind."""

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
from tests.api import KEY, Api, running
from tests.conftest import EXECUTOR, connect
from tests.server.conftest import PRODUCTION_URL

SECONDS = 0.5
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"


@asynccontextmanager
async def impatient(database_url: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """The application with half a second for each operation."""
    application = app.create(
        Settings(
            database_url=database_url,
            secret_key=KEY,
            public_url=PRODUCTION_URL,
            max_seconds=SECONDS,
            executor=EXECUTOR,
        )
    )
    async with running(application, PRODUCTION_URL) as http:
        yield http


@asynccontextmanager
async def blocked(database_url: str, statement: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """Somebody holds what the operation waits for; and looks at who waits."""
    holder, watcher = await connect(database_url), await connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute(statement)
            yield watcher
    finally:
        await holder.close()
        await watcher.close()


async def settled(watcher: "asyncpg.Connection[asyncpg.Record]") -> tuple[Any, Any]:
    """How many statements run, ours among them, and how many transactions are open, the holder's among them."""
    for _ in range(100):
        if (await watcher.fetchval(BUSY), await watcher.fetchval(OPEN)) == (1, 1):
            break
        await asyncio.sleep(0.05)
    return await watcher.fetchval(BUSY), await watcher.fetchval(OPEN)


def working() -> set["asyncio.Task[Any]"]:
    """The tasks, without those in which the jobs of every minute wait."""
    return {task for task in asyncio.all_tasks() if "Event.wait" not in repr(task.get_coro())}


WAITING = {
    "queries": (
        "LOCK TABLE invitations IN ACCESS EXCLUSIVE MODE",
        '{ viewer { invitations { nodes { id } } user { name } } a: invitation(token: "x") { role } }',
    ),
    "mutations": (
        "SELECT FROM accounts FOR UPDATE",
        'mutation { updateAccount(input: { accountId: "%s", name: "Other" }) { errors { code } } }',
    ),
}


@pytest.mark.parametrize(("statement", "query"), WAITING.values(), ids=WAITING)
async def test_what_takes_too_long_is_stopped_at_the_database_too(
    api: Api, database_url: str, statement: str, query: str
) -> None:
    anna = await api.person("anna@example.com")
    headers = {"Authorization": f"Bearer {anna.token}"}
    asked = {"query": query.replace("%s", anna.account_id)}

    async with impatient(database_url) as http:
        _ = await http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        tasks = working()
        async with blocked(database_url, statement) as watcher:
            answers = await asyncio.gather(*(http.post("/graphql", json=asked, headers=headers) for _ in range(3)))
            assert await settled(watcher) == (1, 1)
        assert working() <= tasks

        for answer in answers:
            (error,) = answer.json()["errors"]
            assert (answer.status_code, error["extensions"]["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert (error["extensions"]["limit"], error["extensions"]["most"]) == ("seconds", SECONDS)
            assert "data" not in answer.json()
        # Every connection is there again: more at once than the pool has.
        shown = {"query": "{ viewer { currentAccount { name } } }"}
        many = [http.post("/graphql", json=shown, headers=headers) for _ in range(db.POOL_SIZE + 5)]
        answers = await asyncio.gather(*many)
        names = {answer.json()["data"]["viewer"]["currentAccount"]["name"] for answer in answers}
        assert names == {"Anna Nowak"}
