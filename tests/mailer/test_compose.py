from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from mailer import render
from mailer.compose import compose, recipient_address, sender_address
from models.base.caller import Caller
from models.outbox.attachment import Attachment
from models.outbox.message_kind import MessageKind
from tests.mailer.conftest import LINK_KEY, NOW, PUBLIC_URL, queue_and_fetch

HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
]


async def compose_and_parse(caller: Caller, **params: str) -> EmailMessage:
    """The composed mail after serialization, as a mail program parses it."""
    row = await queue_and_fetch(caller, MessageKind.INVITATION, **params)
    mail = compose(row, render.render(row, LINK_KEY, PUBLIC_URL), public_url=PUBLIC_URL, mail_from="no-reply@localhost")
    raw = mail.as_bytes()
    assert raw.isascii()
    assert max(len(line) for line in raw.splitlines() if not line.startswith(b"List-Unsubscribe:")) <= 78
    return message_from_bytes(raw, policy=policy.default)


@pytest.mark.parametrize(
    "evil",
    [
        "Anna\r\nBcc: all@example.com",
        "Anna\nX-Evil: yes\n\n<b>body</b>",
        "Anna\rBcc: all@example.com",
        "Anna\u2028Bcc: all@example.com",
        "Anna\x85Bcc: all@example.com\x1f",
        'Anna" <all@example.com>, "B',
        "Anna, all@example.com",
        "=?utf-8?q?Anna=0D=0ABcc:_all@example.com?=",
        "Ł" * 200 + "\r\nBcc: all@example.com",
    ],
)
async def test_name_cannot_add_a_header_or_recipient(outbox: None, caller: Caller, evil: str) -> None:
    mail = await compose_and_parse(caller, name=evil, inviter_name=evil, account_name=evil)

    assert mail.keys() == HEADERS
    assert [address.addr_spec for address in mail["To"].addresses] == ["anna@example.com"]
    assert [address.addr_spec for address in mail["From"].addresses] == ["no-reply@localhost"]
    assert "\n" not in mail["Subject"]


async def test_non_ascii_names_arrive_unchanged(outbox: None, caller: Caller) -> None:
    mail = await compose_and_parse(caller, name="Łucja Ødegård, 山田", inviter_name="Zoë", account_name="Çağ A.Ş.")

    assert mail["To"].addresses[0].display_name == "Łucja Ødegård, 山田"
    assert mail["Subject"] == "olga@example.com invites you to “Çağ A.Ş.”"


async def test_same_row_gives_same_message_id_and_date(outbox: None, caller: Caller) -> None:
    row = await queue_and_fetch(caller, MessageKind.PASSWORD_CHANGED)
    mails = [
        compose(row, render.render(row, LINK_KEY, PUBLIC_URL), public_url=PUBLIC_URL, mail_from="no-reply@localhost")
        for _ in range(2)
    ]

    assert {mail["Message-ID"] for mail in mails} == {f"<{row.id}@fullmakt.example.com>"}
    assert [mail["Date"].datetime for mail in mails] == [NOW, NOW]


async def test_same_row_and_attachments_give_the_same_bytes(outbox: None, caller: Caller) -> None:
    """A file that contains the boundaries of the mail arrives whole."""
    row = await queue_and_fetch(caller, MessageKind.PASSWORD_CHANGED)
    lines = b"".join(f"--=_{row.id.hex}_{number}{end}\r\n".encode() for number in range(3) for end in ("", "--"))
    files = [Attachment("a.xml", "application/xml", lines), Attachment("b.pdf", "application/pdf", b"%PDF")]

    first, second = (
        compose(
            row,
            render.render(row, LINK_KEY, PUBLIC_URL),
            public_url=PUBLIC_URL,
            mail_from="no-reply@localhost",
            attachments=files,
        ).as_bytes()
        for _ in range(2)
    )

    assert first == second
    mail = message_from_bytes(first, policy=policy.default)
    parts = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    assert parts == {file.name: file.content for file in files}
    body = mail.get_body(("html",))
    assert body is not None
    assert "</html>" in body.get_content()


@pytest.mark.parametrize(
    "address",
    ["", "anna", "@example.com", "anna@", "a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com"],
)
def test_invalid_recipient_address_is_rejected(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        recipient_address("Anna", address)


def test_non_ascii_host_is_written_in_ascii() -> None:
    assert recipient_address(None, "anna@straße.example.com").addr_spec == "anna@xn--strae-oqa.example.com"


@pytest.mark.parametrize(
    ("mail_from", "name", "address"),
    [
        ("Fullmakt <no-reply@localhost>", "Fullmakt", "no-reply@localhost"),
        ("no-reply@example.com", "", "no-reply@example.com"),
        ('"Konto, Łódź" <no-reply@example.com>', "Konto, Łódź", "no-reply@example.com"),
    ],
)
def test_sender_address_may_have_a_name(mail_from: str, name: str, address: str) -> None:
    sender = sender_address(mail_from)

    assert (sender.display_name, sender.addr_spec) == (name, address)
