"""The workspace in the graph: what schema/build.py and the resolvers of the product read from it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from starlette.routing import BaseRoute

from models.base.caller import OperationConfig
from resolvers import rights
from workspace.contact import ContactRow
from workspace.document import DocumentRow
from workspace.document_line import DocumentLineRow
from workspace.expense import ExpenseRow
from workspace.export import ExportRow
from workspace.graph import (
    contact,
    delivery,
    delivery_download,
    document,
    document_line,
    expense,
    export,
    export_download,
    payment,
    product,
)
from workspace.graph.account import AccountPart
from workspace.graph.contact import Contact
from workspace.graph.delivery import DocumentDelivery, of_deliveries
from workspace.graph.document import Document, of_documents
from workspace.graph.document_line import DocumentLine, of_lines
from workspace.graph.expense import Expense
from workspace.graph.export import Export, of_exports
from workspace.graph.mutation import MutationPart
from workspace.graph.payment import DocumentPayment, of_payments
from workspace.graph.product import Product
from workspace.payment import DocumentPaymentRow
from workspace.product import ProductRow
from workspace.sending import DeliveryRow

ACCOUNT: Final = AccountPart
MUTATION: Final = MutationPart
TYPES: Final[tuple[type, ...]] = (
    Contact,
    Product,
    Document,
    DocumentLine,
    DocumentPayment,
    DocumentDelivery,
    Expense,
    Export,
)
LOADERS: Final[Mapping[str, Any]] = {
    "Contact": contact.by_ids,
    "Product": product.by_ids,
    "Document": document.by_ids,
    "DocumentLine": document_line.by_ids,
    "DocumentPayment": payment.by_ids,
    "DocumentDelivery": delivery.by_ids,
    "Expense": expense.by_ids,
    "Export": export.by_ids,
}
ROW_RIGHTS: Final = {
    ContactRow: rights.of_account_parts,
    ProductRow: rights.of_account_parts,
    DocumentRow: of_documents,
    DocumentLineRow: of_lines,
    DocumentPaymentRow: of_payments,
    DeliveryRow: of_deliveries,
    ExpenseRow: rights.of_account_parts,
    ExportRow: of_exports,
}


def ROUTES(config: OperationConfig, clock: Callable[[], datetime]) -> Sequence[BaseRoute]:  # noqa: N802 - a part of the module
    """The routes of the workspace."""
    return [*export_download.routes(config, clock), *delivery_download.routes(config, clock)]
