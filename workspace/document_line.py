"""Lines of documents: a product or a free text, with quantity, price, discount and VAT rate.

A line keeps copies of the product's values. Its `purchase_price` is that of one unit of the product when the line was
added, in the currency of the document, or null: it is unknown. So a later change of the product does not change the
margin of the document. PURCHASE_PRICES_READ guards it, and no event has it. Only lines of drafts change.
"""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access import operation
from models.access.operation import OperationContext
from models.access.scoped_operation import requires_in_scope
from models.base.errors import UserErrorCode, not_found, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from workspace import document, money, vat
from workspace.document import Document
from workspace.event_type import WorkspaceEventType
from workspace.product import MAX_UNIT, Product
from workspace.scope import SCOPE

MAX_LINES: Final = 1000
MAX_QUANTITY: Final = 999_999_999
QUANTITY_DECIMALS: Final = 3


class DocumentLine(Model):
    """A line of a document."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    document_id = fields.UUIDField()
    product_id: UUID | None = fields.UUIDField(null=True)
    description = fields.TextField()
    unit = fields.TextField()
    quantity = money.AmountField()
    unit_price = money.AmountField()
    purchase_price: Decimal | None = money.AmountField(null=True)
    discount_percent = money.AmountField()
    vat_rate = money.AmountField()
    net_amount = money.AmountField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = "document_lines"


class DocumentLineRow(db.Row):
    """A line in lists, with the account and the creator of its document. Numbers are texts."""

    graphql_type = "DocumentLine"

    id: UUID
    account_id: UUID
    created_by_id: UUID
    document_id: UUID
    product_id: UUID | None
    description: str
    unit: str
    quantity: str
    unit_price: str
    purchase_price: str | None
    discount_percent: str
    vat_rate: str
    net_amount: str


_NUMBERS: Final = ("quantity", "unit_price", "purchase_price", "discount_percent", "vat_rate", "net_amount")
COLUMNS: Final = db.columns_of(
    "l",
    DocumentLineRow,
    {"account_id": "d.account_id", "created_by_id": "d.created_by_id"} | {name: f"l.{name}::text" for name in _NUMBERS},
)
_BY_IDS: Final = f"""
SELECT {db.select_list(COLUMNS)} FROM document_lines l JOIN {document.TABLE} d ON d.id = l.document_id
WHERE l.id = ANY($1::uuid[])
"""
TABLE: Final = f"""(SELECT l.id, d.account_id, d.created_by_id FROM document_lines l
    JOIN {document.TABLE} d ON d.id = l.document_id) lines"""


async def by_ids(ids: list[UUID]) -> list[DocumentLineRow | None]:
    """The lines with these ids, in this order. The caller has to check the access and the scope."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=DocumentLineRow))


@idempotent("addDocumentLine")
@requires_in_scope(
    SCOPE, Permission.DOCUMENTS_WRITE, WorkspaceEventType.DOCUMENT_UPDATE, of="document", table=document.TABLE
)
async def add(
    context: OperationContext,
    document_id: UUID,
    *,
    quantity: Decimal,
    product_id: UUID | None = None,
    description: str | None = None,
    unit: str | None = None,
    unit_price: Decimal | None = None,
    discount_percent: Decimal | None = None,
    vat_rate: Decimal | None = None,
) -> UUID:
    """Add a line to a draft, after its other lines. Returns the line's id.

    The product has the default of each value. Without a product, text, price and VAT rate are required.
    """
    draft = await document.get_draft(document_id)
    if await DocumentLine.filter(document_id=document_id).count() >= MAX_LINES:
        raise refuse(
            UserErrorCode.OUT_OF_RANGE, None, mark("A document has at most %(max_lines)d lines."), max_lines=MAX_LINES
        )
    product = await _product(context, draft, product_id)
    if product is not None:
        description = product.name if description is None else description
        unit = product.unit if unit is None else unit
        unit_price = product.price if unit_price is None else unit_price
        vat_rate = product.vat_rate if vat_rate is None else vat_rate
    values = _check(draft.currency, quantity, description, unit, unit_price, discount_percent, vat_rate)
    line = await DocumentLine.create(
        id=await _next_id(document_id),
        document_id=document_id,
        product_id=product_id,
        purchase_price=product.purchase_price if product is not None else None,
        **values,
    )
    await _store(context, draft)
    return line.id


