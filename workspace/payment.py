"""Payments of invoices. A payment does not change, and is at most what is open. It has the scope of its document."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access.operation import OperationContext
from models.access.scoped_operation import requires_in_scope
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from workspace import document, money
from workspace.document import TABLE, Document, DocumentKind, DocumentStatus
from workspace.event_type import WorkspaceEventType
from workspace.scope import SCOPE

PAYABLE: Final = frozenset({DocumentStatus.ISSUED, DocumentStatus.SENT, DocumentStatus.PARTLY_PAID})
"""The statuses of an invoice that can be paid."""


class DocumentPayment(Model):
    """A payment of a document."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    document_id = fields.UUIDField()
    amount = money.AmountField()
    paid_on = fields.DateField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = "document_payments"


class DocumentPaymentRow(db.Row):
    """A payment in lists, with the account and the creator of its document. The amount and the date are texts."""

    graphql_type = "DocumentPayment"

    id: UUID
    account_id: UUID
    created_by_id: UUID
    document_id: UUID
    amount: str
    paid_on: str
    created_at: datetime


COLUMNS: Final = db.columns_of(
    "p",
    DocumentPaymentRow,
    {
        "account_id": "d.account_id",
        "created_by_id": "d.created_by_id",
        "amount": "p.amount::text",
        "paid_on": "p.paid_on::text",
    },
)
_BY_IDS: Final = f"""
SELECT {db.select_list(COLUMNS)} FROM document_payments p JOIN {TABLE} d ON d.id = p.document_id
WHERE p.id = ANY($1::uuid[])
"""


async def by_ids(ids: list[UUID]) -> list[DocumentPaymentRow | None]:
    """The payments with these ids, in this order. The caller has to check the access and the scope."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=DocumentPaymentRow))


@idempotent("recordPayment")
@requires_in_scope(SCOPE, Permission.DOCUMENTS_WRITE, WorkspaceEventType.DOCUMENT_PAY, of="document", table=TABLE)
async def record(context: OperationContext, document_id: UUID, *, amount: Decimal, paid_on: date | None = None) -> UUID:
    """Record a payment of an issued invoice, of today (UTC) or an earlier date. Returns the document's id."""
    invoice = await Document.get(id=document_id)
    if invoice.kind is not DocumentKind.INVOICE or invoice.status not in PAYABLE:
        raise _not_payable()
    today = context.now.date()
    day = paid_on or today
    with Validation() as check:
        number = money.check_amount(check, "amount", amount, invoice.currency)
        if number > invoice.open_amount or amount == 0:
            check.add_problem(
                UserErrorCode.OUT_OF_RANGE,
                "amount",
                mark("A payment is more than zero, and at most what is open: %(open)s."),
                open=str(invoice.open_amount),
            )
        _ = document.check_date(check, "paid_on", day, last=today)
    paid_amount = invoice.paid_amount + number
    status = status_after(invoice, invoice.open_amount - number)
    if status is invoice.status:
        status = DocumentStatus.PARTLY_PAID
    _ = await DocumentPayment.create(document_id=document_id, amount=number, paid_on=day, created_at=context.now)
    _ = await Document.filter(id=document_id).update(paid_amount=paid_amount, status=status)
    await context.record(WorkspaceEventType.DOCUMENT_PAY, after={"document": document_id, "amount": str(number)})
    return document_id


def _not_payable() -> Refusal:
    return refuse(UserErrorCode.INVALID_STATE, None, mark("Only an issued invoice with an open amount can be paid."))


def status_after(invoice: Document, open_amount: Decimal) -> DocumentStatus:
    """The status of an invoice of which `open_amount` is left to pay. It is negative if more was paid and credited."""
    return DocumentStatus.PAID if open_amount <= 0 else invoice.status
