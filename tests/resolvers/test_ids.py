"""One object has one id; every other spelling, and every id of another's, is that of nothing."""

from base64 import b64encode, urlsafe_b64encode
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from resolvers import ids
from schema.build import build
from tests.api import NOWHERE, PASSWORD, Api, Person, codes, counts
from tests.models.bureaus.bureau_setup import bureau, engaged, number_of
from tests.schema.mutations import CALLS

KEY = UUID("0194a6b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")


def spellings(real: str) -> dict[str, str]:
    """What is not an id, made of one that is."""
    raw = ids.decode_any(real)
    assert raw is not None
    return {
        "made up": NOWHERE,
        "raw key": str(raw[1]),
        "base64 of the raw key": b64encode(f"Account:{raw[1]}".encode()).decode(),
        "of another type": ids.encode("Session", raw[1]),
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
def test_an_id_leads_back_to_its_type_and_key(type_name: str) -> None:
    text = ids.encode(type_name, KEY)

    assert ids.decode_any(text) == (type_name, KEY)
    assert ids.decode(type_name, text) == KEY


@pytest.mark.parametrize("kind", [kind for kind in spellings(ids.encode("Account", KEY)) if kind != "made up"])
def test_no_other_spelling_is_an_id(kind: str) -> None:
    text = spellings(ids.encode("Account", KEY))[kind]

    assert ids.decode("Account", text) == ids.NOBODY


def test_no_two_types_share_a_mark() -> None:
    assert len({ids.encode(type_name, KEY) for type_name in ids.TYPES}) == len(ids.TYPES)
    assert urlsafe_b64encode(b"?" + KEY.bytes).decode() not in {ids.encode(name, KEY) for name in ids.TYPES}


# ---- Through the graph -----------------------------------------------------------------------


async def two(api: Api) -> tuple[Person, Person]:
    """Somebody with an account, and a stranger with one of his own."""
    return await api.person("anna@example.com"), await api.person("stig@example.com")


async def test_node_answers_null_to_every_id_that_is_not_ones_own(api: Api) -> None:
    anna, stig = await two(api)
    foreign = {"foreign": anna.account_id, **spellings(anna.account_id)}
    query = "query($id: ID!, $ids: [ID!]!) { node(id: $id) { id } nodes(ids: $ids) { id } account(id: $id) { id } }"

    for kind, text in foreign.items():
        answer = await api.ask(query, {"id": text, "ids": [text, stig.account_id]}, by=stig)

        expected = {"node": None, "nodes": [None, {"id": stig.account_id}], "account": None}
        assert answer.data == expected, kind


async def test_a_number_of_another_answers_as_one_that_nobody_has(api: Api) -> None:
    anna, stig = await two(api)
    own = await api.ask("{ viewer { currentAccount { number } } }", by=anna)
    number = own.data["viewer"]["currentAccount"]["number"]
    query = "query($number: Int!) { account(number: $number) { id } }"

    answers = [await api.ask(query, {"number": n}, by=stig) for n in (number, 99_999_999, 0, -1, 2**31 - 1)]

    assert [answer.data for answer in answers] == [{"account": None}] * 5
    assert (await api.ask(query, {"number": number}, by=anna)).data == {"account": {"id": anna.account_id}}


@pytest.mark.parametrize("given", ["", "(id: null)", '(id: "x", number: 1)', "(id: null, number: null)"])
async def test_an_account_is_asked_for_by_exactly_one_of_id_and_number(api: Api, given: str) -> None:
    anna = await api.person("anna@example.com")

    answer = await api.ask(f"{{ account{given} {{ id }} }}", by=anna)

    assert (answer.partial, answer.codes) == ({"account": None}, ["BAD_USER_INPUT"])


def inputs() -> list[tuple[str, str]]:
    """Every id that a mutation takes."""
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


PLAIN: dict[str, dict[str, Any]] = {
    "inviteUser": {"email": "new@example.com", "role": "ACCOUNTANT"},
    "updateAccount": {"name": "Mine now"},
    "updateAccountSettings": {"invoicePrefix": "MINE"},
    "updateGrant": {"role": "ADMINISTRATOR"},
    "updateInvitation": {"role": "ADMINISTRATOR"},
    "extendSubscription": {"days": 10},
    "redeemVoucher": {"code": "ABCDE"},
    "requestAccess": {"accountNumber": 10_000_000, "role": "ACCOUNTANT"},
    "transferOwnership": {"password": PASSWORD},
    "createClientAccount": {"name": "Mine", "ownerName": "Me", "ownerEmail": "me@example.com"},
    "assignConsultant": {"clientAccountIds": [NOWHERE]},
    "unassignConsultant": {"clientAccountIds": [NOWHERE]},
}
ASKING = {"clientAccountId": {"bureauNumber": 10_000_000}, "bureauAccountId": {"clientNumber": 10_000_000}}
"""Of the two accounts of engageBureau, one's own is given by its id; the other one is asked blindly."""


@pytest.mark.parametrize(("mutation", "key"), inputs())
async def test_a_mutation_finds_nothing_by_an_id_of_another(api: Api, mutation: str, key: str) -> None:
    anna, stig = await two(api)
    _, grant = await api.guest(anna, "guest@example.com", "ACCOUNTANT")
    given = {"accountId": anna.account_id, "email": "pending@example.com", "role": "ACCOUNTANT"}
    invited = await api.do("inviteUser", given, "invitation { id }", by=anna)
    sessions = await api.ask("{ viewer { session { id } } }", by=anna)
    biuro = await bureau(api)
    asking = {"accountNumber": await number_of(biuro), "role": "ACCOUNTANT"}
    assert codes(await api.do("requestAccess", asking, by=anna)) == []
    asked = await api.ask("{ viewer { accessRequests { nodes { id } } } }", by=anna)
    theirs = {
        "accessRequestId": asked.data["viewer"]["accessRequests"]["nodes"][0]["id"],
        "onBehalfOfAccountId": anna.account_id,
        "accountId": anna.account_id,
        "payerAccountId": anna.account_id,
        "bureauAccountId": anna.account_id,
        "clientAccountId": anna.account_id,
        "userId": anna.user_id,
        "fromUserId": anna.user_id,
        "toUserId": anna.user_id,
        "engagementId": await engaged(api, biuro, anna),
        "grantId": grant,
        "invitationId": invited["invitation"]["id"],
        "sessionId": sessions.data["viewer"]["session"]["id"],
    }
    own = {name: stig.account_id for name in theirs if name.endswith("ccountId")}
    own |= {name: stig.user_id for name in theirs if name.endswith("serId")}
    wanted = {k: v for k, v in own.items() if (mutation, k) in inputs()} | PLAIN.get(mutation, {})
    wanted = ASKING[key] if mutation == "engageBureau" else wanted
    _ = await api.ask("{ viewer { user { id } } }", by=stig)  # his first step into his own account is an event
    before = await counts()

    for kind, text in {"foreign": theirs[key], **spellings(theirs[key])}.items():
        done = await api.do(mutation, {**wanted, key: text}, by=stig)

        assert codes(done) == [("NOT_FOUND", [key])], kind
    assert await counts() == before


def test_no_id_of_a_mutation_is_left_out() -> None:
    assert {name for name, _ in inputs()} <= CALLS.keys()
    assert len(inputs()) >= 16


FILTERS = [
    ("grants(filter: { accountId: $id })", "Account"),
    ("grants(filter: { userId: $id })", "User"),
    ("viewer { grants(filter: { accountId: $id })", "Account"),
    ("viewer { grants(filter: { userId: $id })", "User"),
]


@pytest.mark.parametrize(("field", "type_name"), FILTERS)
async def test_a_filter_by_an_id_of_another_finds_nothing(api: Api, field: str, type_name: str) -> None:
    anna, stig = await two(api)
    foreign = anna.account_id if type_name == "Account" else anna.user_id
    close = "}" if "viewer" in field else ""
    query = (
        f"query($id: ID!) {{ {field} {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} {close} }}"
    )
    nothing = {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}

    for kind, text in {"foreign": foreign, **spellings(foreign)}.items():
        answer = await api.ask(query, {"id": text}, by=stig)

        found = answer.data["viewer"] if "viewer" in field else answer.data
        assert found == {"grants": nothing}, kind
