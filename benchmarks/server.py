"""A process of `fullmakt serve` in production mode, pinned to one core."""

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

from benchmarks.measurement import SERVER_CORE, pin_to_core

ROOT: Final = Path(__file__).resolve().parent.parent
COMMAND: Final = (sys.executable, str(ROOT / "cli.py"), "serve")
TIMEOUT_SECONDS: Final = 30


class UnexpectedResponse(Exception):
    """The server did not start, or sent a response that a benchmark does not expect."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that accepts requests."""

    pid: int
    url: str

    def query(self, token: str, body: bytes) -> dict[str, object]:
        """Send a request. Return the response as data."""
        request = urllib.request.Request(  # noqa: S310 - the address of this server
            self.url, body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the same
            return msgspec.json.decode(response.read(), type=dict[str, object])

    def post_for_status(self, token: str, body: bytes) -> int:
        """Send a request. Return the status of the response, also for an error."""
        request = urllib.request.Request(  # noqa: S310 - the address of this server
            self.url, body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - the same
                status: int = response.status
                return status
        except urllib.error.HTTPError as error:
            return error.code

    def read_cpu_seconds(self) -> float:
        """Return the processor time of the process so far. 0 on systems other than Linux."""
        if sys.platform != "linux":
            return 0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def read_memory(self) -> dict[str, float]:
        """Return the resident memory in MiB: the present value and the peak. Empty on systems other than Linux."""
        if sys.platform != "linux":
            return {}
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        sizes = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS:", "VmHWM:"))}
        return {"rss": int(sizes["VmRSS"]) / 1024, "peak": int(sizes["VmHWM"]) / 1024}


def environment(database_url: str, port: str, executor: str = "compiled") -> dict[str, str]:
    """Return the settings of a production server for clients on this machine."""
    return {
        "FULLMAKT_ENV": "production",
        "FULLMAKT_DATABASE_URL": database_url,
        "FULLMAKT_PORT": port,
        "FULLMAKT_PUBLIC_URL": "http://127.0.0.1",
        "FULLMAKT_DRAIN_SECONDS": "0",
        "FULLMAKT_SECRET_KEY": "a secret key for benchmarks, never for another purpose",
        "FULLMAKT_EXECUTOR": executor,
        "FULLMAKT_BUDGET": "0",
    }


@contextmanager
def serve(
    database_url: str,
    *,
    executor: str = "compiled",
    command: Sequence[str] = COMMAND,
    extra_environment: Mapping[str, str] | None = None,
) -> Generator[Server]:
    """Run a server on a migrated database until the block ends."""
    port = _free_port()
    base_environment = {name: value for name, value in os.environ.items() if not name.startswith("FULLMAKT_")}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=base_environment | environment(database_url, str(port), executor) | dict(extra_environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            pin_to_core(process.pid, SERVER_CORE)
            if not _wait_until_ready(process, port):
                log.seek(0)
                raise UnexpectedResponse(f"The server did not start. Its output: {log.read()[-2000:]}")
            yield Server(process.pid, f"http://127.0.0.1:{port}/graphql")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as response:
                if response.status == 200:
                    return True
        except OSError:
            time.sleep(0.05)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
