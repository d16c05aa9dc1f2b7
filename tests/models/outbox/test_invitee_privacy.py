"""An account reads the same of its invitations and mails whether or not the receiver has a login."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api import PASSWORD, Api, Person
from tests.models.bureaus.bureau_setup import account_number, register_bureau
from tests.resolvers.statements import record_statements

KNOWN, REGISTERED, UNKNOWN = "known@example.com", "begun@example.com", "other@example.com"
ADDRESSES = (KNOWN, REGISTERED, UNKNOWN)

READABLE = """query ($id: ID!) { account(id: $id) {
    name status permissions: viewerGrant { permissions } owner { name email }
    messages(first: 50) { totalCount nodes { id kind to subject status failureReason attempts createdAt sentAt } }
    invitations(first: 50) { totalCount nodes {
        id account { id } accountName email role permissions status invitedBy { email } createdAt expiresAt
        grantValidUntil delivery } }
    users(first: 50) { totalCount nodes { id role status user { name email } } }
    engagements(first: 50) { totalCount nodes { id status } }
    events(first: 50) { totalCount nodes { type actor { email } role before after occurredAt } }
    seats { purchased used reserved } } }"""


async def add_people(api: Api) -> None:
    """Register the owner of a login in another language, and a user who never activates."""
    await api.person(KNOWN, "Zofia Nowak", locale="pl")
    register_input = {"name": "Zofia Nowak", "email": REGISTERED, "password": PASSWORD, "locale": "pl"}
    assert (await api.do("register", register_input))["errors"] == []


def neutral(value: object, address: str) -> object:
    """A response without what differs by nature: the address, ids, tokens and times."""
    text = json.dumps(value).replace(address, "ADDRESS")
    text = re.sub(r'"[A-Za-z0-9_-]{22,}={0,2}"', '"ID"', text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "TIME", text))


async def read(api: Api, account_id: str, by: Person, address: str) -> object:
    answer = await api.ask(READABLE, {"id": account_id}, by=by)
    return neutral(answer.body, address)


async def run(api: Api, mutation: str, input_: Mapping[str, Any], selection: str, by: Person) -> Any:
    """Run a mutation. Returns its payload and its SQL statements."""
    with record_statements() as statements:
        payload = await api.do(mutation, input_, selection, by=by)
    return payload, [re.sub(r"\s+|__asyncpg_\w+", " ", statement)[:80] for statement in statements]


@pytest.mark.parametrize("locale", ["en", "sv"])
async def test_invitation_and_repetition_read_alike_for_every_address(api: Api, locale: str) -> None:
    await add_people(api)
    readings: list[object] = []
    for address in ADDRESSES:
        owner = await api.person(f"o{len(readings)}@example.com", "Olga Owner", locale=locale)
        input_ = {"accountId": owner.account_id, "email": address, "role": "COLLABORATOR"}
        selection = "invitation { id email status expiresAt permissions }"
        payload, statements = await run(api, "inviteUser", input_, selection, owner)
        invitation_id = payload["invitation"]["id"]
        again, repeated_statements = await run(
            api, "resendInvitation", {"invitationId": invitation_id}, selection, owner
        )
        third, _ = await run(api, "inviteUser", input_, selection, owner)
        texts = neutral([payload, again, third], address), statements, repeated_statements
        all_texts = await read(api, owner.account_id, owner, address)
        readings.append(json.loads(json.dumps([*texts, all_texts]).replace(owner.email, "OWNER")))

    assert readings[0] == readings[1] == readings[2]
    assert "ADDRESS" in json.dumps(readings[0])


async def test_client_account_and_repetition_read_alike_for_every_address(api: Api) -> None:
    await add_people(api)
    readings: list[object] = []
    for address in ADDRESSES:
        biuro = await register_bureau(api, f"b{len(readings)}@example.com")
        input_ = {"bureauAccountId": biuro.account_id, "name": "Klient", "ownerName": "Kari", "ownerEmail": address}
        payload, statements = await run(api, "createClientAccount", input_, "account { id name }", biuro)
        client_id = payload["account"]["id"]
        again = {"bureauAccountId": biuro.account_id, "clientAccountId": client_id}
        repetition, repeated_statements = await run(api, "resendClientActivation", again, "", biuro)
        all_texts = [await read(api, account_id, biuro, address) for account_id in (client_id, biuro.account_id)]
        text = json.dumps([neutral([payload, repetition], address), statements, repeated_statements, all_texts])
        readings.append(json.loads(text.replace(biuro.email, "BUREAU")))

    assert readings[0] == readings[1] == readings[2]


async def test_requests_to_numbers_read_alike_for_the_sender(api: Api) -> None:
    await register_bureau(api, "target@example.com", locale="pl")
    target = await register_bureau(api, KNOWN, locale="pl")
    readings: list[object] = []
    for index, number in enumerate((await account_number(target), 987_654_321)):
        biuro = await register_bureau(api, f"b{index}@example.com")
        input_ = {"bureauAccountId": biuro.account_id, "clientNumber": number}
        payload = await api.do("engageBureau", input_, "engagement { id }", by=biuro)
        access = await api.do("requestAccess", {"accountNumber": number, "role": "ACCOUNTANT"}, by=biuro)
        all_texts = json.dumps([payload, access, await read(api, biuro.account_id, biuro, KNOWN)])
        readings.append(json.loads(all_texts.replace(biuro.email, "BUREAU").replace(str(number), "NUMBER")))

    assert readings[0] == readings[1]


async def test_subject_is_in_the_language_of_the_reader(api: Api) -> None:
    """The mail itself is in the language of the receiver."""
    await add_people(api)
    owner = await api.person("owner@example.com", "Olga Owner", locale="sv")
    await api.do("inviteUser", {"accountId": owner.account_id, "email": KNOWN, "role": "ACCOUNTANT"}, by=owner)
    query = "query ($id: ID!) { account(id: $id) { messages { nodes { subject } } } }"

    subjects = []
    for locale in ("sv", "en"):
        await api.do("updateProfile", {"locale": locale}, by=owner)
        answer = await api.ask(query, {"id": owner.account_id}, by=owner)
        subjects.append(answer.data["account"]["messages"]["nodes"][0]["subject"])

    assert subjects == [
        "owner@example.com bjuder in dig till ”Olga Owner”",
        "owner@example.com invites you to “Olga Owner”",
    ]
    mail = (await api.http.get("/mailbox.json", params={"to": KNOWN})).json()[0]
    assert mail["subject"] == "owner@example.com zaprasza Cię do „Olga Owner”"
