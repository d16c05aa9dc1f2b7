"""Documents: drafts and their lines, and the row scope of users without DOCUMENTS_READ_ALL."""

from typing import Any
from uuid import UUID

import pytest

from database import db
from resolvers import ids
from tests.api import UNKNOWN_ID, Api, Person, codes, count_rows
from tests.resolvers.statements import record_statements
from tests.workspace.documents import add_line, complete_draft, contact_id, draft_id, issue, issued_id

OWN_ONLY = ["DOCUMENTS_READ", "DOCUMENTS_WRITE", "DOCUMENTS_DELETE", "CONTACTS_READ", "CONTACTS_WRITE", "EVENTS_READ"]


# ---- Drafts ----------------------------------------------------------------------------------


async def test_totals_are_those_of_the_lines(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)

    _ = await add_line(api, anna, document, quantity="3", unitPrice="0.33", vatRate="23")
    payload = await add_line(api, anna, document, quantity="1.5", unitPrice="10", vatRate="8", discountPercent="50")

    assert payload["line"]["netAmount"] == "7.50"
    result = payload["document"]
    assert [result[name] for name in ("netAmount", "taxAmount", "grossAmount", "openAmount")] == [
        "8.49", "0.83", "9.32", "9.32",
    ]  # fmt: skip
    assert result["vatAmounts"] == [
        {"rate": "8", "taxableAmount": "7.50", "taxAmount": "0.60"},
        {"rate": "23", "taxableAmount": "0.99", "taxAmount": "0.23"},
    ]


async def test_line_follows_a_line_that_a_server_with_a_later_clock_has_added(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)
    first = ids.decode("DocumentLine", (await add_line(api, anna, document))["line"]["id"])
    later = UUID(int=first.int + (60_000 << 80))  # an id of a minute later
    _ = await db.execute("UPDATE document_lines SET id = $1 WHERE id = $2", later, first)

    added = [(await add_line(api, anna, document))["line"]["id"] for _ in range(2)]

    query = "query ($id: ID!) { node(id: $id) { ... on Document { lines { nodes { id } } } } }"
    nodes = (await api.ask(query, {"id": document}, by=anna)).data["node"]["lines"]["nodes"]
    assert [node["id"] for node in nodes] == [ids.encode("DocumentLine", later), *added]


async def test_line_of_a_product_has_copies_of_its_values(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "name": "Pen", "price": "2", "purchasePrice": "1", "vatRate": "25"}
    product = (await api.do("createProduct", values, "product { id }", by=anna))["product"]["id"]
    document = await draft_id(api, anna)
    line = {"documentId": document, "productId": product, "quantity": "2"}
    selection = "line { id description netAmount purchasePrice }"
    line_of_product = (await api.do("addDocumentLine", line, selection, by=anna))["line"]

    _ = await api.do(
        "updateProduct", {"productId": product, "price": "9", "name": "New", "purchasePrice": "8"}, by=anna
    )

    node = await api.ask(
        """query ($id: ID!) { node(id: $id) { ... on DocumentLine {
            description unitPrice purchasePrice product { name } } } }""",
        {"id": line_of_product["id"]},
        by=anna,
    )
    assert line_of_product["netAmount"] == "4.00"
    assert node.data["node"] == {
        "description": "Pen", "unitPrice": "2.00", "purchasePrice": "1.00", "product": {"name": "New"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("quantity", "0", "OUT_OF_RANGE"),
        ("quantity", "-1", "OUT_OF_RANGE"),
        ("quantity", "1000000000", "OUT_OF_RANGE"),
        ("quantity", "0.0001", "INVALID"),
        ("unitPrice", "1" + "0" * 30, "OUT_OF_RANGE"),
        ("unitPrice", "-1", "OUT_OF_RANGE"),
        ("unitPrice", None, "REQUIRED"),
        ("vatRate", "101", "OUT_OF_RANGE"),
        ("vatRate", None, "REQUIRED"),
        ("discountPercent", "100.5", "OUT_OF_RANGE"),
        ("description", "x" * 501, "TOO_LONG"),
        ("description", None, "REQUIRED"),
        ("unit", "x" * 21, "TOO_LONG"),
        ("productId", UNKNOWN_ID, "NOT_FOUND"),
    ],
)
async def test_bad_line_is_refused_with_its_field_and_writes_nothing(
    api: Api, field: str, text: str | None, code: str
) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)
    before = await count_rows()

    payload = await add_line(api, anna, document, **{field: text})

    assert codes(payload) == [(code, [field])]
    assert await count_rows() == before


async def test_total_that_is_too_large_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)
    before = await count_rows()

    payload = await add_line(api, anna, document, quantity="999999999", unitPrice="999999999999")

    assert codes(payload) == [("OUT_OF_RANGE", None)]
    assert await count_rows() == before


