"""Tests of real server processes: shutdown, replacement of workers, errors at start."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from tests.api import Api, Person
from tests.conftest import connect
from tests.serving import ServerProcess, run_process

LINUX = pytest.mark.skipif(not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="needs /proc")
ROLES = "{ roles { role } }"
READ_INVITATION = '{ invitation(token: "x") { role } }'
"""A query that reads the table invitations."""


@asynccontextmanager
async def lock_invitations(database_url: str) -> AsyncGenerator[None]:
    """Lock the table invitations, so that reads wait until the end of the block."""
    connection = await connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE invitations")
            yield
    finally:
        await connection.close()


async def start_blocked_request(server: ServerProcess) -> "asyncio.Task[int]":
    """Start a request that waits for the lock. The result of the task is its status."""

    async def send() -> int:
        return (await server.api.ask(READ_INVITATION)).status

    task = asyncio.create_task(send())
    await asyncio.sleep(0.2)
    assert not task.done()
    return task


async def read_stream(server: ServerProcess, person: Person) -> str:
    """Read a subscription over Server-Sent Events until its end and return the text."""
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {person.token}"}
    body = {"query": "subscription { accessChanged { __typename } }"}
    response = await server.api.http.post("/graphql", json=body, headers=headers)
    assert response.status_code == 200
    return response.text


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def children(pid: int) -> list[int]:
    """Return the ids of the worker processes of a supervisor."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    workers: list[int] = []
    for child in pids:
        with suppress(FileNotFoundError):  # it has just ended
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                workers.append(int(child))
    return workers


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true, 30 seconds at most."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(0.05)


@dataclass
class Load:
    """Clients that send requests continuously. A request is retried once if its connection is lost."""

    port: int
    response_count: int = 0
    errors: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as http:
            clients = [asyncio.create_task(self._send_repeatedly(http)) for _ in range(5)]
            yield
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def _send_repeatedly(self, http: httpx2.AsyncClient) -> None:
        while True:
            try:
                await self._send_once(http)
            except httpx2.TransportError:
                try:
                    await self._send_once(http)
                except httpx2.TransportError as error:
                    self.errors.append(repr(error))
            await asyncio.sleep(0.05)

    async def _send_once(self, http: httpx2.AsyncClient) -> None:
        response = await http.post("/graphql", json={"query": ROLES})
        if response.status_code != 200:
            self.errors.append(response.text)
        self.response_count += 1


# ---- Shutdown ----------------------------------------------------------------------------------


@LINUX
async def test_shutdown_drains_before_it_starts(database_url: str, api: Api) -> None:
    anna = await api.person("anna@example.com")
    async with run_process(database_url, FULLMAKT_DRAIN_SECONDS="1", FULLMAKT_WORKERS="2") as server:
        http, workers = server.api.http, children(server.process.pid)
        async with lock_invitations(database_url):
            blocked_request = await start_blocked_request(server)
            stream = asyncio.create_task(read_stream(server, anna))
            await asyncio.sleep(0.2)

            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            health_responses = [await http.get(path) for path in ("/livez", "/readyz")]
            response = await server.api.ask(ROLES)
            async with asyncio.timeout(10):
                while await is_open(server.port):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)

            assert [response.status_code for response in health_responses] == [200, 503]
            assert health_responses[1].json() == {"status": "leaving"}
            assert {response.headers["connection"] for response in health_responses} == {"close"}
            assert response.status == 200
            assert not blocked_request.done()
            # The stream ends properly but without `complete`, so that the client connects again.
            assert await stream == ":\n\n"
        assert await blocked_request == 200
        code, _, log = await server.stop()
        assert (code, log) == (0, "")
        assert not any(is_alive(pid) for pid in workers)


