"""Expenses: create, change, archive; bad input; rights and locks; lists that tell nothing about guarded suppliers."""

from typing import Any

import pytest

from tests.api import UNKNOWN_ID, Api, Person, codes, count_rows
from tests.resolvers.statements import record_statements
from tests.workspace.documents import contact_id

FIELDS = """expense { id spentOn currency reference note netAmount taxAmount grossAmount isArchived contact { name }
    createdBy { id } amounts { vatRate netAmount taxAmount } }"""
AMOUNT = {"vatRate": "25", "netAmount": "100"}
WITHOUT_CONTACTS = ["EXPENSES_READ", "EXPENSES_WRITE"]


async def create(api: Api, by: Person, **arguments: object) -> dict[str, Any]:
    values = {"accountId": by.account_id, "spentOn": "2026-03-01", "amounts": [AMOUNT], **arguments}
    return await api.do("createExpense", values, FIELDS, by=by)


async def expense_id(api: Api, by: Person, **arguments: object) -> str:
    payload = await create(api, by, **arguments)
    assert codes(payload) == []
    return str(payload["expense"]["id"])


async def test_totals_are_sums_of_the_amounts_and_missing_tax_is_computed(api: Api) -> None:
    anna = await api.person("anna@example.com")
    supplier = await contact_id(api, anna, "Leverandør AS")
    amounts = [
        {"vatRate": "25.0", "netAmount": "100", "taxAmount": "24.99"},
        {"vatRate": "5", "netAmount": "0.1"},
    ]

    payload = await create(api, anna, contactId=supplier, amounts=amounts, reference=" F-1 ", note="Paper\nand pens")

    expense = payload["expense"]
    assert expense.pop("id").startswith("x")
    assert expense == {
        "spentOn": "2026-03-01", "currency": "EUR", "reference": "F-1", "note": "Paper\nand pens",
        "netAmount": "100.10", "taxAmount": "25.00", "grossAmount": "125.10", "isArchived": False,
        "contact": {"name": "Leverandør AS"}, "createdBy": {"id": anna.user_id},
        "amounts": [
            {"vatRate": "5", "netAmount": "0.10", "taxAmount": "0.01"},
            {"vatRate": "25", "netAmount": "100.00", "taxAmount": "24.99"},
        ],
    }  # fmt: skip


async def test_amounts_have_the_decimals_of_their_currency(api: Api) -> None:
    anna = await api.person("anna@example.com")

    yen = await create(api, anna, currency="jpy", amounts=[{"vatRate": "10", "netAmount": "333"}])
    refusal = await create(api, anna, currency="JPY", amounts=[{"vatRate": "10", "netAmount": "3.5"}])

    assert (yen["expense"]["currency"], yen["expense"]["grossAmount"]) == ("JPY", "366")
    assert codes(refusal) == [("INVALID", ["amounts", "0", "netAmount"])]


# ---- Bad input -------------------------------------------------------------------------------


def amount(**fields: object) -> dict[str, object]:
    """Arguments with one row of amounts."""
    return {"amounts": [{**AMOUNT, **fields}]}


@pytest.mark.parametrize(
    ("fields", "expected_codes"),
    [
        (amount(netAmount="-1"), [("OUT_OF_RANGE", ["amounts", "0", "netAmount"])]),
        (amount(taxAmount="-0.01"), [("OUT_OF_RANGE", ["amounts", "0", "taxAmount"])]),
        (amount(netAmount="1" + "0" * 30), [("OUT_OF_RANGE", ["amounts", "0", "netAmount"])]),
        (amount(netAmount="0.001"), [("INVALID", ["amounts", "0", "netAmount"])]),
        (amount(netAmount="999999999999"), [("OUT_OF_RANGE", ["amounts"])]),
        (amount(vatRate="100.01"), [("OUT_OF_RANGE", ["amounts", "0", "vatRate"])]),
        (amount(vatRate="8.125"), [("INVALID", ["amounts", "0", "vatRate"])]),
        ({"amounts": []}, [("REQUIRED", ["amounts"])]),
        (
            {"amounts": [AMOUNT, AMOUNT | {"vatRate": "25.00"}]},
            [("ALREADY_EXISTS", ["amounts", "1", "vatRate"])],
        ),
        (
            {"amounts": [{"vatRate": str(rate), "netAmount": "1"} for rate in range(11)]},
            [("OUT_OF_RANGE", ["amounts"])],
        ),
        ({"spentOn": "1999-12-31"}, [("OUT_OF_RANGE", ["spentOn"])]),
        ({"spentOn": "2100-01-01"}, [("OUT_OF_RANGE", ["spentOn"])]),
        ({"reference": "x" * 101}, [("TOO_LONG", ["reference"])]),
        ({"reference": "a\nb"}, [("INVALID", ["reference"])]),
        ({"note": "x" * 2001}, [("TOO_LONG", ["note"])]),
        ({"contactId": UNKNOWN_ID}, [("NOT_FOUND", ["contactId"])]),
    ],
)
async def test_bad_input_is_refused_with_its_field_and_writes_nothing(
    api: Api, fields: dict[str, object], expected_codes: Any
) -> None:
    anna = await api.person("anna@example.com")
    expense = await expense_id(api, anna)
    before = await count_rows()

    creation = await create(api, anna, **fields)
    change = await api.do("updateExpense", {"expenseId": expense, **fields}, by=anna)

    assert codes(creation) == codes(change) == expected_codes
    assert await count_rows() == before


