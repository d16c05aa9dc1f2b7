"""Sending: permissions, receivers, attachments, stored files, and the messages that stay hidden."""

import asyncio
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

import embedded
from database import db
from mailer import worker
from mailer.smtp import Sender
from models.outbox import delivery, mail_limit
from resolvers import ids
from tests.api import Api, Person, codes, count_rows
from tests.mailer.conftest import Clock, FakeMailServer, mailer_config, serve
from tests.models.refusals import attempt
from tests.models.throttle_attempts import fill
from tests.workspace.documents import complete_draft, issued_id
from tests.workspace.sent_documents import (
    BUYER,
    DELIVERIES,
    DELIVERY,
    deliveries,
    mails_to,
    seller,
    send,
    sendable_id,
)
from workspace import pdf, sending
from workspace.issued_document import IssuedDocument

UNKNOWN_ID = ids.encode("Document", ids.NIL_KEY)
OWN_ONLY = ["DOCUMENTS_READ", "DOCUMENTS_WRITE", "DOCUMENTS_SEND", "CONTACTS_READ", "MESSAGES_READ"]


def attachments(mail: EmailMessage) -> dict[str, bytes]:
    return {str(part.get_filename()): part.get_payload(decode=True) for part in mail.iter_attachments()}  # type: ignore[misc]


async def test_sent_document_is_a_mail_with_both_files_and_a_delivery(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna, locale="pl")

    payload = await send(api, anna, document)

    assert codes(payload) == []
    (node,) = payload["document"]["deliveries"]["nodes"]
    assert payload["document"]["status"] == "SENT"
    assert (node["to"], node["sentBy"]["id"]) == (BUYER["email"], anna.user_id)
    (row,) = await mails_to("kunde@example.com")
    assert row.locale == "pl"
    files = await sending.attachments_of_message(row.id)
    year = api.clock().year
    assert [file.name for file in files] == [f"{year}-0001.pdf", f"{year}-0001.xml"]
    assert files[0].content.startswith(b"%PDF")
    assert b"urn:cen.eu:en16931:2017" in files[1].content


async def test_mail_server_gets_the_stored_bytes_and_a_retry_sends_the_same(api: Api) -> None:
    anna = await seller(api)
    assert codes(await send(api, anna, await sendable_id(api, anna))) == []
    (row,) = await mails_to("kunde@example.com")
    stored = {file.name: file.content for file in await sending.attachments_of_message(row.id)}
    outgoing = await delivery.by_id(row.id)
    assert outgoing is not None

    with serve(FakeMailServer()) as server:
        config = mailer_config(server.server, Clock())
        failures = [await worker._deliver(config, Sender(server.server), outgoing) for _ in range(2)]

    assert failures == [None, None]
    mail = server.mails[0]
    assert [attachments(mail) for mail in server.mails] == [stored, stored]
    assert mail["Subject"] == f"“Nowak AS” sends you the document {api.clock().year}-0001"
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf", "application/xml"]


async def test_document_that_is_sent_again_has_the_same_bytes_after_all_its_parties_have_changed(api: Api) -> None:
    """The account is renamed, and the contact has another name, address and language since."""
    anna = await seller(api)
    document = await sendable_id(api, anna)
    assert codes(await send(api, anna, document)) == []
    contact = (await api.ask("query ($id: ID!) { node(id: $id) { ... on Document { contact { id } } } }",
                             {"id": document}, by=anna)).data["node"]["contact"]["id"]  # fmt: skip
    assert codes(await api.do("updateContact", {"contactId": contact, "name": "Other AS", "address": "Elsewhere 2"},
                              by=anna)) == []  # fmt: skip
    assert codes(await api.do("updateAccount", {"accountId": anna.account_id, "name": "New AS"}, by=anna)) == []

    assert codes(await send(api, anna, document, email="other@example.com")) == []

    (first,), (second,) = await mails_to("kunde@example.com"), await mails_to("other@example.com")
    assert await sending.attachments_of_message(first.id) == await sending.attachments_of_message(second.id)
    assert '"account_name": "Nowak AS"' in second.params
    assert [node["to"] for node in await deliveries(api, anna, document)] == ["other@example.com", "kunde@example.com"]


