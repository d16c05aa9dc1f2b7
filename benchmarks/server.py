"""`fullmakt serve` as in production, on a core of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.measure import SERVER_CORE, pin

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND: Final = (sys.executable, str(ROOT / "cli.py"), "serve")
PATIENCE_SECONDS: Final = 30


class NoAnswer(Exception):
    """The server did not start, or answers something else than was asked."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    pid: int
    url: str

    def ask(self, token: str, body: bytes) -> dict[str, object]:
        """One answer, as data."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.url, body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - the same
            return msgspec.json.decode(answer.read(), type=dict[str, object])

    def answered(self, token: str, body: bytes) -> int:
        """The status of one answer, whatever it is."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.url, body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - the same
                status: int = answer.status
                return status
        except urllib.error.HTTPError as refused:
            return refused.code

    def cpu_seconds(self) -> float:
        """What the process has used so far; 0 where the system does not tell."""
        if sys.platform != "linux":
            return 0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> dict[str, float]:
        """Resident MiB, now and at most so far; nothing where the system does not tell."""
        if sys.platform != "linux":
            return {}
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        found = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS:", "VmHWM:"))}
        return {"rss": int(found["VmRSS"]) / 1024, "peak": int(found["VmHWM"]) / 1024}


def environment(database_url: str, port: str, executor: str = "compiled") -> dict[str, str]:
    """The settings of a server in production that nobody but this machine reaches."""
    return {
        "FULLMAKT_ENV": "production",
        "FULLMAKT_DATABASE_URL": database_url,
        "FULLMAKT_PORT": port,
        "FULLMAKT_PUBLIC_URL": "http://127.0.0.1",
        "FULLMAKT_DRAIN_SECONDS": "0",
        "FULLMAKT_SECRET_KEY": "measured, and never used for anything else",
        "FULLMAKT_EXECUTOR": executor,
        "FULLMAKT_BUDGET": "0",
    }


@contextmanager
def serve(
    database_url: str,
    *,
    executor: str = "compiled",
    command: Sequence[str] = COMMAND,
    more: Mapping[str, str] | None = None,
) -> Generator[Server]:
    """A server on a migrated database, until the block ends."""
    port = _free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FULLMAKT_")}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean | environment(database_url, str(port), executor) | dict(more or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            pin(process.pid, SERVER_CORE)
            if not _answers(process, port):
                log.seek(0)
                raise NoAnswer(f"The server did not start. It said: {log.read()[-2000:]}")
            yield Server(process.pid, f"http://127.0.0.1:{port}/graphql")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
                if answer.status == 200:
                    return True
        except OSError:
            time.sleep(0.05)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
