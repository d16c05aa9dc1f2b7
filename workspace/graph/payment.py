"""Payments of documents in the graph."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import strawberry

from auth.policy import Permission
from database.listing import Connection as Page
from database.rows import column
from resolvers.context import Info
from resolvers.pages import pages, rows_by_ids
from resolvers.row_scope import ScopedRights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, needs
from workspace import document_list, payment
from workspace.payment import DocumentPaymentRow
from workspace.scope import SCOPE

of_payments: Final = ScopedRights(scope=SCOPE)
"""The rights on payments: those on their document."""
by_ids = rows_by_ids(payment.by_ids)
"""The payments with these ids. None for an unknown id."""


async def of_documents(documents: Sequence[Any], info: Info, **page: Any) -> list[Page[DocumentPaymentRow]]:
    """The payments of each document."""
    return await pages(document_list.document_payments(), column(documents, "id"), info, page)


@graph_type(needs(Permission.DOCUMENTS_READ), of_payments, description="A payment of an invoice.")
class DocumentPayment(Node):
    """A payment."""

    id: strawberry.ID = global_id("DocumentPayment")
    amount: Decimal = field(description="The amount, in the currency of the document.")
    paid_on: date = field(description="The date of the payment.")
    created_at: datetime = field(description="When it was recorded.")
