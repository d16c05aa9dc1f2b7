"""Bad input of documents: each is refused with a code, and nothing is written."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from database import db
from resolvers import ids
from tests.api import UNKNOWN_ID, Api, Person, codes, count_rows
from tests.models.refusals import refusal_codes, rejection
from tests.workspace.documents import LINE, add_line, complete_draft, contact_id, draft_id, issue, issued_id

Refusals = list[tuple[str, list[str] | None]]
INVALID_STATE: Final[Refusals] = [("INVALID_STATE", None)]
MEGABYTE: Final = "x" * 2**20


async def refusals_of(api: Api, by: Person, mutation: str, values: Mapping[str, object]) -> Refusals:
    """The refusals of a mutation. Fails if it changes a row."""
    return await refusal_codes(api, mutation, values, by=by)


async def bad_request(api: Api, by: Person, mutation: str, values: Mapping[str, object]) -> list[str]:
    """The top-level codes of a mutation whose variables are invalid. Fails if it changes a row."""
    return (await rejection(api, mutation, values, by=by)).codes


# ---- Drafts and lines ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"currency": "XXX"}, ("INVALID", ["currency"])),
        ({"currency": "euro"}, ("INVALID", ["currency"])),
        ({"currency": ""}, ("INVALID", ["currency"])),
        ({"currency": "DEM"}, ("INVALID", ["currency"])),
        ({"currency": MEGABYTE[:1000]}, ("INVALID", ["currency"])),
        ({"note": "x" * 2001}, ("TOO_LONG", ["note"])),
        ({"soldOn": "0001-01-01"}, ("OUT_OF_RANGE", ["soldOn"])),
        ({"dueOn": "9999-12-31"}, ("OUT_OF_RANGE", ["dueOn"])),
        ({"contactId": UNKNOWN_ID}, ("NOT_FOUND", ["contactId"])),
        ({"contactId": "x" * 1000}, ("NOT_FOUND", ["contactId"])),
    ],
)
async def test_bad_draft_is_refused(api: Api, fields: dict[str, object], refusal: Any) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)

    assert await refusals_of(api, anna, "createDocument", {"accountId": anna.account_id, **fields}) == [refusal]
    if "currency" not in fields:
        assert await refusals_of(api, anna, "updateDocument", {"documentId": document, **fields}) == [refusal]


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"quantity": "-1"}, ("OUT_OF_RANGE", ["quantity"])),
        ({"quantity": "0"}, ("OUT_OF_RANGE", ["quantity"])),
        ({"quantity": "1" + "0" * 30}, ("OUT_OF_RANGE", ["quantity"])),
        ({"quantity": "0.0001"}, ("INVALID", ["quantity"])),
        ({"unitPrice": "1" + "0" * 30}, ("OUT_OF_RANGE", ["unitPrice"])),
        ({"unitPrice": "-0.01"}, ("OUT_OF_RANGE", ["unitPrice"])),
        ({"unitPrice": "0.0000001"}, ("INVALID", ["unitPrice"])),
        ({"quantity": "999999999", "unitPrice": "999999999999"}, ("OUT_OF_RANGE", None)),
        ({"discountPercent": "101"}, ("OUT_OF_RANGE", ["discountPercent"])),
        ({"vatRate": "-1"}, ("OUT_OF_RANGE", ["vatRate"])),
        ({"vatRate": "7.777"}, ("INVALID", ["vatRate"])),
        ({"description": " "}, ("REQUIRED", ["description"])),
        ({"description": "x" * 501}, ("TOO_LONG", ["description"])),
        ({"unit": "x" * 21}, ("TOO_LONG", ["unit"])),
    ],
)
async def test_bad_value_of_a_line_is_refused_when_added_and_when_changed(
    api: Api, fields: dict[str, object], refusal: Any
) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)
    line = (await add_line(api, anna, document))["line"]["id"]

    assert await refusals_of(api, anna, "addDocumentLine", {"documentId": document, **LINE, **fields}) == [refusal]
    assert await refusals_of(api, anna, "updateDocumentLine", {"documentLineId": line, **fields}) == [refusal]


@pytest.mark.parametrize("text", ["1e999999999", "NaN", "Infinity", "1,5", "", "0x10", "--1"])
async def test_text_that_is_no_number_is_a_mistake_of_the_client(api: Api, text: str) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)

    values: dict[str, object] = {"documentId": document, **LINE, "quantity": text}
    assert await bad_request(api, anna, "addDocumentLine", values) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("day", ["2026-02-30", "2025-02-29", "2026-00-10", "30.11.2026", 20261130])
async def test_date_that_does_not_exist_is_a_mistake_of_the_client(api: Api, day: object) -> None:
    anna = await api.person("anna@example.com")
    document = await complete_draft(api, anna)

    for mutation, values in (
        ("createDocument", {"accountId": anna.account_id, "soldOn": day}),
        ("updateDocument", {"documentId": document, "dueOn": day}),
        ("issueDocument", {"documentId": document, "issuedOn": day}),
        ("recordPayment", {"documentId": document, "amount": "1", "paidOn": day}),
    ):
        assert await bad_request(api, anna, mutation, values) == ["BAD_USER_INPUT"], mutation


async def test_megabyte_of_text_is_refused(api: Api) -> None:
    """The limit of the texts of a request refuses it before the operation does."""
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)

    for mutation, values in (
        ("createDocument", {"accountId": anna.account_id, "note": MEGABYTE}),
        ("addDocumentLine", {"documentId": document, **LINE, "description": MEGABYTE}),
        ("addDocumentLine", {"documentId": document, **LINE, "quantity": "9" * 2**20}),
    ):
        assert await bad_request(api, anna, mutation, values) == ["BAD_USER_INPUT"], mutation
    longest: dict[str, object] = {"documentId": document, "note": "é" * 10_000}
    assert await refusals_of(api, anna, "updateDocument", longest) == [("TOO_LONG", ["note"])]


async def test_line_beyond_the_thousandth_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)
    _ = await db.execute(
        """INSERT INTO document_lines (id, document_id, description, unit, quantity, unit_price, discount_percent,
            vat_rate, net_amount)
            SELECT gen_random_uuid(), $1, 'Text', '', 1, 1, 0, 0, 1 FROM generate_series(1, 1000)""",
        ids.decode("Document", document),
    )

    assert await refusals_of(api, anna, "addDocumentLine", {"documentId": document, **LINE}) == [("OUT_OF_RANGE", None)]


async def test_eleventh_vat_rate_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)
    lines = [(await add_line(api, anna, document, vatRate=str(rate)))["line"]["id"] for rate in range(10)]

    new_line: dict[str, object] = {"documentId": document, **LINE, "vatRate": "10"}
    assert await refusals_of(api, anna, "addDocumentLine", new_line) == [("OUT_OF_RANGE", None)]
    assert codes(await add_line(api, anna, document, vatRate="9.00")) == []
    change: dict[str, object] = {"documentLineId": lines[9], "vatRate": "10"}
    assert await refusals_of(api, anna, "updateDocumentLine", change) == [("OUT_OF_RANGE", None)]


async def test_rows_of_another_account_are_not_found(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    document, foreign = await draft_id(api, anna), await issued_id(api, stig)
    values = {"accountId": stig.account_id, "name": "Pen", "price": "1", "vatRate": "0"}
    product = (await api.do("createProduct", values, "product { id }", by=stig))["product"]["id"]
    foreign_line = (await add_line(api, stig, await draft_id(api, stig)))["line"]["id"]
    contact = await contact_id(api, stig)
    cases: list[tuple[str, dict[str, object], str]] = [
        ("createDocument", {"accountId": anna.account_id, "contactId": contact}, "contactId"),
        ("updateDocument", {"documentId": document, "contactId": contact}, "contactId"),
        ("addDocumentLine", {"documentId": document, "productId": product, "quantity": "1"}, "productId"),
        ("createCreditNote", {"documentId": foreign}, "documentId"),
        ("recordPayment", {"documentId": foreign, "amount": "1"}, "documentId"),
        ("issueDocument", {"documentId": foreign}, "documentId"),
        ("updateDocumentLine", {"documentLineId": foreign_line, "quantity": "1"}, "documentLineId"),
        ("removeDocumentLine", {"documentLineId": foreign_line}, "documentLineId"),
        # An id of another type.
        ("updateDocument", {"documentId": contact}, "documentId"),
        ("createDocument", {"accountId": anna.account_id, "contactId": document}, "contactId"),
    ]

    for mutation, fields, field in cases:
        assert await refusals_of(api, anna, mutation, fields) == [("NOT_FOUND", [field])], mutation


async def test_product_in_another_currency_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "name": "Pen", "price": "1", "vatRate": "0", "currency": "PLN"}
    product = (await api.do("createProduct", values, "product { id }", by=anna))["product"]["id"]
    document = await draft_id(api, anna, currency="EUR")

    line: dict[str, object] = {"documentId": document, "productId": product, "quantity": "1"}
    assert await refusals_of(api, anna, "addDocumentLine", line) == [("INVALID", ["productId"])]


async def test_archived_contacts_and_products_are_not_added(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "name": "Pen", "price": "1", "vatRate": "0"}
    product = (await api.do("createProduct", values, "product { id }", by=anna))["product"]["id"]
    contact = await contact_id(api, anna)
    document, other_document = await draft_id(api, anna, contact=contact), await draft_id(api, anna)
    line: dict[str, object] = {"documentId": document, "productId": product, "quantity": "1"}
    line_id = (await api.do("addDocumentLine", line, "line { id }", by=anna))["line"]["id"]
    assert codes(await api.do("archiveProduct", {"productId": product}, by=anna)) == []
    assert codes(await api.do("archiveContact", {"contactId": contact}, by=anna)) == []

    key: dict[str, object] = {"contactId": contact}
    assert await refusals_of(api, anna, "addDocumentLine", line) == [("INVALID_STATE", ["productId"])]
    cases = {"createDocument": {"accountId": anna.account_id}, "updateDocument": {"documentId": other_document}}
    for mutation, fields in cases.items():
        assert await refusals_of(api, anna, mutation, key | fields) == [("INVALID_STATE", ["contactId"])], mutation
    # A draft that has them already keeps them: it is changed, issued and credited.
    assert codes(await api.do("updateDocument", key | {"documentId": document, "note": "x"}, by=anna)) == []
    assert codes(await api.do("updateDocumentLine", {"documentLineId": line_id, "quantity": "3"}, by=anna)) == []
    assert codes(await issue(api, anna, document)) == []
    assert codes(await issue(api, anna, (await create_note(api, anna, document))["id"])) == []


async def test_amount_with_more_decimals_than_its_currency_is_rounded_or_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna, currency="JPY")
    line = await add_line(api, anna, document, quantity="3", unitPrice="33.5", vatRate="10")
    assert (line["line"]["netAmount"], line["document"]["taxAmount"]) == ("101", "10")
    assert codes(await issue(api, anna, document)) == []

    payment: dict[str, object] = {"documentId": document, "amount": "0.5"}
    assert await refusals_of(api, anna, "recordPayment", payment) == [("INVALID", ["amount"])]


# ---- Issued and deleted documents ------------------------------------------------------------


async def create_note(api: Api, by: Person, invoice: str) -> dict[str, Any]:
    """The draft of a credit note, with its lines."""
    selection = "document { id lines { nodes { id } } }"
    payload = await api.do("createCreditNote", {"documentId": invoice}, selection, by=by)
    document: dict[str, Any] = payload["document"]
    return document


async def test_deleted_draft_is_used_by_no_operation(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await complete_draft(api, anna)
    line = (await add_line(api, anna, document))["line"]["id"]
    assert codes(await api.do("deleteDocument", {"documentId": document}, by=anna)) == []
    key: dict[str, object] = {"documentId": document}

    for mutation, fields in (
        ("updateDocument", key | {"note": "x"}),
        ("addDocumentLine", key | LINE),
        ("updateDocumentLine", {"documentLineId": line, "quantity": "1"}),
        ("removeDocumentLine", {"documentLineId": line}),
        ("issueDocument", key),
        ("deleteDocument", key),
        ("createCreditNote", key),
        ("recordPayment", key | {"amount": "1"}),
    ):
        assert await refusals_of(api, anna, mutation, fields) == INVALID_STATE, mutation


async def test_documents_that_cannot_be_paid_are_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    credited_invoice, paid_invoice = await issued_id(api, anna), await issued_id(api, anna)
    note, draft_of_note = [
        (await create_note(api, anna, invoice))["id"] for invoice in (credited_invoice, paid_invoice)
    ]
    assert codes(await issue(api, anna, note)) == []
    payment: dict[str, object] = {"documentId": paid_invoice, "amount": "24.75"}
    assert codes(await api.do("recordPayment", payment, by=anna)) == []

    for document in (await complete_draft(api, anna), credited_invoice, note, draft_of_note, paid_invoice):
        values: dict[str, object] = {"documentId": document, "amount": "1"}
        assert await refusals_of(api, anna, "recordPayment", values) == INVALID_STATE


async def test_payment_above_the_open_amount_is_refused_after_payments_and_credit_notes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invoice = await complete_draft(api, anna)
    _ = await add_line(api, anna, invoice, quantity="1", unitPrice="100", vatRate="0")
    assert codes(await issue(api, anna, invoice)) == []
    note = (
        await api.do("createCreditNote", {"documentId": invoice}, "document { id lines { nodes { id } } }", by=anna)
    )["document"]
    removal = {"documentLineId": note["lines"]["nodes"][0]["id"]}
    assert codes(await api.do("removeDocumentLine", removal, by=anna)) == []
    assert codes(await issue(api, anna, note["id"])) == []
    key: dict[str, object] = {"documentId": invoice}
    assert codes(await api.do("recordPayment", key | {"amount": "4.75"}, by=anna)) == []

    for amount in ("20.01", "24.75", "124.75", "999999999999"):
        assert await refusals_of(api, anna, "recordPayment", key | {"amount": amount}) == [("OUT_OF_RANGE", ["amount"])]
    assert codes(await api.do("recordPayment", key | {"amount": "20"}, by=anna)) == []


async def test_credit_notes_are_no_more_than_their_invoice_and_correct_invoices_alone(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invoice = await issued_id(api, anna)
    notes = [await create_note(api, anna, invoice) for _ in range(2)]
    line = {"documentLineId": notes[0]["lines"]["nodes"][0]["id"], "quantity": "3"}
    assert codes(await api.do("updateDocumentLine", line, by=anna)) == []
    too_large: dict[str, object] = {"documentId": notes[0]["id"]}
    assert await refusals_of(api, anna, "issueDocument", too_large) == [("OUT_OF_RANGE", None)]
    assert codes(await issue(api, anna, notes[1]["id"])) == []

    for document in (notes[1]["id"], notes[0]["id"], invoice):
        assert await refusals_of(api, anna, "createCreditNote", {"documentId": document}) == INVALID_STATE
    assert await refusals_of(api, anna, "issueDocument", too_large) == INVALID_STATE


async def test_prefix_that_changed_in_mid_year_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    document = await complete_draft(api, anna)
    settings = {"accountId": anna.account_id, "invoicePrefix": "NEW"}
    assert codes(await api.do("updateAccountSettings", settings, by=anna)) == []

    assert await refusals_of(api, anna, "issueDocument", {"documentId": document}) == INVALID_STATE


async def test_due_date_before_the_date_of_issue_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna, dueOn=(api.clock().date() - timedelta(days=1)).isoformat())
    _ = await add_line(api, anna, document)

    assert await refusals_of(api, anna, "issueDocument", {"documentId": document}) == [("OUT_OF_RANGE", ["dueOn"])]


async def test_draft_is_issued_once_by_many_at_once_and_not_changed_meanwhile(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await complete_draft(api, anna)
    line = (await add_line(api, anna, document))["line"]["id"]

    issuings = [issue(api, anna, document) for _ in range(4)]
    changes = [api.do("updateDocumentLine", {"documentLineId": line, "quantity": str(n)}, by=anna) for n in range(3, 7)]
    payloads = await asyncio.gather(*issuings, *changes)

    assert sorted(map(codes, payloads[:4]), key=str) == sorted([[], *[INVALID_STATE] * 3], key=str)
    assert all(codes(payload) in ([], INVALID_STATE) for payload in payloads[4:])
    (row,) = await db.fetch(
        """SELECT d.net_amount AS stored, (SELECT sum(l.net_amount) FROM document_lines l WHERE l.document_id = d.id)
            AS sum FROM sales_documents d""",
        row=db.Row,
    )
    assert row.stored == row.sum
    assert len(await db.fetch("SELECT FROM document_series WHERE counter = 1", row=db.Row)) == 1


# ---- updateDocumentLine ----------------------------------------------------------------------


async def test_changed_line_keeps_its_place_its_product_and_its_purchase_price(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "name": "Pen", "price": "2", "purchasePrice": "1", "vatRate": "25"}
    product = (await api.do("createProduct", values, "product { id }", by=anna))["product"]["id"]
    document = await draft_id(api, anna)
    line = {"documentId": document, "productId": product, "quantity": "2"}
    line_id = (await api.do("addDocumentLine", line, "line { id }", by=anna))["line"]["id"]
    second = (await add_line(api, anna, document))["line"]["id"]
    assert codes(await api.do("updateProduct", {"productId": product, "purchasePrice": "9"}, by=anna)) == []
    selection = """line { description unit quantity unitPrice discountPercent vatRate netAmount purchasePrice
        product { id } } document { netAmount lines { nodes { id } } }"""
    changes = {"documentLineId": line_id, "quantity": "3", "unitPrice": "4", "unit": "box", "discountPercent": "50"}

    first = await api.do("updateDocumentLine", changes, selection, by=anna)
    again = await api.do(
        "updateDocumentLine", {"documentLineId": line_id, "unit": "", "vatRate": None}, selection, by=anna
    )

    assert first["line"] == {
        "description": "Pen", "unit": "box", "quantity": "3", "unitPrice": "4.00", "discountPercent": "50",
        "vatRate": "25", "netAmount": "6.00", "purchasePrice": "1.00", "product": {"id": product},
    }  # fmt: skip
    assert first["document"] == {"netAmount": "25.80", "lines": {"nodes": [{"id": line_id}, {"id": second}]}}
    assert again["line"] == first["line"] | {"unit": ""}


async def test_change_of_a_line_to_its_present_values_writes_no_event(api: Api) -> None:
    anna = await api.person("anna@example.com")
    line = (await add_line(api, anna, await draft_id(api, anna)))["line"]["id"]
    before = await count_rows()

    payload = await api.do("updateDocumentLine", {"documentLineId": line, "quantity": "2", "unit": ""}, by=anna)

    assert codes(payload) == []
    assert await count_rows() == before


async def test_no_event_has_a_purchase_price_of_a_line(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "name": "Pen", "price": "2", "purchasePrice": "1.2345", "vatRate": "25"}
    product = (await api.do("createProduct", values, "product { id }", by=anna))["product"]["id"]
    permissions = ["DOCUMENTS_READ", "DOCUMENTS_WRITE", "PRODUCTS_READ", "EVENTS_READ", "CONTACTS_READ"]
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=permissions)
    document = await draft_id(api, guest, contact=await contact_id(api, anna))
    line = {"documentId": document, "productId": product, "quantity": "2"}
    fragment = "line { id purchasePrice }"
    name = "mutation ($input: AddDocumentLineInput!) { addDocumentLine(input: $input) { %s errors { code } } }"

    answer = await api.ask(name % fragment, {"input": line}, by=guest)
    events = await api.ask("query ($id: ID!) { account(id: $id) { events { nodes { type before after } } } }",
                           {"id": anna.account_id}, by=guest)  # fmt: skip

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["extensions"]["permission"] == "PURCHASE_PRICES_READ"
    assert answer.partial["addDocumentLine"]["line"]["purchasePrice"] is None
    assert "1.2345" not in str(events.data)
    key = ids.decode("DocumentLine", answer.partial["addDocumentLine"]["line"]["id"])
    (row,) = await db.fetch("SELECT purchase_price::text AS price FROM document_lines WHERE id = $1", key, row=db.Row)
    assert row.price == "1.2345"
