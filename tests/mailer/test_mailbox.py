from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette

from auth import tokens
from database import keys
from mailer import mailbox
from models.base.caller import Caller
from models.outbox.message import LinkPurpose
from models.outbox.message_kind import MessageKind
from tests.mailer.conftest import LINK_KEY, PUBLIC_URL, queue_and_fetch

pytestmark = pytest.mark.usefixtures("outbox")


@pytest.fixture
async def browser() -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=mailbox.routes(LINK_KEY, PUBLIC_URL))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_newest_message_comes_first(browser: httpx2.AsyncClient, caller: Caller) -> None:
    old = await queue_and_fetch(caller, MessageKind.INVITATION)
    new = await queue_and_fetch(caller, MessageKind.PASSWORD_CHANGED, to="bo@example.com")

    messages = (await browser.get("/mailbox.json")).json()

    link = f"{PUBLIC_URL}/invitation#{tokens.derive(LINK_KEY, LinkPurpose.INVITATION, b's' * 32)}"
    assert [message["id"] for message in messages] == [str(new.id), str(old.id)]
    assert set(messages[0]) == {"id", "to", "subject", "text", "html", "links", "status", "createdAt"}
    assert [message["links"] for message in messages] == [[], [link]]
    assert messages[1]["to"] == "anna@example.com"
    assert messages[1]["status"] == "QUEUED"
    assert messages[1]["createdAt"] == "2026-11-21T19:45:00Z"
    assert link in messages[1]["text"]
    assert link in messages[1]["html"]


@pytest.mark.parametrize(
    ("to", "count"), [("bo@example.com", 1), ("BO@example.com", 1), ("x@example.com", 0), ("%00", 0)]
)
async def test_messages_are_filtered_by_recipient(
    browser: httpx2.AsyncClient, caller: Caller, to: str, count: int
) -> None:
    await queue_and_fetch(caller, MessageKind.PASSWORD_CHANGED)
    await queue_and_fetch(caller, MessageKind.PASSWORD_CHANGED, to="bo@example.com")

    response = await browser.get(f"/mailbox.json?to={to}")

    assert len(response.json()) == count
    assert (await browser.get(f"/mailbox?to={to}")).text.count("<article") == count


async def test_page_shows_text_html_and_link_without_scripts(browser: httpx2.AsyncClient, caller: Caller) -> None:
    row = await queue_and_fetch(caller, MessageKind.INVITATION, inviter_name="<script>alert(1)</script>")

    page = await browser.get("/mailbox")

    token = tokens.derive(LINK_KEY, LinkPurpose.INVITATION, b"s" * 32)
    assert page.status_code == 200
    assert f'href="{PUBLIC_URL}/invitation#{token}"' in page.text
    assert f'src="/mailbox/{row.id}"' in page.text
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


async def test_single_mail_is_sandboxed(browser: httpx2.AsyncClient, caller: Caller) -> None:
    row = await queue_and_fetch(caller, MessageKind.INVITATION)

    page = await browser.get(f"/mailbox/{row.id}")

    assert page.status_code == 200
    assert '<base target="_blank">' in page.text
    assert "olga@example.com invites you" in page.text
    policy = page.headers["content-security-policy"]
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "frame-ancestors 'self'" in policy


@pytest.mark.parametrize("path", [f"/mailbox/{keys.uuid7()}", "/mailbox/x"])
async def test_unknown_mail_is_not_found(browser: httpx2.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_empty_mailbox_has_a_message(browser: httpx2.AsyncClient) -> None:
    assert "No messages yet." in (await browser.get("/mailbox")).text
    assert (await browser.get("/mailbox.json")).json() == []
