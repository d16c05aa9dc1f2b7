"""Documents: the invoices and credit notes of an account.

    create --> DRAFT --issue--> ISSUED --send--> SENT
                 |                 |--------------|--pay--> PARTLY_PAID --pay--> PAID
                 `--delete-->      `--------------|---------------|---------------|--credit in full--> CREDITED
                          DELETED

A draft has no number and can change. When it is issued, `issuing.py` gives it the next number of the account's one
series, and copies buyer and seller. From then on the database refuses each change of it and of its lines. A credit note
corrects it. An invoice of which nothing is open is PAID, also if its rest was credited. Amounts are computed from the
lines by `vat.py`.

A user without DOCUMENTS_READ_ALL has only the documents that they created: SCOPE.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access.operation import OperationContext, requires
from models.access.scoped_operation import requires_in_scope
from models.accounts.account import Account
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from workspace import contact, money, vat
from workspace.event_type import WorkspaceEventType
from workspace.scope import SCOPE

TABLE: Final = "sales_documents"
FIRST_DATE: Final = date(2000, 1, 1)
LAST_DATE: Final = date(2099, 12, 31)
MAX_RATES: Final = 10
"""The most VAT rates of a document."""


class DocumentKind(StrEnum):
    """The kind of a document."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class DocumentStatus(StrEnum):
    """The status of a document."""

    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    SENT = "SENT"
    PARTLY_PAID = "PARTLY_PAID"
    PAID = "PAID"
    CREDITED = "CREDITED"
    DELETED = "DELETED"


class Document(Model):
    """An invoice or credit note."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    created_by_id = fields.UUIDField()
    kind = fields.CharEnumField(DocumentKind, max_length=20)
    status = fields.CharEnumField(DocumentStatus, max_length=20, default=DocumentStatus.DRAFT)
    corrected_id: UUID | None = fields.UUIDField(null=True)
    contact_id: UUID | None = fields.UUIDField(null=True)
    currency = fields.TextField()
    sold_on: date | None = fields.DateField(null=True)
    due_on: date | None = fields.DateField(null=True)
    note: str | None = fields.TextField(null=True)
    net_amount = money.AmountField()
    tax_amount = money.AmountField()
    paid_amount = money.AmountField()
    credited_amount = money.AmountField()
    number: str | None = fields.TextField(null=True)
    issued_on: date | None = fields.DateField(null=True)
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = TABLE

    @property
    def gross_amount(self) -> Decimal:
        """The amount to pay."""
        return Decimal(self.net_amount + self.tax_amount)

    @property
    def open_amount(self) -> Decimal:
        """The amount that is neither paid nor credited, 0 or more."""
        zero = money.round_amount(Decimal(0), self.currency)
        return Decimal(max(zero, self.gross_amount - self.paid_amount - self.credited_amount))


class DocumentRow(db.Row):
    """A document in lists. Amounts and dates are texts."""

    graphql_type = "Document"

    id: UUID
    account_id: UUID
    created_by_id: UUID
    kind: str
    status: str
    corrected_id: UUID | None
    contact_id: UUID | None
    currency: str
    sold_on: str | None
    due_on: str | None
    note: str | None
    net_amount: str
    tax_amount: str
    gross_amount: str
    paid_amount: str
    open_amount: str
    number: str | None
    issued_on: str | None
    buyer_name: str | None
    buyer_country: str | None
    buyer_vat_number: str | None
    buyer_address: str | None
    seller_name: str | None
    seller_country: str | None
    seller_organization_number: str | None
    seller_vat_number: str | None
    seller_bank_account: str | None
    created_at: datetime


COLUMNS: Final = db.columns_of(
    "d",
    DocumentRow,
    {name: f"d.{name}::text" for name in ("sold_on", "due_on", "issued_on", "net_amount", "tax_amount", "paid_amount")}
    | {
        "gross_amount": "(d.net_amount + d.tax_amount)::text",
        # Zero has the decimals of the other amounts.
        "open_amount": "greatest(d.net_amount + d.tax_amount - d.paid_amount - d.credited_amount, "
        "0 * d.net_amount)::text",
    },
)
IS_OPEN: Final = """d.status IN ('ISSUED', 'SENT', 'PARTLY_PAID')
    AND d.net_amount + d.tax_amount > d.paid_amount + d.credited_amount"""
"""SQL condition: the document with the alias `d` has an open amount. Indexes have the same condition."""
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM {TABLE} d WHERE d.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[DocumentRow | None]:
    """The documents with these ids, in this order. The caller has to check the access and the scope."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=DocumentRow))


# ---- Operations on drafts --------------------------------------------------------------------


@idempotent("createDocument")
@requires(Permission.DOCUMENTS_WRITE, WorkspaceEventType.DOCUMENT_CREATE)
async def create(
    context: OperationContext,
    account_id: UUID,
    *,
    contact_id: UUID | None = None,
    currency: str | None = None,
    sold_on: date | None = None,
    due_on: date | None = None,
    note: str | None = None,
) -> UUID:
    """Create the draft of an invoice. Returns its id. The default currency is that of the account."""
    account = await Account.get(id=account_id)
    values = await _check(context, None, contact_id, sold_on, due_on, note)
    with Validation() as check:
        code = money.check_currency(check, "currency", account.default_currency if currency is None else currency)
    zero = money.round_amount(Decimal(0), code)
    draft = await Document.create(
        account_id=account_id,
        created_by_id=context.user_id,
        kind=DocumentKind.INVOICE,
        currency=code,
        created_at=context.now,
        net_amount=zero,
        tax_amount=zero,
        paid_amount=zero,
        credited_amount=zero,
        **values,
    )
    after = {"document": draft.id, "kind": draft.kind}
    await context.record(WorkspaceEventType.DOCUMENT_CREATE, creator_id=context.user_id, after=after)
    return draft.id


