"""Resolvers of messages."""

from collections.abc import Sequence
from typing import Any

from database.listing import Connection
from models import lists
from models.outbox import failure, message
from models.outbox.message import MessageRow
from resolvers.context import Info
from resolvers.pages import pages, rows_by_ids


async def of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Connection[MessageRow]]:
    """The messages of each account."""
    return await pages(lists.messages(), [row["id"] for row in accounts], info, page)


def subject(row: MessageRow, info: Info) -> str:
    """The subject of the message in the caller's language."""
    return message.subject(row, info.context.caller.locale)


def failure_reason(row: MessageRow, info: Info) -> str | None:
    """Why the last attempt to send the message failed. None if none failed."""
    return None if row.failure is None else failure.describe(row.failure, info.context.caller.locale)


by_ids = rows_by_ids(message.by_ids)
"""The messages with these ids. None for an unknown id."""
