"""The product as it runs: a process of `fullmakt serve`, and a mail server that keeps what it gets."""

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
from tests.smtp_peer import listening

ROOT = Path(__file__).resolve().parent.parent
PUBLIC_URL = "https://fullmakt.example.com"
PATIENCE_SECONDS = 20
NO_PREVIEW = """
import models.sharing.acceptance

async def preview(token, **_):
    raise RuntimeError(f"SELECT * FROM invitations WHERE token = '{token}'")

models.sharing.acceptance.preview = preview
"""
"""What breaks the preview of invitations, so that its error tells what was typed."""
_START = """
import cli
if __name__ == "__main__":
    cli.main()
"""


@dataclass
class Post:
    """A mail server's handler that takes everything."""

    port: int
    taken: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - the library's
        assert isinstance(envelope.content, bytes)
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    def to(self, address: str) -> list[EmailMessage]:
        """What has arrived for an address, the oldest first."""
        return [mail for mail in list(self.taken) if mail["To"].addresses[0].addr_spec == address]

    async def arrival(self, address: str, subject: str) -> str:
        """The text of the newest mail with that subject to an address, once it is there."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            # The mail server runs in a thread, where no event of this loop can be set.
            while not (found := [mail for mail in self.to(address) if mail["Subject"] == subject]):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.05)
        body = found[-1].get_body(("plain",))
        assert body is not None
        text: str = body.get_content()
        return text

    async def link(self, address: str, subject: str) -> tuple[str, str]:
        """The path and the token of the one link in such a mail."""
        (found,) = re.findall(rf"{PUBLIC_URL}(/\w+)#([\w-]+)", await self.arrival(address, subject))
        path, token = found
        return path, token


@contextmanager
def post() -> Generator[Post]:
    """A mail server on this machine."""
    handler = Post(free_port())
    with listening(handler, handler.port):
        yield handler


@dataclass
class Served:
    """A running server, and a client of it."""

    process: asyncio.subprocess.Process
    port: int
    api: Api

    async def stop(self) -> tuple[int, str, str]:
        """Ask it to end. Its exit code, and what it said on both outputs."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, log = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, said.decode(), log.decode()


def broken(folder: Path, breaks: str = NO_PREVIEW) -> Path:
    """A program that is the product, after some lines that break it."""
    program = folder / "broken.py"
    program.write_text(breaks + _START)
    return program


@asynccontextmanager
async def serve(database_url: str, *, program: Path = ROOT / "cli.py", **environ: str) -> AsyncGenerator[Served]:
    """A server in production, unless told otherwise, on a free port; what is left running is killed, workers too.

    In production as a role that only adds to events.

    `program` may be one that is `broken`.
    """
    port = free_port()
    is_development = environ.get("FULLMAKT_ENV") == "development"
    settings = {
        # In development the server brings the database up to date, as the role to which the tables belong.
        "FULLMAKT_DATABASE_URL": database_url if is_development else embedded.as_server(database_url),
        "FULLMAKT_SECRET_KEY": KEY,
        "FULLMAKT_PUBLIC_URL": PUBLIC_URL,
        "FULLMAKT_ALLOWED_HOSTS": "127.0.0.1",
        "FULLMAKT_DRAIN_SECONDS": "0",
        "FULLMAKT_PORT": str(port),
        # So that an empty log says that nothing went wrong.
        "FULLMAKT_LOG_OPERATIONS": "none",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        "serve",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | settings | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as http:
            await _answers(process, http)
            yield Served(process, port, Api(http, Clock()))
    finally:
        # Workers and all: whoever lives on would keep the outputs open, and us waiting for their end.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _ = await process.communicate()


async def _answers(process: asyncio.subprocess.Process, http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            assert process.returncode is None, (await process.communicate())[1].decode()
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
