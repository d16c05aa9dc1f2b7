"""Helpers of the tests of documents."""

from typing import Any

from tests.api import Api, Person, codes

LINE = {"quantity": "2", "description": "Paper", "unitPrice": "9.90", "vatRate": "25"}
FIELDS = """document { id kind status number issuedOn dueOn netAmount taxAmount grossAmount paidAmount openAmount
    buyerName buyerCountry sellerName vatAmounts { rate taxableAmount taxAmount } correctedInvoice { id number } }"""


async def contact_id(api: Api, by: Person, name: str = "Kunde AS") -> str:
    """The id of a new contact."""
    payload = await api.do("createContact", {"accountId": by.account_id, "name": name}, "contact { id }", by=by)
    assert codes(payload) == []
    return str(payload["contact"]["id"])


async def draft_id(api: Api, by: Person, *, contact: str | None = None, **fields: object) -> str:
    """The id of a new draft with a contact, and without lines."""
    values = {"accountId": by.account_id, "contactId": contact or await contact_id(api, by), **fields}
    payload = await api.do("createDocument", values, "document { id }", by=by)
    assert codes(payload) == []
    return str(payload["document"]["id"])


async def add_line(api: Api, by: Person, document: str, **fields: object) -> dict[str, Any]:
    """The payload of addDocumentLine, with defaults for the values of the line."""
    selection = f"line {{ id netAmount }} {FIELDS}"
    return await api.do("addDocumentLine", {"documentId": document, **LINE, **fields}, selection, by=by)


async def complete_draft(api: Api, by: Person, *, contact: str | None = None) -> str:
    """The id of a draft that can be issued: its amount is 24.75."""
    document = await draft_id(api, by, contact=contact)
    assert codes(await add_line(api, by, document)) == []
    return document


async def issue(api: Api, by: Person, document: str, **fields: object) -> dict[str, Any]:
    """The payload of issueDocument."""
    return await api.do("issueDocument", {"documentId": document, **fields}, FIELDS, by=by)


async def issued_id(api: Api, by: Person) -> str:
    """The id of an issued invoice of 24.75."""
    document = await complete_draft(api, by)
    assert codes(await issue(api, by, document)) == []
    return document
