"""Generated rows of the workspace for one account: contacts, products, documents with lines and payments, and expenses.

    await seed.write(account_id, [user_id], documents=1_000_000, now=now, progress=bar.update)

The rows are written in batches of set-based SQL, each in a transaction of its own under the lock of the account. So a
run that is interrupted leaves a consistent account, and documents can be issued meanwhile. The triggers are on. Numbers
continue the account's series, and issuing continues them afterwards.

Rows are computed from their position, without randomness: two runs in two new accounts differ only in ids. Documents
are spread over the last year, but none is issued before the account's last one. Of each 15:

    1-12    paid when they are due; the third and the seventh stay open
    13      partly paid
    14      credited by 15, a credit note

The last 15th of all are drafts. No events are written: `samples.py` writes one for the whole run.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from database import db
from workspace import money, vat
from workspace.sample_texts import COUNTRIES, CUSTOMER_EVERY, PRODUCTS, contact_name, vat_rates
from workspace.seed_document import write_documents
from workspace.seed_run import (
    BATCH,
    DAYS,
    HALF,
    TEMPLATES,
    Amounts,
    SeedAccount,
    SeedLine,
    SeedRun,
    columns,
    lock_account,
    morning_of,
    new_ids,
)


async def write(
    account_id: UUID,
    user_ids: Sequence[UUID],
    *,
    documents: int,
    now: datetime,
    contacts: int | None = None,
    products: int | None = None,
    expenses: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write `documents` documents, 0 to a million or more, and what belongs to them, to an account.

    The users `user_ids`, one or more, become the creators of the rows in turns. The numbers of contacts, products and
    expenses follow from `documents` if they are None. `progress` is called after each batch with its number of
    documents. Needs an open `db.connection`.

    Raises Refusal NOT_FOUND for an unknown account.
    """
    amounts = Amounts.of(documents, contacts=contacts, products=products, expenses=expenses)
    async with db.transaction():
        account = await lock_account(account_id)
        customer_ids, supplier_ids = await _write_contacts(account_id, now, amounts.contacts)
        lines = await _write_products(account_id, now, amounts.products, account)
    run = SeedRun(
        account_id, user_ids, now, amounts, account, customer_ids, supplier_ids, lines, _totals(lines, account.currency)
    )
    for first in range(1, documents + 1, BATCH):
        numbers = range(first, min(first + BATCH, documents + 1))
        async with db.transaction():
            _ = await lock_account(account_id)
            await write_documents(run, numbers)
        if progress is not None:
            _ = progress(len(numbers))
    for first in range(0, amounts.expenses, BATCH):
        async with db.transaction():
            await _write_expenses(run, range(first, min(first + BATCH, amounts.expenses)))


# ---- Contacts and products -------------------------------------------------------------------

_CONTACTS: Final = """
INSERT INTO contacts (account_id, created_at, id, kind, name, country, address, email, locale)
SELECT $1, $2, * FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
"""


async def _write_contacts(account_id: UUID, now: datetime, count: int) -> tuple[list[UUID], list[UUID]]:
    """Write contacts. Returns the ids of customers, and those of suppliers."""
    ids = new_ids(max(2, count))
    kinds = ["SUPPLIER" if index % CUSTOMER_EVERY == 1 else "CUSTOMER" for index in range(len(ids))]
    rows: list[tuple[object, ...]] = []
    for index, (key, kind) in enumerate(zip(ids, kinds, strict=True)):
        country, locale, address = COUNTRIES[index % len(COUNTRIES)]
        email = f"contact{index + 1}@example.com"
        rows.append((key, kind, contact_name(index), country, address.format(index % 90 + 1), email, locale))
    _ = await db.execute(_CONTACTS, account_id, now, *columns(rows))
    of_kind = list(zip(kinds, ids, strict=True))
    return [key for kind, key in of_kind if kind == "CUSTOMER"], [key for kind, key in of_kind if kind == "SUPPLIER"]


