"""Documents in the graph."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry

import resolvers.user
from auth.policy import Permission
from database.listing import Connection as Page
from database.listing import ConnectionQuery
from database.rows import column
from models.base.errors import OperationError
from resolvers import rights
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import rows_by_ids
from resolvers.row_scope import ScopedRights, pages_in_scope
from schema.connection import BOTH_WAYS, Connection, Node
from schema.declare import AUTHENTICATED, field, global_id, graph_enum, graph_type, input_field, needs
from schema.payload import Payload, payload
from schema.user import User
from workspace import document, document_list, issuing, payment
from workspace.document import DocumentKind, DocumentRow, DocumentStatus
from workspace.document_list import DocumentOrder
from workspace.graph import contact, document_line
from workspace.graph.contact import Contact
from workspace.graph.delivery import DocumentDelivery
from workspace.graph.delivery import of_documents as deliveries_of_documents
from workspace.graph.document_line import DocumentLine
from workspace.graph.guarded_list import refusals_of
from workspace.graph.payment import DocumentPayment
from workspace.graph.payment import of_documents as payments_of_documents
from workspace.scope import SCOPE
from workspace.vat import VatAmount

# ---- Resolvers -------------------------------------------------------------------------------

of_documents: Final = ScopedRights(scope=SCOPE)
"""The rights on documents."""
by_ids = rows_by_ids(document.by_ids)
"""The documents with these ids. None for an unknown id."""


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: document_list.DocumentFilter | None = None,  # noqa: A002 - the argument's name
    order_by: DocumentOrder | None = None,
    **page: Any,
) -> list[Page[DocumentRow] | OperationError]:
    """The documents of each account that are in the caller's scope.

    A filter by the contact is refused in each account where the caller may not read contacts.
    """
    rule = needs(Permission.CONTACTS_READ) if document_list.reads_contacts(filter) else None
    refusals, keys = refusals_of(accounts, rule, info.context), [row["id"] for row in accounts]
    today = info.context.now.date()

    def make_query(creator_id: UUID | None) -> ConnectionQuery[DocumentRow]:
        return document_list.documents(filter, order_by, today, created_by_id=creator_id)

    connections = await pages_in_scope(SCOPE, make_query, [key for key in keys if key not in refusals], info, page)
    by_key = {connection.key: connection for connection in connections}
    return [refusals.get(key) or by_key[key] for key in keys]


async def corrected_invoices(rows: Sequence[Any], info: Info) -> list[DocumentRow | None]:
    """The invoice that each credit note corrects. None if it is outside the caller's scope."""
    keys = column(rows, "corrected_id")
    documents = await by_ids([key for key in keys if key is not None], info.context)
    by_key = {row.id: row for row in documents if row is not None and of_documents.exists(row, info.context)}
    return [by_key.get(key) for key in keys]


async def vat_amounts(rows: Sequence[Any], _: Info) -> list[Sequence[VatAmount]]:
    """The VAT of each document, by rate."""
    keys = column(rows, "id")
    totals = await document.totals_of(dict(zip(keys, column(rows, "currency"), strict=True)))
    return [totals[key].vat_amounts for key in keys]


async def load_document(context: Context, key: UUID) -> dict[str, object]:
    """The payload of a mutation that changes a document."""
    return {"document": (await by_ids([key], context))[0]}


create_document = mutation_resolver(document.create, load_document)
update_document = mutation_resolver(document.update, load_document)
delete_document = mutation_resolver(document.delete, load_document)

issue_document = mutation_resolver(issuing.issue, load_document)
create_credit_note = mutation_resolver(issuing.create_credit_note, load_document)
record_payment = mutation_resolver(payment.record, load_document)

# ---- Types -----------------------------------------------------------------------------------

LazyDocument = Annotated["Document", strawberry.lazy("workspace.graph.document")]

graph_enum(
    DocumentKind,
    "The kind of a document.",
    {DocumentKind.INVOICE: "A claim for goods or services.", DocumentKind.CREDIT_NOTE: "It corrects an invoice."},
)
graph_enum(
    DocumentStatus,
    "The status of a document.",
    {
        DocumentStatus.DRAFT: "It can be changed, and has no number.",
        DocumentStatus.ISSUED: "It has a number, and does not change.",
        DocumentStatus.SENT: "It was sent to the buyer.",
        DocumentStatus.PARTLY_PAID: "A part of its amount was paid.",
        DocumentStatus.PAID: "Nothing of it is open.",
        DocumentStatus.CREDITED: "A credit note, or several, correct its whole amount.",
        DocumentStatus.DELETED: "The draft was deleted. No list shows it.",
    },
)


