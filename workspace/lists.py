"""The connections of contacts and products: their filters and orders.

The orders by creation and by price have an index, and so have the filters by kind and archive in the order of creation.
Searches, and the order by name in the alphabet of the viewer, read up to a scan.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final, TypedDict

from database.listing import ConnectionQuery
from database.page_sql import Order
from models.lists import names
from workspace import contact, product
from workspace.contact import ContactKind, ContactRow
from workspace.product import ProductRow


class ContactOrder(StrEnum):
    """The orders of contacts."""

    NAME = "NAME"
    CREATED_AT = "CREATED_AT"


class ProductOrder(StrEnum):
    """The orders of products."""

    NAME = "NAME"
    CREATED_AT = "CREATED_AT"
    PRICE = "PRICE"
    PURCHASE_PRICE = "PURCHASE_PRICE"


class ContactFilter(TypedDict, total=False):
    """The filters of contacts. An omitted or null filter matches all."""

    search: str | None
    kind: list[ContactKind] | None
    is_archived: bool | None


class ProductFilter(TypedDict, total=False):
    """The filters of products. An omitted or null filter matches all."""

    search: str | None
    is_archived: bool | None
    min_purchase_price: Decimal | None


_PRODUCT_ORDERS: Final = {
    ProductOrder.CREATED_AT: Order((("p.id", "uuid"),)),
    ProductOrder.PRICE: Order((("p.price", "numeric"), ("p.id", "uuid"))),
    # A product without a purchase price comes first.
    ProductOrder.PURCHASE_PRICE: Order((("COALESCE(p.purchase_price, -1)", "numeric"), ("p.id", "uuid"))),
}


def contacts(filters: ContactFilter | None, order: ContactOrder | None, locale: str) -> ConnectionQuery[ContactRow]:
    """The contacts of an account, under the account's id. `locale` is the language that sorts names."""
    is_by_name = order is ContactOrder.NAME
    query = ConnectionQuery(
        row=ContactRow,
        columns=contact.COLUMNS,
        source="contacts c",
        parent="c.account_id = {key}",
        order=Order((names.sort_key("c", locale), ("c.id", "uuid"))) if is_by_name else Order((("c.id", "uuid"),)),
        index_order=("c.id",) if is_by_name else (),
        has_index=not is_by_name,
        required_columns=("id", "account_id"),
        key="account_id",
    )
    filters = filters or {}
    kinds, is_archived = filters.get("kind"), filters.get("is_archived")
    if kinds is not None:
        query.where_any("c.kind = {}", kinds)
    if is_archived is not None:
        add_condition = query.where_indexed if kinds is None else query.where
        add_condition("c.is_archived = {}", is_archived)
    if search := filters.get("search"):
        names.search(query, "c.search_key", search)
    return query


def reads_purchase_prices(filters: ProductFilter | None, order: ProductOrder | None) -> bool:
    """True if a list with this filter and order tells about purchase prices."""
    return order is ProductOrder.PURCHASE_PRICE or (filters or {}).get("min_purchase_price") is not None


def products(filters: ProductFilter | None, order: ProductOrder | None, locale: str) -> ConnectionQuery[ProductRow]:
    """The products of an account, under the account's id. The caller has to check `reads_purchase_prices`."""
    order = order or ProductOrder.CREATED_AT
    is_by_name = order is ProductOrder.NAME
    query = ConnectionQuery(
        row=ProductRow,
        columns=product.COLUMNS,
        source="products p",
        parent="p.account_id = {key}",
        order=Order((names.sort_key("p", locale), ("p.id", "uuid"))) if is_by_name else _PRODUCT_ORDERS[order],
        index_order=("p.id",) if is_by_name else (),
        has_index=not is_by_name,
        required_columns=("id", "account_id"),
        key="account_id",
    )
    filters = filters or {}
    if (is_archived := filters.get("is_archived")) is not None:
        add_condition = query.where_indexed if order is ProductOrder.CREATED_AT else query.where
        add_condition("p.is_archived = {}", is_archived)
    if (lowest := filters.get("min_purchase_price")) is not None:
        query.where("p.purchase_price >= {}", lowest)
    if search := filters.get("search"):
        names.search(query, "p.search_key", search)
    return query
