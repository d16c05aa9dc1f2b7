"""Reports in the graph."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database import db
from database.listing import Connection as Page
from database.listing import ConnectionQuery
from models.base.errors import OperationError
from resolvers import ids, rights
from resolvers.context import Context, Info
from resolvers.pages import grouped_pages
from schema.connection import BOTH_WAYS, Connection
from schema.declare import field, graph_type, needs
from workspace import report
from workspace.graph import contact
from workspace.graph.contact import Contact
from workspace.report import ReportsRow
from workspace.scope import SCOPE

R = TypeVar("R", bound=db.Row)

# ---- Resolvers -------------------------------------------------------------------------------

_DOCUMENTS_READ: Final = policy.mask([Permission.DOCUMENTS_READ])


async def of_accounts(
    accounts: Sequence[Any], info: Info, starts_on: date | None = None, ends_on: date | None = None
) -> list[ReportsRow | OperationError]:
    """The reports of each account, of the documents in the caller's scope: at most two statements."""
    context, keys = info.context, list(dict.fromkeys(row["id"] for row in accounts))
    days = report.day_range(starts_on, ends_on, today=context.now.date())
    creators = {key: _creator_id(key, context) for key in keys}
    reports: dict[UUID, ReportsRow | OperationError] = {}
    for creator_id in set(creators.values()):
        account_ids = [key for key in keys if creators[key] == creator_id]
        for row in await report.of_accounts(account_ids, creator_id, *days):
            is_short = row.document_count <= report.MAX_DOCUMENTS
            reports[row.account_id] = row if is_short else report.too_many_documents()
    return [reports[row["id"]] for row in accounts]


def _creator_id(account_id: UUID, context: Context) -> UUID | None:
    """The user whose documents count in the caller's reports of an account. None: the documents of all users count."""
    bits = context.access.bits(account_id)
    if SCOPE.shows_all(bits):
        return None
    # Users who may read no documents learn no amounts, not even those of documents that they created.
    return (context.creator_id if bits & _DOCUMENTS_READ else None) or ids.NIL_KEY


async def revenue_by_month(reports: Sequence[Any], _: Info) -> Sequence[Any]:
    """The revenue of each month."""
    return await report.revenue_by_month(reports)


async def vat_by_month(reports: Sequence[Any], _: Info) -> Sequence[Any]:
    """The VAT of each month, by rate."""
    return await report.vat_by_month(reports)


async def margin_by_month(reports: Sequence[Any], _: Info) -> Sequence[Any]:
    """The margin of each month."""
    return await report.margin_by_month(reports)


async def open_items(reports: Sequence[Any], info: Info) -> Sequence[Any]:
    """The open amounts of today."""
    return await report.open_items(reports, today=info.context.now.date())


async def revenue_by_contact(reports: Sequence[Any], info: Info, **page: Any) -> Sequence[Any]:
    """The revenue from each contact."""
    return await _pages(report.revenue_by_contact, reports, info, page)


async def margin_by_contact(reports: Sequence[Any], info: Info, **page: Any) -> Sequence[Any]:
    """The margin of each contact."""
    return await _pages(report.margin_by_contact, reports, info, page)


async def _pages(
    make_query: Callable[[UUID | None, date, date], ConnectionQuery[R]],
    reports: Sequence[ReportsRow],
    info: Info,
    page: dict[str, Any],
) -> list[Page[R]]:
    scopes = {row.account_id: report.scope_of(row) for row in reports}
    account_ids = [row.account_id for row in reports]
    return await grouped_pages(account_ids, scopes.__getitem__, lambda scope: make_query(*scope), info, page)


# ---- Types -----------------------------------------------------------------------------------

_REPORTS_READ: Final = needs(Permission.REPORTS_READ)
_PRICES_READ: Final = needs(Permission.PURCHASE_PRICES_READ)
_CONTACT: Final = "The contact as it is now. Null: there is none, or the viewer may not read contacts."
_MONTH: Final = "The first day of the month."
_CURRENCY: Final = "The currency of the amounts, ISO 4217."
_COUNT: Final = "The number of documents, credit notes included."
_NET: Final = "The net amount of the invoices, less that of the credit notes."
_NET_WITH_COST: Final = "The net amount of the lines with a purchase price, less that of such lines of credit notes."
_COST: Final = "Quantity times purchase price of these lines. The sum is rounded once, half up."
_MARGIN: Final = "The net amount less the cost."
_NET_WITHOUT_COST: Final = (
    "The net amount of the lines without a purchase price. Their margin is unknown, so they count nowhere else."
)


@graph_type(_REPORTS_READ, rights.of_account_parts, description="The revenue of a month in one currency.")
class MonthRevenue:
    """The revenue of a month."""

    month: date = field(description=_MONTH)
    currency: str = field(description=_CURRENCY)
    document_count: int = field(description=_COUNT)
    net_amount: Decimal = field(description=_NET)


@graph_type(_REPORTS_READ, rights.of_account_parts, description="The revenue from a contact in one currency.")
class ContactRevenue:
    """The revenue from a contact."""

    contact: Contact | None = field(
        needs(Permission.CONTACTS_READ), batch=contact.of_rows, columns=("contact_id",), description=_CONTACT
    )
    currency: str = field(description=_CURRENCY)
    document_count: int = field(description=_COUNT)
    net_amount: Decimal = field(description=_NET)


