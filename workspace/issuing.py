"""Issuing of documents: numbers, copies of buyer and seller, and credit notes.

The numbers of an account are one series for invoices and credit notes: the account's prefix, the year of issue, and a
counter that starts again each year. The counter is a row that issuing locks until its commit, so two issuings never
have one number, and a rollback leaves no gap. Dates follow the numbers: no document is issued before the last one. The
prefix of a year is fixed by its first number, so that the series does not change in mid-year.

A credit note has VAT of its own, which is rounded. So several of them can have some minor units of VAT more or less
than their invoice. The last of them leaves no net amount at any rate, and credits exactly what is left:

    an invoice of 3 lines of 0.33 EUR at 23 %:    0.99 + 0.23 = 1.22 EUR
    a credit note for each line, 0.33 + 0.08:     credits 0.41, 0.41, and then 0.40
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access import operation
from models.access.operation import OperationContext
from models.access.scoped_operation import requires_in_scope
from models.accounts.account import Account
from models.base.errors import UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from workspace import document, money
from workspace.contact import Contact
from workspace.document import TABLE, Document, DocumentKind, DocumentStatus
from workspace.document_line import DocumentLine
from workspace.event_type import WorkspaceEventType
from workspace.payment import PAYABLE, status_after
from workspace.scope import SCOPE

_CORRECTABLE: Final = PAYABLE | {DocumentStatus.PAID}


class _Series(db.Row):
    counter: int
    prefix: str


_LAST_DAY: Final = """
SELECT max(s.last_issued_on) AS day FROM document_series s WHERE s.account_id = $1
"""
_NEXT_NUMBER: Final = """
INSERT INTO document_series AS s (account_id, year, prefix, counter, last_issued_on) VALUES ($1, $2, $3, 1, $4)
ON CONFLICT (account_id, year) DO UPDATE SET counter = s.counter + 1, last_issued_on = EXCLUDED.last_issued_on
RETURNING s.counter, s.prefix
"""


@requires_in_scope(SCOPE, Permission.DOCUMENTS_WRITE, WorkspaceEventType.DOCUMENT_ISSUE, of="document", table=TABLE)
async def issue(context: OperationContext, document_id: UUID, *, issued_on: date | None = None) -> UUID:
    """Issue a draft today (UTC), or at an earlier date. Returns the document's id."""
    draft = await document.get_draft(document_id)
    account = await Account.get(id=context.account_id)
    buyer = await Contact.get_or_none(id=draft.contact_id) if draft.contact_id is not None else None
    if buyer is None:
        raise refuse(UserErrorCode.REQUIRED, "document_id", mark("The document has no contact."))
    if not await DocumentLine.filter(document_id=document_id).exists():
        raise refuse(UserErrorCode.REQUIRED, "document_id", mark("The document has no lines."))
    today = context.now.date()
    day = issued_on or today
    with Validation() as check:
        _ = document.check_date(check, "issued_on", day, first=await _first_day(context.account_id), last=today)
        due_on = draft.due_on if draft.kind is DocumentKind.INVOICE else None
        if due_on is not None:
            _ = document.check_date(check, "due_on", due_on, first=day)
    if due_on is None and draft.kind is DocumentKind.INVOICE:
        due_on = day + timedelta(days=account.payment_term_days)
    correction = await _check_correction(context, draft)
    (series,) = await db.fetch(_NEXT_NUMBER, context.account_id, day.year, account.invoice_prefix, day, row=_Series)
    if series.prefix != account.invoice_prefix:
        raise refuse(
            UserErrorCode.INVALID_STATE,
            None,
            mark("The numbers of this year begin with “%(prefix)s”. Set that prefix again until the year ends."),
            prefix=series.prefix,
        )
    number = f"{series.prefix}{day.year}-{series.counter:04d}"
    _ = await db.execute(
        _ISSUE, document_id, number, day.year, series.counter, day, due_on,
        buyer.name, buyer.country, buyer.vat_number, buyer.address,
        account.name, account.country, account.organization_number, account.vat_number, account.bank_account_number,
    )  # fmt: skip
    if correction is not None:
        await _credit(*correction)
    await context.record(WorkspaceEventType.DOCUMENT_ISSUE, after={"document": document_id, "number": number})
    return document_id


_ISSUE: Final = f"""
UPDATE {TABLE} SET status = 'ISSUED', number = $2, series_year = $3, series_counter = $4, issued_on = $5, due_on = $6,
    buyer_name = $7, buyer_country = $8, buyer_vat_number = $9, buyer_address = $10, seller_name = $11,
    seller_country = $12, seller_organization_number = $13, seller_vat_number = $14, seller_bank_account = $15
WHERE id = $1 AND status = 'DRAFT'
"""


