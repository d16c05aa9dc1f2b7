"""The connections of documents, and of the lines and payments of a document: their filters and orders.

Each order has an index, also over the documents of one creator. So has each filter alone. A filter by dates, without an
order, lists in the order of these dates. Searches, and filters together with others or with another order, read up to a
scan.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Final, TypedDict
from uuid import UUID

from database import db
from database.listing import ConnectionQuery
from database.page_sql import Order
from models.lists import names
from models.lists.sql import lookup, optional_lookup
from workspace import contact, document, document_line, payment, product
from workspace.contact import ContactRow
from workspace.document import DocumentKind, DocumentRow, DocumentStatus
from workspace.document_line import DocumentLineRow
from workspace.payment import DocumentPaymentRow
from workspace.product import ProductRow


class DocumentOrder(StrEnum):
    """The orders of documents."""

    CREATED_AT = "CREATED_AT"
    ISSUED_ON = "ISSUED_ON"
    NUMBER = "NUMBER"
    DUE_ON = "DUE_ON"
    GROSS_AMOUNT = "GROSS_AMOUNT"


class DocumentFilter(TypedDict, total=False):
    """The filters of documents. An omitted or null filter matches all."""

    search: str | None
    status: list[DocumentStatus] | None
    kind: DocumentKind | None
    contact_id: UUID | None
    issued_from: date | None
    issued_to: date | None
    due_from: date | None
    due_to: date | None
    is_overdue: bool | None


# A document without the date is after all others. The driver sends the last day of 9999 as infinity, so it is another.
_ISSUED_ON: Final = "COALESCE(d.issued_on, '9999-01-01'::date)"
_DUE_ON: Final = "COALESCE(d.due_on, '9999-01-01'::date)"
_FIRST_DAY, _LAST_DAY = date.min, date(9998, 12, 31)
_ID: Final = ("d.id", "uuid")
# Dates of issue follow the numbers, so that both have one order.
_BY_NUMBER: Final = Order(((_ISSUED_ON, "date"), ("COALESCE(d.series_counter, 0)", "int"), _ID), is_descending=True)
_ORDERS: Final = {
    DocumentOrder.CREATED_AT: Order((_ID,), is_descending=True),
    DocumentOrder.ISSUED_ON: _BY_NUMBER,
    DocumentOrder.NUMBER: _BY_NUMBER,
    DocumentOrder.DUE_ON: Order(((_DUE_ON, "date"), _ID)),
    DocumentOrder.GROSS_AMOUNT: Order((("(d.net_amount + d.tax_amount)", "numeric"), _ID), is_descending=True),
}
_COLUMNS: Final = document.COLUMNS | db.prefix_columns("contact", contact.COLUMNS | {"id": "d.contact_id"})
_PARTS: Final = {"contact": ContactRow}
_JOINS: Final = {"c": optional_lookup("contacts c", "c.id = d.contact_id")}


def reads_contacts(filters: DocumentFilter | None) -> bool:
    """True if a list with this filter tells about the contacts of documents."""
    return (filters or {}).get("contact_id") is not None


def documents(
    filters: DocumentFilter | None, order: DocumentOrder | None, today: date, *, created_by_id: UUID | None = None
) -> ConnectionQuery[DocumentRow]:
    """The documents of an account, under the account's id, without deleted drafts.

    With `created_by_id` these are the documents of one user: the row scope of a user without DOCUMENTS_READ_ALL. The
    caller has to check `reads_contacts`. `today` decides what is overdue.
    """
    filters = filters or {}
    order = order or _order_of(filters)
    query = ConnectionQuery(
        row=DocumentRow,
        columns=_COLUMNS,
        source=f"{document.TABLE} d",
        joins=_JOINS,
        parts=_PARTS,
        parent="d.account_id = {key} AND d.status <> 'DELETED'",
        order=_ORDERS[order],
        required_columns=("id", "account_id", "created_by_id"),
        key="account_id",
    )
    if created_by_id is not None:
        query.where_indexed("d.created_by_id = {}", created_by_id)
    has_index = created_by_id is None and order is DocumentOrder.CREATED_AT
    _add_values(query, filters, has_index=has_index)
    _add_dates(query, filters, order)
    if (is_overdue := filters.get("is_overdue")) is not None:
        condition = f"({document.IS_OPEN} AND {_DUE_ON} < {{}})"
        if is_overdue and created_by_id is None and order is DocumentOrder.DUE_ON:
            query.where_indexed(condition, today)
        else:
            query.where(condition if is_overdue else f"NOT {condition}", today)
    if search := filters.get("search"):
        names.search(query, "d.search_key", search)
    return query


def _order_of(filters: DocumentFilter) -> DocumentOrder:
    """The order of a list without one."""
    if filters.get("issued_from") is not None or filters.get("issued_to") is not None:
        return DocumentOrder.ISSUED_ON
    if filters.get("due_from") is not None or filters.get("due_to") is not None or filters.get("is_overdue"):
        return DocumentOrder.DUE_ON
    return DocumentOrder.CREATED_AT


def _add_values(query: ConnectionQuery[DocumentRow], filters: DocumentFilter, *, has_index: bool) -> None:
    """Add the filters by contact, status and kind. If `has_index`, the first of them reads its index."""
    contact_id, states, kind = filters.get("contact_id"), filters.get("status"), filters.get("kind")
    if contact_id is not None:
        add_condition = query.where_indexed if has_index else query.where
        add_condition("d.contact_id = {}", contact_id)
        has_index = False
    if states is not None and has_index:
        query.where_any("d.status = {}", states)
    elif states is not None:
        query.where("d.status = ANY({}::text[])", states)
    if kind is not None:
        add_condition = query.where_indexed if has_index and states is None else query.where
        add_condition("d.kind = {}", kind)


def _add_dates(query: ConnectionQuery[DocumentRow], filters: DocumentFilter, order: DocumentOrder) -> None:
    """Add the ranges of dates. The range of the dates that sort the list reads their index."""
    issue_days = (filters.get("issued_from"), filters.get("issued_to"))
    due_days = (filters.get("due_from"), filters.get("due_to"))
    ranges: Sequence[tuple[str, tuple[date | None, date | None], bool]] = (
        (_ISSUED_ON, issue_days, order in {DocumentOrder.ISSUED_ON, DocumentOrder.NUMBER}),
        (_DUE_ON, due_days, order is DocumentOrder.DUE_ON),
    )
    for column, (first, last), is_sorted in ranges:
        if first is not None or last is not None:
            add_condition = query.where_indexed if is_sorted else query.where
            add_condition(f"{column} BETWEEN {{}} AND {{}}", first or _FIRST_DAY, min(last or _LAST_DAY, _LAST_DAY))


_LINE_COLUMNS: Final = document_line.COLUMNS | db.prefix_columns("product", product.COLUMNS | {"id": "l.product_id"})
_LINE_PARTS: Final = {"product": ProductRow}
_LINE_JOINS: Final = {
    "d": lookup(f"{document.TABLE} d", "d.id = l.document_id"),
    "p": optional_lookup("products p", "p.id = l.product_id"),
}


def document_lines() -> ConnectionQuery[DocumentLineRow]:
    """The lines of a document, under the document's id, in their order. The caller has to check the scope."""
    return ConnectionQuery(
        row=DocumentLineRow,
        columns=_LINE_COLUMNS,
        source="document_lines l",
        joins=_LINE_JOINS,
        parts=_LINE_PARTS,
        parent="l.document_id = {key}",
        order=Order((("l.id", "uuid"),)),
        required_columns=("id", "account_id", "created_by_id"),
        key="document_id",
    )


_PAID_DOCUMENTS: Final = {"d": lookup(f"{document.TABLE} d", "d.id = p.document_id")}


def document_payments() -> ConnectionQuery[DocumentPaymentRow]:
    """The payments of a document, under the document's id, the first one first. The caller has to check the scope."""
    return ConnectionQuery(
        row=DocumentPaymentRow,
        columns=payment.COLUMNS,
        source="document_payments p",
        joins=_PAID_DOCUMENTS,
        parent="p.document_id = {key}",
        order=Order((("p.id", "uuid"),)),
        required_columns=("id", "account_id", "created_by_id"),
        key="document_id",
    )
