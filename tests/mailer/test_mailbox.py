from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette

from auth import tokens
from database import keys
from mailer import mailbox
from models.base.caller import Caller
from models.outbox.message import LinkPurpose, MessageKind
from tests.mailer.conftest import LINK_KEY, PUBLIC_URL, queued

pytestmark = pytest.mark.usefixtures("outbox")


@pytest.fixture
async def browser() -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=mailbox.routes(LINK_KEY, PUBLIC_URL))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_the_newest_message_comes_first(browser: httpx2.AsyncClient, caller: Caller) -> None:
    old = await queued(caller, MessageKind.INVITATION)
    new = await queued(caller, MessageKind.PASSWORD_CHANGED, to="bo@example.com")

    listed = (await browser.get("/mailbox.json")).json()

    link = f"{PUBLIC_URL}/invitation#{tokens.derive(LINK_KEY, LinkPurpose.INVITATION, b's' * 32)}"
    assert [found["id"] for found in listed] == [str(new.id), str(old.id)]
    assert set(listed[0]) == {"id", "to", "subject", "text", "html", "links", "status", "createdAt"}
    assert [found["links"] for found in listed] == [[], [link]]
    assert listed[1]["to"] == "anna@example.com"
    assert listed[1]["status"] == "QUEUED"
    assert listed[1]["createdAt"] == "2026-11-21T19:45:00Z"
    assert link in listed[1]["text"]
    assert link in listed[1]["html"]


@pytest.mark.parametrize(
    ("to", "count"), [("bo@example.com", 1), ("BO@example.com", 1), ("x@example.com", 0), ("%00", 0)]
)
async def test_messages_to_one_address(browser: httpx2.AsyncClient, caller: Caller, to: str, count: int) -> None:
    await queued(caller, MessageKind.PASSWORD_CHANGED)
    await queued(caller, MessageKind.PASSWORD_CHANGED, to="bo@example.com")

    answer = await browser.get(f"/mailbox.json?to={to}")

    assert len(answer.json()) == count
    assert (await browser.get(f"/mailbox?to={to}")).text.count("<article") == count


async def test_the_page_shows_text_html_and_link_and_runs_nothing(browser: httpx2.AsyncClient, caller: Caller) -> None:
    row = await queued(caller, MessageKind.INVITATION, inviter_name="<script>alert(1)</script>")

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


async def test_one_mail_stands_in_a_sandbox(browser: httpx2.AsyncClient, caller: Caller) -> None:
    row = await queued(caller, MessageKind.INVITATION)

    page = await browser.get(f"/mailbox/{row.id}")

    assert page.status_code == 200
    assert '<base target="_blank">' in page.text
    assert "Olga Owner invites you" in page.text
    policy = page.headers["content-security-policy"]
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "frame-ancestors 'self'" in policy


@pytest.mark.parametrize("path", [f"/mailbox/{keys.uuid7()}", "/mailbox/x"])
async def test_an_unknown_mail_is_not_found(browser: httpx2.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_an_empty_mailbox_says_so(browser: httpx2.AsyncClient) -> None:
    assert "No messages yet." in (await browser.get("/mailbox")).text
    assert (await browser.get("/mailbox.json")).json() == []