@graph_type(_REPORTS_READ, rights.of_account_parts, description="The VAT of a month in one currency at one rate.")
class MonthVat:
    """The VAT of a month."""

    month: date = field(description=_MONTH)
    currency: str = field(description=_CURRENCY)
    rate: Decimal = field(description="The rate, in percent.")
    taxable_amount: Decimal = field(description="The net amount of the lines with this rate.")
    tax_amount: Decimal = field(description="The sum of the VAT of the documents, each rounded once for each rate.")


@graph_type(
    _REPORTS_READ,
    rights.of_account_parts,
    description="The open amounts of invoices in one currency, by the days since they were due. A credit note lowers "
    "the open amount of the invoice that it corrects, and does not count itself.",
)
class OpenItems:
    """The open amounts of invoices."""

    currency: str = field(description=_CURRENCY)
    document_count: int = field(description="The number of invoices with an open amount.")
    open_amount: Decimal = field(description="The sum of all open amounts.")
    not_due_amount: Decimal = field(description="The part that is due today or later.")
    days_1_to_30_amount: Decimal = field(description="The part that was due 1 to 30 days ago.")
    days_31_to_60_amount: Decimal = field(description="The part that was due 31 to 60 days ago.")
    days_61_to_90_amount: Decimal = field(description="The part that was due 61 to 90 days ago.")
    over_90_days_amount: Decimal = field(description="The part that was due more than 90 days ago.")


@graph_type(_PRICES_READ, rights.of_account_parts, description="The margin of a month in one currency.")
class MonthMargin:
    """The margin of a month."""

    month: date = field(description=_MONTH)
    currency: str = field(description=_CURRENCY)
    net_amount: Decimal = field(description=_NET_WITH_COST)
    cost_amount: Decimal = field(description=_COST)
    margin_amount: Decimal = field(description=_MARGIN)
    net_amount_without_cost: Decimal = field(description=_NET_WITHOUT_COST)


@graph_type(_PRICES_READ, rights.of_account_parts, description="The margin of a contact in one currency.")
class ContactMargin:
    """The margin of a contact."""

    contact: Contact | None = field(
        needs(Permission.CONTACTS_READ), batch=contact.of_rows, columns=("contact_id",), description=_CONTACT
    )
    currency: str = field(description=_CURRENCY)
    net_amount: Decimal = field(description=_NET_WITH_COST)
    cost_amount: Decimal = field(description=_COST)
    margin_amount: Decimal = field(description=_MARGIN)
    net_amount_without_cost: Decimal = field(description=_NET_WITHOUT_COST)


_LINES_READ: Final = report.MAX_DOCUMENTS * (1 + report.LINES_OF_DOCUMENT)


@graph_type(
    _REPORTS_READ,
    rights.of_account_parts,
    description="The reports of an account over a range of days. They count issued documents by their date of issue, "
    "and credit notes with negative amounts. Amounts of different currencies are never added. Without "
    "DOCUMENTS_READ_ALL, only documents that the viewer created count. Without DOCUMENTS_READ, none counts.",
)
class AccountReports:
    """The reports of an account."""

    starts_on: date = field(description="The first day of the range.")
    ends_on: date = field(description="The last day of the range.")
    document_count: int = field(description="The number of documents in the range, credit notes included.")
    revenue_by_month: list[MonthRevenue] | None = field(
        batch=revenue_by_month,
        cost_size=report.MAX_MONTHS,
        reads_rows=report.MAX_DOCUMENTS,
        description="The revenue of each month with documents, in the order of time, and for each currency. Null, with "
        "an error, only if it takes too long.",
    )
    revenue_by_contact: Connection[ContactRevenue] | None = field(
        batch=revenue_by_contact,
        reads_rows=report.MAX_DOCUMENTS,
        arguments=BOTH_WAYS,
        description="The revenue from each contact: by currency, and then the largest first.",
    )
    vat_by_month: list[MonthVat] | None = field(
        batch=vat_by_month,
        cost_size=2 * report.MAX_MONTHS,
        reads_rows=_LINES_READ,
        description="The VAT of each month with documents, in the order of time, for each currency and rate. "
        "Null, with an error, only if it takes too long.",
    )
    open_items: list[OpenItems] | None = field(
        batch=open_items,
        cost_size=2,
        reads_rows=report.MAX_DOCUMENTS,
        description="The open amounts of today (UTC), for each currency. All open invoices count, also those outside "
        "of the range. Null, with the error BAD_USER_INPUT, if these are more than 50,000.",
    )
    margin_by_month: list[MonthMargin] | None = field(
        _PRICES_READ,
        batch=margin_by_month,
        cost_size=report.MAX_MONTHS,
        reads_rows=_LINES_READ,
        description="The margin of each month with documents, in the order of time, and for each currency. Null if the "
        "viewer may not read purchase prices.",
    )
    margin_by_contact: Connection[ContactMargin] | None = field(
        _PRICES_READ,
        batch=margin_by_contact,
        reads_rows=_LINES_READ,
        arguments=BOTH_WAYS,
        description="The margin of each contact: by currency, and then the largest first. Null if the viewer may not "
        "read purchase prices.",
    )
