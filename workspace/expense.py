"""Expenses: the purchases of an account, with their amounts by VAT rate.

    create --> in use <--archive--> archived

An expense has one row of amounts for each VAT rate. Net and tax amounts are those of the supplier's invoice: suppliers
round in different ways. A tax amount that is not given is computed by the rule of `vat.py`. The totals are sums of the
rows, and are stored with the expense, because lists are sorted by them.

An expense is data of its account. Each user with EXPENSES_READ there sees all of them; the supplier, a contact of the
account, needs CONTACTS_READ besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access.operation import OperationContext, requires
from models.accounts.account import Account
from models.base.errors import UserErrorCode
from models.base.idempotency import idempotent
from models.base.validation import Validation
from workspace import contact, money
from workspace.document import check_date
from workspace.event_type import WorkspaceEventType

MAX_RATES: Final = 10
"""The most rows of amounts of an expense."""
MAX_REFERENCE: Final = 100


class Expense(Model):
    """An expense."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    created_by_id = fields.UUIDField()
    contact_id: UUID | None = fields.UUIDField(null=True)
    spent_on = fields.DateField()
    currency = fields.TextField()
    reference: str | None = fields.TextField(null=True)
    note: str | None = fields.TextField(null=True)
    net_amount = money.AmountField()
    tax_amount = money.AmountField()
    is_archived = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = "expenses"


class ExpenseRow(db.Row):
    """An expense in lists. Amounts and the date are texts."""

    graphql_type = "Expense"

    id: UUID
    account_id: UUID
    created_by_id: UUID
    contact_id: UUID | None
    spent_on: str
    currency: str
    reference: str | None
    note: str | None
    net_amount: str
    tax_amount: str
    gross_amount: str
    is_archived: bool
    created_at: datetime


class AmountRow(db.Row):
    """The amounts of one VAT rate of an expense, as texts."""

    expense_id: UUID
    vat_rate: str
    net_amount: str
    tax_amount: str


COLUMNS: Final = db.columns_of(
    "e",
    ExpenseRow,
    {name: f"e.{name}::text" for name in ("spent_on", "net_amount", "tax_amount", "gross_amount")},
)
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM expenses e WHERE e.id = ANY($1::uuid[])"
_AMOUNTS: Final = """
SELECT expense_id, vat_rate::text AS vat_rate, net_amount::text AS net_amount, tax_amount::text AS tax_amount
FROM expense_amounts a WHERE a.expense_id = ANY($1::uuid[]) ORDER BY a.expense_id, a.vat_rate
"""


