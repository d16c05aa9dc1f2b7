"""The guards and the row scope of reports, and the rows that they read."""

from base64 import urlsafe_b64decode
from typing import Any

import pytest

from resolvers import ids
from tests.api import PASSWORD, Api, Clock, Person, codes
from tests.conftest import connect
from tests.models.lists.test_long_lists import Statements, rows_read
from tests.resolvers.statements import record_statements
from tests.workspace.documents import add_line, contact_id, draft_id, issue, issued_id
from tests.workspace.reports import EVERYTHING, MARGIN, OWN_ONLY, REPORTS, REVENUE, ask, read

# ---- Guards ----------------------------------------------------------------------------------


def refused_permissions(answer: Any) -> list[tuple[str, str]]:
    """The last name in the path of each error, and the missing permission."""
    return sorted(
        (next(part for part in reversed(error["path"]) if isinstance(part, str)), error["extensions"]["permission"])
        for error in answer.errors
        if error["extensions"]["code"] == "FORBIDDEN"
    )


MARGINS = [("marginByContact", "PURCHASE_PRICES_READ"), ("marginByMonth", "PURCHASE_PRICES_READ")]


@pytest.mark.parametrize(
    ("role", "permissions", "expected_refusals", "document_count"),
    [
        ("ADMINISTRATOR", None, [], 2),
        ("COLLABORATOR", None, [], 2),
        ("ACCOUNTANT", None, [], 2),
        ("SIMPLE_USER", None, [], 2),
        (
            "SIMPLE_USER",
            ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "PURCHASE_PRICES_READ"],
            [("reports", "REPORTS_READ")],
            None,
        ),
        (
            "SIMPLE_USER",
            ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "REPORTS_READ", "CONTACTS_READ", "PRODUCTS_READ"],
            MARGINS,
            2,
        ),
        ("CONSULTANT", ["REPORTS_READ"], MARGINS, 0),
        ("CONSULTANT", ["DOCUMENTS_READ", "REPORTS_READ"], MARGINS, 0),
        (
            "CONSULTANT",
            ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "REPORTS_READ"],
            [("contact", "CONTACTS_READ"), *MARGINS],
            2,
        ),
        ("CONSULTANT", ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL"], [("reports", "REPORTS_READ")], None),
    ],
)
async def test_each_role_reads_what_its_permissions_allow(
    api: Api,
    role: str,
    permissions: list[str] | None,
    expected_refusals: list[tuple[str, str]],
    document_count: int | None,
) -> None:
    anna = await api.person("anna@example.com")
    contact = await contact_id(api, anna)
    for _ in range(2):
        document = await draft_id(api, anna, contact=contact)
        _ = await add_line(api, anna, document)
        assert codes(await issue(api, anna, document)) == []
    arguments = {"permissions": permissions} if permissions is not None else {}
    guest, _ = await api.guest(anna, "ola@example.com", role, **arguments)

    answer = await ask(api, guest, EVERYTHING)

    assert refused_permissions(answer) == expected_refusals
    assert len(answer.errors) == len(expected_refusals)
    reports = answer.partial["account"]["reports"]
    assert (reports and reports["documentCount"]) == document_count


@pytest.mark.parametrize("name", ["revenueByContact", "marginByContact"])
async def test_cursors_tell_no_id_of_a_contact(api: Api, name: str) -> None:
    anna = await api.person("anna@example.com")
    contact = await contact_id(api, anna)
    document = await draft_id(api, anna, contact=contact)
    _ = await add_line(api, anna, document)
    assert codes(await issue(api, anna, document)) == []

    reports = await read(api, anna, f"{name} {{ pageInfo {{ endCursor }} }}")

    cursor = urlsafe_b64decode(reports[name]["pageInfo"]["endCursor"] + "==").decode()
    assert '"EUR"' in cursor
    assert ids.decode("Contact", contact).hex not in cursor.replace("-", "")


async def test_report_of_a_foreign_account_does_not_exist(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    query = "query ($id: ID!) { account(id: $id) { reports { documentCount } } }"

    assert (await api.ask(query, {"id": anna.account_id}, by=stig)).data == {"account": None}
    assert (await api.ask(query, {"id": anna.account_id})).codes == ["UNAUTHENTICATED"]


@pytest.mark.parametrize(
    ("settings", "is_owner_refused"),
    [({"locks": ["REPORTS_READ"]}, True), ({"simpleUserRestrictions": ["REPORTS_READ"]}, False)],
)
async def test_locks_and_restrictions_take_reports(
    api: Api, settings: dict[str, object], *, is_owner_refused: bool
) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "SIMPLE_USER")
    assert codes(await api.do("updateAccountSettings", {"accountId": anna.account_id, **settings}, by=anna)) == []

    answers = [await ask(api, person, "documentCount") for person in (anna, guest)]

    assert [answer.codes for answer in answers] == [["FORBIDDEN"] if is_owner_refused else [], ["FORBIDDEN"]]