async def test_new_language_of_the_contact_makes_new_files_with_the_buyer_of_the_issuing(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    assert codes(await send(api, anna, document)) == []
    await db.execute("UPDATE contacts SET locale = 'nb', name = 'Other AS'")

    assert codes(await send(api, anna, document)) == []

    assert (await count_rows())["document_files"] == 2
    structured = [row.structured_invoice for row in await db.fetch("SELECT * FROM document_files", row=db.Row)]
    assert [b"Kunde AS" in content and b"Other AS" not in content for content in structured] == [True, True]


async def test_language_without_one_of_the_contact_is_that_of_the_account(api: Api) -> None:
    anna = await seller(api, defaultLocale="fr")
    document = await sendable_id(api, anna)

    assert codes(await send(api, anna, document)) == []

    (row,) = await mails_to("kunde@example.com")
    assert row.locale == "fr"


async def test_paid_document_can_be_sent_and_stays_paid(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    assert codes(await api.do("recordPayment", {"documentId": document, "amount": "24.75"}, by=anna)) == []

    payload = await send(api, anna, document)

    assert (codes(payload), payload["document"]["status"]) == ([], "PAID")


async def test_document_without_the_country_of_the_buyer_is_sent_as_a_pdf_alone(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna, country=None, address=None)

    payload = await send(api, anna, document)

    (node,) = payload["document"]["deliveries"]["nodes"]
    assert node["pdfPath"] is not None
    assert node["structuredInvoicePath"] is None
    (row,) = await mails_to("kunde@example.com")
    assert len(await sending.attachments_of_message(row.id)) == 1


# ---- Bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buyer", "fields", "expected"),
    [
        ({"email": None}, {}, [("REQUIRED", ["email"])]),
        ({"email": None}, {"email": "  "}, [("REQUIRED", ["email"])]),
        ({}, {"email": "no address"}, [("INVALID", ["email"])]),
        ({}, {"email": "kunde@example.com\r\nBcc: all@example.com"}, [("INVALID", ["email"])]),
        ({}, {"email": "a@example.com, b@example.com"}, [("INVALID", ["email"])]),
        ({}, {"email": f"{'a' * 2000}@example.com"}, [("INVALID", ["email"])]),
    ],
)
async def test_invalid_address_is_refused_and_nothing_is_written(
    api: Api, buyer: dict[str, Any], fields: dict[str, object], expected: list[tuple[str, list[str]]]
) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna, **buyer)
    before = await count_rows()

    payload = await send(api, anna, document, **fields)

    assert codes(payload) == expected
    assert await count_rows() == before


async def test_draft_and_deleted_draft_are_not_sent(api: Api) -> None:
    anna = await seller(api)
    document = await complete_draft(api, anna)
    before = await count_rows()

    of_draft = await send(api, anna, document)
    assert codes(of_draft) == [("INVALID_STATE", None)]
    assert await count_rows() == before
    assert codes(await api.do("deleteDocument", {"documentId": document}, by=anna)) == []

    assert codes(await send(api, anna, document)) == [("INVALID_STATE", None)]


