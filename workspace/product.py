"""Products: what an account sells, with a price, and a purchase price that only some users may know.

    create --> in use <--archive--> archived

PURCHASE_PRICES_READ guards the purchase price on each path: as a field, in filters and orders of lists, and in changes.
A user without it cannot set a purchase price either: the answer to an equal value would tell it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access import operation
from models.access.operation import OperationContext, requires
from models.accounts.account import Account
from models.base.errors import UserErrorCode
from models.base.idempotency import idempotent
from models.base.validation import Validation
from workspace import money
from workspace.event_type import WorkspaceEventType

MAX_UNIT: Final = 20


class Product(Model):
    """A product."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    name = fields.TextField()
    unit = fields.TextField()
    currency = fields.TextField()
    price = money.AmountField()
    purchase_price: Decimal | None = money.AmountField(null=True)
    vat_rate = money.AmountField()
    is_archived = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = "products"


class ProductRow(db.Row):
    """A product in lists. Prices are texts."""

    graphql_type = "Product"

    id: UUID
    account_id: UUID
    name: str
    unit: str
    currency: str
    price: str
    purchase_price: str | None
    vat_rate: str
    is_archived: bool
    created_at: datetime


COLUMNS: Final = db.columns_of(
    "p",
    ProductRow,
    {"price": "p.price::text", "purchase_price": "p.purchase_price::text", "vat_rate": "p.vat_rate::text"},
)
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM products p WHERE p.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[ProductRow | None]:
    """The products with these ids, in this order. The caller has to check the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=ProductRow))


# ---- Operations ------------------------------------------------------------------------------


@idempotent("createProduct")
@requires(Permission.PRODUCTS_WRITE, WorkspaceEventType.PRODUCT_CREATE)
async def create(
    context: OperationContext,
    account_id: UUID,
    *,
    name: str,
    price: Decimal,
    vat_rate: Decimal,
    unit: str | None = None,
    currency: str | None = None,
    purchase_price: Decimal | None = None,
) -> UUID:
    """Create a product. Returns its id. The default currency is that of the account."""
    _require_purchase_prices(context, is_needed=purchase_price is not None)
    account = await Account.get(id=account_id)
    with Validation() as check:
        code = money.check_currency(check, "currency", account.default_currency if currency is None else currency)
        values = _check(check, code, name, unit, price, purchase_price, vat_rate)
    columns: dict[str, Any] = {"unit": "", "currency": code} | values
    product = await Product.create(account_id=account_id, created_at=context.now, **columns)
    await context.record(WorkspaceEventType.PRODUCT_CREATE, after={"product": product.id} | _facts(values))
    return product.id


@requires(Permission.PRODUCTS_WRITE, WorkspaceEventType.PRODUCT_UPDATE, of="product", table="products")
async def update(
    context: OperationContext,
    product_id: UUID,
    *,
    name: str | None = None,
    unit: str | None = None,
    price: Decimal | None = None,
    purchase_price: Decimal | None = None,
    remove_purchase_price: bool | None = None,
    vat_rate: Decimal | None = None,
) -> UUID:
    """Change a product. None changes nothing. Returns the product's id."""
    _require_purchase_prices(context, is_needed=purchase_price is not None or bool(remove_purchase_price))
    product = await Product.get(id=product_id)
    with Validation() as check:
        values = _check(check, product.currency, name, unit, price, purchase_price, vat_rate)
        if remove_purchase_price and purchase_price is not None:
            check.add_problem(
                UserErrorCode.INVALID, "remove_purchase_price", mark("Give a price, or remove it, but not both.")
            )
    values |= {"purchase_price": None} if remove_purchase_price else {}
    changes = {field: value for field, value in values.items() if getattr(product, field) != value}
    if changes:
        _ = await Product.filter(id=product_id).update(**changes)
        before = {field: getattr(product, field) for field in changes}
        await context.record(
            WorkspaceEventType.PRODUCT_UPDATE,
            before=_facts(before),
            after={"product": product_id} | _facts(changes),
        )
    return product_id


@requires(Permission.PRODUCTS_WRITE, WorkspaceEventType.PRODUCT_ARCHIVE, of="product", table="products")
async def archive(context: OperationContext, product_id: UUID, *, is_archived: bool | None = None) -> UUID:
    """Archive a product, or take it out of the archive if `is_archived` is False. Returns its id."""
    is_archived = is_archived is not False
    if await Product.filter(id=product_id, is_archived=not is_archived).update(is_archived=is_archived):
        after = {"product": product_id, "is_archived": is_archived}
        await context.record(WorkspaceEventType.PRODUCT_ARCHIVE, after=after)
    return product_id


def _require_purchase_prices(context: OperationContext, *, is_needed: bool) -> None:
    if is_needed:
        operation.require(context.access, Permission.PURCHASE_PRICES_READ)


def _facts(values: Mapping[str, object]) -> dict[str, object]:
    """The values of columns as an event records them: numbers as texts."""
    return {field: str(value) if isinstance(value, Decimal) else value for field, value in values.items()}


def _check(
    check: Validation,
    currency: str,
    name: str | None,
    unit: str | None,
    price: Decimal | None,
    purchase_price: Decimal | None,
    vat_rate: Decimal | None,
) -> dict[str, Any]:
    """The values of the columns that are given, validated."""
    values: dict[str, Any] = {}
    if name is not None:
        values["name"] = check.line("name", name)
    if unit is not None:
        values["unit"] = check.line("unit", unit, max_length=MAX_UNIT) if unit.strip() else ""
    for field, amount in (("price", price), ("purchase_price", purchase_price)):
        if amount is not None:
            values[field] = money.check_price(check, field, amount, currency)
    if vat_rate is not None:
        values["vat_rate"] = money.check_rate(check, "vat_rate", vat_rate)
    return values