async def test_lock_of_purchase_prices_takes_the_margin_from_the_owner(api: Api) -> None:
    anna = await api.person("anna@example.com")
    locks = {"accountId": anna.account_id, "locks": ["PURCHASE_PRICES_READ"]}
    assert codes(await api.do("updateAccountSettings", locks, by=anna)) == []

    answer = await ask(api, anna, EVERYTHING)

    assert refused_permissions(answer) == MARGINS


async def test_reading_goes_on_in_a_read_only_account(api: Api, clock: Clock) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    days = {"startsOn": clock.now.date().isoformat(), "endsOn": clock.now.date().isoformat()}
    clock.forward(days=40)
    anna = await api.sign_in(anna)

    answer = await ask(api, anna, f"{REVENUE} {MARGIN}", **days)

    assert [entry["netAmount"] for entry in answer.data["account"]["reports"]["revenueByMonth"]] == ["19.80"]


async def test_reading_goes_on_while_the_account_closes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    assert codes(await api.do("closeAccount", {"accountId": anna.account_id, "password": PASSWORD}, by=anna)) == []

    answer = await ask(api, anna, "documentCount")

    assert answer.data["account"]["reports"]["documentCount"] == 1


async def test_view_as_shows_neither_the_documents_of_the_viewer_nor_those_of_the_other_user(api: Api) -> None:
    anna = await api.person("anna@example.com")
    permissions = [permission for permission in OWN_ONLY if permission != "PURCHASE_PRICES_READ"]
    guest, grant = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=permissions)
    for person in (anna, guest):
        _ = await issued_id(api, person)
    query = f"query ($id: ID!) {{ account(id: $id) {{ reports {{ {EVERYTHING} }} }} }}"

    answer = await api.ask(
        query, {"id": anna.account_id}, by=anna, account=anna.account_id, headers={"X-View-As": grant}
    )

    assert answer.partial["account"]["reports"]["documentCount"] == 0
    assert answer.partial["account"]["reports"]["openItems"] == []
    assert refused_permissions(answer) == MARGINS


# ---- Row scope -------------------------------------------------------------------------------


async def reports_by_name(api: Api, by: Person) -> dict[str, Any]:
    """The response of each report, read alone."""
    return {name: (await ask(api, by, selection)).data for name, selection in REPORTS.items()}


async def test_documents_of_colleagues_change_no_report_of_a_user_without_the_permission(api: Api) -> None:
    """Every total, count, order and cursor stays the same, for the same and for other contacts and currencies."""
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    contact = await contact_id(api, guest)
    document = await draft_id(api, guest, contact=contact)
    _ = await add_line(api, guest, document)
    assert codes(await issue(api, guest, document)) == []
    before, owner_before = await reports_by_name(api, guest), await reports_by_name(api, anna)

    for fields in ({"contact": contact}, {"contact": contact, "currency": "USD"}, {}):
        colleague_document = await draft_id(api, anna, **fields)
        _ = await add_line(api, anna, colleague_document, quantity="7", vatRate="8")
        assert codes(await issue(api, anna, colleague_document)) == []
    after, owner_after = await reports_by_name(api, guest), await reports_by_name(api, anna)

    assert before["documentCount"]["account"]["reports"]["documentCount"] == 1
    for name in REPORTS:
        assert after[name] == before[name], name
        assert owner_after[name] != owner_before[name], name


async def test_amounts_of_own_documents_need_the_permission_to_read_documents(api: Api) -> None:
    anna = await api.person("anna@example.com")
    guest, grant = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    _ = await issued_id(api, guest)
    permissions = ["REPORTS_READ", "CONTACTS_READ", "PURCHASE_PRICES_READ", "PRODUCTS_READ"]
    assert codes(await api.do("updateGrant", {"grantId": grant, "permissions": permissions}, by=anna)) == []

    reports = await read(api, guest, EVERYTHING)

    assert reports["documentCount"] == 0
    for name in ("revenueByMonth", "vatByMonth", "openItems", "marginByMonth"):
        assert reports[name] == [], name
    for name in ("revenueByContact", "marginByContact"):
        assert (reports[name]["nodes"], reports[name]["totalCount"]) == ([], 0), name