async def test_document_beyond_the_limit_of_the_account_is_refused_and_nothing_is_written(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    limit = mail_limit.NEW.documents
    assert codes(await send(api, anna, document)) == []
    await fill(limit, limit.max_attempts)
    before = await count_rows()

    answer = await attempt(api, "sendDocument", {"documentId": document}, by=anna)

    assert [error["extensions"]["limit"] for error in answer.errors] == ["SENT_DOCUMENTS"]
    assert await count_rows() == before


async def test_document_that_a_limit_refuses_is_rendered_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await seller(api)
    assert codes(await send(api, anna, await sendable_id(api, anna))) == []
    document = await sendable_id(api, anna)
    await fill(mail_limit.NEW.documents, mail_limit.NEW.documents.max_attempts)
    rendered_numbers: list[str] = []

    def render(content: IssuedDocument, locale: str, original: Any = pdf.render) -> Any:
        rendered_numbers.append(content.number)
        return original(content, locale)

    monkeypatch.setattr(pdf, "render", render)

    answers = [await attempt(api, "sendDocument", {"documentId": document}, by=anna) for _ in range(3)]

    assert [answer.codes for answer in answers] == [["RATE_LIMITED"]] * 3
    assert rendered_numbers == [f"{api.clock().year}-0002"]
    assert len(await mails_to("kunde@example.com")) == 1


# ---- Wrong person ----------------------------------------------------------------------------


async def test_document_of_a_colleague_is_not_found_without_the_permission(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    _ = await api.ask("{ viewer { user { id } } }", by=guest)
    before = await count_rows()

    payloads = [await api.do("sendDocument", {"documentId": key}, by=guest) for key in (document, UNKNOWN_ID)]

    assert [codes(payload) for payload in payloads] == [[("NOT_FOUND", ["documentId"])]] * 2
    assert await count_rows() == before


async def test_user_without_the_permission_cannot_send(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    permissions = ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "DOCUMENTS_WRITE"]
    reader, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=permissions)

    answer = await attempt(api, "sendDocument", {"documentId": document}, by=reader)

    assert answer.codes == ["FORBIDDEN"]
    assert (await count_rows())["document_deliveries"] == 0


async def test_mails_about_documents_of_others_do_not_exist_in_the_list_of_messages(api: Api) -> None:
    """Neither in nodes, counts and cursors, nor by their id. The mails of own documents are at the documents."""
    anna = await seller(api)
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    query = """query ($id: ID!) { account(id: $id) { messages(first: 50) {
        totalCount nodes { id kind to subject } } } }"""

    async def messages(person: Person) -> dict[str, object]:
        answer = await api.ask(query, {"id": anna.account_id}, by=person)
        connection: dict[str, object] = answer.data["account"]["messages"]
        return connection

    before = await messages(guest)
    assert codes(await send(api, anna, await sendable_id(api, anna))) == []
    own_document = await sendable_id(api, guest, contact_by=anna)
    assert codes(await send(api, guest, own_document)) == []

    assert await messages(guest) == before
    of_anna: Any = await messages(anna)
    assert [node["kind"] for node in of_anna["nodes"]][:2] == ["document-sent"] * 2
    node = "query ($id: ID!) { node(id: $id) { id } }"
    message_id = of_anna["nodes"][0]["id"]
    assert (await api.ask(node, {"id": message_id}, by=guest)).data["node"] is None
    assert (await api.ask(node, {"id": message_id}, by=anna)).data["node"] == {"id": message_id}
    assert len(await deliveries(api, guest, own_document)) == 1


async def test_delivery_of_a_document_outside_the_scope_does_not_exist(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    payload = await send(api, anna, document)
    (delivery_node,) = payload["document"]["deliveries"]["nodes"]
    guest, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=OWN_ONLY)
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on DocumentDelivery {{ {DELIVERY} }} }} }}"

    by_owner, by_guest = [
        (await api.ask(query, {"id": delivery_node["id"]}, by=person)).data["node"] for person in (anna, guest)
    ]

    assert by_owner["to"] == BUYER["email"]
    assert by_guest is None
    assert (await api.ask(DELIVERIES, {"id": document}, by=guest)).data["node"] is None


async def test_address_of_a_delivery_needs_the_permission_of_contacts(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    assert codes(await send(api, anna, document)) == []
    permissions = ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "MESSAGES_READ"]
    reader, _ = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=permissions)

    answer = await api.ask(DELIVERIES, {"id": document}, by=reader)
    messages = await api.ask(
        "query ($id: ID!) { account(id: $id) { messages(first: 1) { nodes { to withheld } } } }",
        {"id": anna.account_id},
        by=reader,
    )

    (node,) = answer.partial["node"]["deliveries"]["nodes"]
    assert node["to"] is None
    assert messages.data["account"]["messages"]["nodes"] == [{"to": "…", "withheld": ["to"]}]


# ---- Twice at once, and failures ----------------------------------------------------------------


async def test_two_sendings_at_once_with_one_key_are_one_sending(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)

    payloads = await asyncio.gather(*(send(api, anna, document, idempotencyKey="k") for _ in range(2)))

    assert [codes(payload) for payload in payloads] == [[], []]
    assert len(await mails_to("kunde@example.com")) == 1
    assert (await count_rows())["document_files"] == 1


