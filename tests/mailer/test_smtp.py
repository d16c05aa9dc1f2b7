import asyncio
import shutil
import ssl
import subprocess
import threading
import time
from contextlib import nullcontext
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from mailer import smtp
from mailer.smtp import PermanentFailure, Security, Sender, Server, TransientFailure
from models.outbox import failure
from tests.mailer.conftest import FakeMailServer, free_port, serve


def make_mail(to: str = "anna@example.com") -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "no-reply@example.com"
    mail["To"] = to
    mail["Subject"] = "Hello"
    mail.set_content("Hello")
    return mail


async def send(server: Server, mail: EmailMessage, **options: Any) -> None:
    """Send one mail over a connection of its own."""
    sender = Sender(server)
    try:
        await sender.send(mail, **options)
    finally:
        await sender.close()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", Server("mail.example.com", 25, Security.PLAINTEXT)),
        ("smtps://mail.example.com", Server("mail.example.com", 465, Security.TLS)),
        ("smtp+starttls://mail.example.com", Server("mail.example.com", 587, Security.STARTTLS)),
        ("smtp://127.0.0.1:1025/", Server("127.0.0.1", 1025, Security.PLAINTEXT)),
        (
            "smtp+starttls://me%40example.com:p%3Aa%2Fs%25s@mail.example.com:2525",
            Server("mail.example.com", 2525, Security.STARTTLS, "me@example.com", "p:a/s%s"),
        ),
    ],
)
def test_url_gives_host_port_security_and_login(url: str, server: Server) -> None:
    assert smtp.parse(url) == server


@pytest.mark.parametrize(
    "url", ["http://mail.example.com", "smtp://", "mail.example.com", "smtp://h:99999", "smtp://[x"]
)
def test_invalid_url_is_rejected_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*(example|99999|\[x)).+$"):
        smtp.parse(url)


def test_repr_hides_the_password() -> None:
    assert "hunter2" not in repr(smtp.parse("smtp://me:hunter2@mail.example.com"))


async def test_send_fails_without_starttls(peer: FakeMailServer) -> None:
    with pytest.raises(TransientFailure, match="STARTTLS"):
        await send(Server("127.0.0.1", peer.port, Security.STARTTLS), make_mail())

    assert peer.mails == []


async def test_send_fails_without_tls(peer: FakeMailServer) -> None:
    with pytest.raises(TransientFailure):
        await send(Server("127.0.0.1", peer.port, Security.TLS), make_mail(), timeout_seconds=2)

    assert peer.mails == []


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_untrusted_certificate_is_rejected(tmp_path: Path, security: Security) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)  # noqa: ASYNC221 - a test
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    client_context = ssl.create_default_context(cafile=str(certificate))
    option = "tls_context" if security is Security.STARTTLS else "ssl_context"

    with serve(FakeMailServer(), **{option: context}) as peer:
        with pytest.raises(TransientFailure):
            await send(Server("127.0.0.1", peer.port, security), make_mail(), timeout_seconds=5)
        assert peer.mails == []
        await send(Server("127.0.0.1", peer.port, security, tls_context=client_context), make_mail())

    assert len(peer.mails) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_login_is_sent() -> None:
    def check(
        _server: object, _session: object, _envelope: object, _mechanism: str, login: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=login == LoginPassword(b"me", b"right"), handled=False)

    options: dict[str, Any] = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    with serve(FakeMailServer(), **options) as strict:
        await send(Server("127.0.0.1", strict.port, Security.PLAINTEXT, "me", "right"), make_mail())
        with pytest.raises(TransientFailure, match="535"):
            await send(Server("127.0.0.1", strict.port, Security.PLAINTEXT, "me", "wrong"), make_mail())
        with pytest.raises(TransientFailure, match="530"):
            await send(Server("127.0.0.1", strict.port, Security.PLAINTEXT), make_mail())

    assert len(strict.mails) == 1