class _Day(db.Row):
    day: date | None


async def _first_day(account_id: UUID) -> date:
    """The first date on which the next document can be issued: that of the last one."""
    (row,) = await db.fetch(_LAST_DAY, account_id, row=_Day)
    return row.day or document.FIRST_DATE


# ---- Credit notes ----------------------------------------------------------------------------


@idempotent("createCreditNote")
@requires_in_scope(SCOPE, Permission.DOCUMENTS_WRITE, WorkspaceEventType.DOCUMENT_CREATE, of="document", table=TABLE)
async def create_credit_note(context: OperationContext, document_id: UUID) -> UUID:
    """Create the draft of a credit note for an issued invoice, with all of its lines. Returns the draft's id."""
    invoice = await Document.get(id=document_id)
    _require_correctable(invoice)
    zero = money.round_amount(Decimal(0), invoice.currency)
    draft = await Document.create(
        account_id=invoice.account_id,
        created_by_id=context.user_id,
        kind=DocumentKind.CREDIT_NOTE,
        corrected_id=invoice.id,
        contact_id=invoice.contact_id,
        currency=invoice.currency,
        net_amount=invoice.net_amount,
        tax_amount=invoice.tax_amount,
        paid_amount=zero,
        credited_amount=zero,
        created_at=context.now,
    )
    line_ids = await DocumentLine.filter(document_id=invoice.id).order_by("id").values_list("id", flat=True)
    _ = await db.execute(_COPY_LINES, draft.id, line_ids, [keys.uuid7() for _ in line_ids])
    await context.record(
        WorkspaceEventType.DOCUMENT_CREATE,
        creator_id=context.user_id,
        after={"document": draft.id, "kind": draft.kind, "corrected": str(invoice.id)},
    )
    return draft.id


_COPY_LINES: Final = """
INSERT INTO document_lines (id, document_id, product_id, description, unit, quantity, unit_price, purchase_price,
    discount_percent, vat_rate, net_amount)
SELECT copies.id, $1, l.product_id, l.description, l.unit, l.quantity, l.unit_price, l.purchase_price,
    l.discount_percent, l.vat_rate, l.net_amount
FROM unnest($2::uuid[], $3::uuid[]) copies (line_id, id) JOIN document_lines l ON l.id = copies.line_id
"""


def _require_correctable(invoice: Document) -> None:
    if invoice.kind is not DocumentKind.INVOICE or invoice.status not in _CORRECTABLE:
        raise refuse(UserErrorCode.INVALID_STATE, None, mark("Only an issued invoice can be credited."))


class _Remainder(db.Row):
    is_left: bool


# The rates at which the invoice has another net amount than its issued credit notes and the draft together.
_REMAINDER: Final = f"""
SELECT EXISTS (
    SELECT FROM (
        SELECT id, 1 AS sign FROM {TABLE} WHERE id = $1
        UNION ALL SELECT id, -1 FROM {TABLE} WHERE corrected_id = $1 AND (number IS NOT NULL OR id = $2)
    ) d JOIN document_lines l ON l.document_id = d.id GROUP BY l.vat_rate HAVING sum(d.sign * l.net_amount) <> 0
) AS is_left
"""


async def _check_correction(context: OperationContext, draft: Document) -> tuple[Document, Decimal] | None:
    """The invoice that a credit note corrects, and the amount by which it credits it. None for an invoice.

    Raises Refusal: the invoice was credited meanwhile, or would be credited with more than its amount. Raises Forbidden
    if the invoice is no longer in the caller's scope.
    """
    if draft.corrected_id is None:
        return None
    invoice = await Document.get(id=draft.corrected_id)
    if not SCOPE.reaches(invoice.created_by_id, context.user_id, context.access.bits):
        operation.require(context.access, SCOPE.permission)
    _require_correctable(invoice)
    amount_left = invoice.gross_amount - invoice.credited_amount
    (remainder,) = await db.fetch(_REMAINDER, invoice.id, draft.id, row=_Remainder)
    if not remainder.is_left:
        return invoice, amount_left
    if draft.gross_amount > amount_left:
        raise refuse(UserErrorCode.OUT_OF_RANGE, None, mark("The credit note is larger than what is left to credit."))
    return invoice, draft.gross_amount


async def _credit(invoice: Document, amount: Decimal) -> None:
    credited_amount = invoice.credited_amount + amount
    is_credited = credited_amount == invoice.gross_amount
    status = DocumentStatus.CREDITED if is_credited else status_after(invoice, invoice.open_amount - amount)
    _ = await Document.filter(id=invoice.id).update(credited_amount=credited_amount, status=status)
