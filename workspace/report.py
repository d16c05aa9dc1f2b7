"""Reports: revenue, VAT, open items and margin of an account, computed from its documents by one statement each.

A report counts the issued documents of a range of days, by their date of issue (UTC). Drafts and deleted drafts do not
count. A credit note counts negative, on its own day. Amounts of different currencies are never added: each entry is of
one currency. A user without DOCUMENTS_READ_ALL gets the reports of the documents that they created: `scope.SCOPE`.

Rounding: the net amounts of documents and lines are rounded already, so their sums are exact. VAT is rounded once for
each rate of a document, as on the document itself (`vat.py`), and then added. So the VAT of a report is the sum of the
VAT of its documents. The cost of a line is its quantity times its purchase price. It is not rounded. The sum of the
costs of an entry is rounded once, half up, to the decimals of the currency. So the costs by month and by contact can
differ by a minor unit from each other.

    2 invoices of 3 pieces, purchase price 0.335 EUR:   cost 2 * 1.005 = 2.01 EUR in one month
    the same in two months:                             cost 1.005 -> 1.01 EUR in each

Margin is the net amount of the lines with a purchase price, less their cost. A line without one counts in a field of
its own, because its margin is unknown.

A report reads at most MAX_DOCUMENTS documents, by an index, and is refused beyond.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, TypeVar
from uuid import UUID

from database import db
from database.listing import ConnectionQuery
from database.page_sql import KEY, Order, Scan
from database.rows import annotations
from models.base.errors import BadInput
from workspace import money
from workspace.document import FIRST_DATE, IS_OPEN, LAST_DATE, TABLE

R = TypeVar("R", bound=db.Row)
ReportScope = tuple[UUID | None, date, date]
"""The creator of the documents, or None for those of all, and the first and the last day."""

MAX_DOCUMENTS: Final = 50_000
"""The documents that a report reads at most."""
MAX_DAYS: Final = 1096
"""The length of the longest range: three years."""
MAX_MONTHS: Final = 37
"""The calendar months that a range touches at most."""
LINES_OF_DOCUMENT: Final = 3
"""The lines that a document has on average, for the cost of reports that read lines."""


class ReportsRow(db.Row):
    """The scope of the reports of an account: the documents of one creator, or of all if it is None, and the range.

    `document_count` is at most one more than MAX_DOCUMENTS.
    """

    account_id: UUID
    created_by_id: UUID | None
    starts_on: date
    ends_on: date
    document_count: int


class MonthRevenueRow(db.Row):
    """The revenue of a month in one currency. Amounts and dates are texts, here and below."""

    account_id: UUID
    month: str
    currency: str
    document_count: int
    net_amount: str


class MonthVatRow(db.Row):
    """The VAT of a month in one currency at one rate."""

    account_id: UUID
    month: str
    currency: str
    rate: str
    taxable_amount: str
    tax_amount: str


class OpenItemsRow(db.Row):
    """The open amounts in one currency, by the days since they were due. `read_count` counts invoices."""

    account_id: UUID
    currency: str
    document_count: int
    open_amount: str
    not_due_amount: str
    days_1_to_30_amount: str
    days_31_to_60_amount: str
    days_61_to_90_amount: str
    over_90_days_amount: str
    read_count: int


class MonthMarginRow(db.Row):
    """The margin of a month in one currency."""

    account_id: UUID
    month: str
    currency: str
    net_amount: str
    cost_amount: str
    margin_amount: str
    net_amount_without_cost: str


class ContactRevenueRow(db.Row):
    """The revenue from a contact in one currency."""

    graphql_type = "ContactRevenue"

    account_id: UUID
    contact_id: UUID
    currency: str
    document_count: int
    net_amount: str


class ContactMarginRow(db.Row):
    """The margin of a contact in one currency."""

    graphql_type = "ContactMargin"

    account_id: UUID
    contact_id: UUID
    currency: str
    net_amount: str
    cost_amount: str
    margin_amount: str
    net_amount_without_cost: str


# ---- The range -------------------------------------------------------------------------------


def day_range(starts_on: date | None, ends_on: date | None, *, today: date) -> tuple[date, date]:
    """The first and the last day of a report. By default a whole year: that of the other day, or of `today`.

    Raises BadInput: the range is empty, too long, or outside of the days that documents can have.
    """
    first = starts_on or date((ends_on or today).year, 1, 1)
    last = ends_on or date((starts_on or today).year, 12, 31)
    if not FIRST_DATE <= first <= last <= LAST_DATE:
        raise BadInput(f"startsOn must not be after endsOn, and both must be from {FIRST_DATE} to {LAST_DATE}.")
    if (last - first).days >= MAX_DAYS:
        raise BadInput(f"The range of a report has at most {MAX_DAYS} days.")
    return first, last


def too_many_documents() -> BadInput:
    """The refusal of a report that would read too much."""
    return BadInput(f"The report has more than {MAX_DOCUMENTS} documents. Choose a shorter range of days.")


# ---- SQL -------------------------------------------------------------------------------------
# $1 has the accounts, $2 the creator or null, $3 and $4 the days of the range. `{creator}` stands for the row scope.
# `d` is a document with its sign, `l` the sums of its lines.

_IN_RANGE: Final = f"d.account_id = {KEY} AND d.issued_on BETWEEN $3 AND $4 AND d.number IS NOT NULL AND {{creator}}"
_CODES: Final = {
    decimals: ", ".join(f"'{code}'" for code, number in money.DECIMALS.items() if number == decimals)
    for decimals in sorted({*money.DECIMALS.values()} - {2})
}
_DECIMALS: Final = " ".join(f"WHEN d.currency IN ({codes}) THEN {decimals}" for decimals, codes in _CODES.items())
_DOCUMENTS: Final = f"""(SELECT d.id, d.contact_id, d.currency, d.net_amount,
        d.issued_on - extract(day FROM d.issued_on)::int + 1 AS month,
        CASE d.kind WHEN 'CREDIT_NOTE' THEN -1 ELSE 1 END AS sign
    FROM {TABLE} d WHERE {_IN_RANGE}) d"""
# One look-up for each document. A join could read the lines of all accounts.
_LINE_SUMS: Final = "CROSS JOIN LATERAL (SELECT {} FROM document_lines l WHERE l.document_id = d.id {}) l"


def _rounded(amount: str) -> str:
    """SQL of an amount that is rounded half up, away from zero, to the decimals of the currency."""
    return f"round({amount}, CASE {_DECIMALS} ELSE 2 END)"


def _statement(row: type[db.Row], source: str, order: str) -> str:
    """The statement of a report: the columns of `row` from the subquery `source`, for each account."""
    texts = {name: f"x.{name}::text" for name, kind in annotations(row).items() if kind is str}
    columns = db.select_list(db.columns_of("x", row, texts | {"account_id": KEY}))
    return f"SELECT {columns} FROM unnest($1::uuid[]) k(key) CROSS JOIN LATERAL ({source}) x ORDER BY {order}"


_REVENUE: Final = f"count(*)::int AS document_count, {_rounded('sum(d.sign * d.net_amount)')} AS net_amount"
_VAT: Final = f"""trim_scale(l.vat_rate) AS rate, {_rounded("sum(d.sign * l.net)")} AS taxable_amount,
    {_rounded(f"sum(d.sign * {_rounded('l.net * l.vat_rate * 0.01')})")} AS tax_amount"""
_VAT_SOURCE: Final = f"{_DOCUMENTS} " + _LINE_SUMS.format("l.vat_rate, sum(l.net_amount) AS net", "GROUP BY l.vat_rate")
_NET, _COST = _rounded("sum(d.sign * l.net)"), _rounded("sum(d.sign * l.cost)")
_MARGIN: Final = f"""{_NET} AS net_amount, {_COST} AS cost_amount, {_NET} - {_COST} AS margin_amount,
    {_rounded("sum(d.sign * l.rest)")} AS net_amount_without_cost"""
_MARGIN_SOURCE: Final = f"{_DOCUMENTS} " + _LINE_SUMS.format(
    """COALESCE(sum(l.net_amount) FILTER (WHERE l.purchase_price IS NOT NULL), 0) AS net,
    COALESCE(sum(l.quantity * l.purchase_price), 0) AS cost,
    COALESCE(sum(l.net_amount) FILTER (WHERE l.purchase_price IS NULL), 0) AS rest""",
    "",
)
_BY_MONTH: Final = "d.month, d.currency"

_COUNT_SQL: Final = f"""
SELECT {KEY} AS account_id, $2::uuid AS created_by_id, $3::date AS starts_on, $4::date AS ends_on, x.document_count
FROM unnest($1::uuid[]) k(key) CROSS JOIN LATERAL (SELECT count(*)::int AS document_count FROM (
    SELECT FROM {TABLE} d WHERE {_IN_RANGE} LIMIT {MAX_DOCUMENTS + 1}) d) x