async def test_unknown_currency_is_refused_and_writes_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await api.ask("{ viewer { user { id } } }", by=anna)
    before = await count_rows()

    for currency in ("DEM", ""):
        assert codes(await create(api, anna, currency=currency)) == [("INVALID", ["currency"])]
    assert await count_rows() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"spentOn": "2026-02-30"},
        {"spentOn": "2026-03-01T00:00:00Z"},
        {"spentOn": None},
        {"note": "x" * 1_000_000},
        {"amounts": [AMOUNT] * 10_001},
        amount(netAmount="NaN"),
        amount(netAmount="1e3"),
        amount(netAmount=None),
        amount(gross="1"),
    ],
)
async def test_mistake_of_the_client_is_refused_and_writes_nothing(api: Api, fields: dict[str, object]) -> None:
    anna = await api.person("anna@example.com")
    _ = await api.ask("{ viewer { user { id } } }", by=anna)
    before = await count_rows()
    document = "mutation ($input: CreateExpenseInput!) { createExpense(input: $input) { errors { code } } }"
    values = {"accountId": anna.account_id, "spentOn": "2026-03-01", "amounts": [AMOUNT], **fields}

    answer = await api.ask(document, {"input": values}, by=anna)

    assert answer.codes == ["BAD_USER_INPUT"]
    assert await count_rows() == before


