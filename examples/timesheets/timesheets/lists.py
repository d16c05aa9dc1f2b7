"""The list of time entries, with its filters and orders. An index serves each order."""

from datetime import date
from enum import StrEnum
from typing import Final, TypedDict
from uuid import UUID

from database.listing import ConnectionQuery
from database.page_sql import Order
from models.lists import names
from timesheets import time_entry
from timesheets.time_entry import TimeEntryRow


class TimeEntryOrder(StrEnum):
    """The orders of time entries."""

    WORKED_ON = "WORKED_ON"
    CREATED_AT = "CREATED_AT"


class TimeEntryFilter(TypedDict, total=False):
    """The filters of time entries. An omitted or null filter matches all."""

    search: str | None
    since: date | None
    until: date | None


_ORDERS: Final = {
    TimeEntryOrder.WORKED_ON: Order((("e.worked_on", "date"), ("e.id", "uuid")), is_descending=True),
    TimeEntryOrder.CREATED_AT: Order((("e.id", "uuid"),), is_descending=True),
}


def time_entries(
    filters: TimeEntryFilter | None, order: TimeEntryOrder | None, *, created_by_id: UUID | None = None
) -> ConnectionQuery[TimeEntryRow]:
    """The entries of an account, under the account's id.

    With `created_by_id` these are the entries of one user: the scope of a user without TIMESHEETS_READ_ALL.
    """
    order = order or TimeEntryOrder.WORKED_ON
    query = ConnectionQuery(
        row=TimeEntryRow,
        columns=time_entry.COLUMNS,
        source=f"{time_entry.TABLE} e",
        parent="e.account_id = {key}",
        order=_ORDERS[order],
        required_columns=("id", "account_id", "created_by_id"),
        key="account_id",
    )
    filters = filters or {}
    if created_by_id is not None:
        query.where_indexed("e.created_by_id = {}", created_by_id)
    add_condition = query.where_indexed if order is TimeEntryOrder.WORKED_ON else query.where
    if (since := filters.get("since")) is not None:
        add_condition("e.worked_on >= {}", since)
    if (until := filters.get("until")) is not None:
        add_condition("e.worked_on <= {}", until)
    if search := filters.get("search"):
        names.search(query, "e.search_key", search)
    return query
