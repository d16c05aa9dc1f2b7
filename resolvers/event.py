"""What happened, and what was sent: events and messages."""

from collections.abc import Sequence
from typing import Any

import orjson

from database.listing import Connection
from models import lists
from models.audit import event
from models.audit.event import EventRow
from models.outbox import message
from models.outbox.message import MessageRow
from resolvers import view_as
from resolvers.context import Info
from resolvers.pages import pages, rows_by_ids


async def events_of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.EventFilter | None = None,  # noqa: A002 - the argument's name
    **page: Any,
) -> list[Connection[EventRow]]:
    """What happened in each account."""
    return await pages(lists.events_of_accounts(filter), [row["id"] for row in accounts], info, page)


async def events_of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[EventRow]]:
    """What the caller did, and who entered his accounts."""
    listing = lists.events_of_user(info.context.now)
    return await pages(listing, [view_as.own(info.context, listing, "e.account_id")] * len(parents), info, page)


events_by_ids = rows_by_ids(event.by_ids)
"""The events with these ids."""


def before(row: EventRow, _: Info) -> object:
    """What was there."""
    return None if row.before is None else orjson.loads(row.before)


def after(row: EventRow, _: Info) -> object:
    """What is there now."""
    return None if row.after is None else orjson.loads(row.after)


async def messages_of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Connection[MessageRow]]:
    """The mails of each account."""
    return await pages(lists.messages(), [row["id"] for row in accounts], info, page)


messages_by_ids = rows_by_ids(message.by_ids)
"""The messages with these ids."""