"""
_REVENUE_SQL: Final = _statement(
    MonthRevenueRow,
    f"SELECT d.month, d.currency, {_REVENUE} FROM {_DOCUMENTS} GROUP BY {_BY_MONTH}",
    "x.month, x.currency",
)
_VAT_SQL: Final = _statement(
    MonthVatRow,
    f"SELECT d.month, d.currency, {_VAT} FROM {_VAT_SOURCE} GROUP BY {_BY_MONTH}, l.vat_rate",
    "x.month, x.currency, x.rate",
)
_MARGIN_SQL: Final = _statement(
    MonthMarginRow,
    f"SELECT d.month, d.currency, {_MARGIN} FROM {_MARGIN_SOURCE} GROUP BY {_BY_MONTH}",
    "x.month, x.currency",
)
_AGES: Final = {
    "not_due": "d.days <= 0",
    "days_1_to_30": "d.days BETWEEN 1 AND 30",
    "days_31_to_60": "d.days BETWEEN 31 AND 60",
    "days_61_to_90": "d.days BETWEEN 61 AND 90",
    "over_90_days": "d.days > 90",
}
_OPEN_SUMS: Final = ", ".join(
    f"COALESCE(sum(d.open_amount) FILTER (WHERE {condition}), 0) AS {age}_amount" for age, condition in _AGES.items()
)
# $3 is today. The amounts of invoices are rounded already.
_OPEN_SQL: Final = _statement(
    OpenItemsRow,
    f"""SELECT d.currency, count(*)::int AS document_count, sum(d.open_amount) AS open_amount, {_OPEN_SUMS},
        (sum(count(*)) OVER ())::int AS read_count
    FROM (SELECT d.currency, $3::date - COALESCE(d.due_on, d.issued_on) AS days,
            d.net_amount + d.tax_amount - d.paid_amount - d.credited_amount AS open_amount
        FROM {TABLE} d WHERE d.account_id = {KEY} AND d.kind = 'INVOICE'
            AND {IS_OPEN} AND {{creator}} LIMIT {MAX_DOCUMENTS + 1}) d
    GROUP BY d.currency""",
    "x.currency",
)


def _in_scope(sql: str, created_by_id: UUID | None) -> str:
    # The index of creators is read only if the condition is a comparison.
    return sql.replace("{creator}", "$2::uuid IS NULL" if created_by_id is None else "d.created_by_id = $2")


# ---- Reading ---------------------------------------------------------------------------------


async def of_accounts(
    account_ids: Sequence[UUID], created_by_id: UUID | None, starts_on: date, ends_on: date
) -> list[ReportsRow]:
    """The reports of accounts over a range of days: of the documents of one creator, or of all if it is None."""
    sql = _in_scope(_COUNT_SQL, created_by_id)
    return await db.fetch(sql, [*account_ids], created_by_id, starts_on, ends_on, row=ReportsRow)


async def revenue_by_month(reports: Sequence[ReportsRow]) -> list[list[MonthRevenueRow]]:
    """The revenue of each month with documents, for each of the reports."""
    return await _read(_REVENUE_SQL, reports, MonthRevenueRow)


async def vat_by_month(reports: Sequence[ReportsRow]) -> list[list[MonthVatRow]]:
    """The VAT of each month by rate, for each of the reports."""
    return await _read(_VAT_SQL, reports, MonthVatRow)


async def margin_by_month(reports: Sequence[ReportsRow]) -> list[list[MonthMarginRow]]:
    """The margin of each month with documents, for each of the reports."""
    return await _read(_MARGIN_SQL, reports, MonthMarginRow)


async def open_items(reports: Sequence[ReportsRow], *, today: date) -> list[list[OpenItemsRow] | BadInput]:
    """The open amounts of today, for each of the reports. The range does not count.

    A report of more than MAX_DOCUMENTS open invoices is refused.
    """
    entries = await _read(_OPEN_SQL, reports, OpenItemsRow, today)
    return [too_many_documents() if rows and rows[0].read_count > MAX_DOCUMENTS else rows for rows in entries]


async def _read(sql: str, reports: Sequence[ReportsRow], row: type[R], *days: date) -> list[list[R]]:
    """The rows of each report, with one statement for each scope. `days` replaces the range."""
    rows_by_account: dict[UUID, list[R]] = {report.account_id: [] for report in reports}
    for (created_by_id, *report_days), account_ids in _scopes(reports).items():
        statement = _in_scope(sql, created_by_id)
        for entry in await db.fetch(statement, account_ids, created_by_id, *(days or report_days), row=row):
            rows_by_account[entry["account_id"]].append(entry)
    return [rows_by_account[report.account_id] for report in reports]


def scope_of(report: ReportsRow) -> ReportScope:
    """The creator and the range of a report."""
    return report.created_by_id, report.starts_on, report.ends_on


def _scopes(reports: Sequence[ReportsRow]) -> dict[ReportScope, list[UUID]]:
    """The accounts of reports, by scope. There are at most two: all reports of a field have one range."""
    account_ids: dict[ReportScope, list[UUID]] = {}
    for report in {report.account_id: report for report in reports}.values():
        account_ids.setdefault(scope_of(report), []).append(report.account_id)
    return account_ids


# ---- Lists by contact ------------------------------------------------------------------------

_OF_CONTACT: Final = f"COALESCE(d.contact_id, '{UUID(int=0)}') AS contact_id, d.currency"
# Cursors contain the sort key. It has a digest of the id: a user without CONTACTS_READ learns no id of a contact.
_BY_CONTACT: Final = """SELECT r.* FROM (SELECT r.*, -r.{amount} AS position, md5(r.contact_id::text) AS digest FROM (
    SELECT {columns} FROM {source} GROUP BY d.contact_id, d.currency) r) r
    WHERE {{bounds}} ORDER BY {{order}} LIMIT {{limit}}"""
_REVENUE_COLUMNS: Final = db.columns_of("r", ContactRevenueRow)
_MARGIN_COLUMNS: Final = db.columns_of("r", ContactMarginRow)
_ORDER: Final = Order((("r.currency", "text"), ("r.position", "numeric"), ("r.digest", "text")))


def revenue_by_contact(
    created_by_id: UUID | None, starts_on: date, ends_on: date
) -> ConnectionQuery[ContactRevenueRow]:
    """The revenue from each contact, under the account's id: by currency, and then the largest first."""
    columns = f"{_OF_CONTACT}, {_REVENUE}"
    sql = _BY_CONTACT.format(amount="net_amount", columns=columns, source=_DOCUMENTS)
    return _list(ContactRevenueRow, _REVENUE_COLUMNS, sql, created_by_id, starts_on, ends_on)


def margin_by_contact(created_by_id: UUID | None, starts_on: date, ends_on: date) -> ConnectionQuery[ContactMarginRow]:
    """The margin of each contact, under the account's id: by currency, and then the largest first."""
    columns = f"{_OF_CONTACT}, {_MARGIN}"
    sql = _BY_CONTACT.format(amount="margin_amount", columns=columns, source=_MARGIN_SOURCE)
    return _list(ContactMarginRow, _MARGIN_COLUMNS, sql, created_by_id, starts_on, ends_on)


def _list(
    row: type[R], columns: Mapping[str, str], sql: str, created_by_id: UUID | None, *days: date
) -> ConnectionQuery[R]:
    """A list of the entries that `sql` computes. It reads all documents of the range for each page."""
    query = ConnectionQuery(
        row=row,
        columns=columns,
        source="entries r",
        parent="TRUE",
        order=_ORDER,
        required_columns=("account_id", "contact_id"),
        key="account_id",
        scan=Scan(_in_scope(sql, created_by_id), tuple(name for name, _ in _ORDER.columns)),
    )
    for value in (created_by_id, *days):
        _ = query.params.add(value)
    return query
