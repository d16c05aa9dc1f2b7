"""Global ids: malformed and foreign ids behave like unknown ids."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from resolvers import ids
from schema.build import build
from tests.api import PASSWORD, UNKNOWN_ID, Api, Person, codes, count_rows
from tests.models.bureaus.bureau_setup import account_number, engage, register_bureau
from tests.passkey_device import add_passkey, passkey_ids
from tests.schema.mutations import CALLS

KEY = UUID("0194a6b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")


def spellings(real: str) -> dict[str, str]:
    """Invalid ids derived from a valid id."""
    type_and_key = ids.decode_any(real)
    assert type_and_key is not None
    return {
        "made up": UNKNOWN_ID,
        "raw key": str(type_and_key[1]),
        "base64 of the raw key": b64encode(f"Account:{type_and_key[1]}".encode()).decode(),
        "of another type": ids.encode("Session", type_and_key[1]),
        "upper case": real.upper(),
        "padded": real + "=",
        "spaced": f" {real}",
        "zero width": real + "\u200b",
        "one letter more": real + "A",
        "one letter less": real[:-1],
        "empty": "",
        "huge": "A" * 9_000,
        "a number": "1",
        "not ascii": "Ålesund",
        "sql": "' OR 1=1 --",
    }


@pytest.mark.parametrize("type_name", ids.TYPES)
def test_id_decodes_to_its_type_and_key(type_name: str) -> None:
    text = ids.encode(type_name, KEY)

    assert ids.decode_any(text) == (type_name, KEY)
    assert ids.decode(type_name, text) == KEY


@pytest.mark.parametrize("kind", [kind for kind in spellings(ids.encode("Account", KEY)) if kind != "made up"])
def test_other_spellings_decode_to_nil_key(kind: str) -> None:
    text = spellings(ids.encode("Account", KEY))[kind]

    assert ids.decode("Account", text) == ids.NIL_KEY


def test_types_have_distinct_prefixes() -> None:
    assert len({ids.encode(type_name, KEY) for type_name in ids.TYPES}) == len(ids.TYPES)
    assert urlsafe_b64encode(b"?" + KEY.bytes).decode() not in {ids.encode(name, KEY) for name in ids.TYPES}


# ---- GraphQL ---------------------------------------------------------------------------------


async def two_owners(api: Api) -> tuple[Person, Person]:
    """Two unrelated users, each with an account."""
    return await api.person("anna@example.com"), await api.person("stig@example.com")


async def test_node_is_null_for_foreign_and_malformed_ids(api: Api) -> None:
    anna, stig = await two_owners(api)
    foreign = {"foreign": anna.account_id, **spellings(anna.account_id)}
    query = "query($id: ID!, $ids: [ID!]!) { node(id: $id) { id } nodes(ids: $ids) { id } account(id: $id) { id } }"

    for kind, text in foreign.items():
        response = await api.ask(query, {"id": text, "ids": [text, stig.account_id]}, by=stig)

        expected_data = {"node": None, "nodes": [None, {"id": stig.account_id}], "account": None}
        assert response.data == expected_data, kind


async def test_foreign_account_number_looks_unknown(api: Api) -> None:
    anna, stig = await two_owners(api)
    account_response = await api.ask("{ viewer { currentAccount { number } } }", by=anna)
    number = account_response.data["viewer"]["currentAccount"]["number"]
    query = "query($number: Int!) { account(number: $number) { id } }"

    responses = [await api.ask(query, {"number": n}, by=stig) for n in (number, 99_999_999, 0, -1, 2**31 - 1)]

    assert [response.data for response in responses] == [{"account": None}] * 5
    assert (await api.ask(query, {"number": number}, by=anna)).data == {"account": {"id": anna.account_id}}


@pytest.mark.parametrize("arguments", ["", "(id: null)", '(id: "x", number: 1)', "(id: null, number: null)"])
async def test_account_requires_exactly_one_of_id_and_number(api: Api, arguments: str) -> None:
    anna = await api.person("anna@example.com")

    response = await api.ask(f"{{ account{arguments} {{ id }} }}", by=anna)

    assert (response.partial, response.codes) == ({"account": None}, ["BAD_USER_INPUT"])


def inputs() -> list[tuple[str, str]]:
    """All id fields of mutation inputs, as mutation and field."""
    mutations = build().mutation_type
    assert mutations is not None
    types = {name: get_named_type(field.args["input"].type) for name, field in mutations.fields.items() if field.args}
    return sorted(
        (name, key)
        for name, type_ in types.items()
        if isinstance(type_, GraphQLInputObjectType)
        for key in type_.fields
        if key.endswith("Id")
    )


EXTRA_INPUTS: dict[str, dict[str, Any]] = {
    "inviteUser": {"email": "new@example.com", "role": "ACCOUNTANT"},
    "updateAccount": {"name": "Mine now"},
    "changeAccountKind": {"kind": "BUREAU"},
    "updateAccountSettings": {"invoicePrefix": "MINE"},
    "createContact": {"name": "Mine"},
    "createProduct": {"name": "Mine", "price": "1", "vatRate": "0"},
    "createExpense": {"spentOn": "2026-03-01", "amounts": [{"vatRate": "0", "netAmount": "1"}]},
    "addDocumentLine": {"quantity": "1"},
    "recordPayment": {"amount": "1"},
    "createExport": {"kind": "CONTACTS", "format": "CSV"},
    "updateGrant": {"role": "ADMINISTRATOR"},
    "updateInvitation": {"role": "ADMINISTRATOR"},
    "extendSubscription": {"days": 10},
    "renamePasskey": {"name": "Mine"},
    "redeemVoucher": {"code": "ABCDE"},
    "requestAccess": {"accountNumber": 10_000_000, "role": "ACCOUNTANT"},
    "transferOwnership": {"password": PASSWORD},
    "closeAccount": {"password": PASSWORD},
    "createClientAccount": {"name": "Mine", "ownerName": "Me", "ownerEmail": "me@example.com"},
    "correctClientOwner": {"ownerEmail": "new@example.com"},
    "assignConsultant": {"clientAccountIds": [UNKNOWN_ID]},
    "unassignConsultant": {"clientAccountIds": [UNKNOWN_ID]},
}


async def workspace_ids(api: Api, owner: Person) -> dict[str, str]:
    """Objects of the workspace in an account."""
    values = {"accountId": owner.account_id, "name": "Thing"}
    contact = await api.do("createContact", values, "contact { id }", by=owner)
    product = await api.do("createProduct", values | {"price": "1", "vatRate": "0"}, "product { id }", by=owner)
    document, line = await draft_with_line(api, owner)
    export = {"accountId": owner.account_id, **EXTRA_INPUTS["createExport"]}
    payload = await api.do("createExport", export, "export { id }", by=owner)
    return {
        "exportId": payload["export"]["id"],
        "contactId": contact["contact"]["id"],
        "productId": product["product"]["id"],
        "expenseId": await expense_id(api, owner),
        "documentId": document,
        "documentLineId": line,
    }


async def passkey_id(api: Api, owner: Person) -> str:
    """The id of a new passkey of a user."""
    _ = await add_passkey(api, owner)
    return (await passkey_ids(api, owner))[0]


async def expense_id(api: Api, owner: Person) -> str:
    """The id of a new expense."""
    values = {"accountId": owner.account_id, **EXTRA_INPUTS["createExpense"]}
    payload = await api.do("createExpense", values, "expense { id }", by=owner)
    return str(payload["expense"]["id"])


async def draft_with_line(api: Api, owner: Person) -> tuple[str, str]:
    """The ids of a draft and of its line."""
    payload = await api.do("createDocument", {"accountId": owner.account_id}, "document { id }", by=owner)
    document = payload["document"]["id"]
    values = {"documentId": document, "quantity": "1", "description": "Thing", "unitPrice": "1", "vatRate": "0"}
    payload = await api.do("addDocumentLine", values, "line { id }", by=owner)
    return document, payload["line"]["id"]


ENGAGE_INPUTS = {"clientAccountId": {"bureauNumber": 10_000_000}, "bureauAccountId": {"clientNumber": 10_000_000}}
"""Input of engageBureau: the id under test, and the other account by its number."""


async def blind_request(api: Api, owner: Person) -> str:
    """The id of a pending request of an account that reached no account."""
    input_ = {"clientAccountId": owner.account_id, "bureauNumber": 10_000_000}
    assert codes(await api.do("engageBureau", input_, by=owner)) == []
    query = "query ($id: ID!) { account(id: $id) { engagementRequests { nodes { id } } } }"
    response = await api.ask(query, {"id": owner.account_id}, by=owner)
    request_id: str = response.data["account"]["engagementRequests"]["nodes"][0]["id"]
    return request_id


@pytest.mark.parametrize(("mutation", "key"), inputs())
async def test_mutation_treats_foreign_ids_as_not_found(api: Api, mutation: str, key: str) -> None:
    anna, stig = await two_owners(api)
    _, grant = await api.guest(anna, "guest@example.com", "ACCOUNTANT")
    invitation_input = {"accountId": anna.account_id, "email": "pending@example.com", "role": "ACCOUNTANT"}
    invitation = await api.do("inviteUser", invitation_input, "invitation { id }", by=anna)
    sessions = await api.ask("{ viewer { session { id } } }", by=anna)
    biuro = await register_bureau(api)
    request_input = {"accountNumber": await account_number(biuro), "role": "ACCOUNTANT"}
    assert codes(await api.do("requestAccess", request_input, by=anna)) == []
    requests = await api.ask("{ viewer { accessRequests { nodes { id } } } }", by=anna)
    foreign_ids = {
        "accessRequestId": requests.data["viewer"]["accessRequests"]["nodes"][0]["id"],
        "onBehalfOfAccountId": anna.account_id,
        "accountId": anna.account_id,
        "payerAccountId": anna.account_id,
        "bureauAccountId": anna.account_id,
        "clientAccountId": anna.account_id,
        "userId": anna.user_id,
        "fromUserId": anna.user_id,
        "toUserId": anna.user_id,
        "engagementRequestId": await blind_request(api, anna),
        "engagementId": await engage(api, biuro, anna),
        "grantId": grant,
        "invitationId": invitation["invitation"]["id"],
        **await workspace_ids(api, anna),
        "sessionId": sessions.data["viewer"]["session"]["id"],
        "passkeyId": await passkey_id(api, anna),
    }
    caller_ids = {name: stig.account_id for name in foreign_ids if name.endswith("ccountId")}
    caller_ids |= {"documentId": (await draft_with_line(api, stig))[0], "expenseId": await expense_id(api, stig)}
    caller_ids |= {name: stig.user_id for name in foreign_ids if name.endswith("serId")}
    valid_input = {k: v for k, v in caller_ids.items() if (mutation, k) in inputs()} | EXTRA_INPUTS.get(mutation, {})
    valid_input = ENGAGE_INPUTS[key] if mutation == "engageBureau" else valid_input
    # The first access to the own account is recorded as an event, so it must precede the count.
    _ = await api.ask("{ viewer { user { id } } }", by=stig)
    before = await count_rows()

    for kind, text in {"foreign": foreign_ids[key], **spellings(foreign_ids[key])}.items():
        payload = await api.do(mutation, {**valid_input, key: text}, by=stig)

        assert codes(payload) == [("NOT_FOUND", [key])], kind
    assert await count_rows() == before


def test_every_mutation_with_an_id_is_covered() -> None:
    assert {name for name, _ in inputs()} <= CALLS.keys()
    assert len(inputs()) >= 16


FILTERS = [
    ("grants(filter: { accountId: $id })", "Account"),
    ("grants(filter: { userId: $id })", "User"),
    ("viewer { grants(filter: { accountId: $id })", "Account"),
    ("viewer { grants(filter: { userId: $id })", "User"),
]


@pytest.mark.parametrize(("field", "type_name"), FILTERS)
async def test_filter_by_a_foreign_id_is_empty(api: Api, field: str, type_name: str) -> None:
    anna, stig = await two_owners(api)
    foreign = anna.account_id if type_name == "Account" else anna.user_id
    close = "}" if "viewer" in field else ""
    query = (
        f"query($id: ID!) {{ {field} {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} {close} }}"
    )
    empty_connection = {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}

    for kind, text in {"foreign": foreign, **spellings(foreign)}.items():
        response = await api.ask(query, {"id": text}, by=stig)

        data = response.data["viewer"] if "viewer" in field else response.data
        assert data == {"grants": empty_connection}, kind
