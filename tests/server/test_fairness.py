"""A flood of one user's operations on long lists delays no other user."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette

from database import db, slots
from database.pool import Pool, current_caller
from server.graph import MAX_WAITING
from tests.api import Api, Person, Response
from tests.conftest import connect

COSTLY = """{ viewer { currentAccount {
    a: events(first: 1, filter: { type: "none" }) { totalCount } b: events(first: 1) { totalCount }
    c: events(first: 1, filter: { type: "refused" }) { totalCount } d: messages(first: 1) { totalCount } } } }"""
SMALL = "{ viewer { accounts(first: 1) { nodes { name } } } }"
EVENTS = 50_000


async def add_events(api: Api, owner: Person, database_url: str) -> None:
    """Add many events of one type to the owner's account, as the owner of the tables."""
    connection = await connect(database_url)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(f"""
        INSERT INTO events (id, type, occurred_at, actor_id, account_id)
        SELECT gen_random_uuid(), 'account:settings:update', now(), a.owner_id, a.id
        FROM (SELECT * FROM accounts LIMIT 1) a, generate_series(1, {EVENTS}) n""")
    await connection.close()


class ConnectionUse:
    """The database connections that each caller holds, and the most that one caller held at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connection_counts: dict[Any, int] = {}
        self.max_count = 0
        acquire, release = Pool.acquire, Pool.release

        async def count_acquire(pool: Pool) -> Any:
            driver = await acquire(pool)
            caller = pool._callers.get(driver)
            if caller is not None:
                self.connection_counts[caller] = self.connection_counts.get(caller, 0) + 1
                self.max_count = max(self.max_count, self.connection_counts[caller])
            return driver

        async def count_release(pool: Pool, driver: Any) -> None:
            caller = pool._callers.get(driver)
            if caller is not None:
                self.connection_counts[caller] -= 1
            await release(pool, driver)

        monkeypatch.setattr(Pool, "acquire", count_acquire)
        monkeypatch.setattr(Pool, "release", count_release)


async def test_flood_of_one_user_does_not_delay_another(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flooder, other = await api.person("flood@example.com"), await api.person("bo@example.com")
    await add_events(api, flooder, database_url)
    use = ConnectionUse(monkeypatch)
    finished: list[str] = []

    async def ask(name: str, query: str, by: Person) -> Response:
        response = await api.ask(query, by=by)
        finished.append(name)
        return response

    async with asyncio.TaskGroup() as group:
        flood = [group.create_task(ask("flood", COSTLY, flooder)) for _ in range(30)]
        await until_waiting(api, 1)
        answer = group.create_task(ask("other", SMALL, other))

    assert answer.result().codes == []
    assert [task.result().codes for task in flood] == [[]] * 30
    # The other user does not wait for the whole flood. How many of its operations end earlier depends on the machine.
    assert finished[-1] == "flood"
    assert use.max_count <= 8
    assert db.pool_use()[0] == 0


def current_waiting(api: Api) -> int:
    """The number of operations that wait for another one of the same caller."""
    application = api._app
    assert isinstance(application, Starlette)
    operations: slots.Slots = application.state.operations
    return sum(operations.waiting(caller) for caller in operations._queues)


async def until_waiting(api: Api, count: int) -> None:
    """Return when so many operations wait for others of their caller."""
    async with asyncio.timeout(20):
        while current_waiting(api) < count:  # noqa: ASYNC110 - a request gives no event when it waits
            await asyncio.sleep(0.001)


async def test_operations_beyond_the_queue_are_rate_limited(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    query = "{ viewer { currentAccount { engagements(first: 1) { nodes { id } } } } }"
    assert (await api.ask(query, by=anna)).codes == []  # the document is cached, so that all requests reach the queue
    lock = await connect(database_url)
    transaction = lock.transaction()
    await transaction.start()
    await lock.execute("LOCK TABLE engagements IN ACCESS EXCLUSIVE MODE")
    tasks = [asyncio.create_task(api.ask(query, by=anna)) for _ in range(8 + MAX_WAITING + 3)]
    await until_waiting(api, MAX_WAITING)

    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await transaction.rollback()
    await lock.close()
    responses = await asyncio.gather(*tasks)

    assert [task.result().codes for task in done] == [["RATE_LIMITED"]] * len(done)
    codes = [response.codes for response in responses]
    assert (codes.count(["RATE_LIMITED"]), codes.count([])) == (3, 8 + MAX_WAITING)


async def test_operations_leave_no_caller_behind(api: Api) -> None:
    anna = await api.person("anna@example.com")

    _ = await api.ask(SMALL, by=anna)

    assert current_caller.get() is None
    assert current_waiting(api) == 0
