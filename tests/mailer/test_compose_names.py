"""Headers with names, as an SMTP server receives them: each has exactly one address, for any name.

`FULLMAKT_NAMES=20000` tries more random names.
"""

import email.utils
import os
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer import compose, escape, smtp
from mailer.compose import recipient_address, sender_address
from mailer.render import render
from mailer.smtp import Security, Server
from models.base.caller import Caller
from models.outbox.message_kind import MessageKind
from tests.mailer.conftest import LINK_KEY, PUBLIC_URL, free_port, queue_and_fetch
from tests.smtp_peer import smtp_server

NAMES = [
    "Nowak, Anna",
    "Przedsiębiorstwo Handlowo-Usługowe, Produkcyjne, Transportowe i Budowlane, Kowalski, Nowak Sp. z o.o.",
    "Hansen, Olsen, Johansen, Larsen, Andersen, Pedersen, Nilsen, Kristiansen, Jensen, Karlsen, Johnsen AS",
    'A "quoted, name" with <angle@example.com>, a; semicolon: and (a comment, too)',
    "x" * 100,
    "a, " * 33,
    "🧾, " * 30,
    "שלום, עולם, " * 8,
    "Zażółć gęślą jaźń, " * 5,
    "=?utf-8?q?a=2C_b?=, =?utf-8?b?LA==?=",
    "back\\slash, \\",
    "'single', `ticks`",
    "山田, 太郎, " * 12,
    "a@example.com, b@example.com",
    "undisclosed-recipients:;",
    "e\u0301" * 40 + ", x",
]
TO, FROM = "anna@example.com", "no-reply@example.com"


def received(raw: bytes, header: str) -> tuple[str, list[str], list[str]]:
    """The name in a header, decoded as RFC 2047 says, and the addresses as a new and as an old parser read them."""
    modern, old = message_from_bytes(raw, policy=policy.default), message_from_bytes(raw)
    (text,) = old.get_all(header, [])
    unfolded = str(text).replace("\r\n", "").replace("\n", "")
    name, _ = email.utils.parseaddr(unfolded)
    return (
        str(make_header(decode_header(name))),
        [address.addr_spec for address in modern[header].addresses],
        [address for _, address in email.utils.getaddresses([unfolded])],
    )


def expected(name: str, address: str) -> tuple[str, list[str], list[str]]:
    return (escape.line(name)[: compose.MAX_NAME_LENGTH].strip(), [address], [address])


@given(name=st.text(max_size=120))
@settings(max_examples=int(os.environ.get("FULLMAKT_NAMES", "200")), deadline=None)
@example("Anna, Nowak" * 9)
def test_any_name_gives_one_address_on_short_lines(name: str) -> None:
    message = EmailMessage(policy=compose.POLICY)
    for header in ("To", "Reply-To"):
        message[header] = recipient_address(name, TO)
    message["From"] = sender_address(email.utils.formataddr((escape.line(name)[:100], FROM)))
    message["Subject"] = subject = f"To {escape.line(name)}, a mail"

    for raw in (message.as_bytes(), message.as_bytes(policy=policy.SMTP)):
        assert raw.isascii()
        assert max(map(len, raw.splitlines())) <= compose.MAX_LINE_LENGTH
        subject_text = str(message_from_bytes(raw)["Subject"]).replace("\r\n", "").replace("\n", "")
        assert str(make_header(decode_header(subject_text))) == subject
        for header, address in (("To", TO), ("Reply-To", TO), ("From", FROM)):
            assert received(raw, header)[1:] == expected(name, address)[1:]
            assert header == "From" or received(raw, header)[0] == expected(name, address)[0]


@dataclass
class RawMailServer:
    """The handler of a mail server that keeps the bytes of each mail."""

    mails: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - the library's
        assert isinstance(envelope.content, bytes)
        assert envelope.rcpt_tos == [TO]
        self.mails.append(envelope.content)
        return "250 taken"


@pytest.mark.usefixtures("outbox")
async def test_mail_server_receives_one_address_in_each_header(caller: Caller) -> None:
    peer, port = RawMailServer(), free_port()
    server = Server("127.0.0.1", port, Security.PLAINTEXT)
    names: list[Any] = [*NAMES, None]

    sender = smtp.Sender(server)
    with smtp_server(peer, port):
        for name in names:
            row = await queue_and_fetch(
                caller, MessageKind.INVITATION_JOINED, name=name, account_name=name or "x", to=TO
            )
            mail = render(row, LINK_KEY, PUBLIC_URL)
            mail_from = email.utils.formataddr((name or "", FROM))
            message = compose.compose(row, mail, public_url=PUBLIC_URL, mail_from=mail_from)
            await sender.send(message)
        await sender.close()

    assert len(peer.mails) == len(names)
    for name, raw in zip(names, peer.mails, strict=True):
        parsed = message_from_bytes(raw, policy=policy.default)
        assert received(raw, "To") == expected(name or "", TO)
        assert received(raw, "From")[1:] == ([FROM], [FROM])
        head = raw.partition(b"\r\n\r\n")[0]
        url = [line for line in head.splitlines() if line.startswith(b"List-Unsubscribe: ")]
        assert [line.count(b"<https://") for line in url] == [1]
        assert url[0].endswith(b">")
        assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert parsed["Subject"].split() == f"You now have access to {shown(name or 'x')}".split()


def shown(name: str) -> str:
    """A name as mails show it."""
    text = escape.line(name)
    return text if len(text) <= 80 else f"{text[:79].rstrip()}…"
