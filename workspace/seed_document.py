"""Generated documents: drafts with lines, issued in the account's series, with payments and credit notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from database import db, keys
from workspace import money
from workspace.document import TABLE, DocumentStatus
from workspace.seed_run import CYCLE, HALF, TEMPLATES, SeedRun, columns, morning_of, new_ids

_OPEN: Final = {3, 7}
_PARTLY_PAID_STATE, _CREDITED_STATE, _CREDIT_NOTE_STATE = 13, 14, 0


class _Series(db.Row):
    year: int
    prefix: str
    counter: int
    last_issued_on: date


_SERIES: Final = "SELECT year, prefix, counter, last_issued_on FROM document_series WHERE account_id = $1"
_DRAFTS: Final = f"""
INSERT INTO {TABLE} (account_id, currency, status, id, created_by_id, kind, corrected_id, contact_id, net_amount,
    tax_amount, created_at)
SELECT $1, $2, 'DRAFT', *
FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[], $8::numeric[], $9::numeric[],
    $10::timestamptz[])
"""
_LINES: Final = """
INSERT INTO document_lines (id, document_id, product_id, description, unit, quantity, unit_price, purchase_price,
    discount_percent, vat_rate, net_amount)
SELECT ($3::uuid[])[(row_number() OVER (ORDER BY d.position, l.position))::int], d.id, l.product_id, l.description,
    l.unit, l.quantity, l.unit_price, l.purchase_price, l.discount_percent, l.vat_rate, l.net_amount
FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY d (id, template, position)
JOIN unnest($4::int[], $5::uuid[], $6::text[], $7::text[], $8::numeric[], $9::numeric[], $10::numeric[],
    $11::numeric[], $12::numeric[], $13::numeric[]) WITH ORDINALITY l (template, product_id, description, unit,
    quantity, unit_price, purchase_price, discount_percent, vat_rate, net_amount, position) USING (template)
"""
_ISSUE: Final = f"""
UPDATE {TABLE} d SET status = n.status, number = n.number, series_year = n.year, series_counter = n.counter,
    issued_on = n.issued_on, due_on = n.due_on, paid_amount = n.paid_amount, credited_amount = n.credited_amount,
    buyer_name = c.name, buyer_country = c.country, buyer_vat_number = c.vat_number, buyer_address = c.address,
    seller_name = $10, seller_country = $11, seller_organization_number = $12, seller_vat_number = $13,
    seller_bank_account = $14
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::int[], $6::date[], $7::date[], $8::numeric[],
    $9::numeric[]) n (id, status, number, year, counter, issued_on, due_on, paid_amount, credited_amount), contacts c
WHERE d.id = n.id AND c.id = d.contact_id
"""
_PAYMENTS: Final = """
INSERT INTO document_payments (id, document_id, amount, paid_on, created_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::date[], $5::timestamptz[])
"""
_STORE_SERIES: Final = """
INSERT INTO document_series AS s (account_id, year, prefix, counter, last_issued_on)
SELECT $1, * FROM unnest($2::int[], $3::text[], $4::int[], $5::date[])
ON CONFLICT (account_id, year) DO UPDATE SET counter = EXCLUDED.counter, last_issued_on = EXCLUDED.last_issued_on
"""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A document to write. A credit note has the template and the contact of the invoice before it."""

    id: UUID
    template: int
    contact_id: UUID
    corrected_id: UUID | None
    state: int
    is_issued: bool
    is_credited: bool


def _plans(run: SeedRun, numbers: range) -> list[_Plan]:
    plans: list[_Plan] = []
    for number, key in zip(numbers, new_ids(len(numbers)), strict=True):
        is_issued = number <= run.amounts.issued_count
        state = number % CYCLE
        is_credit_note = state == _CREDIT_NOTE_STATE and is_issued
        source = number - 1 if is_credit_note else number
        plans.append(
            _Plan(
                key,
                source % TEMPLATES,
                run.customer_ids[source % len(run.customer_ids)],
                plans[-1].id if is_credit_note else None,
                state,
                is_issued,
                is_credited=state == _CREDITED_STATE and number < run.amounts.issued_count,
            )
        )
    return plans


