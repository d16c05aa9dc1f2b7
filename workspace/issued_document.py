"""The content of an issued document: all that its PDF and its structured invoice show.

It is read from what the document copied when it was issued, and does not change any more. Texts are cleaned here, once:
they contain no character that reorders or hides the text around it, and none that XML does not allow.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from database import db
from workspace import vat
from workspace.document import TABLE, DocumentKind
from workspace.vat import Totals

_REPLACEMENTS: Final = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": "", "Co": "", "Cn": ""}
"""The characters of these Unicode categories: control, line, format, surrogate, private and unassigned characters."""
_UNREADABLE: Final = "\ufffd"
"""Shown for a text that has only such characters. EN 16931 requires a name of each party and a text of each line."""


@dataclass(frozen=True, slots=True)
class Party:
    """The seller or the buyer."""

    name: str
    country: str | None
    vat_number: str | None
    organization_number: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the document."""

    description: str
    unit: str
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    vat_rate: Decimal
    net_amount: Decimal


@dataclass(frozen=True, slots=True)
class IssuedDocument:
    """An issued document."""

    kind: DocumentKind
    number: str
    currency: str
    issued_on: date
    sold_on: date | None
    due_on: date | None
    note: str | None
    seller: Party
    buyer: Party
    account_number: int
    """The public number of the seller's account."""
    bank_account: str | None
    corrected_number: str | None
    corrected_on: date | None
    lines: Sequence[Line]
    totals: Totals


class _DocumentRow(db.Row):
    kind: str
    number: str
    currency: str
    issued_on: date
    sold_on: date | None
    due_on: date | None
    note: str | None
    buyer_name: str
    buyer_country: str | None
    buyer_vat_number: str | None
    buyer_address: str | None
    seller_name: str
    seller_country: str | None
    seller_organization_number: str | None
    seller_vat_number: str | None
    seller_bank_account: str | None
    account_number: int
    corrected_number: str | None
    corrected_on: date | None


class _LineRow(db.Row):
    description: str
    unit: str
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    vat_rate: Decimal
    net_amount: Decimal


_DOCUMENT: Final = f"""
SELECT d.kind, d.number, d.currency, d.issued_on, d.sold_on, d.due_on, d.note, d.buyer_name, d.buyer_country,
    d.buyer_vat_number, d.buyer_address, d.seller_name, d.seller_country, d.seller_organization_number,
    d.seller_vat_number, d.seller_bank_account, a.number AS account_number, c.number AS corrected_number,
    c.issued_on AS corrected_on
FROM {TABLE} d JOIN accounts a ON a.id = d.account_id LEFT JOIN {TABLE} c ON c.id = d.corrected_id
WHERE d.id = $1 AND d.number IS NOT NULL
"""
_LINES: Final = """
SELECT l.description, l.unit, l.quantity, l.unit_price, l.discount_percent, l.vat_rate, l.net_amount
FROM document_lines l WHERE l.document_id = $1 ORDER BY l.id
"""


async def load(document_id: UUID) -> IssuedDocument:
    """The content of a document. The caller has to check that it is issued."""
    (row,) = await db.fetch(_DOCUMENT, document_id, row=_DocumentRow)
    lines = [
        Line(
            clean(line.description),
            clean(line.unit),
            line.quantity,
            line.unit_price,
            line.discount_percent,
            line.vat_rate,
            line.net_amount,
        )
        for line in await db.fetch(_LINES, document_id, row=_LineRow)
    ]
    return IssuedDocument(
        kind=DocumentKind(row.kind),
        number=clean(row.number),
        currency=row.currency,
        issued_on=row.issued_on,
        sold_on=row.sold_on,
        due_on=row.due_on,
        note=_clean_prose(row.note),
        seller=Party(
            clean(row.seller_name), row.seller_country, row.seller_vat_number, row.seller_organization_number, None
        ),
        buyer=Party(
            clean(row.buyer_name), row.buyer_country, row.buyer_vat_number, None, _clean_prose(row.buyer_address)
        ),
        account_number=row.account_number,
        bank_account=row.seller_bank_account,
        corrected_number=row.corrected_number and clean(row.corrected_number),
        corrected_on=row.corrected_on,
        lines=lines,
        totals=vat.totals([(line.vat_rate, line.net_amount) for line in lines], row.currency),
    )


def clean(text: str) -> str:
    """The text on one line, without characters that reorder or hide others, or that XML does not allow.

    It is empty only if `text` is. A text without any other character is shown as unreadable.
    """
    return _clean_line(text) or (_UNREADABLE if text else "")


def _clean_line(text: str) -> str:
    return "".join(_REPLACEMENTS.get(unicodedata.category(char), char) for char in text).strip()


def _clean_prose(text: str | None) -> str | None:
    """The text with its line ends, each line cleaned. None for no text."""
    return "\n".join(map(_clean_line, text.split("\n"))) if text else None