graph_enum(
    DocumentOrder,
    "The order of a list of documents. The default is CREATED_AT; with a filter by dates of issue ISSUED_ON, and with "
    "a filter by due dates or `isOverdue: true` DUE_ON.",
    {
        DocumentOrder.CREATED_AT: "By creation, the newest first.",
        DocumentOrder.ISSUED_ON: "By date of issue and number, the latest first. Drafts come before all others.",
        DocumentOrder.NUMBER: "By number, the latest first. It is the order of the dates of issue.",
        DocumentOrder.DUE_ON: "By due date, the earliest first. Documents without one come last.",
        DocumentOrder.GROSS_AMOUNT: "By amount with VAT, the largest first. The currency does not count.",
    },
)


@graph_type(AUTHENTICATED, rights.of_unowned, description="The VAT of one rate in a document.")
class DocumentVat:
    """The VAT of one rate."""

    rate: Decimal = field(description="The rate, in percent.")
    taxable_amount: Decimal = field(description="The sum of the net amounts of the lines with this rate.")
    tax_amount: Decimal = field(description="The VAT, rounded once, half up, to the decimals of the currency.")


@graph_type(
    needs(Permission.DOCUMENTS_READ),
    of_documents,
    description="An invoice or credit note of an account. Without DOCUMENTS_READ_ALL, only documents that the viewer "
    "created exist for the viewer.",
)
class Document(Node):
    """A document."""

    id: strawberry.ID = global_id("Document")
    kind: DocumentKind = field(description="The kind of document.")
    status: DocumentStatus = field(description="The status.")
    number: str | None = field(description="The number in the account's series. Null: it is not issued.")
    currency: str = field(description="The currency of all amounts, ISO 4217.")
    issued_on: date | None = field(description="The date of issue. Null: it is not issued.")
    sold_on: date | None = field(description="The date of the sale. Null: that of issue.")
    due_on: date | None = field(
        description="The date until which it has to be paid. Null: none is set yet, or it is a credit note."
    )
    note: str | None = field(description="A text to the buyer. Null: none.")
    net_amount: Decimal = field(description="The sum of its lines without VAT.")
    tax_amount: Decimal = field(description="The sum of its VAT.")
    gross_amount: Decimal = field(description="The amount with VAT.")
    paid_amount: Decimal = field(description="The sum of its payments.")
    open_amount: Decimal = field(description="The amount that is neither paid nor credited.")
    vat_amounts: list[DocumentVat] = field(
        batch=vat_amounts,
        columns=("id", "currency"),
        cost_size=document.MAX_RATES,
        description="Its VAT by rate, the lowest first: at most 10.",
    )
    buyer_name: str | None = field(description="The buyer's name when it was issued. Null: it is not issued.")
    buyer_country: str | None = field(description="The buyer's country at that time. Null: none.")
    buyer_vat_number: str | None = field(description="The buyer's VAT number at that time. Null: none.")
    buyer_address: str | None = field(description="The buyer's address at that time. Null: none.")
    seller_name: str | None = field(description="The account's name when it was issued. Null: it is not issued.")
    seller_country: str | None = field(description="The account's country at that time. Null: none.")
    seller_organization_number: str | None = field(
        description="The account's organization number at that time. Null: none."
    )
    seller_vat_number: str | None = field(description="The account's VAT number at that time. Null: none.")
    seller_bank_account: str | None = field(description="The account's bank account at that time. Null: none.")
    contact: Contact | None = field(
        needs(Permission.CONTACTS_READ),
        batch=contact.of_rows,
        columns=("contact_id",),
        joined_as="contact",
        description="The contact as it is now. Null: none is set, or the viewer may not read contacts.",
    )
    corrected_invoice: LazyDocument | None = field(
        batch=corrected_invoices,
        columns=("corrected_id",),
        description="The invoice that a credit note corrects. Null: it is an invoice, or the viewer may not read it.",
    )
    created_by: User | None = field(
        batch=resolvers.user.creators, columns=("created_by_id",), description="The user who created it."
    )
    created_at: datetime = field(description="When it was created.")
    lines: Connection[DocumentLine] | None = field(
        batch=document_line.of_documents,
        columns=("id",),
        arguments=BOTH_WAYS,
        description="The lines, in their order: at most 1000.",
    )
    payments: Connection[DocumentPayment] | None = field(
        batch=payments_of_documents,
        columns=("id",),
        arguments=BOTH_WAYS,
        description="The payments, in the order in which they were recorded.",
    )
    deliveries: Connection[DocumentDelivery] | None = field(
        batch=deliveries_of_documents,
        columns=("id",),
        arguments=BOTH_WAYS,
        description="The sendings by mail, the newest first.",
    )


