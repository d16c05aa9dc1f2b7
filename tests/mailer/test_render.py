import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError

import i18n
from auth import tokens
from database import db
from mailer import render
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message import LinkPurpose, MessageKind, OutgoingRow
from tests.mailer.conftest import LINK_KEY, PARAMS, PUBLIC_URL, queued

pytestmark = pytest.mark.usefixtures("outbox")
PATHS = {LinkPurpose.INVITATION: "/invitation", LinkPurpose.ACTIVATION: "/activate", LinkPurpose.RESET: "/reset"}


class Seen(HTMLParser):
    """What a reader sees of a page, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(row: OutgoingRow) -> render.Mail:
    return render.render(row, LINK_KEY, PUBLIC_URL)


@pytest.mark.parametrize("kind", list(MessageKind))
async def test_every_kind_says_the_same_in_text_and_html(kind: MessageKind, caller: Caller) -> None:
    row = await queued(caller, kind)

    mail = rendered(row)

    seen = " ".join(Seen(mail.html).text.split("\n"))
    for line in filter(None, (line.strip(":") for line in mail.text.splitlines() if line != "--")):
        assert line in seen, line
    assert mail.text.startswith("Hello Anna,\n\n")
    assert "{" not in mail.text
    assert "%(" not in mail.text + mail.subject


@pytest.mark.parametrize("kind", list(MessageKind))
async def test_the_only_links_are_made_of_the_public_address_and_the_token(kind: MessageKind, caller: Caller) -> None:
    row = await queued(caller, kind)

    mail = rendered(row)

    expected: tuple[str, ...] = ()
    if row.link_purpose is not None:
        purpose = LinkPurpose(row.link_purpose)
        expected = (f"{PUBLIC_URL}{PATHS[purpose]}#{tokens.derive(LINK_KEY, purpose, b's' * 32)}",)
    assert mail.links == expected
    assert set(Seen(mail.html).links) == set(expected)
    assert tuple(re.findall(r"https?:\S+", mail.text)) == expected
    assert not expected or expected[0] not in repr(mail)


async def test_an_invitation_names_who_what_and_until_when(caller: Caller) -> None:
    row = await queued(caller, MessageKind.INVITATION, message="Have a look\nat the books.")

    mail = rendered(row)

    assert mail.subject == "Olga Owner invites you to Kowalski Sp. z o.o."
    assert mail.to == "anna@example.com"
    assert "Olga Owner invites you to share the account Kowalski Sp. z o.o. at Fullmakt.\n" in mail.text
    assert "Your role there would be: Accountant.\n" in mail.text
    assert "> Have a look\n> at the books.\n" in mail.text
    assert "The link works until 28 November 2026, 19:45 UTC.\n" in mail.text


async def test_somebody_without_a_name_is_greeted_without_one(caller: Caller) -> None:
    row = await queued(caller, MessageKind.INVITATION, name=None)

    assert rendered(row).text.startswith("Hello,\n\n")


async def test_markup_in_names_arrives_as_text(caller: Caller) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=y>&amp;"
    row = await queued(caller, MessageKind.INVITATION, name=evil, inviter_name=evil, account_name=evil, message=evil)

    mail = rendered(row)

    seen = Seen(mail.html)
    assert not {"script", "img"} & set(seen.tags)
    assert seen.text.count("alert(1)") == 7  # title twice, greeting, inviter twice, account, message
    assert "&amp;amp;" in mail.html
    assert "<script>" in mail.text


async def test_addresses_in_names_do_not_become_links(caller: Caller) -> None:
    evil = "www.evil.example https://evil.example/login"
    row = await queued(caller, MessageKind.INVITATION, name=evil, inviter_name=evil, account_name=evil, message=evil)

    mail = rendered(row)

    for part in (mail.subject, mail.text, mail.html):
        assert "evil.example" not in part
        assert "www.evil" not in part
        assert "https://evil" not in part


async def test_addresses_that_were_checked_can_be_copied(caller: Caller) -> None:
    mail = rendered(await queued(caller, MessageKind.INVITATION_ACCEPTED, invitee_email="bo@mail.example.com"))

    assert mail.subject == "bo@mail.example.com now has access to Kowalski Sp. z o.o."
    assert "bo@mail.example.com accepted your invitation" in mail.text


async def test_percent_signs_and_braces_in_names_are_only_text(caller: Caller) -> None:
    row = await queued(caller, MessageKind.INVITATION_JOINED, account_name="50% {{ 7 * 7 }} %(role)s")

    assert "the account 50% {{ 7 * 7 }} %(role)s at" in rendered(row).text


async def test_a_message_of_the_inviter_cannot_end_its_quotation(caller: Caller) -> None:
    row = await queued(caller, MessageKind.INVITATION, message="a\r\n\r\nb\u2028c\x85d\x0be")

    assert "> a\n> \n> b\n> c\n> d\n> e\n" in rendered(row).text


async def test_a_param_that_is_missing_is_an_error(caller: Caller) -> None:
    await queued(caller, MessageKind.INVITATION_JOINED)
    await db.execute("UPDATE messages SET params = params - 'role'")
    (row,) = await message.newest(1)

    with pytest.raises(UndefinedError):
        rendered(row)


async def test_a_mail_speaks_its_readers_language(
    caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pl.po").write_text(
        'msgid "Hello %(to_name)s,"\nmsgstr "Dzień dobry %(to_name)s,"\n\n'
        'msgid "Accountant"\nmsgstr "Księgowy"\n\n'
        'msgid "The link works until %(expires_at)s."\nmsgstr "Link działa do %(expires_on)s."\n',
        encoding="utf-8",
    )
    ours = i18n.Catalogues(tmp_path)
    monkeypatch.setattr(i18n, "OURS", ours)
    monkeypatch.setattr(i18n, "translate", ours.translate)
    row = await queued(caller, MessageKind.INVITATION, locale="pl", name="<Bo>")

    mail = rendered(row)

    assert mail.text.startswith("Dzień dobry <Bo>,\n")
    assert "Dzień dobry &lt;Bo&gt;," in mail.html
    assert "Your role there would be: Księgowy.\n" in mail.text
    assert "The link works until 28 listopada 2026, 19:45 UTC.\n" in mail.text  # its place did not fit
    assert '<html lang="pl">' in mail.html


async def test_the_style_is_in_the_elements_and_no_colour_is_forced_on_the_page(caller: Caller) -> None:
    html = rendered(await queued(caller, MessageKind.INVITATION)).html

    assert "<style" not in html
    assert '<meta name="color-scheme" content="light dark">' in html
    body = re.search(r"<body[^>]*>", html)
    assert body is not None
    assert "color" not in body[0].replace("background-color", "color")
    assert re.search(r'class="button"[^>]*background: #1f5fbf', html)


def test_every_kind_has_its_templates_and_every_template_its_kind() -> None:
    folders = {path.name for path in render.TEMPLATES.iterdir() if path.is_dir()}

    assert folders == {kind.value for kind in MessageKind} | {"mailbox"}
    assert set(PARAMS) >= set(render._SPOKEN)
