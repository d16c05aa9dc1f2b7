"""The structured invoice: valid by the schema, and complete by the rules of EN 16931."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from facturx import xml_check_xsd
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - a compiled module without types

from tests.workspace.content import BUYER, LETTERS, SELLER, content, line
from workspace import money, structured_invoice
from workspace.document import DocumentKind
from workspace.issued_document import IssuedDocument

NAMES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
NO_VAT = replace(SELLER, vat_number=None)
CREDIT_NOTE: dict[str, Any] = {
    "kind": DocumentKind.CREDIT_NOTE,
    "due_on": None,
    "corrected_number": "FV2026-0009",
    "corrected_on": date(2026, 11, 1),
}
ZERO_RATE = line(vat_rate=Decimal(0))
DOCUMENTS: dict[str, IssuedDocument] = {
    "invoice": content(),
    "letters": content(line(description=LETTERS), seller=replace(SELLER, name=LETTERS), note=f"{LETTERS}\n{LETTERS}"),
    "credit note": content(**CREDIT_NOTE),
    "discount": content(line(discount_percent=Decimal("33.33"), net_amount=Decimal("13.20"))),
    "full discount": content(line(discount_percent=Decimal(100), net_amount=Decimal("0.00"))),
    "rates": content(line(), line(vat_rate=Decimal("12.5")), ZERO_RATE),
    "zero rate": content(ZERO_RATE),
    "outside VAT": content(ZERO_RATE, seller=NO_VAT),
    "VAT without a number": content(line(), ZERO_RATE, seller=NO_VAT),
    "no numbers": content(seller=replace(NO_VAT, organization_number=None)),
    "no bank account": content(bank_account=None),
    "no dates": content(sold_on=None),
    "no address": content(buyer=replace(BUYER, address=None, vat_number=None)),
    "price of six decimals": content(
        line(unit_price=Decimal("0.333333"), quantity=Decimal("3.001"), net_amount=Decimal("1.00"))
    ),
    "yen": content(line(unit_price=Decimal(99), net_amount=Decimal(198)), currency="JPY"),
    "thousand lines": content(*[line()] * 1000),
}


def ubl(document: IssuedDocument) -> Any:
    xml = structured_invoice.to_ubl(document, "en")
    assert xml is not None
    return etree.fromstring(xml)


def values(document: IssuedDocument, path: str) -> list[str]:
    return [element.text for element in ubl(document).iterfind(path, NAMES)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_by_the_schema(name: str) -> None:
    document = DOCUMENTS[name]
    flavor = "ubl-2.1-creditnote" if document.kind is DocumentKind.CREDIT_NOTE else "ubl-2.1-invoice"

    assert xml_check_xsd(structured_invoice.to_ubl(document, "en"), flavor=flavor) is True


@pytest.mark.parametrize("name", DOCUMENTS)
def test_sums_are_those_of_the_rules(name: str) -> None:
    """BR-CO-10, 13, 14 and 15, BR-CO-17, and the net amount of each line from price, quantity and discount."""
    document = DOCUMENTS[name]
    root = ubl(document)

    def amounts(path: str, node: Any = root) -> list[Decimal]:
        return [Decimal(element.text) for element in node.iterfind(path, NAMES)]

    lines = [node for node in root if node.tag.endswith("Line")]
    net_amounts = [amounts("cbc:LineExtensionAmount", node)[0] for node in lines]
    (total,) = amounts("cac:LegalMonetaryTotal/cbc:LineExtensionAmount")
    (tax,) = amounts("cac:TaxTotal/cbc:TaxAmount")
    (gross,) = amounts("cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount")
    assert sum(net_amounts) == total == sum(amounts("cac:TaxTotal/cac:TaxSubtotal/cbc:TaxableAmount"))
    assert sum(amounts("cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount")) == tax
    assert amounts("cac:LegalMonetaryTotal/cbc:PayableAmount") == [gross] == [total + tax]
    for node, net in zip(lines, net_amounts, strict=True):
        (price,) = amounts("cac:Price/cbc:PriceAmount", node)
        quantity = next(Decimal(child.text) for child in node if child.tag.endswith("Quantity"))
        discounts = amounts("cac:AllowanceCharge/cbc:Amount", node)
        assert money.round_amount(price * quantity, document.currency) - sum(discounts) == net


def test_invoice_has_the_terms_of_the_standard() -> None:
    document = content(note="Thanks")

    assert values(document, "cbc:CustomizationID") == ["urn:cen.eu:en16931:2017"]
    assert values(document, "cbc:ID") == ["FV2026-0001"]
    assert values(document, "cbc:InvoiceTypeCode") == ["380"]
    assert values(document, "cbc:IssueDate") == ["2026-11-21"]
    assert values(document, "cbc:DueDate") == ["2026-12-05"]
    assert values(document, "cbc:Note") == ["Thanks"]
    assert values(document, ".//cac:AccountingSupplierParty//cbc:RegistrationName") == ["Nowak AS"]
    assert values(document, ".//cac:AccountingCustomerParty//cbc:IdentificationCode") == ["PL"]
    assert values(document, "cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID") == ["NO9386011117947"]


def test_credit_note_refers_to_its_invoice_and_has_terms_of_payment() -> None:
    document = content(**CREDIT_NOTE)

    assert values(document, "cbc:CreditNoteTypeCode") == ["381"]
    assert values(document, "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID") == ["FV2026-0009"]
    assert values(document, "cac:PaymentTerms/cbc:Note") == ["This credit note corrects the invoice FV2026-0009."]


@pytest.mark.parametrize(
    ("name", "categories"),
    [("invoice", ["S"]), ("rates", ["Z", "S", "S"]), ("zero rate", ["Z"]), ("outside VAT", ["O"]),
     ("VAT without a number", ["Z", "S"])],
)  # fmt: skip
def test_rates_have_their_category(name: str, categories: list[str]) -> None:
    assert values(DOCUMENTS[name], "cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:ID") == categories


@pytest.mark.parametrize(
    ("unit", "code"), [("", "C62"), ("h", "HUR"), ("Godz.", "HUR"), ("kg", "KGM"), ("szt.", "C62"), ("palett", "ZZ")]
)
def test_units_have_the_code_of_the_recommendation(unit: str, code: str) -> None:
    (quantity,) = ubl(content(line(unit=unit))).iterfind(".//cbc:InvoicedQuantity", NAMES)

    assert quantity.get("unitCode") == code


@pytest.mark.parametrize("party", ["seller", "buyer"])
def test_document_without_a_country_has_no_structured_form(party: str) -> None:
    document = content()
    without_country = replace(document, **{party: replace(getattr(document, party), country=None)})

    assert structured_invoice.to_ubl(without_country, "en") is None


def test_markup_in_texts_is_text() -> None:
    text = "<x>&amp; ]]> <!-- </cbc:Note>"

    assert values(content(line(description=text), note=text), "cbc:Note") == [text]
