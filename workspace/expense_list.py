"""The connection of expenses: its filters and orders.

Each order has an index. So has each filter in the order by date, which is the default. Searches, and filters in another
order, read up to a scan.
"""

from datetime import date
from enum import StrEnum
from typing import Final, TypedDict
from uuid import UUID

from database.listing import ConnectionQuery
from database.page_sql import Order
from models.lists import names
from workspace import expense
from workspace.expense import ExpenseRow


class ExpenseOrder(StrEnum):
    """The orders of expenses."""

    SPENT_ON = "SPENT_ON"
    AMOUNT = "AMOUNT"
    CREATED_AT = "CREATED_AT"


class ExpenseFilter(TypedDict, total=False):
    """The filters of expenses. An omitted or null filter matches all."""

    search: str | None
    contact_id: UUID | None
    spent_from: date | None
    spent_to: date | None
    is_archived: bool | None


_ORDERS: Final = {
    ExpenseOrder.SPENT_ON: Order((("e.spent_on", "date"), ("e.id", "uuid")), is_descending=True),
    ExpenseOrder.AMOUNT: Order((("e.gross_amount", "numeric"), ("e.id", "uuid")), is_descending=True),
    ExpenseOrder.CREATED_AT: Order((("e.id", "uuid"),), is_descending=True),
}


def reads_contacts(filters: ExpenseFilter | None) -> bool:
    """True if a list with this filter tells about the contacts of expenses."""
    return (filters or {}).get("contact_id") is not None


def expenses(filters: ExpenseFilter | None, order: ExpenseOrder | None) -> ConnectionQuery[ExpenseRow]:
    """The expenses of an account, under the account's id. The caller has to check `reads_contacts`."""
    order = order or ExpenseOrder.SPENT_ON
    query = ConnectionQuery(
        row=ExpenseRow,
        columns=expense.COLUMNS,
        source="expenses e",
        parent="e.account_id = {key}",
        order=_ORDERS[order],
        required_columns=("id", "account_id", "created_by_id"),
        key="account_id",
    )
    filters = filters or {}
    is_by_date = order is ExpenseOrder.SPENT_ON
    first, last = filters.get("spent_from"), filters.get("spent_to")
    contact_id, is_archived = filters.get("contact_id"), filters.get("is_archived")
    add_condition = query.where_indexed if is_by_date else query.where
    for condition, day in (("e.spent_on >= {}", first), ("e.spent_on <= {}", last)):
        if day is not None:
            add_condition(condition, day)
    if contact_id is not None:
        add_condition("e.contact_id = {}", contact_id)
    if is_archived is not None:
        add_condition = query.where_indexed if is_by_date and contact_id is None else query.where
        add_condition("e.is_archived = {}", is_archived)
    if search := filters.get("search"):
        names.search(query, "e.search_key", search)
    return query