_PRODUCTS: Final = """
INSERT INTO products (account_id, created_at, currency, id, name, unit, price, purchase_price, vat_rate)
SELECT $1, $2, $3, * FROM unnest($4::uuid[], $5::text[], $6::text[], $7::numeric[], $8::numeric[], $9::numeric[])
"""


async def _write_products(account_id: UUID, now: datetime, count: int, account: SeedAccount) -> list[SeedLine]:
    """Write products. Returns lines of them, those of each template together."""
    rates = vat_rates(account.country)
    rows: list[tuple[UUID, str, str, Decimal, Decimal, Decimal]] = []
    for index, key in enumerate(new_ids(max(1, count))):
        name, unit, price = PRODUCTS[index % len(PRODUCTS)]
        name = name if index < len(PRODUCTS) else f"{name} {index // len(PRODUCTS) + 1}"
        unit_price = money.round_amount(price + index // len(PRODUCTS), account.currency)
        purchase_price = money.round_amount(unit_price * HALF, account.currency)
        rows.append((key, name, unit, unit_price, purchase_price, rates[index % len(rates)]))
    _ = await db.execute(_PRODUCTS, account_id, now, account.currency, *columns(rows))
    lines: list[SeedLine] = []
    for template in range(TEMPLATES):
        for position in range(1 + template % 4):
            product_id, name, unit, price, purchase_price, rate = rows[(template * 5 + position * 3) % len(rows)]
            quantity, discount = Decimal(1 + (template + position) % 8), Decimal(10 if template % 6 == position else 0)
            net_amount = vat.line_amount(quantity, price, discount, account.currency)
            lines.append(
                SeedLine(template, product_id, name, unit, quantity, price, purchase_price, discount, rate, net_amount)
            )
    return lines


def _totals(lines: Sequence[SeedLine], currency: str) -> list[vat.Totals]:
    """The totals of each template."""
    return [
        vat.totals([(line.vat_rate, line.net_amount) for line in lines if line.template == template], currency)
        for template in range(TEMPLATES)
    ]


# ---- Expenses --------------------------------------------------------------------------------

_EXPENSES: Final = """
INSERT INTO expenses (account_id, currency, id, created_by_id, contact_id, spent_on, reference, net_amount, tax_amount,
    created_at)
SELECT $1, $2, *
FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::date[], $7::text[], $8::numeric[], $9::numeric[],
    $10::timestamptz[])
"""
_EXPENSE_AMOUNTS: Final = """
INSERT INTO expense_amounts (expense_id, vat_rate, net_amount, tax_amount)
SELECT * FROM unnest($1::uuid[], $2::numeric[], $3::numeric[], $4::numeric[])
"""


async def _write_expenses(run: SeedRun, numbers: range) -> None:
    """Write expenses, each third with two VAT rates."""
    currency, rates = run.account.currency, vat_rates(run.account.country)
    rows: list[tuple[object, ...]] = []
    amounts: list[tuple[UUID, Decimal, Decimal, Decimal]] = []
    for number, key in zip(numbers, new_ids(len(numbers)), strict=True):
        day = run.today - timedelta(days=DAYS - 1 - number * DAYS // run.amounts.expenses)
        net = money.round_amount(Decimal(40 + number * 37 % 900) + HALF, currency)
        parts = [(rate, net) for rate in (rates if number % 3 == 0 else rates[:1])]
        totals = vat.totals(parts, currency)
        amounts += [(key, part.rate, part.taxable_amount, part.tax_amount) for part in totals.vat_amounts]
        supplier_id = run.supplier_ids[number % len(run.supplier_ids)]
        facts = (supplier_id, day, f"R-{number + 1}", totals.net_amount, totals.tax_amount, morning_of(day, run.now))
        rows.append((key, run.creator_id(number), *facts))
    _ = await db.execute(_EXPENSES, run.account_id, currency, *columns(rows))
    _ = await db.execute(_EXPENSE_AMOUNTS, *columns(amounts))
