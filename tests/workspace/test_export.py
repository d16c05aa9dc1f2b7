"""Exports: the users who create and see them, and their content."""

import asyncio

import pytest

from auth.policy import Role
from database import db
from models import throttle
from resolvers import ids
from tests.api import UNKNOWN_ID, Api, Person, codes, count_rows
from tests.models.refusals import events
from tests.workspace.documents import complete_draft, contact_id, issued_id
from tests.workspace.exports import (
    create_export,
    csv_rows,
    download,
    json_rows,
    link,
    load_export,
    ready_export,
    stored_parts,
)
from workspace import export

LIST = "query ($id: ID!) { account(id: $id) { exports { totalCount nodes { id } } } }"
CREATE = "mutation ($input: CreateExportInput!) { createExport(input: $input) { export { id } errors { code } } }"
ALL_RIGHTS = [
    *("EXPORTS_CREATE", "DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "DOCUMENTS_WRITE", "CONTACTS_READ", "CONTACTS_WRITE"),
    *("PRODUCTS_READ", "PURCHASE_PRICES_READ", "EXPENSES_READ"),
]


async def guest_without(api: Api, anna: Person, *permissions: str, email: str = "ola@example.com") -> Person:
    """A guest of the account with all rights that exports need, but not `permissions`."""
    rights = [permission for permission in ALL_RIGHTS if permission not in permissions]
    guest, _ = await api.guest(anna, email, "CONSULTANT", permissions=rights)
    return guest


# ---- Creation --------------------------------------------------------------------------------


async def test_creation_is_recorded_and_the_export_waits(api: Api) -> None:
    anna = await api.person("anna@example.com")

    key = await create_export(api, anna, "DOCUMENTS", "JSON_LINES", dateFrom="2026-01-01", dateTo="2026-12-31")

    row = await load_export(api, anna, key)
    assert (row["status"], row["rowCount"], row["byteCount"], row["expiresAt"]) == ("QUEUED", 0, 0, None)
    assert (row["kind"], row["format"], row["dateFrom"], row["dateTo"]) == (
        "DOCUMENTS", "JSON_LINES", "2026-01-01", "2026-12-31",
    )  # fmt: skip
    (event,) = await events("account:export:create")
    assert '"kind": "DOCUMENTS"' in event.after


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
async def test_role_exports_exactly_if_it_has_the_permissions(api: Api, role: Role) -> None:
    anna = await api.person("anna@example.com")
    lists = {"permissions": ["DOCUMENTS_READ"]} if role in {Role.CONSULTANT, Role.SIMPLE_USER} else {}
    guest, _ = await api.guest(anna, "ola@example.com", role, **lists)
    values = {"accountId": anna.account_id, "kind": "CONTACTS", "format": "CSV"}

    answer = await api.ask(CREATE, {"input": values}, by=guest)

    assert answer.codes == (["FORBIDDEN"] if lists else [])


@pytest.mark.parametrize(
    ("kind", "permission"),
    [
        ("CONTACTS", "EXPORTS_CREATE"),
        ("CONTACTS", "CONTACTS_READ"),
        ("PRODUCTS", "PRODUCTS_READ"),
        ("DOCUMENTS", "DOCUMENTS_READ"),
        ("DOCUMENT_LINES", "DOCUMENTS_READ"),
        ("EXPENSES", "EXPENSES_READ"),
    ],
)
async def test_export_of_rows_that_the_user_may_not_list_is_forbidden(api: Api, kind: str, permission: str) -> None:
    anna = await api.person("anna@example.com")
    left_out = ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "DOCUMENTS_WRITE"] if "DOCUMENT" in permission else [permission]
    left_out += ["CONTACTS_WRITE"] if permission == "CONTACTS_READ" else []
    left_out += ["PRODUCTS_READ"] if permission == "PRODUCTS_READ" else []
    guest = await guest_without(api, anna, *left_out)
    _ = await api.ask("{ viewer { user { id } } }", by=guest)
    before = await count_rows()
    values = {"accountId": anna.account_id, "kind": kind, "format": "CSV"}

    answer = await api.ask(CREATE, {"input": values}, by=guest)

    assert answer.codes == ["FORBIDDEN"]
    assert await count_rows() == before


