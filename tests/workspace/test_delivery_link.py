"""Links to the files of a delivery: what they download, and when they end."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode

import httpx2
import pytest

from database import db
from tests.api import Api, Person, codes
from tests.workspace.sent_documents import deliveries, mails_to, seller, send, sendable_id
from workspace import sending


async def sent(api: Api, by: Person) -> dict[str, str]:
    """The delivery of a sent document."""
    document = await sendable_id(api, by)
    assert codes(await send(api, by, document)) == []
    (node,) = await deliveries(api, by, document)
    return node


async def test_link_downloads_each_file_byte_for_byte_and_more_than_once(api: Api) -> None:
    anna = await seller(api)
    node = await sent(api, anna)
    (row,) = await mails_to("kunde@example.com")
    pdf, structured_invoice = await sending.attachments_of_message(row.id)

    responses = await asyncio.gather(
        *(api.http.get(node[name]) for name in ("pdfPath", "structuredInvoicePath", "pdfPath"))
    )

    assert [response.content for response in responses] == [pdf.content, structured_invoice.content, pdf.content]
    assert responses[0].headers["content-type"] == "application/pdf"
    assert responses[0].headers["content-disposition"] == f'attachment; filename="{pdf.name}"'
    assert responses[0].headers["cache-control"] == "no-store"
    assert responses[1].headers["content-type"] == "application/xml"


async def test_link_ends_after_five_minutes(api: Api) -> None:
    anna = await seller(api)
    node = await sent(api, anna)

    api.clock.forward(seconds=299)
    assert (await api.http.get(node["pdfPath"])).status_code == 200
    api.clock.forward(seconds=1)

    assert (await api.http.get(node["pdfPath"])).status_code == 404


async def test_link_ends_with_its_session(api: Api) -> None:
    anna = await seller(api)
    node = await sent(api, anna)

    assert codes(await api.do("signOut", None, by=anna)) == []

    assert (await api.http.get(node["pdfPath"])).status_code == 404


async def test_link_ends_with_the_grant_and_with_the_permission(api: Api) -> None:
    anna = await seller(api)
    node = await sent(api, anna)
    permissions = ["DOCUMENTS_READ", "DOCUMENTS_READ_ALL"]
    reader, grant = await api.guest(anna, "ola@example.com", "CONSULTANT", permissions=permissions)
    query = "query ($id: ID!) { node(id: $id) { ... on DocumentDelivery { pdfPath } } }"
    path = (await api.ask(query, {"id": node["id"]}, by=reader)).data["node"]["pdfPath"]
    statuses = [(await api.http.get(path)).status_code]

    for fewer in (["DOCUMENTS_READ"], permissions, ["CONTACTS_READ"], permissions):
        assert codes(await api.do("updateGrant", {"grantId": grant, "permissions": fewer}, by=anna)) == []
        statuses.append((await api.http.get(path)).status_code)
    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []
    statuses.append((await api.http.get(path)).status_code)

    assert statuses == [200, 404, 200, 404, 200, 404]


async def test_forged_link_is_not_found(api: Api) -> None:
    """Each byte counts: delivery, session, file, end and signature."""
    anna = await seller(api)
    path = (await sent(api, anna))["pdfPath"]
    start, _, token = path.rpartition("/")
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))

    for index in (0, 16, 32, 40, len(raw) - 1):
        forged = bytearray(raw)
        forged[index] ^= 1
        response = await api.http.get(f"{start}/{urlsafe_b64encode(bytes(forged)).decode().rstrip('=')}")
        assert response.status_code == 404, index


@pytest.mark.parametrize("token", ["x", "%00", "ż", "A" * 5000, "====", "a/b"])
async def test_text_that_is_no_token_is_not_found(api: Api, token: str) -> None:
    response = await api.http.get(f"/document-files/{token}", headers={"Accept-Language": "nb"})

    assert response.status_code == 404


async def test_view_as_has_no_links(api: Api) -> None:
    anna = await seller(api)
    node = await sent(api, anna)
    query = "query ($id: ID!) { node(id: $id) { ... on DocumentDelivery { pdfPath structuredInvoicePath } } }"

    answer = await api.ask(
        query, {"id": node["id"]}, by=anna, account=anna.account_id, headers={"X-View-As": "ACCOUNTANT"}
    )

    assert answer.data["node"] == {"pdfPath": None, "structuredInvoicePath": None}


async def test_link_of_a_deleted_mail_still_works(api: Api) -> None:
    anna = await seller(api)
    node = await sent(api, anna)
    await db.execute("DELETE FROM messages")

    response: httpx2.Response = await api.http.get(node["pdfPath"])

    assert response.content.startswith(b"%PDF")
