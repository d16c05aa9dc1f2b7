"""Messages: queueing a mail in the transaction of an operation."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from database import db
from models.base.caller import Caller, OperationConfig
from models.outbox import message
from models.outbox.message import Contact
from models.outbox.message_kind import MessageKind

NOW = datetime(2026, 11, 21, 19, 45, tzinfo=UTC)
CALLER = Caller(now=NOW, config=OperationConfig(link_key="no link is made here"))
pytestmark = pytest.mark.usefixtures("outbox")


async def load_messages() -> list[Any]:
    return await db.fetch("SELECT * FROM messages ORDER BY id", row=db.Row)


async def test_rolled_back_operation_leaves_no_mail() -> None:
    async def fail_after_queueing() -> None:
        async with db.transaction():
            await message.queue(CALLER, MessageKind.PASSWORD_CHANGED, to=Contact("anna@example.com", None, "en"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_queueing()

    assert await load_messages() == []


async def test_queued_mail_has_the_recipients_language() -> None:
    await message.queue(CALLER, MessageKind.PASSWORD_CHANGED, to=Contact("anna@example.com", "Anna", "sv"))

    (row,) = await load_messages()
    assert (row.to_address, row.to_name, row.locale, row.status) == ("anna@example.com", "Anna", "sv", "QUEUED")


async def test_mail_to_several_recipients_is_queued_for_each() -> None:
    params = {"requester_email": "bo@example.com", "account_name": "Storm AS"}
    recipients = [Contact("anna@example.com", "Anna", "en"), Contact("kari@example.com", None, "nb")]

    await message.queue_all(CALLER, MessageKind.ACCESS_REQUESTED, to=recipients, account_id=None, params=params)

    rows = await load_messages()
    assert sorted((row.to_address, row.to_name, row.locale) for row in rows) == [
        ("anna@example.com", "Anna", "en"),
        ("kari@example.com", None, "nb"),
    ]
    assert [orjson.loads(row.params) for row in rows] == [params, params]