class LongMail(EmailMessage):
    """A mail that records the threads in which it was serialized."""

    def as_bytes(self, *args: Any, **options: Any) -> bytes:
        """The bytes of the mail."""
        self.threads = [*getattr(self, "threads", []), threading.current_thread()]
        return super().as_bytes(*args, **options)


async def test_mail_is_serialized_once_and_outside_of_the_event_loop(peer: FakeMailServer) -> None:
    """Documents of 1,000 lines are megabytes, which take a tenth of a second."""
    mail = LongMail(policy=SMTP)
    mail["From"], mail["To"] = "no-reply@example.com", "anna@example.com"
    mail.add_attachment(b".\r\n" * 10_000, maintype="application", subtype="pdf", filename="a.pdf")

    await send(peer.server, mail)

    assert [thread is threading.main_thread() for thread in mail.threads] == [False]
    (attachment,) = peer.mails[0].iter_attachments()
    assert attachment.get_content() == b".\r\n" * 10_000


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [("421 busy", TransientFailure), ("451 wait", TransientFailure), ("552 big", PermanentFailure)],
)
async def test_reply_code_decides_the_failure(peer: FakeMailServer, reply: str, outcome: type[Exception]) -> None:
    peer.replies = [reply]

    with pytest.raises(outcome, match=reply):
        await send(peer.server, make_mail())


class RejectingMailServer(FakeMailServer):
    async def handle_RCPT(self, *_: object) -> str:  # noqa: N802 - the library's
        return "550 5.1.1 no such user"


async def test_rejected_recipient_is_a_permanent_failure() -> None:
    with serve(RejectingMailServer()) as choosy, pytest.raises(PermanentFailure, match=r"^550 5\.1\.1 no such user$"):
        await send(choosy.server, make_mail())


async def test_non_ascii_recipient_is_accepted() -> None:
    with serve(FakeMailServer(), enable_SMTPUTF8=True) as modern:
        await send(modern.server, make_mail("łucja@example.com"))

    assert modern.recipients == [["łucja@example.com"]]


async def test_non_ascii_address_without_smtputf8_is_permanent_for_the_receiver_only() -> None:
    """A sender with such an address is a mistake of the operator, who can mend it."""
    mail = make_mail()
    del mail["From"]
    mail["From"] = "ł@example.com"
    with serve(FakeMailServer(), enable_SMTPUTF8=False) as ascii_server:
        with pytest.raises(PermanentFailure, match=failure.UNREACHABLE_MAILBOX):
            await send(ascii_server.server, make_mail("łucja@example.com"))
        with pytest.raises(TransientFailure, match=failure.UNREACHABLE_MAILBOX):
            await send(ascii_server.server, mail)

    assert ascii_server.mails == []


async def test_unreachable_server_is_a_transient_failure() -> None:
    with pytest.raises(TransientFailure):
        await send(Server("127.0.0.1", free_port(), Security.PLAINTEXT), make_mail())


async def test_reason_is_one_short_line() -> None:
    reason = smtp._format_reason(550, "a\r\nb " + "word " * 100)

    assert reason.startswith("550 a b word")
    assert len(reason) <= smtp.MAX_REASON_LENGTH


async def test_slow_server_hits_the_total_timeout() -> None:
    async def reply_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"220 hello", b"250 hello", b"250 ok", b"250 ok", b"354 go on", b"250 taken"):
            await asyncio.sleep(1)
            writer.write(reply + b"\r\n")
            if not await reader.readline():
                break
        writer.close()

    slow_server = await asyncio.start_server(reply_slowly, "127.0.0.1", 0)
    port = slow_server.sockets[0].getsockname()[1]
    started_at = time.monotonic()

    with pytest.raises(TransientFailure, match="no answer in time"):
        await send(Server("127.0.0.1", port, Security.PLAINTEXT), make_mail(), timeout_seconds=1.5)

    assert time.monotonic() - started_at < 4
    slow_server.close()