async def by_ids(ids: list[UUID]) -> list[ExpenseRow | None]:
    """The expenses with these ids, in this order. The caller has to check the access."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=ExpenseRow))


async def amounts_of(ids: Sequence[UUID]) -> dict[UUID, list[AmountRow]]:
    """The amounts of each expense, the lowest rate first. The caller has to check the access."""
    amounts: dict[UUID, list[AmountRow]] = {key: [] for key in ids}
    for row in await db.fetch(_AMOUNTS, [*amounts], row=AmountRow):
        amounts[row.expense_id].append(row)
    return amounts


@dataclass(frozen=True, slots=True)
class _Amount:
    """The amounts of one VAT rate, validated."""

    vat_rate: Decimal
    net_amount: Decimal
    tax_amount: Decimal

    def __str__(self) -> str:
        """The amounts as an event records them."""
        return f"{self.net_amount} + {self.tax_amount} ({self.vat_rate} %)"


# ---- Operations ------------------------------------------------------------------------------


@idempotent("createExpense")
@requires(Permission.EXPENSES_WRITE, WorkspaceEventType.EXPENSE_CREATE)
async def create(
    context: OperationContext,
    account_id: UUID,
    *,
    spent_on: date,
    amounts: Sequence[Mapping[str, Any]],
    contact_id: UUID | None = None,
    currency: str | None = None,
    reference: str | None = None,
    note: str | None = None,
) -> UUID:
    """Create an expense. Returns its id. The default currency is that of the account.

    Each of `amounts` has `vat_rate`, `net_amount`, and possibly `tax_amount`.
    """
    account = await Account.get(id=account_id)
    with Validation() as check:
        code = money.check_currency(check, "currency", account.default_currency if currency is None else currency)
        rows = _check_amounts(check, amounts, code)
        values = _check(check, spent_on, reference, note)
    if contact_id is not None:
        await contact.require_in_use(context, contact_id)
        values["contact_id"] = contact_id
    values |= _totals(rows)
    expense = await Expense.create(
        account_id=account_id, created_by_id=context.user_id, currency=code, created_at=context.now, **values
    )
    await _store_amounts(expense.id, rows)
    facts = {"expense": expense.id, "currency": code} | _facts(values | {"amounts": rows})
    await context.record(WorkspaceEventType.EXPENSE_CREATE, after=facts)
    return expense.id


@requires(Permission.EXPENSES_WRITE, WorkspaceEventType.EXPENSE_UPDATE, of="expense", table="expenses")
async def update(
    context: OperationContext,
    expense_id: UUID,
    *,
    spent_on: date | None = None,
    amounts: Sequence[Mapping[str, Any]] | None = None,
    contact_id: UUID | None = None,
    reference: str | None = None,
    note: str | None = None,
) -> UUID:
    """Change an expense. None changes nothing, an empty text removes a value. Returns the expense's id.

    `amounts` replace all rows of amounts.
    """
    expense = await Expense.get(id=expense_id)
    before: dict[str, Any] = {"amounts": await _load_amounts(expense_id)}
    with Validation() as check:
        rows = before["amounts"] if amounts is None else _check_amounts(check, amounts, expense.currency)
        values = _check(check, spent_on, reference, note)
    if contact_id is not None:
        # The linked contact needs the permission too: the answer to an equal id would tell it.
        await contact.require_in_use(context, contact_id, linked_id=expense.contact_id)
        values["contact_id"] = contact_id
    values |= _totals(rows)
    changes = {field: value for field, value in values.items() if getattr(expense, field) != value}
    before |= {field: getattr(expense, field) for field in changes}
    if changes:
        _ = await Expense.filter(id=expense_id).update(**changes)
    if rows == before["amounts"]:
        del before["amounts"]
    else:
        await _store_amounts(expense_id, rows)
        changes["amounts"] = rows
    if changes:
        after = {"expense": expense_id} | _facts(changes)
        await context.record(WorkspaceEventType.EXPENSE_UPDATE, before=_facts(before), after=after)
    return expense_id


@requires(Permission.EXPENSES_WRITE, WorkspaceEventType.EXPENSE_ARCHIVE, of="expense", table="expenses")
async def archive(context: OperationContext, expense_id: UUID, *, is_archived: bool | None = None) -> UUID:
    """Archive an expense, or take it out of the archive if `is_archived` is False. Returns its id."""
    is_archived = is_archived is not False
    if await Expense.filter(id=expense_id, is_archived=not is_archived).update(is_archived=is_archived):
        after = {"expense": expense_id, "is_archived": is_archived}
        await context.record(WorkspaceEventType.EXPENSE_ARCHIVE, after=after)
    return expense_id


def _check(check: Validation, spent_on: date | None, reference: str | None, note: str | None) -> dict[str, Any]:
    """The values of the columns that are given, validated. An empty text is no value."""
    values: dict[str, Any] = {}
    if spent_on is not None:
        values["spent_on"] = check_date(check, "spent_on", spent_on)
    if reference is not None:
        line = check.line("reference", reference, max_length=MAX_REFERENCE) if reference.strip() else None
        values["reference"] = line
    if note is not None:
        values["note"] = check.prose("note", note)
    return values


def _facts(values: Mapping[str, Any]) -> dict[str, object]:
    """The values of columns as an event records them: numbers, dates and amounts as texts, the contact by its id."""
    facts: dict[str, object] = {}
    for name, value in values.items():
        if name == "amounts":
            facts[name] = [str(amount) for amount in value]
        else:
            facts[name.removesuffix("_id")] = str(value) if isinstance(value, date | Decimal) else value
    return facts


# ---- Amounts ---------------------------------------------------------------------------------


def _check_amounts(check: Validation, amounts: Sequence[Mapping[str, Any]], currency: str) -> list[_Amount]:
    """The amounts, validated, the lowest rate first."""
    if not amounts:
        check.add_problem(UserErrorCode.REQUIRED, "amounts", mark("This cannot be empty."))
    if len(amounts) > MAX_RATES:
        check.add_problem(
            UserErrorCode.OUT_OF_RANGE,
            "amounts",
            mark("An expense has at most %(max_rates)d VAT rates."),
            max_rates=MAX_RATES,
        )
        return []
    rows = [_check_amount(check, f"amounts.{index}", amount, currency) for index, amount in enumerate(amounts)]
    rates = [row.vat_rate for row in rows]
    for index, rate in enumerate(rates):
        if rate in rates[:index]:
            text = mark("There is an amount with this VAT rate already.")
            check.add_problem(UserErrorCode.ALREADY_EXISTS, f"amounts.{index}.vat_rate", text)
    if sum(row.net_amount + row.tax_amount for row in rows) >= money.MAX_AMOUNT:
        check.add_problem(UserErrorCode.OUT_OF_RANGE, "amounts", mark("The total of the expense is too large."))
    return sorted(rows, key=lambda row: row.vat_rate)


def _check_amount(check: Validation, field: str, amount: Mapping[str, Any], currency: str) -> _Amount:
    rate = money.check_rate(check, f"{field}.vat_rate", amount["vat_rate"])
    net_amount = money.check_amount(check, f"{field}.net_amount", amount["net_amount"], currency)
    tax_amount = amount.get("tax_amount")
    if tax_amount is None:
        tax_amount = money.round_amount(net_amount * rate / 100, currency) if currency in money.DECIMALS else Decimal(0)
    return _Amount(rate, net_amount, money.check_amount(check, f"{field}.tax_amount", tax_amount, currency))


def _totals(rows: Sequence[_Amount]) -> dict[str, Decimal]:
    """The totals of an expense, with the decimals of its amounts."""
    first, *further_rows = rows
    return {
        "net_amount": sum((row.net_amount for row in further_rows), first.net_amount),
        "tax_amount": sum((row.tax_amount for row in further_rows), first.tax_amount),
    }


async def _load_amounts(expense_id: UUID) -> list[_Amount]:
    rows = (await amounts_of([expense_id]))[expense_id]
    return [_Amount(Decimal(row.vat_rate), Decimal(row.net_amount), Decimal(row.tax_amount)) for row in rows]


async def _store_amounts(expense_id: UUID, rows: Sequence[_Amount]) -> None:
    """Replace the amounts of an expense."""
    columns = zip(*((row.vat_rate, row.net_amount, row.tax_amount) for row in rows), strict=True)
    _ = await db.execute("DELETE FROM expense_amounts WHERE expense_id = $1", expense_id)
    _ = await db.execute(_INSERT_AMOUNTS, expense_id, *map(list, columns))


_INSERT_AMOUNTS: Final = """
INSERT INTO expense_amounts (expense_id, vat_rate, net_amount, tax_amount)
SELECT $1, * FROM unnest($2::numeric[], $3::numeric[], $4::numeric[])
"""
