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
HOLDER_SCRIPT = """
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


def start_holder(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER_SCRIPT, str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline().startswith("asyncpg://")
    return process


def stop_holder(process: subprocess.Popen[str]) -> None:
    process.communicate()
    assert process.returncode == 0


async def fetch_value(url: str, sql: str) -> object:
    connection = await connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_data_persists_after_the_server_stops(folder: Path) -> None:
    with embedded.postgres(folder) as url:
        await fetch_value(url, "CREATE TABLE subscriptions AS SELECT 7 AS days")

    with embedded.postgres(folder) as url:
        assert await fetch_value(url, "SELECT days FROM subscriptions") == 7

    with pytest.raises((OSError, asyncpg.PostgresError)):
        await connect(url)


async def test_lower_supports_non_ascii_letters(folder: Path) -> None:
    with embedded.postgres(folder, durable=False) as url:
        assert await fetch_value(url, "SELECT lower('ŻÓŁĆ')") == "żółć"


async def test_durable_server_uses_fsync(folder: Path) -> None:
    with embedded.postgres(folder) as url:
        assert await fetch_value(url, "SHOW fsync") == "on"
        assert await fetch_value(url, "SHOW max_connections") == "200"
        assert await fetch_value(url, "SHOW listen_addresses") == ""


@pytest.mark.parametrize("name", ["with spaces, and %2F's", "l" * 120])
async def test_unusual_folder_names_are_supported(folder: Path, name: str) -> None:
    with embedded.postgres(folder / name, durable=False) as url:
        assert await fetch_value(url, "SELECT 1") == 1


def test_path_with_shell_characters_is_rejected(folder: Path) -> None:
    with pytest.raises(embedded.EmbeddedError, match="quotes"), embedded.postgres(folder / "$(date)"):
        pass


async def test_last_process_stops_the_server(folder: Path) -> None:
    first_holder, second_holder = start_holder(folder), start_holder(folder)

    stop_holder(first_holder)
    assert embedded.find_running_server(folder / "cluster")

    stop_holder(second_holder)
    assert embedded.find_running_server(folder / "cluster") is None


async def test_server_is_usable_after_a_process_was_killed(folder: Path) -> None:
    holder = start_holder(folder)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()

    with embedded.postgres(folder, durable=False) as url:
        assert await fetch_value(url, "SELECT 1") == 1
    assert embedded.find_running_server(folder / "cluster") is None


async def test_stale_pid_file_with_a_reused_process_id_is_ignored(folder: Path) -> None:
    holder = start_holder(folder)
    pid_file = folder / "cluster" / "postmaster.pid"
    server = embedded.read_postmaster(folder / "cluster")
    assert server
    text = pid_file.read_text()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    os.kill(server.pid, signal.SIGKILL)
    pid_file.write_text(text.replace(str(server.pid), str(os.getpid()), 1))

    with embedded.postgres(folder, durable=False) as url:
        assert await fetch_value(url, "SELECT 1") == 1


def test_data_of_another_version_is_not_changed(folder: Path) -> None:
    (folder / "cluster").mkdir(parents=True)
    (folder / "cluster" / "PG_VERSION").write_text("15\n")

    with pytest.raises(embedded.EmbeddedError, match="is data of PostgreSQL 15"), embedded.postgres(folder):
        pass

    assert [path.name for path in (folder / "cluster").iterdir()] == ["PG_VERSION"]
