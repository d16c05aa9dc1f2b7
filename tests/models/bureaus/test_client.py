"""Accounts that a bureau opens for its clients: used at once, taken over by whoever follows the link."""

from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from models.accounts.account import Account
from models.people.user import User
from resolvers import ids
from tests.api import NOWHERE, PASSWORD, Api, Person, codes
from tests.authenticator import set_up
from tests.models.bureaus.bureau_setup import bureau, consultants, engagements, enters, staff
from tests.models.refusals import events, mails, refused, rejected

EMAIL = "kim@example.com"
SHOWN = """account { id status name owner { name email isActivated } viewerGrant { role } organizationNumber }
    grant { role status }"""


def wanted(biuro: Person, **more: object) -> dict[str, object]:
    given = {"bureauAccountId": biuro.account_id, "name": "Kunde AS", "ownerName": "Kim Kunde", "ownerEmail": EMAIL}
    return given | more


async def opened(api: Api, biuro: Person, **more: object) -> str:
    """The id of an account that a bureau has opened."""
    done = await api.do("createClientAccount", wanted(biuro, **more), "account { id }", by=biuro)
    assert done["errors"] == []
    key: str = done["account"]["id"]
    return key


async def status_of(api: Api, by: Person | str, account_id: str) -> Any:
    query = "query ($id: ID!) { account(id: $id) { status viewerGrant { role } } }"
    return (await api.ask(query, {"id": account_id}, by=by)).data["account"]


def key(account_id: str) -> Any:
    return ids.decode("Account", account_id)


# ---- Opening ---------------------------------------------------------------------------------


async def test_a_bureau_opens_an_account_and_works_in_it_at_once(api: Api) -> None:
    biuro = await bureau(api)

    done = await api.do(
        "createClientAccount", wanted(biuro, organizationNumber="974760673", country="NO"), SHOWN, by=biuro
    )

    assert codes(done) == []
    assert done["account"] == {
        "id": done["account"]["id"],
        "status": "PENDING_ACTIVATION",
        "name": "Kunde AS",
        "owner": {"name": "Kim Kunde", "email": EMAIL, "isActivated": False},
        "viewerGrant": {"role": "COLLABORATOR"},
        "organizationNumber": "974760673",
    }
    assert done["grant"] == {"role": "COLLABORATOR", "status": "ACTIVE"}
    client = done["account"]["id"]
    changed = await api.do("updateAccount", {"accountId": client, "name": "Kunde Nord AS"}, by=biuro)
    assert codes(changed) == []
    (node,) = await engagements(api, biuro)
    assert (node["status"], node["client"]["name"]) == ("ACTIVE", "Kunde Nord AS")
    assert [[one["user"]["email"] for one in found] for found in await consultants(api, biuro)] == [[biuro.email]]
    assert (await Account.get(id=key(client))).created_by_bureau_id == key(biuro.account_id)
    assert len(await mails(EMAIL, "client-activation")) == 1
    created = (await events("account:account:create"))[-1]
    assert (created.actor_id, created.actor_role) == (ids.decode("User", biuro.user_id), None)


async def test_the_client_takes_his_account_over_with_a_new_login(api: Api) -> None:
    biuro = await bureau(api)
    client = await opened(api, biuro, organizationNumber="974760673", country="NO")
    given = {"token": await api.link(EMAIL, "activation")}

    assert await refused(api, "activate", given) == [("REQUIRED", ["password"])]
    shown = "accessToken viewer { user { name email } currentAccount { id status viewerGrant { role } } }"
    done = await api.do("activate", {**given, "password": PASSWORD}, shown)

    assert codes(done) == []
    assert done["viewer"] == {
        "user": {"name": "Kim Kunde", "email": EMAIL},
        "currentAccount": {"id": client, "status": "ACTIVE", "viewerGrant": {"role": "OWNER"}},
    }
    signed_in = await api.do("signIn", {"email": EMAIL, "password": PASSWORD}, "viewer { user { id } }")
    assert codes(signed_in) == []
    assert await User.filter(email=EMAIL).count() == 1
    assert await Grant.filter(account_id=key(client), role="OWNER").count() == 1
    assert (await status_of(api, biuro, client))["viewerGrant"] == {"role": "COLLABORATOR"}
    assert await refused(api, "activate", {**given, "password": PASSWORD}) == [("TOKEN_INVALID", ["token"])]
    own = {"name": "Kunde To AS", "organizationNumber": "974760673", "country": "NO"}
    assert codes(await api.do("createAccount", own, by=done["accessToken"])) == []


