"""The PDF of an issued document, in the language of its receiver.

Typst typesets `templates/document.typ`: it repeats the head of the table, numbers the pages, breaks lines, and embeds
its own fonts. The template gets all values as texts of one JSON value, so no text of a user is read as markup, and it
reads no file and no network. The same document and language give the same bytes.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
import typst
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

import i18n
from i18n import mark
from workspace import money
from workspace.document import DocumentKind
from workspace.issued_document import IssuedDocument, Line, Party

TEMPLATE: Final = Path(__file__).parent / "templates" / "document.typ"
_STANDARD: Final = "a-3b"
"""PDF/A: the file contains all that is needed to show it, and can be archived for the years that tax law demands."""
_MAX_TAGGED_LINES: Final = 100
"""Up to this length a PDF has tags for screen readers. Those of 1,000 lines would take 2 MB of a mail."""
_MAX_KEPT_VALUES: Final = 16_384
"""Characters of the values of a document whose layout may stay in the memory of Typst, which it takes a hundredfold."""
_KEPT_LAYOUTS: Final = 11
"""Typst forgets a layout that it has not used for ten others. 1,000 lines take 150 MB."""
_FORMAT_LOCALES: Final = {"en": "en_GB"}
_TITLES: Final = {DocumentKind.INVOICE: mark("Invoice"), DocumentKind.CREDIT_NOTE: mark("Credit note")}
_TOTALS: Final = {DocumentKind.INVOICE: mark("Amount to pay"), DocumentKind.CREDIT_NOTE: mark("Amount credited")}
_LABELS: Final = {
    "seller": mark("Seller"),
    "buyer": mark("Buyer"),
    "vat_number": mark("VAT number"),
    "organization_number": mark("Organization number"),
    "issued_on": mark("Date of issue"),
    "sold_on": mark("Date of sale"),
    "due_on": mark("Pay by"),
    "corrected": mark("Corrects the invoice"),
    "description": mark("Description"),
    "quantity": mark("Quantity"),
    "unit": mark("Unit"),
    "unit_price": mark("Price"),
    "discount": mark("Discount"),
    "vat_rate": mark("VAT"),
    "net_amount": mark("Net"),
    "vat_of_rate": mark("VAT rate"),
    "taxable_amount": mark("Without VAT"),
    "tax_amount": mark("VAT"),
    "gross_amount": mark("With VAT"),
    "total": mark("Total"),
    "bank_account": mark("Bank account"),
    "reference": mark("Payment reference"),
}
_PAGE: Final = mark("Page %(page)s of %(pages)s")


def render(document: IssuedDocument, locale: str) -> bytes:
    """The PDF of a document. A document of 1,000 lines takes about a second, so call it outside of the event loop.

    It is PDF/A, unless a text has letters that the fonts do not have, such as Chinese ones: these are shown as boxes.
    """
    values = orjson.dumps(_values(document, locale)).decode()
    try:
        return _compile(document, values, [_STANDARD])
    except typst.TypstError:
        return _compile(document, values, [])
    finally:
        if len(values) > _MAX_KEPT_VALUES:
            _forget_layouts()


def _forget_layouts() -> None:
    """Let Typst free its memory of layouts, by empty ones. It has no function for that."""
    empty = typst.Compiler(ignore_system_fonts=True)
    for _ in range(_KEPT_LAYOUTS):
        _ = empty.compile(b" ", format="pdf")


def _compile(document: IssuedDocument, values: str, standards: list[Any]) -> bytes:
    return bytes(
        typst.compile(
            TEMPLATE,
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=standards,
            pdf_tags=len(document.lines) <= _MAX_TAGGED_LINES,
            sys_inputs={"document": values},
            timestamp=datetime.combine(document.issued_on, time(), UTC),
        )
    )


def _values(document: IssuedDocument, locale: str) -> dict[str, object]:
    """The values of the template, all of them texts in the language, or lists and dictionaries of such texts."""
    language = _FORMAT_LOCALES.get(locale, locale)
    amount = _amount_formatter(document.currency, language)
    facts = [
        ("issued_on", _date(document.issued_on, language)),
        ("sold_on", _date(document.sold_on, language)),
        ("due_on", _date(document.due_on, language)),
        ("corrected", document.corrected_number),
    ]
    payment = [] if document.kind is DocumentKind.CREDIT_NOTE else _payment(document, language)
    totals = document.totals
    return {
        "language": "no" if locale == "nb" else locale,
        "title": i18n.translate(locale, _TITLES[document.kind]),
        "number": document.number,
        "currency": document.currency,
        "labels": {name: i18n.translate(locale, text) for name, text in _LABELS.items()},
        "page": i18n.translate(locale, _PAGE, page="{page}", pages="{pages}"),
        "facts": [[name, value] for name, value in facts if value],
        "seller": _party(document.seller, language),
        "buyer": _party(document.buyer, language),
        "has_discount": any(line.discount_percent for line in document.lines),
        "lines": [_line(line, document.currency, language) for line in document.lines],
        "rates": [
            [
                _percent(entry.rate, language),
                amount(entry.taxable_amount),
                amount(entry.tax_amount),
                amount(entry.taxable_amount + entry.tax_amount),
            ]
            for entry in totals.vat_amounts
        ],
        "totals": [amount(totals.net_amount), amount(totals.tax_amount), amount(totals.gross_amount)],
        "payable": [
            i18n.translate(locale, _TOTALS[document.kind]),
            f"{amount(totals.gross_amount)}\u00a0{document.currency}",
        ],
        "payment": [[name, value] for name, value in payment if value],
        "note": document.note,
    }


def _payment(document: IssuedDocument, language: str) -> list[tuple[str, str | None]]:
    account = document.bank_account
    groups = account and "\u00a0".join(account[start : start + 4] for start in range(0, len(account), 4))
    return [
        ("due_on", _date(document.due_on, language)),
        ("bank_account", groups),
        ("reference", document.number),
    ]


def _party(party: Party, language: str) -> dict[str, object]:
    territories = Locale.parse(language).territories
    country = territories.get(party.country, party.country) if party.country else None
    numbers = [("organization_number", party.organization_number), ("vat_number", party.vat_number)]
    return {
        "name": party.name,
        "address": [text for text in (*(party.address or "").split("\n"), country) if text],
        "numbers": [[name, value] for name, value in numbers if value],
    }


def _line(line: Line, currency: str, language: str) -> dict[str, str]:
    decimals = money.DECIMALS[currency]
    return {
        "description": line.description,
        "unit": line.unit,
        "quantity": _number(line.quantity, "#,##0.###", language),
        "unit_price": _number(line.unit_price, _pattern(decimals, money.PRICE_DECIMALS), language),
        "discount": _percent(line.discount_percent, language) if line.discount_percent else "",
        "vat_rate": _percent(line.vat_rate, language),
        "net_amount": _amount_formatter(currency, language)(line.net_amount),
    }


def _amount_formatter(currency: str, language: str) -> Callable[[Decimal], str]:
    decimals = money.DECIMALS[currency]
    pattern = _pattern(decimals, decimals)
    return lambda amount: _number(amount, pattern, language)


def _pattern(decimals: int, max_decimals: int) -> str:
    """A pattern of CLDR with at least `decimals` and at most `max_decimals` decimals."""
    return f"#,##0.{'0' * decimals}{'#' * (max_decimals - decimals)}".rstrip(".")


def _percent(rate: Decimal, language: str) -> str:
    return f"{_number(rate, '#,##0.##', language)}\u00a0%"


def _number(number: Decimal, pattern: str, language: str) -> str:
    return format_decimal(number, format=pattern, locale=language)


def _date(day: date | None, language: str) -> str | None:
    return None if day is None else format_date(day, "long", locale=language)