async def test_hanging_request_is_cancelled_at_the_limit(database_url: str) -> None:
    async with run_process(database_url, FULLMAKT_SHUTDOWN_SECONDS="1") as server, lock_invitations(database_url):
        blocked_request = await start_blocked_request(server)
        started_at = time.monotonic()

        code, _, log = await server.stop()

        assert code == 0
        assert time.monotonic() - started_at < 5
        assert "1 requests did not finish in time and were cancelled" in log
        with pytest.raises(httpx2.TransportError):
            await blocked_request


async def test_second_signal_ends_the_process_at_once(database_url: str) -> None:
    async with run_process(database_url) as server, lock_invitations(database_url):
        blocked_request = await start_blocked_request(server)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert server.process.returncode is None

        started_at = time.monotonic()
        await server.stop()

        assert time.monotonic() - started_at < 3
        with pytest.raises(httpx2.TransportError):
            await blocked_request


async def test_process_ends_although_the_event_loop_hangs(database_url: str, tmp_path: Path) -> None:
    program = tmp_path / "hanging.py"
    program.write_text(
        "import time\nfrom server import health, process\n\n\nasync def live(_):\n    time.sleep(60)\n\n\n"
        "health.live = live\nprocess.CLEANUP_SECONDS = 0.2\nimport cli\n\ncli.main()\n"
    )
    async with run_process(database_url, program=program, FULLMAKT_SHUTDOWN_SECONDS="1") as server:
        hanging_request = asyncio.create_task(server.api.http.get("/livez"))
        await asyncio.sleep(0.2)
        started_at = time.monotonic()

        code, _, _ = await server.stop()

        assert code == 1
        assert time.monotonic() - started_at < 8
        with pytest.raises(httpx2.TransportError):
            await hanging_request


# ---- Workers -----------------------------------------------------------------------------------


@LINUX
async def test_workers_are_replaced_and_renewed_and_end_with_their_supervisor(
    database_url: str,
) -> None:
    async with run_process(database_url, FULLMAKT_WORKERS="2") as server:
        old_workers = children(server.process.pid)
        assert len(old_workers) == 2
        load = Load(server.port)

        async with load.run():
            # Only the running requests of the killed worker are lost.
            os.kill(old_workers[0], signal.SIGKILL)
            await wait_until(lambda: len(children(server.process.pid)) == 2)
            server.process.send_signal(signal.SIGHUP)
            await wait_until(lambda: old_workers[1] not in children(server.process.pid))
            await wait_until(lambda: len(children(server.process.pid)) == 2)

        assert load.errors == []
        assert load.response_count > 50
        new_workers = children(server.process.pid)
        assert not {*old_workers} & {*new_workers}

        server.process.kill()

        await wait_until(lambda: not any(is_alive(pid) for pid in new_workers))
        assert not await is_open(server.port)
        assert server.process.stderr is not None
        log = (await server.process.stderr.read()).decode()
        assert log.count("\n") == 1
        assert f"worker {old_workers[0]} has died" in log


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_failed_start_is_reported(database_url: str, tmp_path: Path, workers: str) -> None:
    program = tmp_path / "failing.py"
    program.write_text(
        "from database import db\n\n\ndef connection(*_, **__):\n    raise OSError('no such thing')\n\n\n"
        "db.connection = connection\nimport cli\n\nif __name__ == '__main__':\n    cli.main()\n"
    )
    with pytest.raises(AssertionError) as error:
        async with run_process(database_url, program=program, FULLMAKT_WORKERS=workers):
            pass

    assert "The server did not start. The reason is printed above." in str(error.value)
    assert "OSError" in str(error.value)


async def test_port_in_use_is_reported_in_one_line(database_url: str) -> None:
    with socket.socket() as other_socket:
        other_socket.bind(("127.0.0.1", 0))
        other_socket.listen()
        port = other_socket.getsockname()[1]
        with pytest.raises(AssertionError) as error:
            async with run_process(database_url, FULLMAKT_PORT=str(port)):
                pass
    assert f"Cannot listen on 127.0.0.1 port {port}" in str(error.value)
