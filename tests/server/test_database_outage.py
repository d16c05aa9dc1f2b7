"""Responses while the database is unavailable or busy, recovery after it, and no leaked connections."""

import asyncio
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

import demo
import embedded
from database import db, migrate, pool
from models.tables import SCHEMA
from tests.api import PASSWORD, Api
from tests.conftest import connect
from tests.serving import run_process

VIEWER = "{ viewer { user { name } accounts { nodes { name } } } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken errors { code } } }"


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fullmakt-tests-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


async def test_server_recovers_after_a_database_outage(folder: Path) -> None:
    credentials = {"email": demo.OWNER, "password": demo.PASSWORD}
    async with AsyncExitStack() as exit_stack:
        database_stack = exit_stack.enter_context(ExitStack())
        url = database_stack.enter_context(embedded.postgres(folder, durable=False))
        await migrate.migrate(url, SCHEMA)
        process = await exit_stack.enter_async_context(run_process(url, FULLMAKT_ENV="development"))
        api, http = process.api, process.api.http
        token = (await api.do("signIn", credentials, "accessToken"))["accessToken"]
        # Open all connections of the pool, so that all of them go stale.
        assert {answer.status for answer in await asyncio.gather(*(api.ask(VIEWER, by=token) for _ in range(40)))} == {
            200
        }

        database_stack.close()

        for _ in range(3):
            start_seconds = time.monotonic()
            viewer_answer = await api.ask(VIEWER, by=token)
            sign_in_answer = await api.ask(SIGN_IN, {"input": credentials})
            assert time.monotonic() - start_seconds < 5
            for answer in (viewer_answer, sign_in_answer):
                assert (answer.status, answer.codes) == (503, ["SERVICE_UNAVAILABLE"])
                assert answer.errors[0]["message"] == "The service is not available right now."
        assert (await api.ask("{ roles { role } }")).status == 200
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/livez")).status_code == 200
        page = await http.get("/mailbox")
        assert (page.status_code, page.json()["errors"][0]["extensions"]["code"]) == (503, "SERVICE_UNAVAILABLE")

        with embedded.postgres(folder, durable=False):
            restart_seconds = time.monotonic()
            while (await api.ask(VIEWER, by=token)).status != 200:
                assert time.monotonic() - restart_seconds < 5
                await asyncio.sleep(0.05)
            answers = await asyncio.gather(*(api.ask(VIEWER, by=token) for _ in range(40)))
            assert [answer.status for answer in answers] == [200] * 40
            assert (await http.get("/readyz")).status_code == 200
            assert (await api.ask(SIGN_IN, {"input": credentials})).data["signIn"]["errors"] == []
            code, _, log = await process.stop()
        assert code == 0
        assert "Traceback" not in log
        assert "unexpected" not in log


OTHER_CONNECTIONS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
TERMINATE = f"SELECT pg_terminate_backend(pid) {OTHER_CONNECTIONS}"
# Waits up to five seconds for each connection to end.
TERMINATE_AND_WAIT = f"SELECT pg_terminate_backend(pid, 5000) {OTHER_CONNECTIONS}"


async def test_terminated_connections_are_replaced_without_errors(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    await asyncio.gather(*(api.ask(VIEWER, by=anna) for _ in range(40)))
    admin_connection = await connect(database_url)

    terminated_rows = await admin_connection.fetch(TERMINATE_AND_WAIT)
    await admin_connection.close()

    answers = await asyncio.gather(*(api.ask(VIEWER, by=anna) for _ in range(40)))

    assert len(terminated_rows) > 1
    assert [answer.status for answer in answers] == [200] * 40


async def test_connections_terminated_in_use_are_reported_as_an_outage(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    admin_connection = await connect(database_url)
    codes: set[str] = set()

    for _ in range(8):
        tasks = [asyncio.create_task(api.ask(VIEWER, by=anna)) for _ in range(20)]
        await asyncio.sleep(0.01)
        await admin_connection.execute(TERMINATE)
        codes |= {code for answer in await asyncio.gather(*tasks) for code in answer.codes}
    await admin_connection.close()

    assert codes == {"SERVICE_UNAVAILABLE"}


# ---- Busy database ---------------------------------------------------------------------------


@pytest.fixture
async def busy_api(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """All connections of the pool are in use. The wait for one is cut from 5 to 0.3 seconds."""
    assert pool.WAIT_SECONDS == 5
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.3)
    release = asyncio.Event()
    connection_count = asyncio.Semaphore(0)

    async def hold() -> None:
        async with db.transaction():
            connection_count.release()
            await release.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(db.POOL_SIZE):
            _ = group.create_task(hold())
            await connection_count.acquire()
        yield api
        release.set()


@pytest.mark.parametrize(
    ("query", "token"),
    [(VIEWER, "a token"), ('{ invitation(token: "x") { role } }', None), (SIGN_IN, None)],
    ids=["query of a user", "anonymous query", "mutation"],
)
async def test_request_without_a_free_connection_fails_within_seconds(
    busy_api: Api, query: str, token: str | None
) -> None:
    variables = {"input": {"email": "anna@example.com", "password": PASSWORD}} if query == SIGN_IN else {}
    start_seconds = time.monotonic()

    answer = await busy_api.ask(query, variables, by=token)

    assert 0.3 <= time.monotonic() - start_seconds < 5
    assert (answer.status, answer.codes) == (503, ["SERVICE_UNAVAILABLE"])


async def test_cancelled_transactions_leak_no_connection(api: Api) -> None:
    random_source = random.Random(7)  # noqa: S311 - reproducible

    async def work() -> None:
        async with db.transaction():
            await db.execute("UPDATE users SET name = name")
            await db.execute("SELECT pg_sleep(0.002)")

    for _ in range(50):
        tasks = [asyncio.create_task(work()) for _ in range(4)]
        await asyncio.sleep(random_source.uniform(0, 0.006))
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results), results

    sql = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
    sql += " AND pid <> pg_backend_pid()"
    assert {row.state for row in await db.fetch(sql, row=db.Row)} <= {"idle"}
    barrier = asyncio.Barrier(db.POOL_SIZE)

    async def at_once() -> None:
        async with db.transaction():
            await barrier.wait()

    async with asyncio.timeout(5):
        await asyncio.gather(*(at_once() for _ in range(db.POOL_SIZE)))
