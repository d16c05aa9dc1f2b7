"""Fixtures for the outbox, and a fake mail server with configurable replies."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope

from database import db, keys
from mailer import worker
from mailer.smtp import Security, Server
from models.base.caller import Caller, OperationConfig
from models.outbox import delivery, message
from models.outbox.delivery import OutgoingRow
from models.outbox.message import Contact, LinkPurpose
from models.outbox.message_kind import MessageKind
from models.tables import SCHEMA
from tests.smtp_peer import smtp_server

LINK_KEY = "a key for tests, which is long enough"
PUBLIC_URL = "https://fullmakt.example.com"
NOW = datetime(2026, 11, 21, 19, 45, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until a test advances it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, duration: timedelta) -> None:
        self.now += duration


@dataclass
class FakeMailServer:
    """The handler of a fake mail server. It sends `replies` in order, then accepts every mail."""

    replies: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    delay_seconds: float = 0
    port: int = 0

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - the library's
        await asyncio.sleep(self.delay_seconds)
        reply = self.replies.pop(0) if self.replies else "250 taken"
        if reply.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
            self.recipients.append(list(envelope.rcpt_tos))
        return reply

    @property
    def server(self) -> Server:
        return Server("127.0.0.1", self.port, Security.PLAINTEXT)


@contextmanager
def serve(peer: FakeMailServer, **options: Any) -> Generator[FakeMailServer]:
    peer.port = free_port()
    with smtp_server(peer, peer.port, **options):
        yield peer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def peer() -> Iterator[FakeMailServer]:
    with serve(FakeMailServer()) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def outbox(database_url: str) -> AsyncIterator[None]:
    async with db.connection(database_url, SCHEMA, pool_size=6):
        yield


@pytest.fixture
def caller() -> Caller:
    return Caller(now=NOW, config=OperationConfig(link_key=LINK_KEY))


def mailer_config(server: Server | None, clock: Clock, **options: Any) -> worker.MailerConfig:
    return worker.MailerConfig(
        server=server,
        operations=OperationConfig(LINK_KEY),
        public_url=PUBLIC_URL,
        mail_from="Fullmakt <no-reply@example.com>",
        clock=clock,
        random_fraction=lambda: 0.5,
        **options,
    )


@asynccontextmanager
async def running_workers(*configs: worker.MailerConfig) -> AsyncGenerator[None]:
    """Run workers during the block, and stop them after it."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(worker.run(config, stop=stop)) for config in configs]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)


async def wait_until(condition: Callable[[], bool], *, seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(0.01)


async def wait_for_rows(condition: Callable[[list[Any]], bool]) -> list[Any]:
    """The rows of the outbox, as soon as they meet the condition."""
    async with asyncio.timeout(8):
        while not condition(rows := await fetch_rows()):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.02)
    return rows


async def fetch_rows() -> list[Any]:
    return await db.fetch("SELECT * FROM messages ORDER BY id", row=db.Row)


async def queue_plain(caller: Caller, to: str = "anna@example.com", name: str | None = "Anna") -> None:
    """Queue a mail without a link."""
    await message.queue(caller, MessageKind.PASSWORD_CHANGED, to=Contact(to, name, "en"))


PARAMS: dict[str, object] = {
    "inviter_name": "Olga Owner",
    "sender_email": "olga@example.com",
    "account_name": "Kowalski Sp. z o.o.",
    "role": "ACCOUNTANT",
    "message": None,
    "expires_at": "2026-11-28T19:45:00+00:00",
    "invitee_email": "bo@example.com",
    "invited_email": "bo@example.com",
    "asker_name": "Biuro Rachunkowe",
    "bureau_name": "Biuro Rachunkowe",
    "client_name": "Kowalski Sp. z o.o.",
    "codes_left": "9",
    "code_seed": "00" * 32,
    "client_names": "Kowalski Sp. z o.o., Nowak AS",
    "consultant_name": "Kari Konsulent",
    "ends_at": "2026-11-28T19:45:00+00:00",
    "holder_name": "Bo Berg",
    "owner_name": "Olga Owner",
    "receiver_name": "Bo Berg",
    "requester_name": "Bo Berg",
    "requester_email": "bo@example.com",
    "requester_account_name": "Berg Regnskap",
    "number": "NO 923609016",
    "document_number": "FV2026-0001",
    "actor_name": "Bo Berg",
    "payer_name": "Kowalski Sp. z o.o.",
    "receiver_number": "123456",
    "days": "30",
    "permissions": "DOCUMENTS_READ DOCUMENTS_SEND",
    "is_waiting": "yes",
    "is_owner": "yes",
    "lost_days": "12",
    "failure": "550 5.1.1",
    "passkey_name": "Phone of Bo",
    "changes_sign_in": "yes",
}
LINKS = {
    MessageKind.INVITATION: LinkPurpose.INVITATION,
    MessageKind.ACTIVATION: LinkPurpose.ACTIVATION,
    MessageKind.CLIENT_ACTIVATION: LinkPurpose.ACTIVATION,
    MessageKind.PASSWORD_RESET: LinkPurpose.RESET,
    MessageKind.EMAIL_CHANGE: LinkPurpose.EMAIL_CHANGE,
    MessageKind.EMAIL_CHANGED: LinkPurpose.EMAIL_UNDO,
    MessageKind.EMAIL_CHANGE_UNDONE: LinkPurpose.RESET,
}


async def queue_and_fetch(
    caller: Caller, kind: MessageKind, *, to: str = "anna@example.com", name: str | None = "Anna", **params: object
) -> OutgoingRow:
    """Queue a message of `kind` and return it as the worker would claim it."""
    purpose = LINKS.get(kind)
    await message.queue(
        caller,
        kind,
        to=Contact(to, name, locale=str(params.pop("locale", "en"))),
        link=(purpose, b"s" * 32) if purpose else None,
        params={**PARAMS, **params},
    )
    return (await delivery.newest(1))[0]


async def insert_account() -> tuple[Any, Any]:
    """Insert a user with an account, with only the required columns. Returns both ids."""
    user_id, account_id = keys.uuid7(), keys.uuid7()
    await db.execute(
        "INSERT INTO users (id, email, email_key, name, locale, password_hash, activated_at, created_at)"
        " VALUES ($1, 'olga@example.com', 'olga@example.com', 'Olga Owner', 'en', 'none', $2, $2)",
        user_id,
        NOW,
    )
    await db.execute(
        "WITH opened AS (INSERT INTO accounts (id, number, name, kind, owner_id, created_at, activated_at,"
        " subscription_until, invoice_prefix, default_currency, default_locale, payment_term_days,"
        " simple_user_restrictions, locks, requires_two_factor)"
        " VALUES ($1, 123456, 'Kowalski Sp. z o.o.', 'BUSINESS', $2, $3, $3, $3, 'F', 'PLN', 'en', 14, 0, 0, false))"
        " INSERT INTO grants (id, account_id, user_id, role, status, created_at)"
        " VALUES (gen_random_uuid(), $1, $2, 'OWNER', 'ACTIVE', $3)",
        account_id,
        user_id,
        NOW,
    )
    return user_id, account_id