@requires_in_scope(SCOPE, Permission.DOCUMENTS_WRITE, WorkspaceEventType.DOCUMENT_UPDATE, of="document", table=TABLE)
async def update(
    context: OperationContext,
    document_id: UUID,
    *,
    contact_id: UUID | None = None,
    sold_on: date | None = None,
    due_on: date | None = None,
    note: str | None = None,
) -> UUID:
    """Change a draft. None changes nothing, an empty note removes the note. Returns the document's id."""
    draft = await get_draft(document_id)
    values = await _check(context, draft, contact_id, sold_on, due_on, note)
    changes = {field: value for field, value in values.items() if getattr(draft, field) != value}
    if draft.kind is DocumentKind.CREDIT_NOTE:
        with Validation() as check:
            for field in ("contact_id", "due_on"):
                if field in changes:
                    text = mark("A credit note has the buyer of its invoice, and no due date.")
                    check.add_problem(UserErrorCode.INVALID, field, text)
    if changes:
        _ = await Document.filter(id=document_id).update(**changes)
        await context.record(
            WorkspaceEventType.DOCUMENT_UPDATE, after={"document": document_id, "changed": sorted(changes)}
        )
    return document_id


@requires_in_scope(SCOPE, Permission.DOCUMENTS_DELETE, WorkspaceEventType.DOCUMENT_DELETE, of="document", table=TABLE)
async def delete(context: OperationContext, document_id: UUID) -> UUID:
    """Delete a draft. Its row stays, and no list shows it. Returns the document's id."""
    _ = await get_draft(document_id)
    _ = await Document.filter(id=document_id).update(status=DocumentStatus.DELETED)
    await context.record(WorkspaceEventType.DOCUMENT_DELETE, after={"document": document_id})
    return document_id


async def get_draft(document_id: UUID) -> Document:
    """The document. Raises Refusal INVALID_STATE if it is no draft."""
    draft = await Document.get(id=document_id)
    if draft.status is not DocumentStatus.DRAFT:
        raise immutable()
    return draft


def immutable() -> Refusal:
    """The refusal to change a document that is no draft."""
    return refuse(UserErrorCode.INVALID_STATE, None, mark("Only a draft can be changed or issued."))


async def _check(
    context: OperationContext,
    draft: Document | None,
    contact_id: UUID | None,
    sold_on: date | None,
    due_on: date | None,
    note: str | None,
) -> dict[str, Any]:
    """The values of the columns that are given, validated. A new document has no `draft` yet."""
    values: dict[str, Any] = {}
    if contact_id is not None:
        await contact.require_in_use(context, contact_id, linked_id=draft.contact_id if draft is not None else None)
        values["contact_id"] = contact_id
    with Validation() as check:
        for field, day in (("sold_on", sold_on), ("due_on", due_on)):
            if day is not None:
                values[field] = check_date(check, field, day)
        if note is not None:
            values["note"] = check.prose("note", note)
    return values


def check_date(check: Validation, field: str, day: date, *, first: date = FIRST_DATE, last: date = LAST_DATE) -> date:
    """Validate a date from `first` to `last`, both included."""
    if not first <= day <= last:
        check.add_problem(
            UserErrorCode.OUT_OF_RANGE,
            field,
            mark("This must be from %(first)s to %(last)s."),
            first=first.isoformat(),
            last=last.isoformat(),
        )
    return day


class _Sum(db.Row):
    document_id: UUID
    vat_rate: Decimal
    net_amount: Decimal


_SUMS: Final = """
SELECT document_id, vat_rate, sum(net_amount) AS net_amount FROM document_lines
WHERE document_id = ANY($1::uuid[]) GROUP BY 1, 2
"""


async def totals_of(currencies: Mapping[UUID, str]) -> dict[UUID, vat.Totals]:
    """The totals of the lines of each document. `currencies` has the currency of each."""
    sums: dict[UUID, list[tuple[Decimal, Decimal]]] = {key: [] for key in currencies}
    for row in await db.fetch(_SUMS, [*currencies], row=_Sum):
        sums[row.document_id].append((row.vat_rate, row.net_amount))
    return {key: vat.totals(lines, currencies[key]) for key, lines in sums.items()}


async def store_totals(draft: Document) -> None:
    """Store the totals of a draft whose lines have changed. Raises Refusal OUT_OF_RANGE: too large, too many rates."""
    totals = (await totals_of({draft.id: draft.currency}))[draft.id]
    if len(totals.vat_amounts) > MAX_RATES:
        raise refuse(
            UserErrorCode.OUT_OF_RANGE,
            None,
            mark("A document has at most %(max_rates)d VAT rates."),
            max_rates=MAX_RATES,
        )
    if totals.gross_amount >= money.MAX_AMOUNT:
        raise refuse(UserErrorCode.OUT_OF_RANGE, None, mark("The total of the document is too large."))
    _ = await Document.filter(id=draft.id).update(net_amount=totals.net_amount, tax_amount=totals.tax_amount)
