"""Taking over an account from its placeholder owner."""

from database import db
from models.access.grant import Grant
from models.people.user import User
from tests.api import PASSWORD, Api, codes
from tests.authenticator import enable_second_factor
from tests.models.bureaus.bureau_setup import can_enter, list_engagements, register_bureau
from tests.models.bureaus.client_accounts import EMAIL, account_key, account_status, open_client_account
from tests.models.refusals import mails, refusal_codes


async def test_client_without_a_login_takes_over_with_a_new_login(api: Api) -> None:
    biuro = await register_bureau(api)
    client = await open_client_account(api, biuro, organizationNumber="974760673", country="NO")
    arguments = {"token": await api.link(EMAIL, "activation")}

    assert await refusal_codes(api, "activate", arguments) == [("REQUIRED", ["password"])]
    selection = "accessToken viewer { user { name email } currentAccount { id status viewerGrant { role } } }"
    payload = await api.do("activate", {**arguments, "password": PASSWORD}, selection)

    assert codes(payload) == []
    assert payload["viewer"] == {
        "user": {"name": "Kim Kunde", "email": EMAIL},
        "currentAccount": {"id": client, "status": "ACTIVE", "viewerGrant": {"role": "OWNER"}},
    }
    sign_in_payload = await api.do("signIn", {"email": EMAIL, "password": PASSWORD}, "viewer { user { id } }")
    assert codes(sign_in_payload) == []
    assert await User.filter(email=EMAIL).count() == 1
    assert await Grant.filter(account_id=account_key(client), role="OWNER").count() == 1
    assert (await account_status(api, biuro, client))["viewerGrant"] == {"role": "COLLABORATOR"}
    assert await refusal_codes(api, "activate", {**arguments, "password": PASSWORD}) == [("ALREADY_ACTIVE", ["token"])]
    account_input = {"name": "Kunde To AS", "organizationNumber": "974760673", "country": "NO"}
    assert codes(await api.do("createAccount", account_input, by=payload["accessToken"])) == []


async def test_client_with_a_login_has_to_sign_in_to_take_over(api: Api) -> None:
    biuro = await register_bureau(api)
    kim = await api.person(EMAIL)
    client = await open_client_account(api, biuro)
    other_user = await api.person("other@example.com")
    arguments = {"token": await api.link(EMAIL, "activation")}
    assert not await can_enter(api, kim, client)

    for by in (None, other_user):
        assert await refusal_codes(api, "activate", {**arguments, "password": PASSWORD}, by=by) == [
            ("SIGN_IN_REQUIRED", None)
        ]
    payload = await api.do("activate", arguments, "viewer { user { id } currentAccount { id } }", by=kim)

    assert codes(payload) == []
    assert payload["viewer"] == {"user": {"id": kim.user_id}, "currentAccount": {"id": client}}
    assert await account_status(api, kim, client) == {"status": "ACTIVE", "viewerGrant": {"role": "OWNER"}}
    assert codes(await api.do("signIn", {"email": EMAIL, "password": PASSWORD})) == []
    assert await refusal_codes(api, "activate", arguments, by=kim) == [("ALREADY_ACTIVE", ["token"])]


async def test_take_over_with_a_second_factor_needs_a_signed_in_session(api: Api) -> None:
    biuro = await register_bureau(api)
    kim = await api.person(EMAIL)
    await enable_second_factor(api, kim)
    client = await open_client_account(api, biuro)
    arguments = {"token": await api.link(EMAIL, "activation")}

    assert await refusal_codes(api, "activate", {**arguments, "password": PASSWORD}) == [("SIGN_IN_REQUIRED", None)]
    payload = await api.do("activate", arguments, "accessToken", by=kim)

    assert codes(payload) == []
    assert await account_status(api, payload["accessToken"], client) == {
        "status": "ACTIVE",
        "viewerGrant": {"role": "OWNER"},
    }