@strawberry.input(description="A filter of documents. A null or omitted field does not restrict.")
class DocumentFilter:
    """A filter of documents."""

    search: str | None = input_field(
        "Words of the number, the buyer's name or the note, or parts of them. Case and accents do not count."
    )
    status: list[DocumentStatus] | None = input_field("The statuses of the document.")
    kind: DocumentKind | None = input_field("The kind of document.")
    contact_id: strawberry.ID | None = input_field("The contact. Needs CONTACTS_READ.")
    issued_from: date | None = input_field("The first date of issue, included.")
    issued_to: date | None = input_field("The last date of issue, included.")
    due_from: date | None = input_field("The first due date, included.")
    due_to: date | None = input_field("The last due date, included.")
    is_overdue: bool | None = input_field(
        "True: only documents with an open amount whose due date is before today (UTC). False: only the others."
    )


# ---- Inputs and payloads ---------------------------------------------------------------------

_SOLD_ON = "The date of the sale, from 2000 to 2099."
_DUE_ON = "The date until which it has to be paid. If none is set, issuing computes it by the account's settings."
_NOTE = "A text to the buyer, at most 2000 characters."


@strawberry.input(description="The draft of an invoice.")
class CreateDocumentInput:
    """The input of createDocument."""

    account_id: strawberry.ID
    contact_id: strawberry.ID | None = input_field(
        "The buyer, a contact of the account that is not archived. Issuing requires one."
    )
    currency: str | None = input_field("The currency, ISO 4217. Null or omitted: that of the account.")
    sold_on: date | None = input_field(_SOLD_ON)
    due_on: date | None = input_field(_DUE_ON)
    note: str | None = input_field(_NOTE)
    idempotency_key: str | None


@strawberry.input(
    description="The fields of the draft to change. A null or omitted field stays as it is. An empty note removes it."
)
class UpdateDocumentInput:
    """The input of updateDocument."""

    document_id: strawberry.ID
    contact_id: strawberry.ID | None = input_field(
        "The buyer, a contact of the account that is not archived. A credit note keeps that of its invoice."
    )
    sold_on: date | None = input_field(_SOLD_ON)
    due_on: date | None = input_field(f"{_DUE_ON} A credit note has none.")
    note: str | None = input_field(_NOTE)


@strawberry.input(description="A draft to delete.")
class DeleteDocumentInput:
    """The input of deleteDocument."""

    document_id: strawberry.ID


@strawberry.input(description="A draft to issue.")
class IssueDocumentInput:
    """The input of issueDocument."""

    document_id: strawberry.ID
    issued_on: date | None = input_field(
        "The date of issue: not before that of the account's last document, and not after today (UTC). Null or "
        "omitted: today."
    )


@strawberry.input(description="An issued invoice to credit.")
class CreateCreditNoteInput:
    """The input of createCreditNote."""

    document_id: strawberry.ID
    idempotency_key: str | None


@strawberry.input(description="A payment of an issued invoice.")
class RecordPaymentInput:
    """The input of recordPayment."""

    document_id: strawberry.ID
    amount: Decimal = input_field("The amount: more than 0, and at most the open amount.")
    paid_on: date | None = input_field("The date of the payment. Null or omitted: today (UTC).")
    idempotency_key: str | None


@payload
class CreateDocumentPayload(Payload):
    """The payload of createDocument."""

    document: Document | None = field(description="The new draft. Null if refused.")


@payload
class UpdateDocumentPayload(Payload):
    """The payload of updateDocument."""

    document: Document | None = field(description="The draft after the change. Null if refused.")


@payload
class DeleteDocumentPayload(Payload):
    """The payload of deleteDocument."""

    document: Document | None = field(description="The draft with its status DELETED. Null if refused.")


@payload
class IssueDocumentPayload(Payload):
    """The payload of issueDocument."""

    document: Document | None = field(description="The issued document. Null if refused.")


@payload
class CreateCreditNotePayload(Payload):
    """The payload of createCreditNote."""

    document: Document | None = field(description="The draft of the credit note. Null if refused.")


@payload
class RecordPaymentPayload(Payload):
    """The payload of recordPayment."""

    document: Document | None = field(description="The invoice after the payment. Null if refused.")
