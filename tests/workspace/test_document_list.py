"""Lists of documents: filters, orders and cursors, over all documents and over those of one creator; and payments."""

from datetime import date, timedelta
from typing import Any, Final

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Person, codes
from tests.conftest import connect
from tests.models.lists.long_lists import lengthen
from tests.models.lists.test_long_lists import FEW_ROWS, Statements, rows_read
from tests.resolvers.statements import record_statements
from tests.workspace.documents import add_line, complete_draft, contact_id, draft_id, issue, issued_id
from tests.workspace.test_document import OWN_ONLY

LIST: Final = """query ($id: ID!, $filter: DocumentFilter, $orderBy: DocumentOrder, $cursor: String) {
    account(id: $id) { documents(filter: $filter, orderBy: $orderBy, %s) { totalCount nodes { id }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
TEN: Final = LIST % "first: 10, after: $cursor"
PAGES: Final = {"first": LIST % "first: 1, after: $cursor", "last": LIST % "last: 1, before: $cursor"}
ORDERS: Final = ("CREATED_AT", "ISSUED_ON", "NUMBER", "DUE_ON", "GROSS_AMOUNT")


async def list_documents(api: Api, by: Person, **arguments: object) -> list[str]:
    """The ids of the documents in a list, whose count is exact."""
    answer = await api.ask(TEN, {"id": by.account_id, **arguments}, by=by)
    documents = answer.data["account"]["documents"]
    assert documents["totalCount"] == len(documents["nodes"])
    return [node["id"] for node in documents["nodes"]]


async def walk(api: Api, by: Person, size: str, **arguments: object) -> list[str]:
    """The ids of a list that is read one document at a time, forwards or backwards."""
    cursor, has_page = ("endCursor", "hasNextPage") if size == "first" else ("startCursor", "hasPreviousPage")
    keys: list[str] = []
    variables: dict[str, Any] = {"id": by.account_id, **arguments}
    while True:
        documents = (await api.ask(PAGES[size], variables, by=by)).data["account"]["documents"]
        keys = [*keys, documents["nodes"][0]["id"]] if documents["nodes"] else keys
        if not documents["pageInfo"][has_page]:
            return keys if size == "first" else keys[::-1]
        variables["cursor"] = documents["pageInfo"][cursor]


class Documents:
    """Five documents of an owner, and one of a guest: their ids."""

    def __init__(self, today: date) -> None:
        self.today = today
        self.contact = ""
        self.ids: dict[str, str] = {}

    def day(self, days: int) -> str:
        """The date so many days after today."""
        return (self.today + timedelta(days=days)).isoformat()

    def names(self, keys: list[str]) -> list[str]:
        """The names of documents."""
        name_by_id = {key: name for name, key in self.ids.items()}
        return [name_by_id[key] for key in keys]


async def create_documents(api: Api, anna: Person, guest: Person) -> Documents:
    """`old` is overdue, `paid` was due at the same time, `new` is large and of another contact, `note` is a credit note
    of it, `draft` has no date.
    """
    documents = Documents(api.clock().date())
    documents.contact = await contact_id(api, anna, "Other AS")
    for name, days, due, quantity in (("old", -9, -2, "2"), ("paid", -8, -3, "3"), ("new", -1, 20, "50")):
        contact = documents.contact if name == "new" else None
        document = await draft_id(api, anna, contact=contact, dueOn=documents.day(due))
        _ = await add_line(api, anna, document, quantity=quantity)
        assert codes(await issue(api, anna, document, issuedOn=documents.day(days))) == []
        documents.ids[name] = document
    payment = {"documentId": documents.ids["paid"], "amount": "37.13"}
    assert codes(await api.do("recordPayment", payment, by=anna)) == []
    note = await api.do("createCreditNote", {"documentId": documents.ids["new"]}, "document { id }", by=anna)
    documents.ids["note"] = note["document"]["id"]
    assert codes(await issue(api, anna, documents.ids["note"])) == []
    documents.ids["draft"] = await draft_id(api, anna)
    documents.ids["guest"] = await issued_id(api, guest)
    return documents


async def create_all(api: Api) -> tuple[Person, Person, Documents]:
    """An owner and a guest without DOCUMENTS_READ_ALL, with documents."""
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    return anna, guest, await create_documents(api, anna, guest)


# ---- Filters and orders ----------------------------------------------------------------------


async def test_orders_sort_the_whole_list_in_both_directions(api: Api) -> None:
    anna, guest, documents = await create_all(api)
    names_by_order = {
        "CREATED_AT": "guest draft note new paid old",
        "ISSUED_ON": "draft guest note new paid old",
        "NUMBER": "draft guest note new paid old",
        "DUE_ON": "paid old guest new note draft",
        "GROSS_AMOUNT": "note new paid guest old draft",
    }

    for order, names in names_by_order.items():
        keys = documents.names(await list_documents(api, anna, orderBy=order))
        assert sorted(keys) == sorted(names.split())
        if order != "GROSS_AMOUNT":
            assert " ".join(keys) == names, order
        else:
            assert keys[2:] == ["paid", "guest", "old", "draft"]
        for size in ("first", "last"):
            assert documents.names(await walk(api, anna, size, orderBy=order)) == keys, (order, size)
        assert documents.names(await list_documents(api, guest, orderBy=order)) == ["guest"]


async def test_filters_find_their_documents_alone(api: Api) -> None:
    anna, guest, documents = await create_all(api)
    day = documents.day
    cases: list[tuple[dict[str, object], str]] = [
        ({"contactId": documents.contact}, "new note"),
        ({"kind": "CREDIT_NOTE"}, "note"),
        ({"status": ["DRAFT", "PAID"]}, "draft paid"),
        ({"status": ["DELETED"]}, ""),
        ({"issuedFrom": day(-8)}, "paid new note guest"),
        ({"issuedTo": day(-8)}, "old paid"),
        ({"issuedFrom": day(-8), "issuedTo": day(-1)}, "paid new"),
        ({"issuedFrom": day(1)}, ""),
        ({"dueFrom": day(-2), "dueTo": day(20)}, "old new guest"),
        ({"dueTo": day(-3)}, "paid"),
        ({"issuedTo": "9999-12-31"}, "old paid new note guest"),
        ({"isOverdue": True}, "old"),
        ({"isOverdue": False}, "draft paid new note guest"),
        ({"isOverdue": True, "contactId": documents.contact}, ""),
        ({"search": "other"}, "new note"),
        ({"kind": "INVOICE", "status": ["ISSUED"], "dueTo": day(0)}, "old"),
    ]

    for document_filter, names in cases:
        for order in (None, *ORDERS):
            keys = await list_documents(api, anna, filter=document_filter, orderBy=order)
            assert sorted(documents.names(keys)) == sorted(names.split()), (document_filter, order)
        for order in (None, "DUE_ON"):
            keys = await list_documents(api, anna, filter=document_filter, orderBy=order)
            assert await walk(api, anna, "first", filter=document_filter, orderBy=order) == keys
            assert await walk(api, anna, "last", filter=document_filter, orderBy=order) == keys
        names_for_guest = documents.names(await list_documents(api, guest, filter=document_filter))
        assert names_for_guest == (["guest"] if "guest" in names else []), document_filter


async def test_document_is_overdue_from_the_day_after_its_due_date(api: Api) -> None:
    anna = await api.person("anna@example.com")
    document = await draft_id(api, anna, dueOn=api.clock().date().isoformat())
    _ = await add_line(api, anna, document)
    assert codes(await issue(api, anna, document)) == []

    assert await list_documents(api, anna, filter={"isOverdue": True}) == []
    api.clock.forward(days=1)
    anna = await api.sign_in(anna)
    assert await list_documents(api, anna, filter={"isOverdue": True}) == [document]


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "", "tomorrow", 5, "10000-01-01"])
async def test_date_that_does_not_exist_is_no_filter(api: Api, day: object) -> None:
    anna = await api.person("anna@example.com")

    answer = await api.ask(TEN, {"id": anna.account_id, "filter": {"dueTo": day}}, by=anna)

    assert answer.codes == ["BAD_USER_INPUT"]


async def test_cursor_of_another_order_and_a_made_up_one_are_refused(api: Api) -> None:
    anna, _, _ = await create_all(api)
    first = await api.ask(TEN, {"id": anna.account_id, "orderBy": "DUE_ON"}, by=anna)
    cursor = first.data["account"]["documents"]["pageInfo"]["endCursor"]

    for order, text in (("GROSS_AMOUNT", cursor), ("DUE_ON", cursor[:-4]), ("DUE_ON", "x")):
        answer = await api.ask(TEN, {"id": anna.account_id, "orderBy": order, "cursor": text}, by=anna)
        assert answer.codes == ["BAD_USER_INPUT"], order


# ---- Rights ----------------------------------------------------------------------------------


async def test_filter_by_contact_needs_the_permission_to_read_contacts(api: Api) -> None:
    anna, _, documents = await create_all(api)
    permissions = ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL"]
    reader, _ = await api.guest(anna, "reader@example.com", "CONSULTANT", permissions=permissions)

    for contact in (documents.contact, ids.encode("Contact", ids.decode("Document", documents.ids["new"]))):
        answer = await api.ask(TEN, {"id": anna.account_id, "filter": {"contactId": contact}}, by=reader)
        assert answer.codes == ["FORBIDDEN"]
        assert answer.errors[0]["extensions"]["permission"] == "CONTACTS_READ"
        assert answer.partial["account"]["documents"] is None
    assert len(await list_documents(api, reader)) == 6


async def test_contact_of_another_account_finds_nothing(api: Api) -> None:
    anna, _, _ = await create_all(api)
    stig = await api.person("stig@example.com")

    assert await list_documents(api, anna, filter={"contactId": await contact_id(api, stig)}) == []


async def test_search_does_not_read_the_contact_of_a_draft(api: Api) -> None:
    """A search reads the buyer's name that an issued document copied, and no name that it does not show."""
    anna = await api.person("anna@example.com")
    draft = await complete_draft(api, anna, contact=await contact_id(api, anna, "Secret AS"))

    assert await list_documents(api, anna, filter={"search": "secret"}) == []
    assert codes(await issue(api, anna, draft)) == []
    assert await list_documents(api, anna, filter={"search": "secret"}) == [draft]


