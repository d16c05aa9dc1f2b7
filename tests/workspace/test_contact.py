"""Contacts: create, change, archive; bad input; rights, locks and the events that show them."""

from typing import Any

import pytest

from tests.api import Api, Person, codes, count_rows

FIELDS = "contact { id name kind country vatNumber address email locale isArchived }"


async def create(api: Api, by: Person, **arguments: object) -> dict[str, Any]:
    return await api.do("createContact", {"accountId": by.account_id, "name": "Kunde AS", **arguments}, FIELDS, by=by)


async def contact_id(api: Api, by: Person, **arguments: object) -> str:
    payload = await create(api, by, **arguments)
    assert codes(payload) == []
    return str(payload["contact"]["id"])


async def test_contact_is_created_with_its_values(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {
        "name": "  Bøk & Sønn AS ", "kind": "BOTH", "country": "no", "vatNumber": "974 760 673 MVA",
        "address": "Storgata 1\nOslo", "email": "post@example.com", "locale": "nb-NO",
    }  # fmt: skip

    payload = await create(api, anna, **values)

    contact = payload["contact"]
    assert contact.pop("id").startswith("c")
    assert contact == {
        "name": "Bøk & Sønn AS", "kind": "BOTH", "country": "NO", "vatNumber": "NO974760673MVA",
        "address": "Storgata 1\nOslo", "email": "post@example.com", "locale": "nb", "isArchived": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("name", " ", "REQUIRED"),
        ("name", "x" * 201, "TOO_LONG"),
        ("name", "a\nb", "INVALID"),
        ("country", "ZZ", "INVALID"),
        ("vatNumber", "PL123", "INVALID"),
        ("address", "x" * 2001, "TOO_LONG"),
        ("email", "not an address", "INVALID"),
        ("locale", "xx", "INVALID"),
    ],
)
async def test_bad_input_is_refused_with_its_field_and_writes_nothing(
    api: Api, field: str, text: str, code: str
) -> None:
    anna = await api.person("anna@example.com")
    contact = await contact_id(api, anna)
    before = await count_rows()

    creation = await create(api, anna, **{field: text})
    change = await api.do("updateContact", {"contactId": contact, field: text}, by=anna)

    assert codes(creation) == codes(change) == [(code, [field])]
    assert await count_rows() == before


async def test_empty_text_removes_a_value_and_null_keeps_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    contact = await contact_id(api, anna, email="post@example.com", address="Storgata 1", locale="nb")

    kept_payload = await api.do("updateContact", {"contactId": contact, "email": None, "name": None}, FIELDS, by=anna)
    removal = await api.do("updateContact", {"contactId": contact, "email": "", "address": " "}, FIELDS, by=anna)

    assert kept_payload["contact"]["email"] == "post@example.com"
    assert (removal["contact"]["email"], removal["contact"]["address"]) == (None, None)
    assert removal["contact"]["locale"] == "nb"


EVENTS = """query ($id: ID!) { account(id: $id) { events(first: 5, filter: { type: "account:contact" }) {
    nodes { type before after withheld } } } }"""


async def contact_events(api: Api, by: Person) -> list[dict[str, Any]]:
    answer = await api.ask(EVENTS, {"id": by.account_id}, by=by)
    return [*answer.data["account"]["events"]["nodes"]]


async def test_each_change_writes_one_event_and_no_change_none(api: Api) -> None:
    anna = await api.person("anna@example.com")
    contact = await contact_id(api, anna, email="post@example.com")
    for _ in range(2):
        assert codes(await api.do("updateContact", {"contactId": contact, "name": "Ny AS"}, by=anna)) == []
        assert codes(await api.do("archiveContact", {"contactId": contact}, by=anna)) == []

    archiving, update, creation = await contact_events(api, anna)

    assert [event["type"] for event in (archiving, update, creation)] == [
        "account:contact:archive", "account:contact:update", "account:contact:create",
    ]  # fmt: skip
    assert update["before"] == {"name": "Kunde AS"}
    assert update["after"]["name"] == "Ny AS"
    assert creation["after"]["email"] == "post@example.com"
    assert archiving["after"]["is_archived"] is True


async def test_reader_of_events_without_contacts_reads_no_fact_of_a_contact(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await contact_id(api, anna, email="post@example.com")
    reader, _ = await api.guest(anna, "reader@example.com", "CONSULTANT", permissions=["EVENTS_READ"])

    (event,) = await contact_events(api, reader)

    assert event["after"] == {}
    assert {"name", "email", "contact"} <= {*event["withheld"]}


async def test_lock_of_contacts_refuses_the_owner_too(api: Api) -> None:
    anna = await api.person("anna@example.com")
    contact = await contact_id(api, anna)
    locks = {"accountId": anna.account_id, "locks": ["CONTACTS_WRITE"]}
    assert codes(await api.do("updateAccountSettings", locks, by=anna)) == []

    document = "mutation ($input: UpdateContactInput!) { updateContact(input: $input) { errors { code } } }"
    answer = await api.ask(document, {"input": {"contactId": contact, "name": "Ny"}}, by=anna)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["extensions"]["reason"] == "LOCKED_BY_ACCOUNT"


async def test_contact_does_not_exist_for_a_stranger(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    contact = await contact_id(api, anna)

    answer = await api.ask("query ($id: ID!) { node(id: $id) { id } }", {"id": contact}, by=stig)
    payload = await api.do("archiveContact", {"contactId": contact}, by=stig)

    assert answer.data == {"node": None}
    assert codes(payload) == [("NOT_FOUND", ["contactId"])]