async def test_repeated_request_gets_the_first_outcome_although_the_contact_has_no_address_any_more(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    assert codes(await send(api, anna, document, idempotencyKey="k")) == []
    await db.execute("UPDATE contacts SET email = NULL")

    payload = await send(api, anna, document, idempotencyKey="k")

    assert codes(payload) == []
    assert payload["document"]["deliveries"]["totalCount"] == 1
    assert codes(await send(api, anna, document, idempotencyKey="other")) == [("REQUIRED", ["email"])]


async def test_two_sendings_at_once_without_a_key_are_two_mails_with_the_same_files(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)

    payloads = await asyncio.gather(*(send(api, anna, document) for _ in range(2)))

    assert [codes(payload) for payload in payloads] == [[], []]
    assert len(await mails_to("kunde@example.com")) == 2
    assert (await count_rows())["document_files"] == 1


async def test_failed_mail_shows_at_the_delivery(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    assert codes(await send(api, anna, document)) == []
    failure = "550 5.1.1 no such user"
    await db.execute("UPDATE messages SET status = 'FAILED', failure = $1 WHERE kind = 'document-sent'", failure)

    (node,) = await deliveries(api, anna, document)
    assert node["status"] == "FAILED"
    assert "550 5.1.1" in node["failureReason"]


async def test_delivery_outlives_the_mail(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    assert codes(await send(api, anna, document)) == []
    await db.execute("DELETE FROM messages")

    (node,) = await deliveries(api, anna, document)

    assert (node["to"], node["status"], node["sentAt"]) == (BUYER["email"], None, None)


async def test_mail_without_its_delivery_is_not_sent(api: Api) -> None:
    """Never without its attachments."""
    anna = await seller(api)
    assert codes(await send(api, anna, await sendable_id(api, anna))) == []
    await db.execute("DELETE FROM messages WHERE kind <> 'document-sent'")
    await db.execute("UPDATE messages SET status = 'QUEUED', leased_until = NULL, id = gen_random_uuid()")
    row = (await delivery.newest(1))[0]
    config = mailer_config(None, Clock())

    failure = await worker.run_guarded(worker._deliver(config, None, row), default="broken")

    assert failure == "broken"
    assert [mail.status for mail in await mails_to("kunde@example.com")] == ["QUEUED"]


async def test_database_refuses_the_server_to_change_what_was_sent(api: Api) -> None:
    anna = await seller(api)
    assert codes(await send(api, anna, await sendable_id(api, anna))) == []

    privileges = await db.fetch(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = $1 AND table_name IN ('document_files', 'document_deliveries')",
        embedded.SERVER_ROLE,
        row=db.Row,
    )

    assert sorted((row.table_name, row.privilege_type) for row in privileges) == [
        (table, privilege) for table in ("document_deliveries", "document_files") for privilege in ("INSERT", "SELECT")
    ]


async def test_event_tells_the_document_but_not_the_address(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    assert codes(await send(api, anna, document)) == []
    query = """query ($id: ID!) { account(id: $id) { events(first: 1, filter: { type: "account:document:send" }) {
        nodes { actor { id } after } } } }"""

    answer = await api.ask(query, {"id": anna.account_id}, by=anna)

    (event,) = answer.data["account"]["events"]["nodes"]
    assert event["actor"]["id"] == anna.user_id
    assert event["after"]["number"] == f"{api.clock().year}-0001"
    assert BUYER["email"] not in str(event)


async def test_credit_note_is_sent_as_a_credit_note(api: Api) -> None:
    anna = await seller(api)
    invoice = await sendable_id(api, anna)
    note = (await api.do("createCreditNote", {"documentId": invoice}, "document { id }", by=anna))["document"]["id"]
    assert codes(await api.do("issueDocument", {"documentId": note}, by=anna)) == []

    payload = await send(api, anna, note)

    assert (codes(payload), payload["document"]["status"]) == ([], "SENT")
    (row,) = await mails_to("kunde@example.com")
    structured_invoice = (await sending.attachments_of_message(row.id))[1].content
    assert b"<CreditNote " in structured_invoice
    assert f"{api.clock().year}-0001".encode() in structured_invoice


@pytest.mark.parametrize(
    ("number", "expected"),
    [("FV/2026-1", "FV-2026-1"), ('a"\r\nX: y', "a---X--y"), ("../../etc", "etc"), ("żółć", "document"), ("-1", "1")],
)
def test_file_name_has_only_safe_characters(number: str, expected: str) -> None:
    assert sending.file_name(number) == expected


async def test_read_only_account_sends_nothing(api: Api) -> None:
    anna = await seller(api)
    document = await sendable_id(api, anna)
    api.clock.now += timedelta(days=31)
    anna = await api.sign_in(anna)

    payload = await send(api, anna, document)

    assert codes(payload) == [("SUBSCRIPTION_EXPIRED", None)]
    assert await mails_to("kunde@example.com") == []


async def test_document_of_another_account_is_not_found(api: Api) -> None:
    anna = await seller(api)
    bo = await api.person("bo@example.com")
    document = await issued_id(api, anna)

    assert codes(await send(api, bo, document, email="x@example.com")) == [("NOT_FOUND", ["documentId"])]
