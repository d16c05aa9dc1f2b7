"""A process of `fullmakt serve`, and a mail server that stores its messages."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import httpx2
from aiosmtpd.smtp import Envelope

import embedded
from tests.api import KEY, Api, Clock
from tests.smtp_peer import smtp_server

ROOT = Path(__file__).resolve().parent.parent
PUBLIC_URL = "https://fullmakt.example.com"
TIMEOUT_SECONDS = 20
BROKEN_PREVIEW = """
import models.sharing.acceptance

async def preview(token, **_):
    raise RuntimeError(f"SELECT * FROM invitations WHERE token = '{token}'")

models.sharing.acceptance.preview = preview
"""
"""Code that breaks the preview of invitations. The error contains client input."""
_MAIN = """
import cli
if __name__ == "__main__":
    cli.main()
"""


@dataclass
class MailServer:
    """The handler of a mail server that accepts all messages."""

    port: int
    messages: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - the name is defined by aiosmtpd
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 accepted"

    def messages_to(self, address: str) -> list[EmailMessage]:
        """Return the messages to an address, the oldest first."""
        return [mail for mail in list(self.messages) if mail["To"].addresses[0].addr_spec == address]

    async def wait_for_text(self, address: str, subject: str) -> str:
        """Wait for a message with this subject to an address. Returns the text of the newest one."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            # The mail server runs in a thread, which cannot set an event of this loop.
            while not (messages := [mail for mail in self.messages_to(address) if mail["Subject"] == subject]):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.05)
        body = messages[-1].get_body(("plain",))
        assert body is not None
        text: str = body.get_content()
        return text

    async def wait_for_link(self, address: str, subject: str) -> tuple[str, str]:
        """Wait for a message with this subject to an address. Returns the path and the token of its link."""
        (link,) = re.findall(rf"{PUBLIC_URL}(/\w+)#([\w-]+)", await self.wait_for_text(address, subject))
        path, token = link
        return path, token


@contextmanager
def mail_server() -> Generator[MailServer]:
    """Run a mail server on this machine."""
    handler = MailServer(free_port())
    with smtp_server(handler, handler.port):
        yield handler


@dataclass
class ServerProcess:
    """A running server process with a client."""

    process: asyncio.subprocess.Process
    port: int
    api: Api

    async def stop(self) -> tuple[int, str, str]:
        """Stop the process with SIGTERM. Returns the exit code, the standard output and the standard error."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            output, log = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, output.decode(), log.decode()


def patched_program(folder: Path, patch: str = BROKEN_PREVIEW) -> Path:
    """Write a program that runs a patch and then the command line of the product."""
    program = folder / "broken.py"
    program.write_text(patch + _MAIN)
    return program


@asynccontextmanager
async def run_process(
    database_url: str, *, program: Path = ROOT / "cli.py", **environ: str
) -> AsyncGenerator[ServerProcess]:
    """Run a server on a free port, in production by default. All its processes are killed at the end of the block.

    In production, the database role of the server can only add to events. `program` may be a `patched_program`.
    """
    port = free_port()
    is_development = environ.get("FULLMAKT_ENV") == "development"
    variables = {
        # In development the server applies migrations, as the role that owns the tables.
        "FULLMAKT_DATABASE_URL": database_url if is_development else embedded.as_server(database_url),
        "FULLMAKT_SECRET_KEY": KEY,
        "FULLMAKT_PUBLIC_URL": PUBLIC_URL,
        "FULLMAKT_ALLOWED_HOSTS": "127.0.0.1",
        "FULLMAKT_DRAIN_SECONDS": "0",
        "FULLMAKT_PORT": str(port),
        # Without these lines, an empty log means that there was no error.
        "FULLMAKT_LOG_OPERATIONS": "none",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        "serve",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | variables | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_SECONDS) as http:
            await _wait_until_ready(process, http)
            yield ServerProcess(process, port, Api(http, Clock()))
    finally:
        # Kill the workers too: a live process would keep the outputs open, and `communicate` would not return.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _ = await process.communicate()


async def _wait_until_ready(process: asyncio.subprocess.Process, http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            assert process.returncode is None, (await process.communicate())[1].decode()
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