# ---- Plans -----------------------------------------------------------------------------------


async def test_lists_of_one_creator_read_few_rows(api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner lacks DOCUMENTS_READ_ALL by a lock, and another user has created nearly all documents."""
    anna = await api.person("anna@example.com")
    await lengthen(api, anna, database_url)
    connection = await connect(database_url)
    await connection.execute(
        "SET session_replication_role = replica;"
        " UPDATE sales_documents SET created_by_id = gen_random_uuid() WHERE number IS NOT NULL; ANALYZE"
    )
    locks = {"accountId": anna.account_id, "locks": ["DOCUMENTS_READ_ALL"]}
    assert codes(await api.do("updateAccountSettings", locks, by=anna)) == []
    statements = Statements(monkeypatch)

    for order in ORDERS:
        for size in ("first", "last"):
            statements.sent.clear()
            answer = await api.ask(PAGES[size], {"id": anna.account_id, "orderBy": order}, by=anna)
            assert answer.data["account"]["documents"]["totalCount"] == 1
            read = [await rows_read(connection, *statement) for statement in statements.sent]
            assert max(read) <= FEW_ROWS, (order, size, read)
    await connection.close()


# ---- Payments --------------------------------------------------------------------------------

PAYMENTS: Final = """query ($id: ID!, $first: Int, $last: Int, $after: String) { node(id: $id) { ... on Document {
    payments(first: $first, last: $last, after: $after) { totalCount nodes { id amount paidOn }
        pageInfo { hasNextPage endCursor } } } } }"""


async def paid_invoice(api: Api, by: Person) -> str:
    """The id of an invoice with three payments."""
    invoice = await issued_id(api, by)
    for amount in ("1", "2.50", "3"):
        assert codes(await api.do("recordPayment", {"documentId": invoice, "amount": amount}, by=by)) == []
    return invoice


async def test_payments_are_listed_in_both_directions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invoice = await paid_invoice(api, anna)

    pages = [
        (await api.ask(PAYMENTS, {"id": invoice, **page}, by=anna)).data["node"]["payments"]
        for page in ({}, {"first": 1}, {"last": 1})
    ]

    assert [[node["amount"] for node in page["nodes"]] for page in pages] == [
        ["1.00", "2.50", "3.00"], ["1.00"], ["3.00"],
    ]  # fmt: skip
    assert pages[0]["totalCount"] == 3
    assert pages[0]["nodes"][0]["paidOn"] == api.clock().date().isoformat()
    after = {"id": invoice, "first": 2, "after": pages[1]["pageInfo"]["endCursor"]}
    assert [node["amount"] for node in (await api.ask(PAYMENTS, after, by=anna)).data["node"]["payments"]["nodes"]] == [
        "2.50", "3.00",
    ]  # fmt: skip


async def test_payment_exists_only_where_its_document_does(api: Api) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    stig = await api.person("stig@example.com")
    payments = [
        (await api.ask(PAYMENTS, {"id": await paid_invoice(api, by)}, by=by)).data["node"]["payments"]["nodes"][0]["id"]
        for by in (anna, guest)
    ]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"

    nodes = {person.email: (await api.ask(query, {"ids": payments}, by=person)).data["nodes"]
             for person in (anna, guest, stig)}  # fmt: skip

    first_payment, guest_payment = [{"id": payment} for payment in payments]
    assert nodes == {
        anna.email: [first_payment, guest_payment],
        guest.email: [None, guest_payment],
        stig.email: [None, None],
    }


async def test_number_of_statements_does_not_grow_with_documents_and_payments(api: Api) -> None:
    anna = await api.person("anna@example.com")
    query = """query ($id: ID!) { account(id: $id) { documents(orderBy: DUE_ON) {
        nodes { payments { totalCount nodes { amount } } } } } }"""
    counts: list[int] = []
    for _ in range(2):
        for _ in range(2):
            _ = await paid_invoice(api, anna)
        with record_statements() as statements:
            assert (await api.ask(query, {"id": anna.account_id}, by=anna)).codes == []
        counts.append(len(statements))

    assert counts[0] == counts[1]
    assert await db.fetch("SELECT FROM document_payments", row=db.Row) != []
