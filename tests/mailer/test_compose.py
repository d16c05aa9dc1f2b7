from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from mailer import render
from mailer.compose import compose, receiver, sender
from models.base.caller import Caller
from models.outbox.message import MessageKind
from tests.mailer.conftest import LINK_KEY, NOW, PUBLIC_URL, queued

HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
]


async def travelled(caller: Caller, **params: str) -> EmailMessage:
    """The mail after it went through bytes, as its reader's program parses it."""
    row = await queued(caller, MessageKind.INVITATION, **params)
    mail = compose(row, render.render(row, LINK_KEY, PUBLIC_URL), public_url=PUBLIC_URL, mail_from="no-reply@localhost")
    raw = mail.as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.splitlines())) <= 78
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
async def test_no_name_adds_a_header_or_a_receiver(outbox: None, caller: Caller, evil: str) -> None:
    mail = await travelled(caller, name=evil, inviter_name=evil, account_name=evil)

    assert mail.keys() == HEADERS
    assert [address.addr_spec for address in mail["To"].addresses] == ["anna@example.com"]
    assert [address.addr_spec for address in mail["From"].addresses] == ["no-reply@localhost"]
    assert "\n" not in mail["Subject"]


async def test_names_in_any_script_arrive(outbox: None, caller: Caller) -> None:
    mail = await travelled(caller, name="Łucja Ødegård, 山田", inviter_name="Zoë", account_name="Çağ A.Ş.")

    assert mail["To"].addresses[0].display_name == "Łucja Ødegård, 山田"
    assert mail["Subject"] == "Zoë invites you to Çağ A.Ş."


async def test_one_row_gives_the_same_id_and_date_each_time(outbox: None, caller: Caller) -> None:
    row = await queued(caller, MessageKind.PASSWORD_CHANGED)
    made = [
        compose(row, render.render(row, LINK_KEY, PUBLIC_URL), public_url=PUBLIC_URL, mail_from="no-reply@localhost")
        for _ in range(2)
    ]

    assert {mail["Message-ID"] for mail in made} == {f"<{row.id}@fullmakt.example.com>"}
    assert [mail["Date"].datetime for mail in made] == [NOW, NOW]


@pytest.mark.parametrize(
    "address",
    ["", "anna", "@example.com", "anna@", "a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com"],
)
def test_what_is_not_one_address_is_no_receiver(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        receiver("Anna", address)


def test_a_host_outside_ascii_is_written_in_its_ascii_form() -> None:
    assert receiver(None, "anna@straße.example.com").addr_spec == "anna@xn--strae-oqa.example.com"


@pytest.mark.parametrize(
    ("given", "name", "address"),
    [
        ("Fullmakt <no-reply@localhost>", "Fullmakt", "no-reply@localhost"),
        ("no-reply@example.com", "", "no-reply@example.com"),
        ('"Konto, Łódź" <no-reply@example.com>', "Konto, Łódź", "no-reply@example.com"),
    ],
)
def test_the_sender_may_have_a_name(given: str, name: str, address: str) -> None:
    found = sender(given)

    assert (found.display_name, found.addr_spec) == (name, address)
