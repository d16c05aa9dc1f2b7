"""The database goes away, comes back, or is too busy: what clients get, and that nothing leaks."""

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
from tests.serving import serve

VIEWER = "{ viewer { user { name } accounts { nodes { name } } } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken errors { code } } }"


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fullmakt-tests-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


async def test_a_server_outlives_its_database(folder: Path) -> None:
    credentials = {"email": demo.OWNER, "password": demo.PASSWORD}
    async with AsyncExitStack() as left:
        running = left.enter_context(ExitStack())
        url = running.enter_context(embedded.postgres(folder, durable=False))
        await migrate.migrate(url, SCHEMA)
        served = await left.enter_async_context(serve(url, FULLMAKT_ENV="development"))
        api, http = served.api, served.api.http
        token = (await api.do("signIn", credentials, "accessToken"))["accessToken"]
        # Twenty connections, so that all of them go stale.
        assert {answer.status for answer in await asyncio.gather(*(api.ask(VIEWER, by=token) for _ in range(40)))} == {
            200
        }

        running.close()

        for _ in range(3):
            started = time.monotonic()
            signed_in = await api.ask(VIEWER, by=token)
            signing_in = await api.ask(SIGN_IN, {"input": credentials})
            assert time.monotonic() - started < 5
            for answer in (signed_in, signing_in):
                assert (answer.status, answer.codes) == (503, ["SERVICE_UNAVAILABLE"])
                assert answer.errors[0]["message"] == "The service is not available right now."
        assert (await api.ask("{ roles { role } }")).status == 200
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/livez")).status_code == 200
        page = await http.get("/mailbox")
        assert (page.status_code, page.json()["errors"][0]["extensions"]["code"]) == (503, "SERVICE_UNAVAILABLE")

        with embedded.postgres(folder, durable=False):
            back = time.monotonic()
            while (await api.ask(VIEWER, by=token)).status != 200:
                assert time.monotonic() - back < 5
                await asyncio.sleep(0.05)
            after = await asyncio.gather(*(api.ask(VIEWER, by=token) for _ in range(40)))
            assert [answer.status for answer in after] == [200] * 40
            assert (await http.get("/readyz")).status_code == 200
            assert (await api.ask(SIGN_IN, {"input": credentials})).data["signIn"]["errors"] == []
            code, _, log = await served.stop()
        assert code == 0
        assert "Traceback" not in log
        assert "unexpected" not in log


OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
CUT_AT_ONCE = f"SELECT pg_terminate_backend(pid) {OTHERS}"
# Waits until each is gone, five seconds at most.
CUT = f"SELECT pg_terminate_backend(pid, 5000) {OTHERS}"


async def test_connections_that_were_cut_are_not_met_again(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    await asyncio.gather(*(api.ask(VIEWER, by=anna) for _ in range(40)))
    knife = await connect(database_url)

    gone = await knife.fetch(CUT)
    await knife.close()

    answers = await asyncio.gather(*(api.ask(VIEWER, by=anna) for _ in range(40)))

    assert len(gone) > 1
    assert [answer.status for answer in answers] == [200] * 40


async def test_connections_cut_at_work_are_an_outage_and_no_failure_of_ours(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    knife = await connect(database_url)
    codes: set[str] = set()

    for _ in range(8):
        asked = [asyncio.create_task(api.ask(VIEWER, by=anna)) for _ in range(20)]
        await asyncio.sleep(0.01)
        await knife.execute(CUT_AT_ONCE)
        codes |= {code for answer in await asyncio.gather(*asked) for code in answer.codes}
    await knife.close()

    assert codes == {"SERVICE_UNAVAILABLE"}


# ---- Too busy --------------------------------------------------------------------------------


@pytest.fixture
async def exhausted(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """Every connection is taken; waiting for one is cut from five seconds to a third of one."""
    assert pool.WAIT_SECONDS == 5
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.3)
    release = asyncio.Event()
    taken = asyncio.Semaphore(0)

    async def hold() -> None:
        async with db.transaction():
            taken.release()
            await release.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(db.POOL_SIZE):
            _ = group.create_task(hold())
            await taken.acquire()
        yield api
        release.set()


@pytest.mark.parametrize(
    ("query", "token"),
    [(VIEWER, "a token"), ('{ invitation(token: "x") { role } }', None), (SIGN_IN, None)],
    ids=["reading as somebody", "reading", "changing"],
)
async def test_who_waits_for_a_connection_is_sent_away_in_time(exhausted: Api, query: str, token: str | None) -> None:
    variables = {"input": {"email": "anna@example.com", "password": PASSWORD}} if query == SIGN_IN else {}
    started = time.monotonic()

    answer = await exhausted.ask(query, variables, by=token)

    assert 0.3 <= time.monotonic() - started < 5
    assert (answer.status, answer.codes) == (503, ["SERVICE_UNAVAILABLE"])


async def test_two_hundred_cancelled_transactions_leave_no_connection_behind(api: Api) -> None:
    chance = random.Random(7)  # noqa: S311 - the same moments each time

    async def work() -> None:
        async with db.transaction():
            await db.execute("UPDATE users SET name = name")
            await db.execute("SELECT pg_sleep(0.002)")

    for _ in range(50):
        tasks = [asyncio.create_task(work()) for _ in range(4)]
        await asyncio.sleep(chance.uniform(0, 0.006))
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in done), done

    sql = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert {row.state for row in await db.fetch(sql, row=db.Row)} <= {"idle"}
    together = asyncio.Barrier(db.POOL_SIZE)

    async def at_once() -> None:
        async with db.transaction():
            await together.wait()

    async with asyncio.timeout(5):
        await asyncio.gather(*(at_once() for _ in range(db.POOL_SIZE)))
