"""Credit notes: parts that add up, what is open afterwards, their buyer, and the scope of their invoice."""

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Person, codes
from tests.models.refusals import attempt
from tests.workspace.documents import FIELDS, add_line, contact_id, draft_id, issue, issued_id
from tests.workspace.test_issuing import credit, pay, state_of

LINES = "query ($id: ID!) { node(id: $id) { ... on Document { lines { nodes { id } } } } }"


async def line_ids(api: Api, by: Person, document: str) -> list[str]:
    nodes = (await api.ask(LINES, {"id": document}, by=by)).data["node"]["lines"]["nodes"]
    return [node["id"] for node in nodes]


async def credit_line(api: Api, by: Person, invoice: str, position: int) -> str:
    """The draft of a credit note with one of the lines of an invoice."""
    note = await credit(api, by, invoice)
    for index, line in enumerate(await line_ids(api, by, note)):
        if index != position:
            assert codes(await api.do("removeDocumentLine", {"documentLineId": line}, by=by)) == []
    return note


async def issued_invoice(api: Api, by: Person, *prices: str, rate: str) -> str:
    document = await draft_id(api, by)
    for price in prices:
        assert codes(await add_line(api, by, document, quantity="1", unitPrice=price, vatRate=rate)) == []
    assert codes(await issue(api, by, document)) == []
    return document


@pytest.mark.parametrize(
    ("price", "open_amounts"),
    [
        ("0.33", ["0.81", "0.40", "0.00"]),  # 1.22: the VAT of the parts is a cent more than that of the invoice
        ("0.10", ["0.25", "0.13", "0.00"]),  # 0.37: it is a cent less
    ],
)
async def test_credit_notes_of_all_lines_credit_the_whole_invoice(
    api: Api, price: str, open_amounts: list[str]
) -> None:
    anna = await api.person("anna@example.com")
    invoice = await issued_invoice(api, anna, price, price, price, rate="23")

    states = []
    for position in range(3):
        assert codes(await issue(api, anna, await credit_line(api, anna, invoice, position))) == []
        states.append(await state_of(api, anna, invoice))

    assert [state["openAmount"] for state in states] == open_amounts
    assert [state["status"] for state in states] == ["ISSUED", "ISSUED", "CREDITED"]


async def test_credit_note_of_the_net_amount_at_another_rate_leaves_the_vat_open(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invoice = await issued_invoice(api, anna, "100", rate="25")
    note = await credit(api, anna, invoice)
    (line,) = await line_ids(api, anna, note)
    assert codes(await api.do("updateDocumentLine", {"documentLineId": line, "vatRate": "0"}, by=anna)) == []

    assert codes(await issue(api, anna, note)) == []

    assert await state_of(api, anna, invoice) == {"status": "ISSUED", "paidAmount": "0.00", "openAmount": "25.00"}


async def test_draft_of_a_credit_note_does_not_count_as_credited(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invoice = await issued_invoice(api, anna, "0.33", "0.33", rate="23")
    first, _ = [await credit_line(api, anna, invoice, position) for position in range(2)]

    assert codes(await issue(api, anna, first)) == []

    assert (await state_of(api, anna, invoice))["status"] == "ISSUED"


@pytest.mark.parametrize("quantity", ["0.5", "0.8"])
async def test_partly_paid_invoice_of_which_the_rest_is_credited_is_paid(api: Api, quantity: str) -> None:
    """More can be credited than is open: the buyer gets money back."""
    anna = await api.person("anna@example.com")
    invoice = await issued_invoice(api, anna, "100", rate="0")
    _ = await pay(api, anna, invoice, "50")
    note = await credit(api, anna, invoice)
    (line,) = await line_ids(api, anna, note)
    assert codes(await api.do("updateDocumentLine", {"documentLineId": line, "quantity": quantity}, by=anna)) == []

    assert codes(await issue(api, anna, note)) == []

    assert await state_of(api, anna, invoice) == {"status": "PAID", "paidAmount": "50.00", "openAmount": "0.00"}


async def test_credit_note_keeps_the_buyer_of_its_invoice_and_has_no_due_date(api: Api) -> None:
    anna = await api.person("anna@example.com")
    note = await credit(api, anna, await issued_id(api, anna))
    changes: dict[str, object] = {
        "contactId": await contact_id(api, anna, "Other AS"), "dueOn": api.clock().date().isoformat(),
    }  # fmt: skip

    refusals = [
        codes(await api.do("updateDocument", {"documentId": note, field: changes[field]}, by=anna)) for field in changes
    ]
    # A draft from before this rule.
    statement = "UPDATE sales_documents SET due_on = '2020-01-01' WHERE id = $1"
    _ = await db.execute(statement, ids.decode("Document", note))
    document = (await issue(api, anna, note))["document"]

    assert refusals == [[("INVALID", [field])] for field in changes]
    assert (document["buyerName"], document["dueOn"], document["paidAmount"]) == ("Kunde AS", None, "0.00")


async def test_credit_note_of_an_invoice_outside_the_scope_is_not_issued(api: Api) -> None:
    """A user who has lost DOCUMENTS_READ_ALL no longer changes the invoice of a colleague by their own credit note."""
    anna = await api.person("anna@example.com")
    permissions = ["DOCUMENTS_READ", "DOCUMENTS_WRITE"]
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=permissions)
    invoice = await issued_id(api, anna)
    note = await credit(api, anna, invoice)
    creation = "UPDATE sales_documents SET created_by_id = $1 WHERE id = $2"
    _ = await db.execute(creation, ids.decode("User", guest.user_id), ids.decode("Document", note))

    answer = await attempt(api, "issueDocument", {"documentId": note}, by=guest)

    assert (answer.codes, answer.errors[0]["extensions"]["permission"]) == (["FORBIDDEN"], "DOCUMENTS_READ_ALL")
    assert (await state_of(api, anna, invoice))["openAmount"] == "24.75"
    assert codes(await api.do("issueDocument", {"documentId": note}, FIELDS, by=anna)) == []
