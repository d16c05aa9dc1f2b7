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
from models.outbox import delivery
from models.outbox.delivery import OutgoingRow
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from tests.mailer.conftest import LINK_KEY, PARAMS, PUBLIC_URL, queue_and_fetch

pytestmark = pytest.mark.usefixtures("outbox")
PATHS = {
    LinkPurpose.INVITATION: "/invitation",
    LinkPurpose.ACTIVATION: "/activate",
    LinkPurpose.RESET: "/reset",
    LinkPurpose.EMAIL_CHANGE: "/email",
    LinkPurpose.EMAIL_UNDO: "/email-undo",
}


class ParsedPage(HTMLParser):
    """The visible text, the tags and the links of an HTML page."""

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


def render_row(row: OutgoingRow) -> render.Mail:
    return render.render(row, LINK_KEY, PUBLIC_URL)


@pytest.mark.parametrize("kind", list(MessageKind))
async def test_text_and_html_have_the_same_content(kind: MessageKind, caller: Caller) -> None:
    row = await queue_and_fetch(caller, kind)

    mail = render_row(row)

    html_text = " ".join(ParsedPage(mail.html).text.split("\n"))
    lines = (line.removeprefix("> ").strip(":") for line in mail.text.splitlines() if line != "--")
    for line in filter(lambda line: line not in {"", mail.unsubscribe_url}, lines):
        assert line in html_text, line
    assert mail.text.startswith("Hello Anna,\n\n")
    assert "{" not in mail.text
    assert "%(" not in mail.text + mail.subject


@pytest.mark.parametrize("kind", list(MessageKind))
async def test_only_links_are_of_the_token_and_to_unsubscribe(kind: MessageKind, caller: Caller) -> None:
    row = await queue_and_fetch(caller, kind)

    mail = render_row(row)

    expected_links: tuple[str, ...] = ()
    if row.link_purpose is not None:
        purpose = LinkPurpose(row.link_purpose)
        expected_links = (f"{PUBLIC_URL}{PATHS[purpose]}#{tokens.derive(LINK_KEY, purpose, b's' * 32)}",)
    assert mail.links == expected_links
    unsubscribe_links = (mail.unsubscribe_url,) if mail.unsubscribe_url else ()
    assert (kind.topic is None) is (unsubscribe_links == ())
    assert set(ParsedPage(mail.html).links) == {*expected_links, *unsubscribe_links}
    assert tuple(re.findall(r"https?:\S+", mail.text)) == (*expected_links, *unsubscribe_links)
    assert not expected_links or expected_links[0] not in repr(mail)


async def test_invitation_names_inviter_account_role_and_expiry(caller: Caller) -> None:
    row = await queue_and_fetch(caller, MessageKind.INVITATION, message="Have a look\nat the books.")

    mail = render_row(row)

    assert mail.subject == "olga@example.com invites you to “Kowalski Sp. z o.o.”"
    assert mail.to == "anna@example.com"
    assert "The user with the address olga@example.com invites you to share an account at Fullmakt.\n" in mail.text
    assert "> Name: Olga Owner\n\n> Account: Kowalski Sp. z o.o.\n\n> Have a look\n" in mail.text
    assert "Your role there would be: Accountant.\n" in mail.text
    assert "> Have a look\n> at the books.\n" in mail.text
    assert "The link works until 28 November 2026, 19:45 UTC.\n" in mail.text


async def test_recipient_without_a_name_gets_a_greeting_without_a_name(caller: Caller) -> None:
    row = await queue_and_fetch(caller, MessageKind.INVITATION, name=None)

    assert render_row(row).text.startswith("Hello,\n\n")


async def test_markup_in_names_is_escaped(caller: Caller) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=y>&amp;"
    row = await queue_and_fetch(
        caller, MessageKind.INVITATION, name=evil, inviter_name=evil, account_name=evil, message=evil
    )

    mail = render_row(row)

    html_page = ParsedPage(mail.html)
    assert not {"script", "img"} & set(html_page.tags)
    assert html_page.text.count("alert(1)") == 5  # title, greeting, inviter, account, message
    assert "&amp;amp;" in mail.html
    assert "<script>" in mail.text


