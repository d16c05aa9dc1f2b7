import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

import embedded
from tests.conftest import connect

ROOT = Path(__file__).resolve().parent.parent
HOLD = """
import sys
from pathlib import Path
import embedded
with embedded.postgres(Path(sys.argv[1]), durable=False) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fullmakt-tests-"))
    path.chmod(0o711)
    yield path / "postgres"
    shutil.rmtree(path)


def hold(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline().startswith("asyncpg://")
    return process


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate()
    assert process.returncode == 0


async def value(url: str, sql: str) -> object:
    connection = await connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_data_outlives_the_server(folder: Path) -> None:
    with embedded.postgres(folder) as url:
        await value(url, "CREATE TABLE kept AS SELECT 7 AS days")

    with embedded.postgres(folder) as url:
        assert await value(url, "SELECT days FROM kept") == 7

    with pytest.raises((OSError, asyncpg.PostgresError)):
        await connect(url)


async def test_lower_knows_more_than_ascii(folder: Path) -> None:
    with embedded.postgres(folder, durable=False) as url:
        assert await value(url, "SELECT lower('ŻÓŁĆ')") == "żółć"


async def test_durable_means_fsync(folder: Path) -> None:
    with embedded.postgres(folder) as url:
        assert await value(url, "SHOW fsync") == "on"
        assert await value(url, "SHOW max_connections") == "200"
        assert await value(url, "SHOW listen_addresses") == ""


@pytest.mark.parametrize("name", ["with spaces, and %2F's", "l" * 120])
async def test_any_ordinary_path_will_do(folder: Path, name: str) -> None:
    with embedded.postgres(folder / name, durable=False) as url:
        assert await value(url, "SELECT 1") == 1


def test_a_path_that_a_shell_would_read_is_refused(folder: Path) -> None:
    with pytest.raises(embedded.EmbeddedError, match="quotes"), embedded.postgres(folder / "$(date)"):
        pass


async def test_the_last_one_to_leave_stops_the_server(folder: Path) -> None:
    first, second = hold(folder), hold(folder)

    leave(first)
    assert embedded.running(folder / "cluster")

    leave(second)
    assert embedded.running(folder / "cluster") is None


async def test_a_killed_process_leaves_a_usable_server(folder: Path) -> None:
    killed = hold(folder)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    with embedded.postgres(folder, durable=False) as url:
        assert await value(url, "SELECT 1") == 1
    assert embedded.running(folder / "cluster") is None


async def test_a_killed_server_and_a_stranger_with_its_number_do_no_harm(folder: Path) -> None:
    holder = hold(folder)
    pid_file = folder / "cluster" / "postmaster.pid"
    server = embedded.postmaster(folder / "cluster")
    assert server
    text = pid_file.read_text()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    os.kill(server.pid, signal.SIGKILL)
    pid_file.write_text(text.replace(str(server.pid), str(os.getpid()), 1))

    with embedded.postgres(folder, durable=False) as url:
        assert await value(url, "SELECT 1") == 1


def test_data_of_another_version_is_left_alone(folder: Path) -> None:
    (folder / "cluster").mkdir(parents=True)
    (folder / "cluster" / "PG_VERSION").write_text("15\n")

    with pytest.raises(embedded.EmbeddedError, match="of PostgreSQL 15"), embedded.postgres(folder):
        pass

    assert [path.name for path in (folder / "cluster").iterdir()] == ["PG_VERSION"]
