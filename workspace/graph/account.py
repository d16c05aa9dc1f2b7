"""The fields that the workspace adds to accounts."""

from datetime import date

from auth.policy import Permission
from schema.connection import BOTH_WAYS, Connection
from schema.declare import field, graph_part, needs
from workspace.document_list import DocumentOrder
from workspace.expense_list import ExpenseOrder
from workspace.graph import contact, document, expense, export, product, report
from workspace.graph.contact import Contact, ContactFilter
from workspace.graph.document import Document, DocumentFilter
from workspace.graph.expense import Expense, ExpenseFilter
from workspace.graph.export import Export
from workspace.graph.product import Product, ProductFilter
from workspace.graph.report import AccountReports
from workspace.lists import ContactOrder, ProductOrder
from workspace.report import MAX_DOCUMENTS


@graph_part
class AccountPart:
    """Fields of Account."""

    contacts: Connection[Contact] | None = field(
        needs(Permission.CONTACTS_READ),
        batch=contact.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": ContactFilter | None, "order_by": ContactOrder | None},
        description="The customers and suppliers, archived ones included. Null if the viewer may not read contacts.",
    )
    products: Connection[Product] | None = field(
        needs(Permission.PRODUCTS_READ),
        batch=product.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": ProductFilter | None, "order_by": ProductOrder | None},
        description="The products, archived ones included. Null if the viewer may not read products.",
    )
    documents: Connection[Document] | None = field(
        needs(Permission.DOCUMENTS_READ),
        batch=document.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": DocumentFilter | None, "order_by": DocumentOrder | None},
        description="The documents, without deleted drafts. Without DOCUMENTS_READ_ALL, only those that the viewer "
        "created. Null if the viewer may not read documents.",
    )
    expenses: Connection[Expense] | None = field(
        needs(Permission.EXPENSES_READ),
        batch=expense.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": ExpenseFilter | None, "order_by": ExpenseOrder | None},
        description="The expenses, archived ones included. Null if the viewer may not read expenses.",
    )
    exports: Connection[Export] | None = field(
        needs(Permission.EXPORTS_CREATE),
        batch=export.of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS,
        description="The exports that the viewer created, the newest first. Null if the viewer may not export.",
    )
    reports: AccountReports | None = field(
        needs(Permission.REPORTS_READ),
        batch=report.of_accounts,
        reads_rows=MAX_DOCUMENTS,
        columns=("id",),
        arguments={"starts_on": date | None, "ends_on": date | None},
        description="The reports over a range of days. Null if the viewer may not read reports, and, with the error "
        "BAD_USER_INPUT, if the range has more than 50,000 documents.",
    )
