"""Issuing: numbers without gaps, copies, immutability, credit notes and payments."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.api import Api, Person, codes, count_rows
from tests.conftest import connect
from tests.workspace.documents import FIELDS, add_line, complete_draft, contact_id, draft_id, issue, issued_id


async def test_issuing_copies_buyer_and_seller_and_sets_number_and_dates(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Nowak AS")
    contact = await contact_id(api, anna, "Kunde AS")
    document = await complete_draft(api, anna, contact=contact)
    today = api.clock().date()

    invoice_state = (await issue(api, anna, document))["document"]
    assert codes(await api.do("updateContact", {"contactId": contact, "name": "Other AS"}, by=anna)) == []
    assert codes(await api.do("updateAccount", {"accountId": anna.account_id, "name": "New AS"}, by=anna)) == []
    later = (await api.ask(f"query ($id: ID!) {{ node(id: $id) {{ ... on Document {{ {INNER} }} }} }}",
                           {"id": document}, by=anna)).data["node"]  # fmt: skip

    assert invoice_state["number"] == f"{today.year}-0001"
    assert (invoice_state["status"], invoice_state["issuedOn"]) == ("ISSUED", today.isoformat())
    assert invoice_state["dueOn"] == (today + timedelta(days=14)).isoformat()
    assert (later["buyerName"], later["sellerName"]) == ("Kunde AS", "Nowak AS")


INNER = FIELDS.removeprefix("document {").removesuffix("}")


async def test_numbers_have_the_prefix_and_are_one_series_with_credit_notes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    settings = {"accountId": anna.account_id, "invoicePrefix": "NO-"}
    assert codes(await api.do("updateAccountSettings", settings, by=anna)) == []
    invoice = await complete_draft(api, anna)
    first = (await issue(api, anna, invoice))["document"]["number"]
    note = (await api.do("createCreditNote", {"documentId": invoice}, "document { id }", by=anna))["document"]["id"]

    second = (await issue(api, anna, note))["document"]

    year = api.clock().year
    assert (first, second["number"]) == (f"NO-{year}-0001", f"NO-{year}-0002")
    assert second["correctedInvoice"] == {"id": invoice, "number": first}


async def test_prefix_that_changed_in_mid_year_is_refused_and_leaves_no_gap(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    document = await complete_draft(api, anna)
    for prefix in ("NEW", ""):
        settings = {"accountId": anna.account_id, "invoicePrefix": prefix}
        assert codes(await api.do("updateAccountSettings", settings, by=anna)) == []
        before = await count_rows()
        payload = await issue(api, anna, document)
        if prefix:
            assert codes(payload) == [("INVALID_STATE", None)]
            assert await count_rows() == before

    assert payload["document"]["number"].endswith("-0002")


async def test_counter_starts_again_in_a_new_year(api: Api) -> None:
    anna = await api.person("anna@example.com")
    first = await issued_id(api, anna)
    api.clock.now += timedelta(days=366)
    await extend(api, anna)

    numbers = [(await issue(api, anna, await complete_draft(api, anna)))["document"]["number"] for _ in range(2)]

    assert first
    assert numbers == [f"{api.clock().year}-0001", f"{api.clock().year}-0002"]


async def extend(api: Api, by: Person) -> None:
    """Let the subscription of an account last, and the session of its owner."""
    from database import db

    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock() + timedelta(days=100))
    for column in ("expires_at", "last_seen_at", "last_used_at"):
        exists = "SELECT FROM information_schema.columns WHERE table_name = 'sessions' AND column_name = $1"
        if await db.fetch(exists, column, row=db.Row):
            await db.execute(f"UPDATE sessions SET {column} = $1", api.clock() + timedelta(days=1))


async def test_dates_follow_the_numbers(api: Api) -> None:
    anna = await api.person("anna@example.com")
    today = api.clock().date()
    _ = await issue(api, anna, await complete_draft(api, anna), issuedOn=(today - timedelta(days=2)).isoformat())
    document = await complete_draft(api, anna)

    refusals = [
        await issue(api, anna, document, issuedOn=(today + timedelta(days=days)).isoformat()) for days in (-3, 1)
    ]
    payload = await issue(api, anna, document, issuedOn=(today - timedelta(days=2)).isoformat())

    assert [codes(payload) for payload in refusals] == [[("OUT_OF_RANGE", ["issuedOn"])]] * 2
    assert payload["document"]["number"].endswith("-0002")


async def test_draft_without_lines_or_without_a_contact_is_not_issued(api: Api) -> None:
    anna = await api.person("anna@example.com")
    payload = await api.do("createDocument", {"accountId": anna.account_id}, "document { id }", by=anna)
    without_contact = payload["document"]["id"]
    _ = await add_line(api, anna, without_contact)

    payloads = [await issue(api, anna, document) for document in (without_contact, await draft_id(api, anna))]

    assert [codes(payload) for payload in payloads] == [[("REQUIRED", ["documentId"])]] * 2


async def test_concurrent_issuings_have_numbers_without_a_gap_or_a_double(api: Api) -> None:
    anna = await api.person("anna@example.com")
    drafts = [await complete_draft(api, anna) for _ in range(8)]

    payloads = await asyncio.gather(*(issue(api, anna, draft) for draft in (*drafts, *drafts)))

    numbers = sorted(payload["document"]["number"] for payload in payloads if payload["document"])
    assert numbers == [f"{api.clock().year}-{counter:04d}" for counter in range(1, 9)]
    refusals = [codes(payload) for payload in payloads if not payload["document"]]
    assert refusals == [[("INVALID_STATE", None)]] * 8


# ---- Immutability ----------------------------------------------------------------------------


async def test_issued_document_refuses_each_change(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await complete_draft(api, anna)
    line = (await add_line(api, anna, document))["line"]["id"]
    _ = await issue(api, anna, document)
    before = await count_rows()

    payloads = [
        await api.do("updateDocument", {"documentId": document, "note": "New"}, by=anna),
        await add_line(api, anna, document),
        await api.do("removeDocumentLine", {"documentLineId": line}, by=anna),
        await issue(api, anna, document),
    ]

    assert [codes(payload) for payload in payloads] == [[("INVALID_STATE", None)]] * 4
    assert await count_rows() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sales_documents SET note = 'new' WHERE number IS NOT NULL",
        "UPDATE sales_documents SET number = 'x' WHERE number IS NOT NULL",
        "UPDATE sales_documents SET buyer_name = 'x' WHERE number IS NOT NULL",
        "UPDATE sales_documents SET status = 'DRAFT', number = NULL WHERE number IS NOT NULL",
        "DELETE FROM document_lines",
        "UPDATE document_lines SET net_amount = 1",
        """INSERT INTO document_lines
            SELECT gen_random_uuid(), document_id, NULL, 'x', '', 1, 1, NULL, 0, 0, 1 FROM document_lines""",
    ],
)
async def test_database_refuses_changes_of_issued_documents(api: Api, database_url: str, statement: str) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    connection = await connect(database_url)

    with pytest.raises(asyncpg.CheckViolationError, match="issued document"):
        await connection.execute(statement)
    await connection.close()


# ---- Credit notes and payments ---------------------------------------------------------------


async def credit(api: Api, by: Person, invoice: str) -> str:
    payload = await api.do("createCreditNote", {"documentId": invoice}, "document { id kind status }", by=by)
    assert codes(payload) == []
    assert (payload["document"]["kind"], payload["document"]["status"]) == ("CREDIT_NOTE", "DRAFT")
    return str(payload["document"]["id"])


async def state_of(api: Api, by: Person, document: str) -> dict[str, Any]:
    query = "query ($id: ID!) { node(id: $id) { ... on Document { status paidAmount openAmount } } }"
    state: dict[str, Any] = (await api.ask(query, {"id": document}, by=by)).data["node"]
    return state


async def test_credit_note_of_the_whole_amount_credits_the_invoice(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invoice = await issued_id(api, anna)
    first, second = await credit(api, anna, invoice), await credit(api, anna, invoice)

    payload = await issue(api, anna, first)
    refusals = await issue(api, anna, second)

    assert payload["document"]["grossAmount"] == "24.75"
    assert await state_of(api, anna, invoice) == {"status": "CREDITED", "paidAmount": "0.00", "openAmount": "0.00"}
    assert codes(refusals) == [("INVALID_STATE", None)]


async def test_credit_note_of_a_part_leaves_the_rest_open(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await complete_draft(api, anna)
    _ = await add_line(api, anna, document, quantity="1", unitPrice="100", vatRate="0")
    _ = await issue(api, anna, document)
    note = await credit(api, anna, document)
    query = "query ($id: ID!) { node(id: $id) { ... on Document { lines { nodes { id netAmount } } } } }"
    lines = (await api.ask(query, {"id": note}, by=anna)).data["node"]["lines"]["nodes"]
    assert [line["netAmount"] for line in lines] == ["19.80", "100.00"]
    _ = await api.do("removeDocumentLine", {"documentLineId": lines[1]["id"]}, by=anna)

    _ = await issue(api, anna, note)

    assert await state_of(api, anna, document) == {"status": "ISSUED", "paidAmount": "0.00", "openAmount": "100.00"}


async def test_credit_note_above_the_invoice_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    note = await credit(api, anna, await issued_id(api, anna))
    _ = await add_line(api, anna, note)

    assert codes(await issue(api, anna, note)) == [("OUT_OF_RANGE", None)]


async def test_drafts_and_credit_notes_are_not_credited(api: Api) -> None:
    anna = await api.person("anna@example.com")
    draft = await complete_draft(api, anna)
    note = await credit(api, anna, await issued_id(api, anna))

    payloads = [await api.do("createCreditNote", {"documentId": document}, by=anna) for document in (draft, note)]

    assert [codes(payload) for payload in payloads] == [[("INVALID_STATE", None)]] * 2


async def pay(api: Api, by: Person, document: str, amount: str, **fields: object) -> dict[str, Any]:
    return await api.do("recordPayment", {"documentId": document, "amount": amount, **fields}, FIELDS, by=by)


async def test_payments_make_an_invoice_partly_paid_and_then_paid(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invoice = await issued_id(api, anna)

    states = [(await pay(api, anna, invoice, amount))["document"] for amount in ("4.75", "10", "10.00")]

    assert [(state["status"], state["openAmount"]) for state in states] == [
        ("PARTLY_PAID", "20.00"), ("PARTLY_PAID", "10.00"), ("PAID", "0.00"),
    ]  # fmt: skip
    assert codes(await pay(api, anna, invoice, "1")) == [("INVALID_STATE", None)]
    query = "query ($id: ID!) { node(id: $id) { ... on Document { payments { nodes { amount } } } } }"
    nodes = (await api.ask(query, {"id": invoice}, by=anna)).data["node"]["payments"]["nodes"]
    assert [node["amount"] for node in nodes] == ["4.75", "10.00", "10.00"]


@pytest.mark.parametrize(
    ("amount", "fields", "expected_codes"),
    [
        ("24.76", {}, [("OUT_OF_RANGE", ["amount"])]),
        ("0", {}, [("OUT_OF_RANGE", ["amount"])]),
        ("-1", {}, [("OUT_OF_RANGE", ["amount"])]),
        ("1" + "0" * 30, {}, [("OUT_OF_RANGE", ["amount"])]),
        ("1.001", {}, [("INVALID", ["amount"])]),
        ("1", {"paidOn": "2999-01-01"}, [("OUT_OF_RANGE", ["paidOn"])]),
    ],
)
async def test_bad_payment_is_refused_and_writes_nothing(
    api: Api, amount: str, fields: dict[str, object], expected_codes: Any
) -> None:
    anna = await api.person("anna@example.com")
    invoice = await issued_id(api, anna)
    before = await count_rows()

    payload = await pay(api, anna, invoice, amount, **fields)

    assert codes(payload) == expected_codes
    assert await count_rows() == before


async def test_two_payments_at_once_are_never_more_than_the_open_amount(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invoice = await issued_id(api, anna)

    payloads = await asyncio.gather(*(pay(api, anna, invoice, "20") for _ in range(4)))

    assert sorted(map(codes, payloads), key=str) == sorted([[], *[[("OUT_OF_RANGE", ["amount"])]] * 3], key=str)
    assert (await state_of(api, anna, invoice))["paidAmount"] == "20.00"