async def test_each_account_of_a_list_has_its_own_scope(api: Api) -> None:
    """A user sees all documents of their own account, and only their own in that of the host."""
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    for person in (anna, anna, guest):
        _ = await issued_id(api, person)
    payload = await api.do("createAccount", {"name": "Own AS"}, "account { id }", by=guest)
    own = Person(guest.email, guest.token, guest.user_id, payload["account"]["id"])
    for _ in range(3):
        _ = await issued_id(api, own)
    query = """{ viewer { accounts(first: 2) { nodes { id reports { documentCount revenueByMonth { documentCount }
        revenueByContact { totalCount } } } } } }"""

    nodes = (await api.ask(query, by=guest)).data["viewer"]["accounts"]["nodes"]

    assert {node["id"]: node["reports"] for node in nodes} == {
        account: {
            "documentCount": count,
            "revenueByMonth": [{"documentCount": count}],
            "revenueByContact": {"totalCount": count},
        }
        for account, count in ((anna.account_id, 1), (own.account_id, 3))
    }


# ---- What is read ----------------------------------------------------------------------------


async def test_number_of_statements_does_not_grow_with_accounts_and_documents(api: Api) -> None:
    anna = await api.person("anna@example.com")
    payload = await api.do("createAccount", {"name": "More AS"}, "account { id }", by=anna)
    more = Person(anna.email, anna.token, anna.user_id, payload["account"]["id"])
    counts: list[dict[str, int]] = []
    for _ in range(2):
        for person in (anna, anna, more):
            _ = await issued_id(api, person)
        counts.append({})
        for name, selection in REPORTS.items():
            query = f"{{ viewer {{ accounts(first: {len(counts)}) {{ nodes {{ reports {{ {selection} }} }} }} }} }}"
            with record_statements() as statements:
                answer = await api.ask(query, by=anna)
            assert answer.codes == []
            counts[-1][name] = len(statements)

    assert counts[0] == counts[1]


SURPLUS_ROWS = """
SET session_replication_role = replica;
INSERT INTO sales_documents (id, account_id, created_by_id, kind, status, contact_id, currency, net_amount, tax_amount,
    number, issued_on, due_on, buyer_name, seller_name, created_at)
SELECT gen_random_uuid(), x.account, x.creator, 'INVOICE', x.status, x.creator, 'EUR', 1, 0, x.status || n, x.day,
    x.day, 'Buyer', 'Seller', now()
FROM generate_series(1, 5000) n, (VALUES
    (gen_random_uuid(), '{owner}'::uuid, 'ISSUED', '{day}'::date),
    ('{account}'::uuid, '{owner}'::uuid, 'ISSUED', '{day}'::date),
    ('{account}'::uuid, '{guest}'::uuid, 'PAID', '{day}'::date - 800)) x (account, creator, status, day);
INSERT INTO document_lines (id, document_id, description, unit, quantity, unit_price, discount_percent, vat_rate,
    net_amount) SELECT gen_random_uuid(), id, 'Text', '', 1, 1, 0, 0, 1 FROM sales_documents;
ANALYZE;
"""
"""5,000 documents each of another account, of a colleague, and of an earlier year."""


async def test_statements_read_the_documents_that_count_by_an_index(
    api: Api, clock: Clock, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents of other accounts, of colleagues, and of other days are not read."""
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    for _ in range(3):
        _ = await issued_id(api, guest)
    connection = await connect(database_url)
    sql = SURPLUS_ROWS
    for name, value in {
        "account": ids.decode("Account", anna.account_id),
        "owner": ids.decode("User", anna.user_id),
        "guest": ids.decode("User", guest.user_id),
        "day": clock.now.date(),
    }.items():
        sql = sql.replace(f"{{{name}}}", str(value))
    await connection.execute(sql)
    statements = Statements(monkeypatch)

    answer = await ask(api, guest, EVERYTHING)

    assert answer.data["account"]["reports"]["documentCount"] == 3
    assert len(statements.sent) == 9  # the count of the range, four reports, and two lists with their counts
    for statement in statements.sent:
        assert await rows_read(connection, *statement) <= 20, statement
    await connection.close()