@pytest.mark.parametrize("there", ["active", "registered", "nobody"])
async def test_answers_do_not_tell_whether_the_owner_has_a_login(api: Api, there: str) -> None:
    biuro = await bureau(api)
    if there == "active":
        await api.person(EMAIL, "Kim Kunde-Hansen")
    elif there == "registered":
        given = {"name": "Kim Kunde-Hansen", "email": EMAIL, "password": PASSWORD}
        await api.do("register", given)

    done = await api.do("createClientAccount", wanted(biuro), SHOWN, by=biuro)

    assert codes(done) == []
    assert done["account"]["owner"] == {"name": "Kim Kunde", "email": EMAIL, "isActivated": False}
    assert done["account"]["status"] == "PENDING_ACTIVATION"
    query = "query ($id: ID!) { account(id: $id) { owner { name isActivated } messages { nodes { kind to status } } } }"
    shown = (await api.ask(query, {"id": done["account"]["id"]}, by=biuro)).data["account"]
    assert shown["owner"] == {"name": "Kim Kunde", "isActivated": False}
    assert [(mail["kind"], mail["to"]) for mail in shown["messages"]["nodes"]] == [("client-activation", EMAIL)]


async def test_who_has_a_login_becomes_owner_only_when_he_follows_the_link_signed_in(api: Api) -> None:
    biuro = await bureau(api)
    kim = await api.person(EMAIL)
    client = await opened(api, biuro)
    other = await api.person("other@example.com")
    given = {"token": await api.link(EMAIL, "activation")}
    assert not await enters(api, kim, client)

    for by in (None, other):
        assert await refused(api, "activate", {**given, "password": PASSWORD}, by=by) == [("SIGN_IN_REQUIRED", None)]
    done = await api.do("activate", given, "viewer { user { id } currentAccount { id } }", by=kim)

    assert codes(done) == []
    assert done["viewer"] == {"user": {"id": kim.user_id}, "currentAccount": {"id": client}}
    assert await status_of(api, kim, client) == {"status": "ACTIVE", "viewerGrant": {"role": "OWNER"}}
    assert codes(await api.do("signIn", {"email": EMAIL, "password": PASSWORD})) == []
    assert await refused(api, "activate", given, by=kim) == [("TOKEN_INVALID", ["token"])]


async def test_an_owner_with_a_second_factor_takes_over_by_the_session_that_has_shown_it(api: Api) -> None:
    biuro = await bureau(api)
    kim = await api.person(EMAIL)
    await set_up(api, kim)
    client = await opened(api, biuro)
    given = {"token": await api.link(EMAIL, "activation")}

    assert await refused(api, "activate", {**given, "password": PASSWORD}) == [("SIGN_IN_REQUIRED", None)]
    done = await api.do("activate", given, "accessToken", by=kim)

    assert codes(done) == []
    assert await status_of(api, done["accessToken"], client) == {"status": "ACTIVE", "viewerGrant": {"role": "OWNER"}}


async def test_a_login_that_was_never_activated_is_taken_over_with_the_account(api: Api) -> None:
    biuro = await bureau(api)
    given = {"name": "Somebody Else", "email": EMAIL, "password": "another password entirely"}
    await api.do("register", given)
    client = await opened(api, biuro)

    done = await api.do(
        "activate",
        {"token": (await newest_link(api)), "password": PASSWORD},
        "accessToken viewer { user { name } accounts { nodes { name status } } }",
    )

    assert done["viewer"]["user"]["name"] == "Kim Kunde"
    nodes = {node["name"]: node["status"] for node in done["viewer"]["accounts"]["nodes"]}
    assert nodes == {"Kunde AS": "ACTIVE", "Somebody Else": "ACTIVE"}
    assert (await status_of(api, done["accessToken"], client))["viewerGrant"] == {"role": "OWNER"}
    wrong = {"email": EMAIL, "password": "another password entirely"}
    assert codes(await api.do("signIn", wrong)) == [("INVALID_CREDENTIALS", None)]


async def newest_link(api: Api) -> str:
    return await api.link(EMAIL, "activation")


async def test_an_owner_who_was_a_guest_or_a_consultant_of_his_account_is_only_its_owner(api: Api) -> None:
    biuro = await bureau(api)
    client = await opened(api, biuro, ownerEmail=biuro.email)

    done = await api.do(
        "activate",
        {"token": await api.link(biuro.email, "activation")},
        "viewer { currentAccount { id viewerGrant { role } } }",
        by=biuro,
    )

    assert done["viewer"]["currentAccount"] == {"id": client, "viewerGrant": {"role": "OWNER"}}
    rows = await Grant.filter(account_id=key(client)).order_by("id")
    assert [(row.role, row.status) for row in rows] == [("OWNER", "ACTIVE"), ("COLLABORATOR", "REVOKED")]
    (node,) = await engagements(api, biuro)
    await api.do("endEngagement", {"engagementId": node["id"]}, by=biuro)
    assert await enters(api, biuro, client)


# ---- Refused ---------------------------------------------------------------------------------


async def test_opening_needs_a_bureau_its_permission_and_a_running_subscription(api: Api) -> None:
    biuro = await bureau(api)
    anna = await api.person("anna@example.com")
    clerk, _ = await staff(api, biuro, "clerk@example.com", "ACCOUNTANT")

    assert await refused(api, "createClientAccount", wanted(anna), by=anna) == [("INVALID", ["bureauAccountId"])]
    assert (await rejected(api, "createClientAccount", wanted(biuro), by=clerk)).codes == ["FORBIDDEN"]
    for foreign in (biuro.account_id, NOWHERE, "x"):
        given = wanted(biuro, bureauAccountId=foreign)
        assert await refused(api, "createClientAccount", given, by=anna) == [("NOT_FOUND", ["bureauAccountId"])]
    bad = wanted(biuro, ownerEmail="nobody", ownerName=" ", name="", organizationNumber="1", country="NO")
    assert sorted(await refused(api, "createClientAccount", bad, by=biuro)) == [
        ("INVALID", ["organizationNumber"]),
        ("INVALID", ["ownerEmail"]),
        ("REQUIRED", ["name"]),
        ("REQUIRED", ["ownerName"]),
    ]
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock())
    assert await refused(api, "createClientAccount", wanted(biuro), by=biuro) == [("SUBSCRIPTION_EXPIRED", None)]


