"""Products in the graph."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import strawberry

from auth.policy import Permission
from auth.rules import needs
from database.listing import Connection as Page
from models.base.errors import OperationError
from resolvers import rights
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import rows_by_ids
from schema.connection import Node
from schema.declare import field, global_id, graph_enum, graph_type, input_field
from schema.payload import Payload, payload
from workspace import lists, product
from workspace.graph.guarded_list import guarded_pages
from workspace.lists import ProductOrder
from workspace.product import ProductRow

# ---- Resolvers -------------------------------------------------------------------------------

by_ids = rows_by_ids(product.by_ids)
"""The products with these ids. None for an unknown id."""
_PURCHASE_PRICES: Final = needs(Permission.PURCHASE_PRICES_READ)


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.ProductFilter | None = None,  # noqa: A002 - the argument's name
    order_by: ProductOrder | None = None,
    **page: Any,
) -> list[Page[ProductRow] | OperationError]:
    """The products of each account.

    A filter or an order by purchase prices is refused in each account where the caller may not read these.
    """
    query = lists.products(filter, order_by, info.context.caller.locale)
    rule = _PURCHASE_PRICES if lists.reads_purchase_prices(filter, order_by) else None
    return await guarded_pages(query, accounts, info, page, rule)


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"product": (await by_ids([key], context))[0]}


create_product = mutation_resolver(product.create, _load_payload)
update_product = mutation_resolver(product.update, _load_payload)
archive_product = mutation_resolver(product.archive, _load_payload)

# ---- Types -----------------------------------------------------------------------------------

graph_enum(
    ProductOrder,
    "The order of a list of products. The default is CREATED_AT.",
    {
        ProductOrder.NAME: "By name, in the alphabet of the viewer's language. Of a longer list, the newest 10,000.",
        ProductOrder.CREATED_AT: "By creation, the oldest first.",
        ProductOrder.PRICE: "By price, ascending. The currency does not count.",
        ProductOrder.PURCHASE_PRICE: "By purchase price, ascending. The currency does not count. Products without "
        "one come first. Needs PURCHASE_PRICES_READ.",
    },
)


@graph_type(
    needs(Permission.PRODUCTS_READ),
    rights.of_account_parts,
    description="A product that an account sells.",
)
class Product(Node):
    """A product."""

    id: strawberry.ID = global_id("Product")
    name: str = field(description="The name.")
    unit: str = field(description="The unit that the price is for, such as `h` or `kg`. May be empty.")
    currency: str = field(description="The currency of the prices, ISO 4217.")
    price: Decimal = field(description="The price of one unit without VAT.")
    purchase_price: Decimal | None = field(
        _PURCHASE_PRICES,
        description="The price that the account pays for one unit. Null: none is set, or the viewer may not read it.",
    )
    vat_rate: Decimal = field(description="The rate of VAT, in percent.")
    is_archived: bool = field(description="True if it is no longer sold.")
    created_at: datetime = field(description="When it was created.")


@strawberry.input(description="A filter of products. A null or omitted field does not restrict.")
class ProductFilter:
    """A filter of products."""

    search: str | None = input_field("Words of the name, or parts of them. Case and accents do not count.")
    is_archived: bool | None = input_field("True: only archived products. False: only those in use.")
    min_purchase_price: Decimal | None = input_field("The lowest purchase price. Needs PURCHASE_PRICES_READ.")


# ---- Inputs and payloads ---------------------------------------------------------------------

_NAME = "The name of the product, at most 200 characters."
_UNIT = "The unit that the price is for, at most 20 characters. May be empty."
_PRICE = "The price of one unit without VAT: 0 or more, with at most 6 decimals."
_PURCHASE_PRICE = "The price that the account pays for one unit. Needs PURCHASE_PRICES_READ."
_VAT_RATE = "The rate of VAT in percent, 0 to 100, with at most 2 decimals."


@strawberry.input(description="A new product.")
class CreateProductInput:
    """The input of createProduct."""

    account_id: strawberry.ID
    name: str = input_field(_NAME)
    price: Decimal = input_field(_PRICE)
    vat_rate: Decimal = input_field(_VAT_RATE)
    unit: str | None = input_field(_UNIT)
    currency: str | None = input_field("The currency of the prices, ISO 4217. Null or omitted: that of the account.")
    purchase_price: Decimal | None = input_field(_PURCHASE_PRICE)
    idempotency_key: str | None


@strawberry.input(description="The fields of the product to change. A null or omitted field stays as it is.")
class UpdateProductInput:
    """The input of updateProduct."""

    product_id: strawberry.ID
    name: str | None = input_field(_NAME)
    unit: str | None = input_field(_UNIT)
    price: Decimal | None = input_field(_PRICE)
    purchase_price: Decimal | None = input_field(_PURCHASE_PRICE)
    remove_purchase_price: bool | None = input_field(
        "True removes the purchase price. Not together with `purchasePrice`. Needs PURCHASE_PRICES_READ."
    )
    vat_rate: Decimal | None = input_field(_VAT_RATE)


@strawberry.input(description="A product to archive, or to take out of the archive.")
class ArchiveProductInput:
    """The input of archiveProduct."""

    product_id: strawberry.ID
    is_archived: bool | None = input_field("False takes the product out of the archive. Null or omitted: true.")


@payload
class CreateProductPayload(Payload):
    """The payload of createProduct."""

    product: Product | None = field(description="The new product. Null if refused.")


@payload
class UpdateProductPayload(Payload):
    """The payload of updateProduct."""

    product: Product | None = field(description="The product after the change. Null if refused.")


@payload
class ArchiveProductPayload(Payload):
    """The payload of archiveProduct."""

    product: Product | None = field(description="The product after the change. Null if refused.")