async def test_bad_input_is_refused_and_writes_nothing(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    _ = await api.ask("{ viewer { user { id } } }", by=anna)
    before = await count_rows()
    values = {"accountId": anna.account_id, "kind": "CONTACTS", "format": "CSV"}

    reversed_range = await api.do("createExport", values | {"dateFrom": "2026-02-01", "dateTo": "2026-01-31"}, by=anna)
    foreign = await api.do("createExport", values | {"accountId": stig.account_id}, by=anna)
    unknown = await api.do("createExport", values | {"accountId": UNKNOWN_ID}, by=anna)
    no_date = await api.ask(CREATE, {"input": values | {"dateFrom": "2026-02-30"}}, by=anna)

    assert codes(reversed_range) == [("OUT_OF_RANGE", ["dateTo"])]
    assert codes(foreign) == codes(unknown) == [("NOT_FOUND", ["accountId"])]
    assert no_date.codes == ["BAD_USER_INPUT"]
    assert await count_rows() == before


async def test_repeated_request_with_a_key_creates_one_export(api: Api) -> None:
    anna = await api.person("anna@example.com")
    keys = [await create_export(api, anna, idempotencyKey="a key") for _ in range(2)]

    assert keys[0] == keys[1]
    assert await export.Export.all().count() == 1


async def test_account_has_few_unfinished_exports_also_with_requests_at_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {"accountId": anna.account_id, "kind": "CONTACTS", "format": "CSV"}

    payloads = await asyncio.gather(*(api.do("createExport", values, by=anna) for _ in range(export.AT_ONCE + 3)))

    assert (
        sorted(str(codes(payload)) for payload in payloads)
        == ["[('INVALID_STATE', None)]"] * 3 + ["[]"] * export.AT_ONCE
    )
    assert await export.Export.all().count() == export.AT_ONCE


async def test_account_has_a_limit_of_exports_a_day(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = throttle.Limit(export.PER_DAY.kind, 2, export.PER_DAY.window, export.PER_DAY.name, is_shared=True)
    monkeypatch.setattr(export, "PER_DAY", limit)
    anna = await api.person("anna@example.com")
    guest = await guest_without(api, anna)
    values = {"accountId": anna.account_id, "kind": "CONTACTS", "format": "CSV"}
    for person in (anna, guest):
        _ = await create_export(api, person, accountId=anna.account_id)

    refusals = [await api.ask(CREATE, {"input": values}, by=person) for person in (anna, guest)]
    api.clock.forward(days=1, minutes=1)
    later = await api.ask(CREATE, {"input": values}, by=anna)

    assert [answer.codes for answer in refusals] == [["RATE_LIMITED"]] * 2
    assert refusals[0].errors[0]["extensions"]["limit"] == "ACCOUNT_EXPORTS"
    assert later.codes == []
    assert await export.Export.all().count() == 3


# ---- Content ---------------------------------------------------------------------------------


async def test_user_without_all_documents_exports_their_own(api: Api) -> None:
    anna = await api.person("anna@example.com")
    guest = await guest_without(api, anna, "DOCUMENTS_READ_ALL")
    documents = [await complete_draft(api, anna)]
    own_document = await complete_draft(api, guest)
    documents.append(own_document)

    for kind, column in (("DOCUMENTS", "id"), ("DOCUMENT_LINES", "documentId")):
        of_owner = await csv_rows(api, anna, kind)
        of_guest = await csv_rows(api, guest, kind, accountId=anna.account_id)

        assert [row[column] for row in of_owner] == documents
        assert [row[column] for row in of_guest] == [own_document]


async def test_columns_that_the_user_may_not_read_are_missing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    values = {"accountId": anna.account_id, "name": "Pen", "price": "2", "purchasePrice": "1.25", "vatRate": "25"}
    _ = await api.do("createProduct", values, by=anna)
    guest = await guest_without(api, anna, "CONTACTS_READ", "CONTACTS_WRITE", "PURCHASE_PRICES_READ")

    for kind, names in (
        ("DOCUMENTS", {"contactId", "contactName", "contactEmail"}),
        ("DOCUMENT_LINES", {"purchasePrice"}),
        ("PRODUCTS", {"purchasePrice"}),
        ("EXPENSES", {"contactId", "contactName"}),
    ):
        key = await ready_export(api, guest, kind, accountId=anna.account_id)
        full = await load_export(api, anna, await ready_export(api, anna, kind))
        part = await load_export(api, guest, key)
        text = (await download(api, guest, key)).content.decode()

        assert {*full["columnNames"]} - {*part["columnNames"]} == names
        assert not any(name in text for name in names)
        assert "1.25" not in text


async def test_deleted_draft_and_rows_of_other_accounts_are_in_no_export(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    _ = await issued_id(api, stig)
    draft = await complete_draft(api, anna)
    assert codes(await api.do("deleteDocument", {"documentId": draft}, by=anna)) == []

    assert await json_rows(api, anna, "DOCUMENTS") == []
    assert await json_rows(api, anna, "DOCUMENT_LINES") == []
    assert len(await json_rows(api, anna, "CONTACTS")) == 1


async def test_range_of_dates_selects_rows(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await issued_id(api, anna)
    _ = await complete_draft(api, anna)
    today = api.clock.now.date().isoformat()

    for kind, count in (("DOCUMENTS", 1), ("DOCUMENT_LINES", 1), ("CONTACTS", 2)):
        assert len(await json_rows(api, anna, kind, dateFrom=today, dateTo=today)) == count
        assert len(await json_rows(api, anna, kind, dateFrom="2000-01-01")) == count
        assert await json_rows(api, anna, kind, dateTo="2000-01-01") == []


# ---- States of the account -------------------------------------------------------------------


async def test_account_that_is_read_only_or_closing_can_be_exported(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await contact_id(api, anna)
    _ = await db.execute("UPDATE accounts SET subscription_until = $1", api.clock.now)

    assert len(await csv_rows(api, anna, "CONTACTS")) == 1
    closing_sql = "UPDATE accounts SET closes_at = $1::timestamptz + interval '30 days'"
    _ = await db.execute(closing_sql, api.clock.now)
    assert len(await csv_rows(api, anna, "CONTACTS")) == 1


# ---- Visibility ------------------------------------------------------------------------------


async def test_user_sees_own_exports_alone(api: Api) -> None:
    anna = await api.person("anna@example.com")
    guest = await guest_without(api, anna)
    of_owner = await create_export(api, anna)
    of_guest = await create_export(api, guest, accountId=anna.account_id)

    for person, export_id, foreign_id in ((anna, of_owner, of_guest), (guest, of_guest, of_owner)):
        answer = await api.ask(LIST, {"id": anna.account_id}, by=person)
        assert answer.data["account"]["exports"] == {"totalCount": 1, "nodes": [{"id": export_id}]}
        assert await load_export(api, person, foreign_id) == {}
        payloads = [await api.do("createExportLink", {"exportId": key}, by=person) for key in (foreign_id, UNKNOWN_ID)]
        assert [codes(payload) for payload in payloads] == [[("NOT_FOUND", ["exportId"])]] * 2


async def test_view_as_shows_no_export_and_creates_none(api: Api) -> None:
    anna = await api.person("anna@example.com")
    guest = await guest_without(api, anna)
    key = await ready_export(api, guest, accountId=anna.account_id)
    grants = "query ($id: ID!) { account(id: $id) { grants { nodes { id user { id } } } } }"
    nodes = (await api.ask(grants, {"id": anna.account_id}, by=anna)).data["account"]["grants"]["nodes"]
    (grant,) = [node["id"] for node in nodes if node["user"]["id"] == guest.user_id]
    headers = {"X-View-As": grant}
    values = {"accountId": anna.account_id, "kind": "CONTACTS", "format": "CSV"}

    answer = await api.ask(LIST, {"id": anna.account_id}, by=anna, account=anna.account_id, headers=headers)
    node = await api.ask(
        "query ($id: ID!) { node(id: $id) { id } }", {"id": key}, by=anna, account=anna.account_id, headers=headers
    )
    creation = await api.ask(CREATE, {"input": values}, by=anna, account=anna.account_id, headers=headers)

    assert answer.data["account"]["exports"]["totalCount"] == 0
    assert node.data["node"] is None
    assert creation.body.get("data") is None
    assert creation.codes
    assert await export.Export.all().count() == 1


# ---- The end ---------------------------------------------------------------------------------


async def test_erasure_of_the_creator_deletes_the_exports_with_their_files(api: Api) -> None:
    from tests.api import PASSWORD

    anna = await api.person("anna@example.com")
    guest = await guest_without(api, anna)
    path = await link(api, guest, await ready_export(api, guest, accountId=anna.account_id))

    payload = await api.do("eraseMe", {"password": PASSWORD}, by=guest)

    assert codes(payload) == []
    assert await export.Export.all().count() == await stored_parts() == 0
    assert (await api.http.get(path)).status_code == 404


async def test_personal_data_has_the_exports_of_the_user_without_links(api: Api) -> None:
    from tests.api import PASSWORD

    anna = await api.person("anna@example.com")
    key = await ready_export(api, anna)
    _ = await link(api, anna, key)

    payload = await api.do("exportMyData", {"password": PASSWORD}, "document", by=anna)

    (row,) = payload["document"]["exports"]
    assert row["id"] == str(ids.decode("Export", key))
    assert not any("digest" in name for name in row)