async def test_addresses_in_names_do_not_become_links(caller: Caller) -> None:
    evil = "www.evil.example https://evil.example/login"
    row = await queue_and_fetch(
        caller, MessageKind.INVITATION, name=evil, inviter_name=evil, account_name=evil, message=evil
    )

    mail = render_row(row)

    for part in (mail.subject, mail.text, mail.html):
        assert "evil.example" not in part
        assert "www.evil" not in part
        assert "https://evil" not in part


async def test_validated_addresses_are_not_broken_up(caller: Caller) -> None:
    mail = render_row(
        await queue_and_fetch(caller, MessageKind.INVITATION_ACCEPTED, invitee_email="bo@mail.example.com")
    )

    assert mail.subject == "bo@mail.example.com now has access to Kowalski Sp. z o.o."
    assert "bo@mail.example.com accepted your invitation" in mail.text


async def test_template_syntax_in_names_is_plain_text(caller: Caller) -> None:
    row = await queue_and_fetch(caller, MessageKind.INVITATION_JOINED, account_name="50% {{ 7 * 7 }} %(role)s")

    assert "the account 50% {{ 7 * 7 }} %(role)s at" in render_row(row).text


async def test_inviters_message_stays_inside_its_quotation(caller: Caller) -> None:
    row = await queue_and_fetch(caller, MessageKind.INVITATION, message="a\r\n\r\nb\u2028c\x85d\x0be")

    assert "> a\n> \n> b\n> c\n> d\n> e\n" in render_row(row).text


async def test_missing_param_is_an_error(caller: Caller) -> None:
    await queue_and_fetch(caller, MessageKind.INVITATION_JOINED)
    await db.execute("UPDATE messages SET params = params - 'role'")
    (row,) = await delivery.newest(1)

    with pytest.raises(UndefinedError):
        render_row(row)


async def test_mail_is_rendered_in_the_recipients_language(
    caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pl.po").write_text(
        'msgid "Hello %(to_name)s,"\nmsgstr "Dzień dobry %(to_name)s,"\n\n'
        'msgid "Accountant"\nmsgstr "Księgowy"\n\n'
        'msgid "The link works until %(expires_at)s."\nmsgstr "Link działa do %(expires_on)s."\n',
        encoding="utf-8",
    )
    catalogues = i18n.Catalogues(tmp_path)
    monkeypatch.setattr(i18n, "CATALOGUES", catalogues)
    monkeypatch.setattr(i18n, "translate", catalogues.translate)
    row = await queue_and_fetch(caller, MessageKind.INVITATION, locale="pl", name="<Bo>")

    mail = render_row(row)

    assert mail.text.startswith("Dzień dobry <Bo>,\n")
    assert "Dzień dobry &lt;Bo&gt;," in mail.html
    assert "Your role there would be: Księgowy.\n" in mail.text
    # English, because the translation has a wrong placeholder.
    assert "The link works until 28 listopada 2026, 19:45 UTC.\n" in mail.text
    assert '<html lang="pl">' in mail.html


async def test_styles_are_inlined_without_page_colours(caller: Caller) -> None:
    html = render_row(await queue_and_fetch(caller, MessageKind.INVITATION)).html

    assert "<style" not in html
    assert '<meta name="color-scheme" content="light dark">' in html
    body = re.search(r"<body[^>]*>", html)
    assert body is not None
    assert "color" not in body[0].replace("background-color", "color")
    assert re.search(r'class="button"[^>]*background: #1f5fbf', html)


def test_kinds_and_template_folders_match() -> None:
    folders = {path.name for path in render.TEMPLATES.iterdir() if path.is_dir()}

    assert folders == {kind.value for kind in MessageKind} | {"mailbox", "unsubscribe"}
    assert set(PARAMS) >= set(render._FORMATTERS)
