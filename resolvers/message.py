"""Resolvers of messages."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from database.listing import Connection
from database.rows import column
from models import lists
from models.outbox import failure, message
from models.outbox.message import MessageRow
from models.outbox.message_kind import MessageKind
from resolvers.context import Info
from resolvers.pages import pages, rows_by_ids
from resolvers.rights import of_messages


async def of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Connection[MessageRow]]:
    """The messages of each account that exist for the caller: without those about documents, or all."""
    keys = [row["id"] for row in accounts]
    connections: dict[UUID, Connection[MessageRow]] = {}
    for with_documents in (True, False):
        account_ids = [key for key in keys if _reads_documents(info.context.access.bits(key)) is with_documents]
        if account_ids:
            query = lists.messages(with_documents=with_documents)
            connections |= {page_.key: page_ for page_ in await pages(query, account_ids, info, page)}
    return [connections[key] for key in keys]


def _reads_documents(bits: int) -> bool:
    mask = message.hiding_mask(MessageKind.DOCUMENT_SENT)
    return bits & mask == mask


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
