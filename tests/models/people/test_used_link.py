"""A second click on a mailed link that has worked: its user is told so, others get the answer to a made-up token."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from auth import tokens
from models.outbox.message import LinkPurpose
from schema.build import build
from tests.api import PASSWORD, Api, Person, codes
from tests.models.bureaus.bureau_setup import register_bureau
from tests.models.bureaus.client_accounts import EMAIL as CLIENT
from tests.models.bureaus.client_accounts import open_client_account
from tests.models.people.logins import INVALID_LINK, NEW_PASSWORD, registration_input
from tests.models.refusals import refusal_codes
from tests.models.sharing.invitations import GUEST, accept, invite
from tests.resolvers.statements import record_statements

Codes = list[tuple[str, list[str] | None]]
ACTIVE: Final[Codes] = [("ALREADY_ACTIVE", ["token"])]
CHANGED: Final[Codes] = [("INVALID_STATE", ["token"])]
MEMBER: Final[Codes] = [("ALREADY_MEMBER", None)]
NOT_PENDING: Final[Codes] = [("INVITATION_NOT_PENDING", ["token"])]


@dataclass(frozen=True)
class UsedLink:
    """A link that has worked, and its user. `proofs` are arguments with which the anonymous user is told, too."""

    token: str
    user: Person
    proofs: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


# ---- Links that have worked ------------------------------------------------------------------


async def activate(api: Api) -> UsedLink:
    payload = await api.do("register", registration_input(), "registrationSecret")
    secret = {"registrationSecret": payload["registrationSecret"]}
    token = await api.link("anna@example.com", "activation")
    selection = "accessToken viewer { user { id } currentAccount { id } }"
    payload = await api.do("activate", {"token": token, **secret}, selection)
    return UsedLink(token, signed_in("anna@example.com", payload), [secret, {"password": PASSWORD}])


async def take_over_with_new_login(api: Api) -> UsedLink:
    await open_client_account(api, await register_bureau(api))
    token = await api.link(CLIENT, "activation")
    selection = "accessToken viewer { user { id } currentAccount { id } }"
    payload = await api.do("activate", {"token": token, "password": PASSWORD}, selection)
    return UsedLink(token, signed_in(CLIENT, payload), [{"password": PASSWORD}])


async def take_over_with_login(api: Api) -> UsedLink:
    await open_client_account(api, await register_bureau(api))
    token = await api.link(CLIENT, "activation")
    kim = await api.person(CLIENT)
    assert codes(await api.do("activate", {"token": token}, by=kim)) == []
    return UsedLink(token, kim, [{"password": PASSWORD}])


async def reset_password(api: Api) -> UsedLink:
    anna = await api.person("anna@example.com")
    await api.do("requestPasswordReset", {"email": anna.email})
    token = await api.link(anna.email, "reset")
    assert codes(await api.do("resetPassword", {"token": token, "password": PASSWORD})) == []
    return UsedLink(token, await api.sign_in(anna), [{"password": PASSWORD}])


async def accept_with_new_login(api: Api) -> UsedLink:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, GUEST, "ACCOUNTANT")
    return UsedLink(await api.link(GUEST, "invitation"), guest)


async def accept_with_other_login(api: Api) -> UsedLink:
    anna, guest = await api.person("anna@example.com"), await api.person("other@example.com")
    await invite(api, anna, allowOtherLogin=True)
    token = await api.link(GUEST, "invitation")
    assert codes(await accept(api, token, guest)) == []
    return UsedLink(token, guest)


async def decline(api: Api) -> UsedLink:
    anna, guest = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")
    assert codes(await api.do("declineInvitation", {"token": token})) == []
    return UsedLink(token, guest)


def signed_in(email: str, payload: Mapping[str, Any]) -> Person:
    viewer = payload["viewer"]
    return Person(email, payload["accessToken"], viewer["user"]["id"], viewer["currentAccount"]["id"])


@dataclass(frozen=True)
class Case:
    """A second click: the mutation with the token of a used link, and what the user of the link is told."""

    mutation: str
    purpose: LinkPurpose
    use: Callable[[Api], Awaitable[UsedLink]]
    answer: Codes
    arguments: Mapping[str, str] = field(default_factory=dict[str, str])
    """Required arguments besides the token."""


CASES: Final = [
    Case("activate", LinkPurpose.ACTIVATION, activate, ACTIVE),
    Case("activate", LinkPurpose.ACTIVATION, take_over_with_new_login, ACTIVE),
    Case("activate", LinkPurpose.ACTIVATION, take_over_with_login, ACTIVE),
    Case("resetPassword", LinkPurpose.RESET, reset_password, CHANGED, {"password": NEW_PASSWORD}),
    Case("acceptInvitation", LinkPurpose.INVITATION, accept_with_new_login, MEMBER),
    Case("acceptInvitation", LinkPurpose.INVITATION, accept_with_other_login, MEMBER),
    Case("acceptInvitation", LinkPurpose.INVITATION, decline, NOT_PENDING),
    Case("declineInvitation", LinkPurpose.INVITATION, accept_with_new_login, NOT_PENDING),
    Case("declineInvitation", LinkPurpose.INVITATION, decline, NOT_PENDING),
]
TESTED_ELSEWHERE: Final = {
    "confirmEmailChange": LinkPurpose.EMAIL_CHANGE,
    "undoEmailChange": LinkPurpose.EMAIL_UNDO,
}
"""The mutations and purposes of the links that tests/models/people/test_email_change.py follows twice."""
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.mutation} after {case.use.__name__}")


def test_each_mailed_link_has_a_case() -> None:
    """A link has a purpose, and a mutation with its token. Links to stop mails change the same thing to the same."""
    mutation_type = build().mutation_type
    assert mutation_type is not None
    with_token = {
        name
        for name, mutation in mutation_type.fields.items()
        if "input" in mutation.args
        and isinstance(input_type := get_named_type(mutation.args["input"].type), GraphQLInputObjectType)
        and "token" in input_type.fields
    }

    assert {case.mutation for case in CASES} | TESTED_ELSEWHERE.keys() == with_token
    assert {*(case.purpose for case in CASES), *TESTED_ELSEWHERE.values()} == set(LinkPurpose)


# ---- The user --------------------------------------------------------------------------------


@each_case
async def test_user_of_a_used_link_is_told(api: Api, case: Case) -> None:
    link = await case.use(api)
    arguments = {"token": link.token, **case.arguments}

    for _ in range(31):  # more often than unknown tokens are looked up
        assert codes(await api.do(case.mutation, arguments, by=link.user)) == case.answer
    assert await refusal_codes(api, case.mutation, arguments, by=link.user) == case.answer


@each_case
async def test_user_proves_a_used_link_without_a_session(api: Api, case: Case) -> None:
    link = await case.use(api)

    for proof in link.proofs:
        arguments = {"token": link.token, **case.arguments, **proof}
        assert await refusal_codes(api, case.mutation, arguments) == case.answer


async def test_second_acceptance_answers_with_the_grant(api: Api) -> None:
    link = await accept_with_new_login(api)
    selection = "grant { role user { id } } account { id } accessToken"

    payload = await api.do("acceptInvitation", {"token": link.token}, selection, by=link.user)

    assert payload.pop("errors")[0]["code"] == "ALREADY_MEMBER"
    grant = {"role": "ACCOUNTANT", "user": {"id": link.user.user_id}}
    assert payload == {"grant": grant, "account": {"id": link.user.account_id}, "accessToken": None}


PREVIEW: Final = "query ($token: String!) { invitation(token: $token) { status accountName grant { role } } }"


async def test_preview_of_an_accepted_invitation_is_for_its_guest(api: Api) -> None:
    link = await accept_with_new_login(api)
    stranger = await api.person("stranger@example.com")

    answers = [(await api.ask(PREVIEW, {"token": link.token}, by=by)).data for by in (link.user, stranger, None)]

    preview = {"status": "ACCEPTED", "accountName": "Anna Nowak", "grant": {"role": "ACCOUNTANT"}}
    assert answers == [{"invitation": preview}, {"invitation": None}, {"invitation": None}]


async def test_guest_whose_access_has_ended_is_no_member(api: Api) -> None:
    anna = await api.person("anna@example.com")
    guest, grant_id = await api.guest(anna, GUEST, "ACCOUNTANT")
    arguments = {"token": await api.link(GUEST, "invitation")}
    assert codes(await api.do("revokeGrant", {"grantId": grant_id}, by=anna)) == []

    assert await refusal_codes(api, "acceptInvitation", arguments, by=guest) == NOT_PENDING
    assert (await api.ask(PREVIEW, arguments, by=guest)).data == {"invitation": None}


# ---- All others ------------------------------------------------------------------------------


WRONG_PROOFS: Final = {
    "activate": [{"password": NEW_PASSWORD}, {"registrationSecret": "x" * 43}],
    "acceptInvitation": [{"name": "Bo Berg", "password": word} for word in (PASSWORD, NEW_PASSWORD)],
}


@each_case
async def test_stranger_with_a_used_link_learns_what_a_made_up_token_tells(api: Api, case: Case) -> None:
    link = await case.use(api)
    stranger = await api.person("stranger@example.com")

    for by in (None, stranger):
        for proof in ({}, *WRONG_PROOFS.get(case.mutation, [])):
            made_up_tokens = tokens.random_token(), tokens.random_token()
            _, used, made_up = [  # the first call of a user notes the use of the session
                await call(api, case.mutation, {"token": token, **case.arguments, **proof}, by)
                for token in (made_up_tokens[0], link.token, made_up_tokens[1])
            ]
            assert codes(used[0]) == INVALID_LINK
            assert used == made_up


async def call(
    api: Api, mutation: str, arguments: Mapping[str, str], by: Person | None
) -> tuple[dict[str, Any], list[str]]:
    """Run a mutation. Returns its payload and its SQL statements."""
    selection = "grant { id } account { id }" if mutation == "acceptInvitation" else ""
    with record_statements() as statements:
        payload = await api.do(mutation, arguments, selection, by=by)
    return payload, [re.sub(r"__asyncpg_\w+", "", statement) for statement in statements]


async def test_passwords_with_a_used_link_are_limited(api: Api) -> None:
    link = await activate(api)
    for _ in range(10):
        guess = {"token": link.token, "password": NEW_PASSWORD}
        assert await refusal_codes(api, "activate", guess) == INVALID_LINK

    assert await refusal_codes(api, "activate", {"token": link.token, "password": PASSWORD}) == INVALID_LINK
    assert await refusal_codes(api, "activate", {"token": link.token}, by=link.user) == ACTIVE
    assert codes(await api.do("signIn", {"email": link.user.email, "password": PASSWORD})) == []


async def test_replaced_link_has_not_worked(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.do("requestPasswordReset", {"email": anna.email})
    token = await api.link(anna.email, "reset")
    await api.do("requestPasswordReset", {"email": anna.email})

    arguments = {"token": token, "password": PASSWORD}
    assert await refusal_codes(api, "resetPassword", arguments, by=anna) == INVALID_LINK