async def write_documents(run: SeedRun, numbers: range) -> None:
    """Write drafts with their lines, and issue those that are to be issued."""
    plans = _plans(run, numbers)
    series = {row.year: row for row in await db.fetch(_SERIES, run.account_id, row=_Series)}
    last_day = max((row.last_issued_on for row in series.values()), default=date.min)
    days = [max(last_day, run.planned_day(min(number, run.amounts.issued_count))) for number in numbers]
    drafts = [
        (
            plan.id,
            run.creator_id(number),
            "INVOICE" if plan.corrected_id is None else "CREDIT_NOTE",
            plan.corrected_id,
            plan.contact_id,
            run.totals[plan.template].net_amount,
            run.totals[plan.template].tax_amount,
            morning_of(day, run.now),
        )
        for number, plan, day in zip(numbers, plans, days, strict=True)
    ]
    _ = await db.execute(_DRAFTS, run.account_id, run.account.currency, *columns(drafts))
    line_counts = [1 + plan.template % 4 for plan in plans]
    lines = [
        (
            *(line.template, line.product_id, line.description, line.unit, line.quantity, line.unit_price),
            *(line.purchase_price, line.discount_percent, line.vat_rate, line.net_amount),
        )
        for line in run.lines
    ]
    templates = [plan.template for plan in plans]
    _ = await db.execute(_LINES, [plan.id for plan in plans], templates, new_ids(sum(line_counts)), *columns(lines))
    await _issue(run, [(plan, day) for plan, day in zip(plans, days, strict=True) if plan.is_issued], series)


async def _issue(run: SeedRun, plans: Sequence[tuple[_Plan, date]], series: dict[int, _Series]) -> None:
    """Give drafts the next numbers of the account's series, and their final states, with payments."""
    if not plans:
        return
    prefixes = {year: row.prefix for year, row in series.items()}
    counters = {year: row.counter for year, row in series.items()}
    rows: list[tuple[object, ...]] = []
    payments: list[tuple[object, ...]] = []
    for plan, day in plans:
        counters[day.year] = counter = counters.get(day.year, 0) + 1
        number = f"{prefixes.setdefault(day.year, run.account.invoice_prefix)}{day.year}-{counter:04d}"
        due_on = None if plan.corrected_id else day + timedelta(days=run.account.payment_term_days)
        gross = run.totals[plan.template].gross_amount
        status = _status(plan, due_on, run.today)
        paid_amount = _paid_amount(status, gross, run.account.currency)
        credited_amount = gross if plan.is_credited else Decimal(0)
        rows.append((plan.id, status.value, number, day.year, counter, day, due_on, paid_amount, credited_amount))
        if paid_amount:
            paid_on = min(due_on or day, run.today)
            payments.append((keys.uuid7(), plan.id, paid_amount, paid_on, morning_of(paid_on, run.now)))
    account = run.account
    seller = (account.name, account.country, account.organization_number, account.vat_number)
    _ = await db.execute(_ISSUE, *columns(rows), *seller, account.bank_account_number)
    if payments:
        _ = await db.execute(_PAYMENTS, *columns(payments))
    last_days = {day.year: day for _, day in plans}
    series_rows = [(year, prefixes[year], counters[year], day) for year, day in last_days.items()]
    _ = await db.execute(_STORE_SERIES, run.account_id, *columns(series_rows))


def _status(plan: _Plan, due_on: date | None, today: date) -> DocumentStatus:
    """The final status of an issued document. Credit notes have no due date."""
    if due_on is None:
        return DocumentStatus.ISSUED
    if plan.is_credited:
        return DocumentStatus.CREDITED
    if plan.state == _PARTLY_PAID_STATE:
        return DocumentStatus.PARTLY_PAID
    if plan.state in _OPEN or due_on > today:
        return DocumentStatus.SENT if plan.state % 2 else DocumentStatus.ISSUED
    return DocumentStatus.PAID


def _paid_amount(status: DocumentStatus, gross: Decimal, currency: str) -> Decimal:
    if status is DocumentStatus.PARTLY_PAID:
        return money.round_amount(gross * HALF, currency)
    return gross if status is DocumentStatus.PAID else Decimal(0)
