"""Resolvers of messages."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from database.listing import Connection, ConnectionQuery
from database.rows import column
from models import lists
from models.outbox import failure, message
from models.outbox.message import MessageRow
from models.outbox.message_kind import MessageKind
from resolvers.context import Info
from resolvers.pages import grouped_pages, rows_by_ids
from resolvers.rights import of_messages


async def of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Connection[MessageRow]]:
    """The messages of each account that exist for the caller: without those about documents, or all."""
    mask = message.hiding_mask(MessageKind.DOCUMENT_SENT)

    def reads_documents(account_id: UUID) -> bool:
        return info.context.access.bits(account_id) & mask == mask

    def make_query(with_documents: bool) -> ConnectionQuery[MessageRow]:  # noqa: FBT001 - the group of the pages
        return lists.messages(with_documents=with_documents)

    return await grouped_pages([row["id"] for row in accounts], reads_documents, make_query, info, page)


RIGHTS_COLUMNS: Final = ("kind", "account_id")
"""The columns that decide what the caller may read of a message."""


def subject(rows: Sequence[Any], info: Info) -> list[str]:
    """The subject of each message in the caller's language, without what the caller may not read."""
    locale = info.context.caller.locale
    rights = of_messages(rows, info.context)
    return [message.subject(row, locale, bits) for row, bits in zip(rows, rights, strict=True)]


def receivers(rows: Sequence[Any], info: Info) -> list[str]:
    """The address of each message's receiver, or WITHHELD."""
    rights = of_messages(rows, info.context)
    return [*map(message.receiver, column(rows, "kind"), column(rows, "to_address"), rights)]


def withheld(rows: Sequence[Any], info: Info) -> list[list[str]]:
    """The names of the fields of each message that the caller may not read, or not in full."""
    return [*map(message.withheld, column(rows, "kind"), of_messages(rows, info.context))]


def failure_reason(row: MessageRow, info: Info) -> str | None:
    """Why the last attempt to send the message failed. None if none failed."""
    return None if row.failure is None else failure.describe(row.failure, info.context.caller.locale)


by_ids = rows_by_ids(message.by_ids)
"""The messages with these ids. None for an unknown id."""
