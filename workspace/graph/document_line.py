"""Lines of documents in the graph."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import strawberry

from auth.policy import Permission
from database.listing import Connection as Page
from database.rows import column
from resolvers.context import Info
from resolvers.pages import pages, related, rows_by_ids
from resolvers.row_scope import ScopedRights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, needs
from workspace import document_line, document_list
from workspace.document_line import DocumentLineRow
from workspace.graph import product
from workspace.graph.product import Product
from workspace.scope import SCOPE

of_lines: Final = ScopedRights(scope=SCOPE)
"""The rights on lines: those on their document."""
by_ids = rows_by_ids(document_line.by_ids)
"""The lines with these ids. None for an unknown id."""


async def of_documents(documents: Sequence[Any], info: Info, **page: Any) -> list[Page[DocumentLineRow]]:
    """The lines of each document."""
    return await pages(document_list.document_lines(), column(documents, "id"), info, page)


async def products(rows: Sequence[Any], info: Info) -> Sequence[Any]:
    """The product of each line. None for a free text."""
    return await related(rows, "product", info, product.by_ids)


@graph_type(needs(Permission.DOCUMENTS_READ), of_lines, description="A line of a document.")
class DocumentLine(Node):
    """A line."""

    id: strawberry.ID = global_id("DocumentLine")
    description: str = field(description="The text.")
    unit: str = field(description="The unit of the quantity. May be empty.")
    quantity: Decimal = field(description="The quantity.")
    unit_price: Decimal = field(description="The price of one unit without VAT.")
    purchase_price: Decimal | None = field(
        needs(Permission.PURCHASE_PRICES_READ),
        description="The purchase price of the product when the line was added. Null: none was set, or the viewer may "
        "not read it.",
    )
    discount_percent: Decimal = field(description="The discount, in percent.")
    vat_rate: Decimal = field(description="The rate of VAT, in percent.")
    net_amount: Decimal = field(description="Quantity times price less the discount, rounded, without VAT.")
    product: Product | None = field(
        needs(Permission.PRODUCTS_READ),
        batch=products,
        columns=("product_id",),
        joined_as="product",
        description="The product as it is now. Null: it is a free text, or the viewer may not read products.",
    )