@requires_in_scope(
    SCOPE, Permission.DOCUMENTS_WRITE, WorkspaceEventType.DOCUMENT_UPDATE, of="document_line", table=TABLE
)
async def update(
    context: OperationContext,
    document_line_id: UUID,
    *,
    quantity: Decimal | None = None,
    description: str | None = None,
    unit: str | None = None,
    unit_price: Decimal | None = None,
    discount_percent: Decimal | None = None,
    vat_rate: Decimal | None = None,
) -> UUID:
    """Change a line of a draft, which keeps its place, its product and its purchase price. Returns the line's id.

    None changes nothing, an empty unit removes the unit.
    """
    line = await DocumentLine.get(id=document_line_id)
    draft = await document.get_draft(line.document_id)
    values = _check(
        draft.currency,
        line.quantity if quantity is None else quantity,
        line.description if description is None else description,
        line.unit if unit is None else unit,
        line.unit_price if unit_price is None else unit_price,
        line.discount_percent if discount_percent is None else discount_percent,
        line.vat_rate if vat_rate is None else vat_rate,
    )
    changes = {field: value for field, value in values.items() if getattr(line, field) != value}
    if changes:
        _ = await DocumentLine.filter(id=line.id).update(**changes)
        await _store(context, draft)
    return line.id


@requires_in_scope(
    SCOPE, Permission.DOCUMENTS_WRITE, WorkspaceEventType.DOCUMENT_UPDATE, of="document_line", table=TABLE
)
async def remove(context: OperationContext, document_line_id: UUID) -> UUID:
    """Remove a line from a draft. Returns the document's id."""
    line = await DocumentLine.get(id=document_line_id)
    draft = await document.get_draft(line.document_id)
    await line.delete()
    await _store(context, draft)
    return draft.id


async def _next_id(document_id: UUID) -> UUID:
    """An id after those of all lines of a document, also if another server with a later clock has added a line."""
    line_id = keys.uuid7()
    last_line = await DocumentLine.filter(document_id=document_id).order_by("-id").first()
    return line_id if last_line is None or last_line.id < line_id else UUID(int=last_line.id.int + 1)


async def _product(context: OperationContext, draft: Document, product_id: UUID | None) -> Product | None:
    if product_id is None:
        return None
    operation.require(context.access, Permission.PRODUCTS_READ)
    product = await Product.get_or_none(id=product_id, account_id=context.account_id)
    if product is None:
        raise not_found("product_id")
    if product.is_archived:
        raise refuse(UserErrorCode.INVALID_STATE, "product_id", mark("The product is archived."))
    if product.currency != draft.currency:
        raise refuse(UserErrorCode.INVALID, "product_id", mark("The product has another currency than the document."))
    return product


def _check(
    currency: str,
    quantity: Decimal,
    description: str | None,
    unit: str | None,
    unit_price: Decimal | None,
    discount_percent: Decimal | None,
    vat_rate: Decimal | None,
) -> dict[str, Any]:
    """The values of a line, validated, with its net amount. Raises Refusal with all problems."""
    with Validation() as check:
        for field, value in (("unit_price", unit_price), ("vat_rate", vat_rate)):
            if value is None:
                check.add_problem(UserErrorCode.REQUIRED, field, mark("This cannot be empty."))
        text = check.line("description", description or "", max_length=500)
        unit_text = check.line("unit", unit, max_length=MAX_UNIT) if unit and unit.strip() else ""
        number = money.check_number(
            check, "quantity", quantity, minimum=0, maximum=MAX_QUANTITY, decimals=QUANTITY_DECIMALS
        )
        if quantity == 0:
            check.add_problem(UserErrorCode.OUT_OF_RANGE, "quantity", mark("This must be more than zero."))
        price = money.check_price(check, "unit_price", unit_price or Decimal(0), currency)
        discount = money.check_rate(check, "discount_percent", discount_percent or Decimal(0))
        rate = money.check_rate(check, "vat_rate", vat_rate or Decimal(0))
    return {
        "description": text,
        "unit": unit_text,
        "quantity": number,
        "unit_price": price,
        "discount_percent": discount,
        "vat_rate": rate,
        "net_amount": vat.line_amount(number, price, discount, currency),
    }


async def _store(context: OperationContext, draft: Document) -> None:
    await document.store_totals(draft)
    await context.record(WorkspaceEventType.DOCUMENT_UPDATE, after={"document": str(draft.id), "changed": ["lines"]})
