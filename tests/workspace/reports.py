"""Helpers of the tests of reports: the selection of each report, and a query for them."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.api import Api, Person

REVENUE = "revenueByMonth { month currency documentCount netAmount }"
VAT = "vatByMonth { month currency rate taxableAmount taxAmount }"
OPEN = """openItems { currency documentCount openAmount notDueAmount days1To30Amount days31To60Amount days61To90Amount
    over90DaysAmount }"""
MARGIN = "marginByMonth { month currency netAmount costAmount marginAmount netAmountWithoutCost }"
REVENUE_BY_CONTACT = """revenueByContact(first: 100) { totalCount pageInfo { hasNextPage startCursor endCursor }
    nodes { contact { name } currency documentCount netAmount } }"""
MARGIN_BY_CONTACT = """marginByContact(first: 100) { totalCount pageInfo { hasNextPage startCursor endCursor }
    nodes { contact { name } currency netAmount costAmount marginAmount netAmountWithoutCost } }"""
EVERYTHING = f"documentCount {REVENUE} {VAT} {OPEN} {MARGIN} {REVENUE_BY_CONTACT} {MARGIN_BY_CONTACT}"
OWN_ONLY = ["REPORTS_READ", "DOCUMENTS_READ", "DOCUMENTS_WRITE", "CONTACTS_READ", "CONTACTS_WRITE",
            "PURCHASE_PRICES_READ"]  # fmt: skip


REPORTS = {
    "documentCount": "documentCount",
    "revenueByMonth": REVENUE,
    "revenueByContact": REVENUE_BY_CONTACT,
    "vatByMonth": VAT,
    "openItems": OPEN,
    "marginByMonth": MARGIN,
    "marginByContact": MARGIN_BY_CONTACT,
}
"""The selection of each report, by name."""


async def ask(api: Api, by: Person, selection: str, **variables: object) -> Any:
    """The response to a query for reports of the user's account."""
    query = f"""query ($id: ID!, $startsOn: Date, $endsOn: Date) {{ account(id: $id) {{
        reports(startsOn: $startsOn, endsOn: $endsOn) {{ {selection} }} }} }}"""
    return await api.ask(query, {"id": by.account_id, **variables}, by=by)


async def read(api: Api, by: Person, selection: str, **variables: object) -> Any:
    """The reports of the user's account, without an error. By default of the current year."""
    return (await ask(api, by, selection, **variables)).data["account"]["reports"]


def texts(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each entry as a line: its values, and the name of its contact."""
    return [
        " ".join(str(value["name"] if isinstance(value, dict) else value) for value in entry.values())
        for entry in entries
    ]