async def test_document_has_at_most_a_thousand_lines(api: Api) -> None:

    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna)
    _ = await db.execute(
        """INSERT INTO document_lines (id, document_id, description, unit, quantity, unit_price, discount_percent,
            vat_rate, net_amount)
            SELECT gen_random_uuid(), $1, 'Text', '', 1, 1, 0, 0, 1 FROM generate_series(1, 999)""",
        ids.decode("Document", document),
    )

    last = await add_line(api, anna, document)
    surplus = await add_line(api, anna, document)

    assert (codes(last), codes(surplus)) == ([], [("OUT_OF_RANGE", None)])


async def test_contact_and_product_of_another_account_are_not_found(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    foreign = await contact_id(api, stig)
    document = await draft_id(api, anna)

    creation = await api.do("createDocument", {"accountId": anna.account_id, "contactId": foreign}, by=anna)
    change = await api.do("updateDocument", {"documentId": document, "contactId": foreign}, by=anna)

    assert codes(creation) == codes(change) == [("NOT_FOUND", ["contactId"])]


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "26-01-01", "2026-01-01T00:00:00Z", "", "tomorrow"])
async def test_date_that_does_not_exist_is_a_mistake_of_the_client(api: Api, day: str) -> None:
    anna = await api.person("anna@example.com")
    document = "mutation ($input: CreateDocumentInput!) { createDocument(input: $input) { errors { code } } }"

    answer = await api.ask(document, {"input": {"accountId": anna.account_id, "soldOn": day}}, by=anna)

    assert answer.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    ("fields", "expected_codes"),
    [
        ({"currency": "DEM"}, [("INVALID", ["currency"])]),
        ({"soldOn": "1999-12-31"}, [("OUT_OF_RANGE", ["soldOn"])]),
        ({"dueOn": "2100-01-01"}, [("OUT_OF_RANGE", ["dueOn"])]),
        ({"note": "x" * 2001}, [("TOO_LONG", ["note"])]),
    ],
)
async def test_bad_document_is_refused_with_its_field_and_writes_nothing(
    api: Api, fields: dict[str, object], expected_codes: Any
) -> None:
    anna = await api.person("anna@example.com")
    _ = await api.ask("{ viewer { user { id } } }", by=anna)  # the first request in an account records an event
    before = await count_rows()

    payload = await api.do("createDocument", {"accountId": anna.account_id, **fields}, by=anna)

    assert codes(payload) == expected_codes
    assert await count_rows() == before


async def test_deleted_draft_is_in_no_list_and_an_issued_document_is_not_deleted(api: Api) -> None:
    anna = await api.person("anna@example.com")
    draft, invoice = await draft_id(api, anna), await issued_id(api, anna)

    deletion = await api.do("deleteDocument", {"documentId": draft}, "document { status }", by=anna)
    refusal = await api.do("deleteDocument", {"documentId": invoice}, by=anna)

    assert deletion["document"] == {"status": "DELETED"}
    assert codes(refusal) == [("INVALID_STATE", None)]
    assert await list_documents(api, anna) == (1, [invoice])


async def test_lock_of_deleting_refuses_the_owner_too(api: Api) -> None:
    anna = await api.person("anna@example.com")
    draft = await draft_id(api, anna)
    locks = {"accountId": anna.account_id, "locks": ["DOCUMENTS_DELETE"]}
    assert codes(await api.do("updateAccountSettings", locks, by=anna)) == []
    document = "mutation ($input: DeleteDocumentInput!) { deleteDocument(input: $input) { errors { code } } }"

    answer = await api.ask(document, {"input": {"documentId": draft}}, by=anna)

    assert answer.codes == ["FORBIDDEN"]


DEEP = """query ($id: ID!) { account(id: $id) { documents { nodes { number vatAmounts { taxAmount } contact { name }
    correctedInvoice { id } createdBy { name } lines { nodes { description product { name } } } } } } }"""