async def test_contact_of_another_account_and_an_archived_one_are_refused(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    foreign, archived_contact = await contact_id(api, stig), await contact_id(api, anna)
    expense = await expense_id(api, anna, contactId=archived_contact)
    assert codes(await api.do("archiveContact", {"contactId": archived_contact}, by=anna)) == []
    other_expense = await expense_id(api, anna)
    before = await count_rows()

    for contact, code in ((foreign, "NOT_FOUND"), (archived_contact, "INVALID_STATE")):
        assert codes(await create(api, anna, contactId=contact)) == [(code, ["contactId"])]
        values = {"expenseId": other_expense, "contactId": contact}
        assert codes(await api.do("updateExpense", values, by=anna)) == [(code, ["contactId"])]

    assert await count_rows() == before
    # A client that sends the whole form again keeps the supplier that was archived meanwhile.
    assert codes(await api.do("updateExpense", {"expenseId": expense, "contactId": archived_contact}, by=anna)) == []


# ---- Changes ---------------------------------------------------------------------------------


async def test_change_replaces_amounts_and_keeps_what_is_null(api: Api) -> None:
    anna = await api.person("anna@example.com")
    expense = await expense_id(api, anna, reference="F-1", note="Old")
    values = {"expenseId": expense, "amounts": [{"vatRate": "0", "netAmount": "7"}], "note": "", "spentOn": None}

    payload = await api.do("updateExpense", values, FIELDS, by=anna)

    assert payload["expense"]["amounts"] == [{"vatRate": "0", "netAmount": "7.00", "taxAmount": "0.00"}]
    assert (payload["expense"]["grossAmount"], payload["expense"]["spentOn"]) == ("7.00", "2026-03-01")
    assert (payload["expense"]["reference"], payload["expense"]["note"]) == ("F-1", None)


EVENTS = """query ($id: ID!) { account(id: $id) { events(first: 5, filter: { type: "account:expense" }) {
    nodes { type before after withheld } } } }"""


async def expense_events(api: Api, by: Person) -> list[dict[str, Any]]:
    answer = await api.ask(EVENTS, {"id": by.account_id}, by=by)
    return [*answer.data["account"]["events"]["nodes"]]


async def test_each_change_writes_one_event_and_no_change_none(api: Api) -> None:
    anna = await api.person("anna@example.com")
    expense = await expense_id(api, anna, contactId=await contact_id(api, anna))
    change = {"expenseId": expense, "amounts": [AMOUNT | {"netAmount": "7"}], "spentOn": "2026-03-02"}
    for _ in range(2):
        assert codes(await api.do("updateExpense", change, by=anna)) == []
        assert codes(await api.do("archiveExpense", {"expenseId": expense}, by=anna)) == []

    archive_event, update, creation = await expense_events(api, anna)

    assert [event["type"].rpartition(":")[2] for event in (archive_event, update, creation)] == [
        "archive", "update", "create",
    ]  # fmt: skip
    assert archive_event["after"]["is_archived"] is True
    assert update["before"] == {
        "spent_on": "2026-03-01", "net_amount": "100.00", "tax_amount": "25.00", "amounts": ["100.00 + 25.00 (25 %)"],
    }  # fmt: skip
    assert update["after"]["amounts"] == ["7.00 + 1.75 (25 %)"]
    assert {"contact", "amounts", "currency"} <= creation["after"].keys()


async def test_reader_of_events_without_contacts_reads_no_supplier(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await expense_id(api, anna, contactId=await contact_id(api, anna))
    permissions = ["EVENTS_READ", "EXPENSES_READ"]
    reader, _ = await api.guest(anna, "reader@example.com", "CONSULTANT", permissions=permissions)

    (event,) = await expense_events(api, reader)

    assert event["withheld"] == ["contact", "ipAddress"]
    assert event["after"]["net_amount"] == "100.00"


async def test_repeat_with_an_idempotency_key_creates_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")

    first, second = [await create(api, anna, idempotencyKey="once") for _ in range(2)]
    reuse = await create(api, anna, idempotencyKey="once", amounts=[AMOUNT | {"netAmount": "1"}])

    assert first["expense"]["id"] == second["expense"]["id"]
    assert codes(reuse) == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]


# ---- Rights ----------------------------------------------------------------------------------


async def test_lock_of_expenses_refuses_the_owner_too(api: Api) -> None:
    anna = await api.person("anna@example.com")
    expense = await expense_id(api, anna)
    locks = {"accountId": anna.account_id, "locks": ["EXPENSES_WRITE"]}
    assert codes(await api.do("updateAccountSettings", locks, by=anna)) == []

    document = "mutation ($input: UpdateExpenseInput!) { updateExpense(input: $input) { errors { code } } }"
    answer = await api.ask(document, {"input": {"expenseId": expense, "note": "Ny"}}, by=anna)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["extensions"]["reason"] == "LOCKED_BY_ACCOUNT"


async def test_expense_does_not_exist_for_a_stranger(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    expense = await expense_id(api, anna)

    answer = await api.ask("query ($id: ID!) { node(id: $id) { id } }", {"id": expense}, by=stig)
    payloads = [
        await api.do("archiveExpense", {"expenseId": expense}, by=stig),
        await api.do("updateExpense", {"expenseId": expense, "note": "Mine"}, by=stig),
    ]

    assert answer.data == {"node": None}
    assert [codes(payload) for payload in payloads] == [[("NOT_FOUND", ["expenseId"])]] * 2


async def test_supplier_is_neither_linked_nor_shown_without_the_permission(api: Api) -> None:
    anna = await api.person("anna@example.com")
    supplier = await contact_id(api, anna)
    expense = await expense_id(api, anna, contactId=supplier)
    guest, _ = await api.guest(anna, "ola@example.com", "SIMPLE_USER", permissions=WITHOUT_CONTACTS)
    document = "mutation ($input: UpdateExpenseInput!) { updateExpense(input: $input) { errors { code } } }"
    new_expense = await expense_id(api, anna)

    # The linked supplier is refused as well as another one: the answer would tell which it is.
    link, same_link = [
        await api.ask(document, {"input": {"expenseId": key, "contactId": supplier}}, by=guest)
        for key in (new_expense, expense)
    ]
    node = await api.ask(
        "query ($id: ID!) { node(id: $id) { ... on Expense { netAmount contact { __typename } } } }",
        {"id": expense},
        by=guest,
    )

    assert link.codes == same_link.codes == node.codes == ["FORBIDDEN"]
    assert node.partial["node"] == {"netAmount": "100.00", "contact": None}


# ---- Lists -----------------------------------------------------------------------------------

LIST = """query ($id: ID!, $filter: ExpenseFilter, $order: ExpenseOrder, $first: Int, $after: String, $last: Int) {
    account(id: $id) { expenses(first: $first, after: $after, last: $last, filter: $filter, orderBy: $order) {
        totalCount nodes { reference } edges { cursor } pageInfo { endCursor hasNextPage } } } }"""


async def references(api: Api, by: Person, **variables: object) -> str:
    """The references of the expenses that a user lists."""
    answer = await api.ask(LIST, {"id": by.account_id, **variables}, by=by)
    return "".join(node["reference"] for node in answer.data["account"]["expenses"]["nodes"])


async def account_with_expenses(api: Api) -> tuple[Person, str]:
    """An owner with the expenses A, B, C and D, and the supplier of A and C. B is archived."""
    anna = await api.person("anna@example.com")
    supplier = await contact_id(api, anna)
    facts = [("A", "2026-03-01", "5", supplier), ("B", "2026-03-03", "1", None), ("C", "2026-03-02", "9", supplier)]
    for reference, day, net, contact in [*facts, ("D", "2026-03-02", "5", None)]:
        values = {"spentOn": day, "contactId": contact, **amount(netAmount=net)}
        expense = await expense_id(api, anna, reference=reference, note=f"Çafé {reference}", **values)
        if reference == "B":
            assert codes(await api.do("archiveExpense", {"expenseId": expense}, by=anna)) == []
    return anna, supplier


async def test_orders_are_followed_in_pages_of_both_directions(api: Api) -> None:
    anna, _ = await account_with_expenses(api)

    for order, sequence in ((None, "BDCA"), ("SPENT_ON", "BDCA"), ("AMOUNT", "CDAB"), ("CREATED_AT", "DCBA")):
        assert await references(api, anna, order=order) == sequence
        assert await references(api, anna, order=order, last=3) == sequence[-3:]
        pages = ""
        variables: dict[str, object] = {"id": anna.account_id, "order": order, "first": 1, "after": None}
        has_next_page = True
        while has_next_page:
            page = (await api.ask(LIST, variables, by=anna)).data["account"]["expenses"]
            pages += page["nodes"][0]["reference"]
            variables["after"], has_next_page = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert pages == sequence


async def test_filters_select_in_each_order(api: Api) -> None:
    anna, supplier = await account_with_expenses(api)
    filters: list[tuple[dict[str, object], str]] = [
        ({"contactId": supplier}, "AC"),
        ({"contactId": supplier, "isArchived": True}, ""),
        ({"contactId": UNKNOWN_ID}, ""),
        ({"spentFrom": "2026-03-02"}, "BCD"),
        ({"spentTo": "2026-03-02"}, "ACD"),
        ({"spentFrom": "2026-03-02", "spentTo": "2026-03-02"}, "CD"),
        ({"spentFrom": "2026-03-03", "spentTo": "2026-03-01"}, ""),
        ({"isArchived": True}, "B"),
        ({"isArchived": False, "spentFrom": "2026-03-02"}, "CD"),
        ({"search": "cafe d"}, "D"),
        ({"search": "b"}, "B"),
        ({"search": None, "isArchived": None}, "ABCD"),
    ]

    for values, matches in filters:
        for order in ("SPENT_ON", "AMOUNT", "CREATED_AT"):
            assert "".join(sorted(await references(api, anna, filter=values, order=order))) == matches, values


async def test_filter_by_supplier_is_refused_without_the_permission(api: Api) -> None:
    """A count would tell that an expense has the supplier."""
    anna, supplier = await account_with_expenses(api)
    guest, _ = await api.guest(anna, "ola@example.com", "SIMPLE_USER", permissions=WITHOUT_CONTACTS)

    for contact in (supplier, UNKNOWN_ID):
        answer = await api.ask(LIST, {"id": guest.account_id, "filter": {"contactId": contact}}, by=guest)

        assert answer.partial == {"account": {"expenses": None}}
        assert [(error["extensions"]["code"], error["extensions"]["permission"]) for error in answer.errors] == [
            ("FORBIDDEN", "CONTACTS_READ")
        ]
    assert await references(api, guest) == "BDCA"


@pytest.mark.parametrize("cursor", ["x", "WzEsMl0", "W10"])
async def test_cursor_of_another_list_is_refused(api: Api, cursor: str) -> None:
    anna = await api.person("anna@example.com")

    answer = await api.ask(LIST, {"id": anna.account_id, "first": 1, "after": cursor}, by=anna)

    assert answer.codes == ["BAD_USER_INPUT"]


async def test_number_of_statements_does_not_grow_with_the_list(api: Api) -> None:
    anna = await api.person("anna@example.com")
    supplier = await contact_id(api, anna)
    query = """query ($id: ID!) { account(id: $id) { expenses { totalCount nodes {
        amounts { netAmount } contact { name } createdBy { name } } } } }"""
    counts: list[int] = []
    for _ in range(2):
        _ = await expense_id(api, anna, contactId=supplier)
        with record_statements() as statements:
            assert (await api.ask(query, {"id": anna.account_id}, by=anna)).codes == []
        counts.append(len(statements))
        for _ in range(3):
            _ = await expense_id(api, anna, contactId=supplier)

    assert counts[0] == counts[1]
