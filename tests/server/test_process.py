"""Real processes: how they end, and how one takes another's place."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from tests.api import Api, Person
from tests.conftest import connect
from tests.serving import Served, serve

LINUX = pytest.mark.skipif(not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="looks into /proc")
ROLES = "{ roles { role } }"
INVITED = '{ invitation(token: "x") { role } }'
"""Reads a table."""


@asynccontextmanager
async def locked(database_url: str) -> AsyncGenerator[None]:
    """Nobody can read invitations meanwhile."""
    connection = await connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE invitations")
            yield
    finally:
        await connection.close()


async def under_way(served: Served) -> "asyncio.Task[int]":
    """A request that waits for the lock: its status."""

    async def ask() -> int:
        return (await served.api.ask(INVITED)).status

    task = asyncio.create_task(ask())
    await asyncio.sleep(0.2)
    assert not task.done()
    return task


async def followed(served: Served, person: Person) -> str:
    """All that a subscription over Server-Sent Events was told until its end."""
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {person.token}"}
    asked = {"query": "subscription { accessChanged { __typename } }"}
    answer = await served.api.http.post("/graphql", json=asked, headers=headers)
    assert answer.status_code == 200
    return answer.text


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def children(pid: int) -> list[int]:
    """The workers among the processes that one has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for it, for half a minute at most."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(0.05)


@dataclass
class Load:
    """Clients that ask all the time, each a second time where a connection is lost."""

    port: int
    answered: int = 0
    lost: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as http:
            clients = [asyncio.create_task(self._ask(http)) for _ in range(5)]
            yield
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def _ask(self, http: httpx2.AsyncClient) -> None:
        while True:
            try:
                await self._once(http)
            except httpx2.TransportError:
                try:
                    await self._once(http)
                except httpx2.TransportError as error:
                    self.lost.append(repr(error))
            await asyncio.sleep(0.05)

    async def _once(self, http: httpx2.AsyncClient) -> None:
        answer = await http.post("/graphql", json={"query": ROLES})
        if answer.status_code != 200:
            self.lost.append(answer.text)
        self.answered += 1


# ---- The end -----------------------------------------------------------------------------------


@LINUX
async def test_the_end_is_announced_before_it_begins(database_url: str, api: Api) -> None:
    anna = await api.person("anna@example.com")
    async with serve(database_url, FULLMAKT_DRAIN_SECONDS="1", FULLMAKT_WORKERS="2") as served:
        http, workers = served.api.http, children(served.process.pid)
        async with locked(database_url):
            waiting = await under_way(served)
            stream = asyncio.create_task(followed(served, anna))
            await asyncio.sleep(0.2)

            served.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            drained = [await http.get(path) for path in ("/livez", "/readyz")]
            meanwhile = await served.api.ask(ROLES)
            async with asyncio.timeout(10):
                while await is_open(served.port):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)

            assert [answer.status_code for answer in drained] == [200, 503]
            assert drained[1].json() == {"status": "leaving"}
            assert {answer.headers["connection"] for answer in drained} == {"close"}
            assert meanwhile.status == 200
            assert not waiting.done()
            # To its proper end, without the word that there will be no more: the client may come back.
            assert await stream == ":\n\n"
        assert await waiting == 200
        code, _, log = await served.stop()
        assert (code, log) == (0, "")
        assert not any(is_alive(pid) for pid in workers)


async def test_what_hangs_is_cut_when_the_limit_is_reached(database_url: str) -> None:
    async with serve(database_url, FULLMAKT_SHUTDOWN_SECONDS="1") as served, locked(database_url):
        waiting = await under_way(served)
        started = time.monotonic()

        code, _, log = await served.stop()

        assert code == 0
        assert time.monotonic() - started < 5
        assert "1 requests did not end in time, and are cut" in log
        with pytest.raises(httpx2.TransportError):
            await waiting


async def test_a_second_signal_ends_it_at_once(database_url: str) -> None:
    async with serve(database_url) as served, locked(database_url):
        waiting = await under_way(served)
        served.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert served.process.returncode is None

        started = time.monotonic()
        await served.stop()

        assert time.monotonic() - started < 3
        with pytest.raises(httpx2.TransportError):
            await waiting


async def test_a_loop_that_hangs_does_not_keep_it_alive(database_url: str, tmp_path: Path) -> None:
    program = tmp_path / "hanging.py"
    program.write_text(
        "import time\nfrom server import health, process\n\n\nasync def live(_):\n    time.sleep(60)\n\n\n"
        "health.live = live\nprocess.LAST_SECONDS = 0.2\nimport cli\n\ncli.main()\n"
    )
    async with serve(database_url, program=program, FULLMAKT_SHUTDOWN_SECONDS="1") as served:
        hanging = asyncio.create_task(served.api.http.get("/livez"))
        await asyncio.sleep(0.2)
        started = time.monotonic()

        code, _, _ = await served.stop()

        assert code == 1
        assert time.monotonic() - started < 8
        with pytest.raises(httpx2.TransportError):
            await hanging


# ---- Several -----------------------------------------------------------------------------------


@LINUX
async def test_workers_are_replaced_when_they_die_and_when_told_and_end_with_their_supervisor(
    database_url: str,
) -> None:
    async with serve(database_url, FULLMAKT_WORKERS="2") as served:
        before = children(served.process.pid)
        assert len(before) == 2
        load = Load(served.port)

        async with load.running():
            # It takes the requests along that it has, and no other.
            os.kill(before[0], signal.SIGKILL)
            await until(lambda: len(children(served.process.pid)) == 2)
            served.process.send_signal(signal.SIGHUP)
            await until(lambda: before[1] not in children(served.process.pid))
            await until(lambda: len(children(served.process.pid)) == 2)

        assert load.lost == []
        assert load.answered > 50
        renewed = children(served.process.pid)
        assert not {*before} & {*renewed}

        served.process.kill()

        await until(lambda: not any(is_alive(pid) for pid in renewed))
        assert not await is_open(served.port)
        assert served.process.stderr is not None
        log = (await served.process.stderr.read()).decode()
        assert log.count("\n") == 1
        assert f"worker {before[0]} has died" in log


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_server_that_cannot_start_says_so(database_url: str, tmp_path: Path, workers: str) -> None:
    program = tmp_path / "failing.py"
    program.write_text(
        "from models import db\n\n\ndef connection(*_, **__):\n    raise OSError('no such thing')\n\n\n"
        "db.connection = connection\nimport cli\n\nif __name__ == '__main__':\n    cli.main()\n"
    )
    with pytest.raises(AssertionError) as caught:
        async with serve(database_url, program=program, FULLMAKT_WORKERS=workers):
            pass

    assert "The server did not start; the reason is above." in str(caught.value)
    assert "OSError" in str(caught.value)


async def test_a_port_that_is_taken_is_told_in_one_line(database_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError) as caught:
            async with serve(database_url, FULLMAKT_PORT=str(port)):
                pass
    assert f"Cannot listen on 127.0.0.1 port {port}" in str(caught.value)