async def test_number_of_statements_does_not_grow_with_the_list(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    counts: list[int] = []
    for _ in range(2):
        with record_statements() as statements:
            answer = await api.ask(DEEP, {"id": anna.account_id}, by=anna)
        assert answer.codes == []
        counts.append(len(statements))
        for _ in range(4):
            _ = await issued_id(api, anna)

    assert counts[0] == counts[1]


# ---- Row scope -------------------------------------------------------------------------------

LIST = """query ($id: ID!, $filter: DocumentFilter, $last: Int, $first: Int) { account(id: $id) {
    documents(first: $first, last: $last, filter: $filter) { totalCount nodes { id } edges { cursor }
        pageInfo { hasNextPage hasPreviousPage } } } }"""


async def list_documents(api: Api, by: Person, **variables: object) -> tuple[int, list[str]]:
    """The total count and the ids of the documents that a user lists."""
    answer = await api.ask(LIST, {"id": by.account_id, **variables}, by=by)
    documents = answer.data["account"]["documents"]
    return documents["totalCount"], [node["id"] for node in documents["nodes"]]


async def owner_and_guest(api: Api) -> tuple[Person, Person, str, str]:
    """An owner and a guest without DOCUMENTS_READ_ALL, with the id of an invoice of each."""
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    return anna, guest, await issued_id(api, anna), await issued_id(api, guest)


async def test_lists_counts_and_searches_have_documents_of_the_creator_alone(api: Api) -> None:
    anna, guest, document, own_document = await owner_and_guest(api)

    assert await list_documents(api, anna) == (2, [own_document, document])
    for variables in ({}, {"first": 1}, {"last": 1}):
        assert await list_documents(api, guest, **variables) == (1, [own_document])
    for filters in ({"search": "Kunde"}, {"status": ["ISSUED"]}, {"kind": "INVOICE"}, {"search": "2026"}):
        assert (await list_documents(api, guest, filter=filters))[1] in ([own_document], [])
        assert (await list_documents(api, guest, filter=filters))[0] <= 1


async def test_node_of_a_document_outside_the_scope_and_of_its_line_is_null(api: Api) -> None:
    anna, guest, document, own_document = await owner_and_guest(api)
    query = "query ($id: ID!) { node(id: $id) { ... on Document { lines { nodes { id } } } } }"
    (line,) = (await api.ask(query, {"id": document}, by=anna)).data["node"]["lines"]["nodes"]
    node = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"

    answer = await api.ask(node, {"ids": [document, line["id"], own_document]}, by=guest)

    assert answer.data["nodes"] == [None, None, {"id": own_document}]


@pytest.mark.parametrize(
    ("mutation", "fields"),
    [
        ("updateDocument", {"note": "Mine"}),
        ("deleteDocument", {}),
        ("issueDocument", {}),
        ("addDocumentLine", {"quantity": "1", "description": "x", "unitPrice": "1", "vatRate": "0"}),
        ("createCreditNote", {}),
        ("recordPayment", {"amount": "1"}),
    ],
)
async def test_change_of_a_document_outside_the_scope_is_not_found(
    api: Api, mutation: str, fields: dict[str, object]
) -> None:
    _, guest, document, _ = await owner_and_guest(api)
    _ = await api.ask("{ viewer { user { id } } }", by=guest)
    before = await count_rows()

    payloads = [await api.do(mutation, {"documentId": key, **fields}, by=guest) for key in (document, UNKNOWN_ID)]

    assert [codes(payload) for payload in payloads] == [[("NOT_FOUND", ["documentId"])]] * 2
    assert await count_rows() == before


@pytest.mark.parametrize("mutation", ["updateDocumentLine", "removeDocumentLine"])
async def test_change_of_a_line_outside_the_scope_is_not_found(api: Api, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    line = (await add_line(api, anna, await draft_id(api, anna)))["line"]["id"]
    unknown_line = f"l{'0' * 31}1"
    _ = await api.ask("{ viewer { user { id } } }", by=guest)
    before = await count_rows()

    payloads = [await api.do(mutation, {"documentLineId": key}, by=guest) for key in (line, unknown_line)]

    assert [codes(payload) for payload in payloads] == [[("NOT_FOUND", ["documentLineId"])]] * 2
    assert await count_rows() == before


async def test_missing_permission_tells_nothing_about_documents_outside_the_scope(api: Api) -> None:
    """A user who may not write gets the same answer for a foreign document and for a made-up id."""
    anna, _, document, _ = await owner_and_guest(api)
    reader, _ = await api.guest(anna, "reader@example.com", "CONSULTANT", permissions=["DOCUMENTS_READ"])

    payloads = [await api.do("issueDocument", {"documentId": key}, by=reader) for key in (document, UNKNOWN_ID)]

    assert [codes(payload) for payload in payloads] == [[("NOT_FOUND", ["documentId"])]] * 2


async def test_view_as_shows_no_document_of_the_impersonated_user_beyond_the_permission(api: Api) -> None:
    anna, guest, _, _ = await owner_and_guest(api)
    grants = await api.ask("query ($id: ID!) { account(id: $id) { grants { nodes { id user { id } } } } }",
                           {"id": anna.account_id}, by=anna)  # fmt: skip
    (grant,) = [node["id"] for node in grants.data["account"]["grants"]["nodes"] if node["user"]["id"] == guest.user_id]

    answer = await api.ask(
        LIST, {"id": anna.account_id}, by=anna, account=anna.account_id, headers={"X-View-As": grant}
    )

    assert answer.data["account"]["documents"]["totalCount"] == 0


async def test_credit_note_does_not_show_an_invoice_outside_the_scope(api: Api) -> None:

    anna, guest, document, _ = await owner_and_guest(api)
    payload = await api.do("createCreditNote", {"documentId": document}, "document { id }", by=anna)
    credit_note = payload["document"]["id"]
    creation = "UPDATE sales_documents SET created_by_id = $1 WHERE id = $2"
    _ = await db.execute(creation, ids.decode("User", guest.user_id), ids.decode("Document", credit_note))

    query = "query ($id: ID!) { node(id: $id) { ... on Document { kind correctedInvoice { id } } } }"
    answer = await api.ask(query, {"id": credit_note}, by=guest)

    assert answer.data["node"] == {"kind": "CREDIT_NOTE", "correctedInvoice": None}


async def test_draft_of_a_colleague_is_issued_with_the_permission(api: Api) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)

    payload = await issue(api, anna, await complete_draft(api, guest))

    assert payload["document"]["status"] == "ISSUED"
