"""Resolvers of events."""

from collections.abc import Sequence
from typing import Any

import orjson

from database.listing import Connection
from models import lists
from models.audit import event
from models.audit.event import EventRow
from resolvers import view_as
from resolvers.context import Info
from resolvers.pages import pages, rows_by_ids


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.EventFilter | None = None,  # noqa: A002 - the argument's name
    **page: Any,
) -> list[Connection[EventRow]]:
    """The events of each account."""
    return await pages(lists.events_of_accounts(filter), [row["id"] for row in accounts], info, page)


async def of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[EventRow]]:
    """The caller's own events, and the events of other users entering the caller's accounts."""
    query = lists.events_of_user(info.context.now)
    return await pages(
        query, [view_as.viewer_parent_key(info.context, query, "e.account_id")] * len(parents), info, page
    )


by_ids = rows_by_ids(event.by_ids)
"""The events with these ids. None for an unknown id."""


def before(row: EventRow, _: Info) -> object:
    """The values before the change. None if there were none."""
    return None if row.before is None else orjson.loads(row.before)


def after(row: EventRow, _: Info) -> object:
    """The values after the change. None if there are none."""
    return None if row.after is None else orjson.loads(row.after)