async def test_hanging_quit_does_not_fail_the_send(peer: FakeMailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> str:
        await asyncio.sleep(8)
        return "221 bye"

    monkeypatch.setattr(smtp, "QUIT_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(FakeMailServer, "handle_QUIT", hang, raising=False)

    started_at = time.monotonic()

    await send(peer.server, make_mail())

    assert time.monotonic() - started_at < 5
    assert len(peer.mails) == 1


# ---- Several mails over one connection -------------------------------------------------------------


class RecordingMailServer(FakeMailServer):
    """A mail server that records the connections of its mails, and rejects the receiver `unknown`."""

    def __init__(self) -> None:
        super().__init__()
        self.peers: list[object] = []
        self.reset_count = 0

    async def handle_RCPT(  # noqa: N802 - the library's
        self, _server: object, session: Any, envelope: Envelope, address: str, _options: object
    ) -> str:
        self.peers.append(session.peer)
        if address.startswith("unknown"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_RSET(self, *_: object) -> str:  # noqa: N802 - the library's
        self.reset_count += 1
        return "250 reset"


async def test_connection_is_kept_after_accepted_and_rejected_mails() -> None:
    with serve(RecordingMailServer()) as recorder:
        sender = Sender(recorder.server)
        for to in ("anna", "unknown", "bo"):
            with pytest.raises(PermanentFailure) if to == "unknown" else nullcontext():
                await sender.send(make_mail(f"{to}@example.com"))
        assert sender.has_idle_connections
        await sender.close()

    assert isinstance(recorder, RecordingMailServer)
    assert len(set(recorder.peers)) == 1
    assert recorder.recipients == [["anna@example.com"], ["bo@example.com"]]
    assert recorder.reset_count >= 2
    assert not sender.has_idle_connections


async def test_connection_takes_a_limited_number_of_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "MAX_MAILS_PER_CONNECTION", 2)
    with serve(RecordingMailServer()) as recorder:
        sender = Sender(recorder.server)
        for _ in range(5):
            await sender.send(make_mail())
        await sender.close()

    assert isinstance(recorder, RecordingMailServer)
    assert len(set(recorder.peers)) == 3
    assert len(recorder.mails) == 5


async def test_mail_is_sent_again_at_once_if_the_server_ends_a_used_connection(peer: FakeMailServer) -> None:
    peer.replies = ["250 taken", "421 too many mails on this connection"]
    sender = Sender(peer.server)

    await sender.send(make_mail("anna@example.com"))
    await sender.send(make_mail("bo@example.com"))
    peer.replies = ["421 shutting down", "421 shutting down"]
    with pytest.raises(TransientFailure, match="421"):
        await sender.send(make_mail("cai@example.com"))

    assert peer.recipients == [["anna@example.com"], ["bo@example.com"]]
    assert not sender.has_idle_connections
    await sender.close()


async def test_closed_idle_connection_is_replaced() -> None:
    with serve(RecordingMailServer(), timeout=0.2) as impatient_server:
        sender = Sender(impatient_server.server)
        await sender.send(make_mail())
        await asyncio.sleep(0.5)

        await sender.send(make_mail())
        await sender.close()

    assert isinstance(impatient_server, RecordingMailServer)
    assert len(set(impatient_server.peers)) == 2
    assert len(impatient_server.mails) == 2


async def test_connection_is_not_kept_after_a_timeout(peer: FakeMailServer) -> None:
    """A late reply must not be taken for the reply to the next mail."""
    peer.delay_seconds = 1
    sender = Sender(peer.server)

    with pytest.raises(TransientFailure, match="no answer in time"):
        await sender.send(make_mail("anna@example.com"), timeout_seconds=0.3)

    assert not sender.has_idle_connections
    peer.delay_seconds, peer.replies = 0, ["550 rejected"]
    with pytest.raises(PermanentFailure, match="550"):
        await sender.send(make_mail("bo@example.com"))
    await sender.close()
