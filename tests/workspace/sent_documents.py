"""Helpers of the tests of sent documents."""

from typing import Any

from database import db
from tests.api import Api, Person, codes
from tests.workspace.documents import add_line, draft_id, issue

BUYER = {"name": "Kunde AS", "email": "kunde@example.com", "country": "NO", "address": "Storgata 1\n0155 Oslo"}
DELIVERY = "id to status failureReason sentAt createdAt sentBy { id } pdfPath structuredInvoicePath"
SENT = f"document {{ id status deliveries {{ totalCount nodes {{ {DELIVERY} }} }} }}"
DELIVERIES = f"""query ($id: ID!) {{ node(id: $id) {{ ... on Document {{
    status deliveries {{ totalCount nodes {{ {DELIVERY} }} }} }} }} }}"""


async def sendable_id(api: Api, by: Person, *, contact_by: Person | None = None, **buyer: object) -> str:
    """The id of an issued invoice of 24.75, whose buyer has an address. `contact_by` creates the contact."""
    fields = {"accountId": by.account_id, **BUYER, **buyer}
    payload = await api.do("createContact", fields, "contact { id }", by=contact_by or by)
    assert codes(payload) == []
    document = await draft_id(api, by, contact=payload["contact"]["id"])
    assert codes(await add_line(api, by, document)) == []
    assert codes(await issue(api, by, document)) == []
    return document


async def seller(api: Api, **account: object) -> Person:
    """The owner of an account that can write invoices by EN 16931."""
    anna = await api.person("anna@example.com", accountName="Nowak AS")
    fields = {"accountId": anna.account_id, "country": "NO", "vatNumber": "NO 995 525 828 MVA", **account}
    assert codes(await api.do("updateAccount", {"accountId": anna.account_id, "country": fields.pop("country")},
                              by=anna)) == []  # fmt: skip
    assert codes(await api.do("updateAccountSettings", fields, by=anna)) == []
    return anna


async def send(api: Api, by: Person, document: str, **fields: object) -> dict[str, Any]:
    """The payload of sendDocument."""
    return await api.do("sendDocument", {"documentId": document, **fields}, SENT, by=by)


async def deliveries(api: Api, by: Person, document: str) -> list[dict[str, Any]]:
    """The deliveries of a document, the newest first."""
    answer = await api.ask(DELIVERIES, {"id": document}, by=by)
    nodes: list[dict[str, Any]] = answer.data["node"]["deliveries"]["nodes"]
    return nodes


async def mails_to(address: str) -> list[Any]:
    """The mails with documents to an address, the oldest first."""
    sql = "SELECT id, status, locale, params::text AS params, to_address FROM messages"
    return await db.fetch(f"{sql} WHERE to_address = $1 AND kind = 'document-sent' ORDER BY id", address, row=db.Row)
