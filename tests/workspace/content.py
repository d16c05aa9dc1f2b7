"""Documents for the tests of their files."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from workspace import vat
from workspace.document import DocumentKind
from workspace.issued_document import IssuedDocument, Line, Party

LETTERS = "Zażółć gęślą jaźń, Ærlig Ørret på Åsen, Œuvre à Noël €"
SELLER = Party("Nowak AS", "NO", "NO995525828MVA", "995525828", None)
BUYER = Party("Kunde Sp. z o.o.", "PL", "PL5260250995", None, "ul. Długa 1/2\n00-238 Warszawa")


def line(**values: Any) -> Line:
    """A line of 19.80 at 25 %."""
    numbers = {"quantity": "2", "unit_price": "9.90", "discount_percent": "0", "vat_rate": "25", "net_amount": "19.80"}
    texts = {"description": "Paper", "unit": "pcs"}
    fields: dict[str, Any] = {name: Decimal(number) for name, number in numbers.items()} | texts
    return Line(**fields | values)


def content(*lines: Line, **values: Any) -> IssuedDocument:
    """An issued invoice with these lines, or with one line of 19.80."""
    lines = lines or (line(),)
    currency = values.get("currency", "EUR")
    document = IssuedDocument(
        kind=DocumentKind.INVOICE,
        number="FV2026-0001",
        currency=currency,
        issued_on=date(2026, 11, 21),
        sold_on=date(2026, 11, 20),
        due_on=date(2026, 12, 5),
        note=None,
        seller=SELLER,
        buyer=BUYER,
        account_number=123456,
        bank_account="NO9386011117947",
        corrected_number=None,
        corrected_on=None,
        lines=lines,
        totals=vat.totals([(entry.vat_rate, entry.net_amount) for entry in lines], currency),
    )
    return replace(document, **values)
