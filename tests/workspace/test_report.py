"""Reports: a worked example, a comparison with the documents themselves, and the range of days."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from tests.api import Api, Clock, Person, codes
from tests.workspace.documents import add_line, contact_id, draft_id, issue, issued_id
from tests.workspace.random_documents import DECIMALS, RandomDocument, random_documents, store
from tests.workspace.reports import EVERYTHING, OPEN, OWN_ONLY, ask, read, texts
from workspace import report

# ---- A worked example ------------------------------------------------------------------------


async def create_example(api: Api, anna: Person) -> None:
    """Three documents of EUR, one of USD, a draft and a deleted draft."""
    alfa, beta = [await contact_id(api, anna, name) for name in ("Alfa", "Beta")]
    values = {"accountId": anna.account_id, "name": "Pen", "price": "10", "purchasePrice": "4.005", "vatRate": "25"}
    pen = {"productId": (await api.do("createProduct", values, "product { id }", by=anna))["product"]["id"]}
    pen |= dict.fromkeys(("description", "unitPrice", "vatRate"))

    invoice = await draft_id(api, anna, contact=alfa)
    _ = await add_line(api, anna, invoice, **pen, quantity="3")
    _ = await add_line(api, anna, invoice, quantity="1", unitPrice="5.05", vatRate="5")
    assert codes(await issue(api, anna, invoice, issuedOn="2026-01-15")) == []
    second_invoice = await draft_id(api, anna, contact=beta)
    _ = await add_line(api, anna, second_invoice, **pen, quantity="1")
    assert codes(await issue(api, anna, second_invoice, issuedOn="2026-02-10")) == []
    correction = await api.do("createCreditNote", {"documentId": invoice}, "document { id }", by=anna)
    assert codes(await issue(api, anna, correction["document"]["id"], issuedOn="2026-02-20")) == []
    dollars = await draft_id(api, anna, contact=beta, currency="USD")
    _ = await add_line(api, anna, dollars, quantity="1", unitPrice="7", vatRate="0")
    assert codes(await issue(api, anna, dollars, issuedOn="2026-02-20")) == []

    draft, deleted_draft = [await draft_id(api, anna, contact=alfa) for _ in range(2)]
    for document in (draft, deleted_draft):
        _ = await add_line(api, anna, document, quantity="1000")
    assert codes(await api.do("deleteDocument", {"documentId": deleted_draft}, by=anna)) == []


async def test_reports_of_the_worked_example(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await create_example(api, anna)

    reports = await read(api, anna, EVERYTHING, startsOn="2026-01-01", endsOn="2026-12-31")

    assert reports["documentCount"] == 4
    assert texts(reports["revenueByMonth"]) == [
        "2026-01-01 EUR 1 35.05",
        "2026-02-01 EUR 2 -25.05",  # 10.00 - 35.05
        "2026-02-01 USD 1 7.00",
    ]
    assert texts(reports["vatByMonth"]) == [
        "2026-01-01 EUR 5 5.05 0.25",  # 5.05 * 5 % = 0.2525
        "2026-01-01 EUR 25 30.00 7.50",
        "2026-02-01 EUR 5 -5.05 -0.25",
        "2026-02-01 EUR 25 -20.00 -5.00",
        "2026-02-01 USD 0 7.00 0.00",
    ]
    assert texts(reports["marginByMonth"]) == [
        "2026-01-01 EUR 30.00 12.02 17.98 5.05",  # 3 * 4.005 = 12.015
        "2026-02-01 EUR -20.00 -8.01 -11.99 -5.05",  # 4.005 - 12.015
        "2026-02-01 USD 0.00 0.00 0.00 7.00",
    ]
    assert texts(reports["revenueByContact"]["nodes"]) == ["Beta EUR 1 10.00", "Alfa EUR 2 0.00", "Beta USD 1 7.00"]
    assert texts(reports["marginByContact"]["nodes"]) == [
        "Beta EUR 10.00 4.01 5.99 0.00",  # 4.005, rounded here alone
        "Alfa EUR 0.00 0.00 0.00 0.00",
        "Beta USD 0.00 0.00 0.00 7.00",
    ]


async def test_open_items_have_the_ages_of_today(api: Api, clock: Clock) -> None:
    anna = await api.person("anna@example.com")
    contact, today = await contact_id(api, anna), clock.now.date()
    ages = {100: 1, 91: 2, 90: 4, 61: 8, 60: 16, 31: 32, 30: 64, 1: 128, 0: 256, -5: 512}
    documents: dict[int, str] = {}
    for age, amount in [*ages.items(), (50, 1024), (51, 2048)]:
        due_on = (today - timedelta(days=age)).isoformat()
        documents[age] = await draft_id(api, anna, contact=contact, dueOn=due_on)
        _ = await add_line(api, anna, documents[age], quantity=str(amount), unitPrice="1", vatRate="0")
        issued_on = (today - timedelta(days=120)).isoformat()
        assert codes(await issue(api, anna, documents[age], issuedOn=issued_on)) == []
    _ = await api.do("recordPayment", {"documentId": documents[50], "amount": "1024"}, by=anna)
    _ = await api.do("recordPayment", {"documentId": documents[0], "amount": "0.5"}, by=anna)
    correction = await api.do("createCreditNote", {"documentId": documents[51]}, "document { id }", by=anna)
    assert codes(await issue(api, anna, correction["document"]["id"])) == []

    # The range does not count.
    reports = await read(api, anna, OPEN, startsOn="2010-01-01", endsOn="2010-12-31")

    assert texts(reports["openItems"]) == ["EUR 10 1022.50 767.50 192.00 48.00 12.00 3.00"]


# ---- Comparison with the documents -----------------------------------------------------------


def rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-DECIMALS[currency]), ROUND_HALF_UP)


def computed_revenue(documents: list[RandomDocument], name: str) -> list[str]:
    """The revenue by the attribute `name` and currency, from the documents."""
    amounts: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for document in documents:
        key = str(getattr(document, name)), document.currency
        amounts[key] += document.sign * document.net_amount
        counts[key] += 1
    return sorted(
        f"{place} {code} {counts[place, code]} {rounded(amounts[place, code], code)}" for place, code in counts
    )


def computed_vat(documents: list[RandomDocument]) -> list[str]:
    """The VAT by month, currency and rate, from the lines. Each document rounds the VAT of each of its rates."""
    sums: dict[tuple[str, str, Decimal], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for document in documents:
        for rate in {line.vat_rate for line in document.lines}:
            taxable = sum(line.net_amount for line in document.lines if line.vat_rate == rate)
            total = sums[document.month, document.currency, rate]
            total[0] += document.sign * taxable
            total[1] += document.sign * rounded(taxable * rate / 100, document.currency)
    return sorted(
        f"{month} {code} {rate} {rounded(taxable, code)} {rounded(tax, code)}"
        for (month, code, rate), (taxable, tax) in sums.items()
    )


def computed_margin(documents: list[RandomDocument], name: str) -> list[str]:
    """The margin by the attribute `name` and currency, from the lines."""
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for document in documents:
        total = sums[str(getattr(document, name)), document.currency]
        for line in document.lines:
            if line.purchase_price is None:
                total[2] += document.sign * line.net_amount
            else:
                total[0] += document.sign * line.net_amount
                total[1] += document.sign * line.quantity * line.purchase_price
    return sorted(
        f"{place} {code} {rounded(net, code)} {rounded(cost, code)} {rounded(net, code) - rounded(cost, code)}"
        f" {rounded(rest, code)}"
        for (place, code), (net, cost, rest) in sums.items()
    )


@pytest.mark.parametrize("seed", range(4))
async def test_reports_equal_what_the_documents_add_up_to(api: Api, database_url: str, seed: int) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    contacts = {name: await contact_id(api, anna, name) for name in ("Alfa", "Beta", "Gamma")}
    documents = random_documents(seed, 150, contacts=[*contacts])
    await store(database_url, documents, anna, guest, contacts)
    days = {"startsOn": "2025-03-10", "endsOn": "2026-02-20"}

    for person, is_counted in ((anna, {True, False}), (guest, {False})):
        counted = [
            document
            for document in documents
            if document.is_issued
            and date(2025, 3, 10) <= document.issued_on <= date(2026, 2, 20)
            and document.is_by_owner in is_counted
        ]
        reports = await read(api, person, EVERYTHING, **days)

        assert reports["documentCount"] == len(counted)
        assert sorted(texts(reports["revenueByMonth"])) == computed_revenue(counted, "month")
        assert sorted(texts(reports["revenueByContact"]["nodes"])) == computed_revenue(counted, "contact")
        assert sorted(texts(reports["vatByMonth"])) == computed_vat(counted)
        assert sorted(texts(reports["marginByMonth"])) == computed_margin(counted, "month")
        assert sorted(texts(reports["marginByContact"]["nodes"])) == computed_margin(counted, "contact")


@pytest.mark.parametrize("name", ["revenueByContact", "marginByContact"])
async def test_contacts_are_paged_in_both_directions(api: Api, database_url: str, name: str) -> None:
    anna = await api.person("anna@example.com")
    contacts = {f"Contact {number}": await contact_id(api, anna, f"Contact {number}") for number in range(5)}
    documents = random_documents(7, 200, contacts=[*contacts])
    await store(database_url, documents, anna, anna, contacts)
    amount = "netAmount" if name == "revenueByContact" else "marginAmount"
    days = {"startsOn": "2025-01-01", "endsOn": "2026-12-31"}

    async def page(arguments: str) -> Any:
        selection = f"""{name}({arguments}) {{ totalCount nodes {{ contact {{ name }} currency {amount} }}
            pageInfo {{ startCursor endCursor }} }}"""
        return (await read(api, anna, selection, **days))[name]

    full = await page("first: 100")
    entries: list[Any] = full["nodes"]
    forwards: list[Any] = []
    backwards: list[Any] = []
    after = before = ""
    for _ in range(4):
        next_page, previous_page = await page(f"first: 4 {after}"), await page(f"last: 4 {before}")
        forwards, backwards = [*forwards, *next_page["nodes"]], [*previous_page["nodes"], *backwards]
        after = f'after: "{next_page["pageInfo"]["endCursor"]}"'
        before = f'before: "{previous_page["pageInfo"]["startCursor"]}"'

    assert full["totalCount"] == len(entries) == 15  # five contacts, three currencies
    assert forwards == backwards == entries
    sort_keys = [(entry["currency"], -Decimal(entry[amount])) for entry in entries]
    assert sort_keys == sorted(sort_keys)


# ---- The range -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({}, None),
        ({"startsOn": "2024-05-06"}, ("2024-05-06", "2024-12-31")),
        ({"endsOn": "2024-05-06"}, ("2024-01-01", "2024-05-06")),
        ({"startsOn": "2024-01-01", "endsOn": "2026-12-31"}, ("2024-01-01", "2026-12-31")),
        ({"startsOn": None, "endsOn": None}, None),
    ],
)
async def test_default_range_is_a_year(
    api: Api, clock: Clock, days: dict[str, object], expected: tuple[str, str] | None
) -> None:
    anna = await api.person("anna@example.com")

    answer = await ask(api, anna, "startsOn endsOn", **days)

    year = clock.now.year
    first, last = expected or (f"{year}-01-01", f"{year}-12-31")
    assert answer.data["account"]["reports"] == {"startsOn": first, "endsOn": last}


@pytest.mark.parametrize(
    "days",
    [
        {"startsOn": "2026-02-02", "endsOn": "2026-02-01"},
        {"startsOn": "2024-01-01", "endsOn": "2027-01-01"},
        {"startsOn": "1999-12-31", "endsOn": "2000-01-01"},
        {"startsOn": "2099-12-31", "endsOn": "2100-01-01"},
        {"startsOn": "0001-01-01"},
        {"endsOn": "9999-12-31"},
        {"startsOn": "2026-02-30"},
        {"startsOn": "2026"},
        {"startsOn": 2026},
    ],
)
async def test_impossible_range_is_a_mistake_of_the_client(api: Api, days: dict[str, object]) -> None:
    anna = await api.person("anna@example.com")

    answer = await ask(api, anna, "documentCount", **days)

    assert answer.codes == ["BAD_USER_INPUT"]


async def test_report_of_too_many_documents_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents of colleagues count for the bound only if they count in the report."""
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    for person in (anna, anna, guest):
        _ = await issued_id(api, person)
    monkeypatch.setattr(report, "MAX_DOCUMENTS", 2)

    refusal = await ask(api, anna, "documentCount")
    open_refusal = await ask(api, anna, OPEN, startsOn="2010-01-01", endsOn="2010-12-31")

    assert (refusal.codes, refusal.partial) == (["BAD_USER_INPUT"], {"account": {"reports": None}})
    assert (open_refusal.codes, open_refusal.partial) == (
        ["BAD_USER_INPUT"],
        {"account": {"reports": {"openItems": None}}},
    )
    assert (await ask(api, guest, f"documentCount {OPEN}")).data["account"]["reports"]["documentCount"] == 1
