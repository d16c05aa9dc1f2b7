"""Resolvers of messages."""

from collections.abc import Sequence
from typing import Any

from database.listing import Connection
from models import lists
from models.outbox import message
from models.outbox.message import MessageRow
from resolvers.context import Info
from resolvers.pages import pages, rows_by_ids


async def of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Connection[MessageRow]]:
    """The messages of each account."""
    return await pages(lists.messages(), [row["id"] for row in accounts], info, page)


by_ids = rows_by_ids(message.by_ids)
"""The messages with these ids. None for an unknown id."""
