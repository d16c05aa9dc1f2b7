import asyncio
import shutil
import ssl
import subprocess
import time
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from mailer import smtp
from mailer.smtp import Postponed, Rejected, Security, Server
from tests.mailer.conftest import Peer, free_port, serving


def a_mail(to: str = "anna@example.com") -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "no-reply@example.com"
    mail["To"] = to
    mail["Subject"] = "Hello"
    mail.set_content("Hello")
    return mail


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", Server("mail.example.com", 25, Security.NONE)),
        ("smtps://mail.example.com", Server("mail.example.com", 465, Security.TLS)),
        ("smtp+starttls://mail.example.com", Server("mail.example.com", 587, Security.STARTTLS)),
        ("smtp://127.0.0.1:1025/", Server("127.0.0.1", 1025, Security.NONE)),
        (
            "smtp+starttls://me%40example.com:p%3Aa%2Fs%25s@mail.example.com:2525",
            Server("mail.example.com", 2525, Security.STARTTLS, "me@example.com", "p:a/s%s"),
        ),
    ],
)
def test_an_address_says_where_how_and_as_whom(url: str, server: Server) -> None:
    assert smtp.parse(url) == server


@pytest.mark.parametrize(
    "url", ["http://mail.example.com", "smtp://", "mail.example.com", "smtp://h:99999", "smtp://[x"]
)
def test_an_unusable_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*(example|99999|\[x)).+$"):
        smtp.parse(url)


def test_a_server_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(smtp.parse("smtp://me:hunter2@mail.example.com"))


async def test_starttls_is_never_done_without(peer: Peer) -> None:
    with pytest.raises(Postponed, match="STARTTLS"):
        await smtp.send(Server("127.0.0.1", peer.port, Security.STARTTLS), a_mail())

    assert peer.taken == []


async def test_tls_is_never_done_without(peer: Peer) -> None:
    with pytest.raises(Postponed):
        await smtp.send(Server("127.0.0.1", peer.port, Security.TLS), a_mail(), limit_seconds=2)

    assert peer.taken == []


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_certificate_counts_only_if_it_is_trusted(tmp_path: Path, security: Security) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)  # noqa: ASYNC221 - a test
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusted = ssl.create_default_context(cafile=str(certificate))
    option = "tls_context" if security is Security.STARTTLS else "ssl_context"

    with serving(Peer(), **{option: context}) as peer:
        with pytest.raises(Postponed):
            await smtp.send(Server("127.0.0.1", peer.port, security), a_mail(), limit_seconds=5)
        assert peer.taken == []
        await smtp.send(Server("127.0.0.1", peer.port, security, tls_context=trusted), a_mail())

    assert len(peer.taken) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_user_and_password_are_given() -> None:
    def check(
        _server: object, _session: object, _envelope: object, _mechanism: str, login: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=login == LoginPassword(b"me", b"right"), handled=False)

    options: dict[str, Any] = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    with serving(Peer(), **options) as strict:
        await smtp.send(Server("127.0.0.1", strict.port, Security.NONE, "me", "right"), a_mail())
        with pytest.raises(Postponed, match="535"):
            await smtp.send(Server("127.0.0.1", strict.port, Security.NONE, "me", "wrong"), a_mail())
        with pytest.raises(Postponed, match="530"):
            await smtp.send(Server("127.0.0.1", strict.port, Security.NONE), a_mail())

    assert len(strict.taken) == 1


@pytest.mark.parametrize(
    ("reply", "outcome"), [("421 busy", Postponed), ("451 wait", Postponed), ("552 big", Rejected)]
)
async def test_the_answer_decides(peer: Peer, reply: str, outcome: type[Exception]) -> None:
    peer.replies = [reply]

    with pytest.raises(outcome, match=reply):
        await smtp.send(peer.server, a_mail())


class Choosy(Peer):
    async def handle_RCPT(self, *_: object) -> str:  # noqa: N802 - the library's
        return "550 5.1.1 no such user"


async def test_a_refused_receiver_is_final() -> None:
    with serving(Choosy()) as choosy, pytest.raises(Rejected, match=r"^550 5\.1\.1 no such user$"):
        await smtp.send(choosy.server, a_mail())


async def test_an_address_outside_ascii_arrives() -> None:
    with serving(Peer(), enable_SMTPUTF8=True) as modern:
        await smtp.send(modern.server, a_mail("łucja@example.com"))

    assert modern.receivers == [["łucja@example.com"]]


async def test_nobody_there_is_temporary() -> None:
    with pytest.raises(Postponed):
        await smtp.send(Server("127.0.0.1", free_port(), Security.NONE), a_mail())


async def test_a_reason_is_one_short_line() -> None:
    reason = smtp._reason(550, "a\r\nb " + "word " * 100)

    assert reason.startswith("550 a b word")
    assert len(reason) <= smtp.LONGEST_REASON


async def test_a_server_that_is_slow_at_every_step_is_left_in_time() -> None:
    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"220 hello", b"250 hello", b"250 ok", b"250 ok", b"354 go on", b"250 taken"):
            await asyncio.sleep(1)
            writer.write(reply + b"\r\n")
            if not await reader.readline():
                break
        writer.close()

    dawdling = await asyncio.start_server(dawdle, "127.0.0.1", 0)
    port = dawdling.sockets[0].getsockname()[1]
    started = time.monotonic()

    with pytest.raises(Postponed, match="no answer in time"):
        await smtp.send(Server("127.0.0.1", port, Security.NONE), a_mail(), limit_seconds=1.5)

    assert time.monotonic() - started < 4
    dawdling.close()


async def test_a_server_that_hangs_after_taking_the_mail_has_taken_it(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> str:
        await asyncio.sleep(8)
        return "221 bye"

    monkeypatch.setattr(smtp, "GOODBYE_SECONDS", 0.1)
    monkeypatch.setattr(Peer, "handle_QUIT", hang, raising=False)

    started = time.monotonic()

    await smtp.send(peer.server, a_mail())

    assert time.monotonic() - started < 5
    assert len(peer.taken) == 1