async def test_an_organization_number_that_is_taken_is_refused(api: Api) -> None:
    biuro = await bureau(api)
    number = {"organizationNumber": "974760673", "country": "NO"}
    await api.person(EMAIL, **number)

    assert await refused(api, "createClientAccount", wanted(biuro, **number), by=biuro) == [
        ("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])
    ]


async def test_the_link_lasts_a_week_and_is_mailed_again_by_the_bureau(api: Api) -> None:
    biuro = await bureau(api)
    client = await opened(api, biuro)
    old = await api.link(EMAIL, "activation")
    given = {"bureauAccountId": biuro.account_id, "clientAccountId": client}
    api.clock.forward(days=7)
    biuro = await again(api, biuro)
    assert await refused(api, "activate", {"token": old, "password": PASSWORD}) == [("TOKEN_EXPIRED", ["token"])]

    done = await api.do("resendClientActivation", given, "account { id }", by=biuro)

    assert done == {"account": {"id": client}, "errors": []}
    assert await refused(api, "activate", {"token": old, "password": PASSWORD}) == [("TOKEN_INVALID", ["token"])]
    new = {"token": await api.link(EMAIL, "activation"), "password": PASSWORD}
    assert codes(await api.do("activate", new)) == []
    assert await refused(api, "resendClientActivation", given, by=biuro) == [("INVALID_STATE", ["clientAccountId"])]


async def again(api: Api, person: Person) -> Person:
    done = await api.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
    return Person(person.email, done["accessToken"], person.user_id, person.account_id)


async def test_only_the_bureau_that_works_there_mails_the_link_again(api: Api) -> None:
    biuro, other = await bureau(api), await bureau(api, "other@example.com")
    clerk, _ = await staff(api, biuro, "clerk@example.com", "ACCOUNTANT")
    client = await opened(api, biuro)
    given = {"bureauAccountId": biuro.account_id, "clientAccountId": client}

    theirs = {**given, "bureauAccountId": other.account_id}
    assert await refused(api, "resendClientActivation", theirs, by=other) == [("NOT_FOUND", ["clientAccountId"])]
    assert await refused(api, "resendClientActivation", given, by=other) == [("NOT_FOUND", ["bureauAccountId"])]
    assert (await rejected(api, "resendClientActivation", given, by=clerk)).codes == ["FORBIDDEN"]
    for nowhere in (NOWHERE, "x"):
        made_up = {**given, "clientAccountId": nowhere}
        assert await refused(api, "resendClientActivation", made_up, by=biuro) == [("NOT_FOUND", ["clientAccountId"])]


async def test_a_stand_in_is_reached_by_no_sign_in_reset_or_resending(api: Api) -> None:
    biuro = await bureau(api)
    await opened(api, biuro)
    stand_in = await User.get(email=EMAIL)
    before = len(await mails(EMAIL, "client-activation"))

    for address in (EMAIL, stand_in.email_key, stand_in.email_key.lower()):
        given = {"email": address, "password": PASSWORD}
        assert codes(await api.do("signIn", given)) == [("INVALID_CREDENTIALS", None)]
        await api.do("requestPasswordReset", {"email": address})
        await api.do("resendActivation", {"email": address})

    assert await mails(EMAIL, "password-reset") == await mails(EMAIL, "activation") == []
    assert len(await mails(EMAIL, "client-activation")) == before
    assert codes(await api.do("register", {"name": "Kim", "email": EMAIL, "password": PASSWORD})) == []
    assert len(await mails(EMAIL, "activation")) == 1


async def test_who_erases_himself_is_gone_from_where_somebody_stood_in_for_him(api: Api) -> None:
    biuro, kim = await bureau(api), await api.person(EMAIL, "Kim Kunde")
    account_id = await opened(api, biuro)
    token = await api.link(EMAIL, "activation")

    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=kim)) == []

    left = await db.fetch("SELECT id FROM users WHERE email = $1 OR name = 'Kim Kunde'", EMAIL, row=db.Row)
    assert left == []
    done = await api.do("activate", {"token": token, "password": PASSWORD})
    assert codes(done) == [("TOKEN_INVALID", ["token"])]
    again = {"bureauAccountId": biuro.account_id, "clientAccountId": account_id}
    assert await refused(api, "resendClientActivation", again, by=biuro) == [("INVALID_STATE", ["clientAccountId"])]
    assert (await status_of(api, biuro, account_id))["viewerGrant"] == {"role": "COLLABORATOR"}