async def test_take_over_overwrites_a_login_that_was_never_activated(api: Api) -> None:
    biuro = await register_bureau(api)
    arguments = {"name": "Eve Else", "email": EMAIL, "password": "another password entirely"}
    await api.do("register", arguments)
    client = await open_client_account(api, biuro)

    payload = await api.do(
        "activate",
        {"token": await api.link(EMAIL, "activation"), "password": PASSWORD},
        "accessToken viewer { user { name } accounts { nodes { name status } } }",
    )

    assert payload["viewer"]["user"]["name"] == "Kim Kunde"
    nodes = {node["name"]: node["status"] for node in payload["viewer"]["accounts"]["nodes"]}
    assert nodes == {"Kunde AS": "ACTIVE", "Eve Else": "ACTIVE"}
    assert (await account_status(api, payload["accessToken"], client))["viewerGrant"] == {"role": "OWNER"}
    former_credentials = {"email": EMAIL, "password": "another password entirely"}
    assert codes(await api.do("signIn", former_credentials)) == [("INVALID_CREDENTIALS", None)]


async def test_former_grants_of_the_new_owner_are_revoked(api: Api) -> None:
    biuro = await register_bureau(api)
    client = await open_client_account(api, biuro, ownerEmail=biuro.email)

    payload = await api.do(
        "activate",
        {"token": await api.link(biuro.email, "activation")},
        "viewer { currentAccount { id viewerGrant { role } } }",
        by=biuro,
    )

    assert payload["viewer"]["currentAccount"] == {"id": client, "viewerGrant": {"role": "OWNER"}}
    rows = await Grant.filter(account_id=account_key(client)).order_by("id")
    assert [(row.role, row.status) for row in rows] == [("OWNER", "ACTIVE"), ("COLLABORATOR", "REVOKED")]
    (node,) = await list_engagements(api, biuro)
    await api.do("endEngagement", {"engagementId": node["id"]}, by=biuro)
    assert await can_enter(api, biuro, client)


async def test_placeholder_cannot_sign_in_or_get_other_links(api: Api) -> None:
    biuro = await register_bureau(api)
    await open_client_account(api, biuro)
    placeholder = await User.get(email=EMAIL)
    before = len(await mails(EMAIL, "client-activation"))

    for address in (EMAIL, placeholder.email_key, placeholder.email_key.lower()):
        arguments = {"email": address, "password": PASSWORD}
        assert codes(await api.do("signIn", arguments)) == [("INVALID_CREDENTIALS", None)]
        await api.do("requestPasswordReset", {"email": address})
        await api.do("resendActivation", {"email": address})

    assert await mails(EMAIL, "password-reset") == await mails(EMAIL, "activation") == []
    assert len(await mails(EMAIL, "client-activation")) == before
    assert codes(await api.do("register", {"name": "Kim", "email": EMAIL, "password": PASSWORD})) == []
    assert len(await mails(EMAIL, "activation")) == 1


async def test_erasure_also_erases_placeholders_with_the_same_address(api: Api) -> None:
    biuro, kim = await register_bureau(api), await api.person(EMAIL, "Kim Kunde")
    account_id = await open_client_account(api, biuro)
    token = await api.link(EMAIL, "activation")

    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=kim)) == []

    rows = await db.fetch("SELECT id FROM users WHERE email = $1 OR name = 'Kim Kunde'", EMAIL, row=db.Row)
    assert rows == []
    payload = await api.do("activate", {"token": token, "password": PASSWORD})
    assert codes(payload) == [("TOKEN_INVALID", ["token"])]
    resend_arguments = {"bureauAccountId": biuro.account_id, "clientAccountId": account_id}
    assert await refusal_codes(api, "resendClientActivation", resend_arguments, by=biuro) == [
        ("INVALID_STATE", ["clientAccountId"])
    ]
    assert (await account_status(api, biuro, account_id))["viewerGrant"] == {"role": "COLLABORATOR"}
