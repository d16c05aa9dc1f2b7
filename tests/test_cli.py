import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
import embedded
from commands import runtime

ROOT = Path(__file__).resolve().parent.parent
# The command line with stubs: an application that responds with its process id, demo data with one login, and no
# migrations in development.
STUB_PROGRAM = """
import asyncio, os, sys, types
from pathlib import Path
from server.connection_limits import ConnectionLimits
from server.hosts import Hosts
from server.proxies import Proxies
from server.request_guard import RequestGuard
from server.shutdown import Shutdown

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        guard = RequestGuard(Hosts(["127.0.0.1"]), Proxies([]), keep_alive_seconds=10)
        shutdown = Shutdown(lambda: None)
        scope["state"].update(request_guard=guard, connection_limits=ConnectionLimits(), shutdown=shutdown)
        for _ in ("startup", "shutdown"):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})

app = types.ModuleType("app")
app.factory = lambda: application
demo = types.ModuleType("demo")
async def write(settings):
    assert settings.database_url.startswith("asyncpg://fullmakt_server:@/fullmakt?host=")
    return [types.SimpleNamespace(label="owner", email="anna@example.com", password="demo")]
demo.write = write
sys.modules.update(app=app, demo=demo)
from database import migrate
async def apply_nothing(url, schema, server_role=None): pass
async def pending_migrations(url, schema): return ["0001_first"]
async def max_connections(url): return 100
migrate.migrate, migrate.pending_migrations, migrate.max_connections = (
    apply_nothing, pending_migrations, max_connections
)

import cli
from commands import runtime
runtime.VAR = Path(os.environ["VAR"])
if __name__ == "__main__":
    cli.main()
"""


@pytest.fixture
def var() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fullmakt-tests-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def invoke(*arguments: str, **environ: str) -> Result:
    unset = {name: None for name in os.environ if name.startswith("FULLMAKT_")}
    return CliRunner().invoke(cli.fullmakt, arguments, env={**unset, **environ}, prog_name="fullmakt")


def start(var: Path, port: int, **environ: str) -> subprocess.Popen[str]:
    script = var / "stub_program.py"
    script.write_text(STUB_PROGRAM)
    settings = {"FULLMAKT_ENV": "development", "FULLMAKT_PORT": str(port), "VAR": str(var), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(script), "serve"],
        env={"PATH": os.environ["PATH"]} | settings | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], last: str) -> str:
    assert process.stdout
    timer = threading.Timer(20, process.kill)
    timer.start()
    lines: list[str] = []
    while not lines or last not in lines[-1]:
        line = process.stdout.readline()
        assert line, (lines, process.communicate())
        lines.append(line)
    timer.cancel()
    return "".join(lines)


def fetch(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
        text: str = response.read().decode()
        return text


@pytest.mark.parametrize("command", sorted(cli.fullmakt.commands))
def test_every_command_has_help(command: str) -> None:
    result = invoke(command, "--help")

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) >= 5


def test_help_has_one_line_for_each_exit_code() -> None:
    lines = invoke("--help").stdout.splitlines()

    start = lines.index("  Exit codes")
    assert [line.split()[0] for line in lines[start + 1 : start + 4]] == ["0", "1", "2"]


def test_help_imports_no_models() -> None:
    script = (
        "import sys, cli\ntry: cli.fullmakt(['serve', '--help'])\nexcept SystemExit: sys.exit('models' in sys.modules)"
    )

    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False)

    assert result.returncode == 0


@pytest.mark.parametrize("arguments", [["credit", "1", "30"], ["credit", "0", "30", "--reference", "x"], ["nonsense"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_invalid_setting_is_one_line_and_exit_code_2() -> None:
    result = invoke("serve", FULLMAKT_PROT="8000")

    assert result.exit_code == 2
    assert result.stderr == "Error: FULLMAKT_PROT is not a setting. Did you mean FULLMAKT_PORT?\n"


def test_unreachable_database_is_one_line_and_exit_code_1() -> None:
    result = invoke(
        "migrate",
        FULLMAKT_DATABASE_URL="postgresql://owner@127.0.0.1:1/fullmakt",
        FULLMAKT_SECRET_KEY="k" * 32,
        FULLMAKT_PUBLIC_URL="https://fullmakt.example.com",
    )

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["demo"], ["serve", "--demo"]])
def test_demo_data_requires_development(arguments: list[str]) -> None:
    result = invoke(
        *arguments,
        FULLMAKT_DATABASE_URL="postgresql://owner@127.0.0.1:1/fullmakt",
        FULLMAKT_SECRET_KEY="k" * 32,
        FULLMAKT_PUBLIC_URL="https://fullmakt.example.com",
    )

    assert result.exit_code == 2
    assert "FULLMAKT_ENV=development" in result.stderr


def test_secret_key_is_created_once_with_mode_0600(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret.key"

    key = runtime.secret_key(path)

    assert len(key) >= 32
    assert runtime.secret_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_prints_its_urls_and_stops_its_database(var: Path, port: int, number: signal.Signals) -> None:
    process = start(var, port)
    output = read_until(process, "Ctrl-C")

    assert f"http://127.0.0.1:{port}/\n" in output
    assert f"http://127.0.0.1:{port}/graphql" in output
    assert f"http://127.0.0.1:{port}/mailbox" in output
    assert "owner       anna@example.com  demo" in output
    assert fetch(port) == str(process.pid)

    process.send_signal(number)

    assert process.communicate(timeout=10)[1] == ""
    assert process.returncode == 0
    assert embedded.find_running_server(var / "postgres" / "cluster") is None


def test_workers_share_the_port_and_the_database(var: Path, port: int) -> None:
    process = start(var, port, FULLMAKT_WORKERS="2")
    read_until(process, "Ctrl-C")

    assert fetch(port) != str(process.pid)

    process.send_signal(signal.SIGTERM)

    assert process.communicate(timeout=15)[1] == ""
    assert process.returncode == 0
    assert embedded.find_running_server(var / "postgres" / "cluster") is None


def test_port_in_use_is_one_line_and_the_other_server_continues(var: Path, port: int) -> None:
    first_process = start(var, port)
    read_until(first_process, "Ctrl-C")

    second_process = start(var, port)
    _, stderr = second_process.communicate(timeout=10)

    assert second_process.returncode == 1
    assert stderr == (
        f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use. Set FULLMAKT_PORT to another port.\n"
    )
    assert embedded.find_running_server(var / "postgres" / "cluster")
    first_process.terminate()
    first_process.communicate(timeout=10)


def test_second_start_takes_less_than_three_seconds(var: Path, port: int) -> None:
    durations: list[float] = []
    for _ in range(4):
        started_at = time.monotonic()
        process = start(var, port)
        read_until(process, "Ctrl-C")
        durations.append(time.monotonic() - started_at)
        process.terminate()
        process.communicate(timeout=10)

    # The best of three, because other programs may use the machine.
    assert min(durations[1:]) < 3


def test_production_rejects_a_database_with_pending_migrations(var: Path, port: int) -> None:
    with embedded.postgres(var / "postgres", durable=False) as url:
        process = start(
            var,
            port,
            FULLMAKT_ENV="production",
            FULLMAKT_DATABASE_URL=url,
            FULLMAKT_SECRET_KEY="k" * 32,
            FULLMAKT_PUBLIC_URL="https://fullmakt.example.com",
        )
        _, stderr = process.communicate(timeout=10)

    assert process.returncode == 1
    assert stderr == "Error: The database lacks 0001_first: run fullmakt migrate first.\n"
