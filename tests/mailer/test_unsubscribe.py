"""The page on which a receiver stops mails of a kind, and the worker, which sends no blocked mail."""

import pytest

from models.base.caller import Caller
from models.outbox import block
from models.outbox.message_kind import MessageKind
from tests.api import Api
from tests.mailer.conftest import (
    LINK_KEY,
    NOW,
    Clock,
    FakeMailServer,
    fetch_rows,
    mailer_config,
    queue_and_fetch,
    running_workers,
    wait_for_rows,
)
from tests.models.outbox.test_block import STRANGER, count_blocks, path


async def test_opening_the_page_changes_nothing(api: Api) -> None:
    for method in ("GET", "HEAD"):
        response = await api.http.request(method, path())
        assert response.status_code == 200

    assert await count_blocks() == 0


@pytest.mark.parametrize(("language", "text"), [("pl", "Zatrzymaj"), ("sv", "Stoppa"), ("en", "Stop mails")])
async def test_page_is_in_the_language_of_the_browser(api: Api, language: str, text: str) -> None:
    response = await api.http.get(path(), headers={"Accept-Language": language})

    assert f"<button>{text}" in response.text
    assert response.headers["content-language"] == language
    assert "form-action 'self'" in response.headers["content-security-policy"]
    assert "script" not in response.text
    assert f'action="{path()}"' in response.text
    assert STRANGER not in response.text


@pytest.mark.usefixtures("outbox")
async def test_mail_that_was_queued_before_the_block_is_not_sent(
    peer: FakeMailServer, clock: Clock, caller: Caller
) -> None:
    await queue_and_fetch(caller, MessageKind.GRANT_EXPIRED, to="Anna@example.com")
    blockable = block.of_message(LINK_KEY, MessageKind.GRANT_EXPIRED, "anna@example.com")
    assert blockable is not None
    await blockable.add(NOW)

    async with running_workers(mailer_config(peer.server, clock)):
        await wait_for_rows(lambda rows: rows[0].status == "FAILED")

    assert [row.failure for row in await fetch_rows()] == [block.FAILURE]
    assert peer.mails == []


@pytest.mark.usefixtures("outbox")
async def test_mail_points_to_the_page_by_its_headers(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    for kind in (MessageKind.GRANT_EXPIRED, MessageKind.PASSWORD_CHANGED):
        await queue_and_fetch(caller, kind)

    async with running_workers(mailer_config(peer.server, clock)):
        await wait_for_rows(lambda rows: all(row.status == "SENT" for row in rows))

    by_subject = {mail["Subject"]: mail for mail in peer.mails}
    security, notice = by_subject.pop("Your password was changed"), next(iter(by_subject.values()))
    assert security["List-Unsubscribe"] is security["List-Unsubscribe-Post"] is None
    url = str(notice["List-Unsubscribe"]).removeprefix("<").removesuffix(">")
    base, kind_name, token = url.rsplit("/", 2)
    assert base == "https://fullmakt.example.com/unsubscribe"
    assert block.find(LINK_KEY, kind_name, token) == block.of_message(
        LINK_KEY, MessageKind.GRANT_EXPIRED, "anna@example.com"
    )
    assert notice["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
