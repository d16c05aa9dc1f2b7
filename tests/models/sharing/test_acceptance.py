"""Preview, acceptance and decline of invitations."""

from datetime import timedelta
from typing import Any

import pytest

from auth import tokens
from models.sharing.invitation import LIFETIME
from tests.api import PASSWORD, UNKNOWN_ID, Api, Person, codes
from tests.models.refusals import events, mails, refusal_codes, subjects
from tests.models.sharing.invitations import (
    GUEST,
    INVALID_LINK,
    NEW_LOGIN,
    NOT_PENDING,
    accept,
    invite,
    load_invitations,
    load_preview,
    load_statuses,
)

# ---- Acceptance by link ----------------------------------------------------------------------


async def test_new_login_needs_no_activation_mail(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna, "COLLABORATOR")

    payload = await accept(api, await api.link(GUEST, "invitation"))

    assert payload["grant"]["role"] == "COLLABORATOR"
    response = await api.ask(
        "{ viewer { user { email isActivated } currentAccount { id } accounts { totalCount } } }",
        by=payload["accessToken"],
    )
    assert response.data["viewer"] == {
        "user": {"email": GUEST, "isActivated": True},
        "currentAccount": {"id": anna.account_id},
        "accounts": {"totalCount": 1},
    }
    assert await mails(GUEST, "activation") == []


async def test_acceptance_can_open_an_owned_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)

    payload = await accept(api, await api.link(GUEST, "invitation"), ownAccountName="Berg Bygg")

    response = await api.ask(
        "{ viewer { accounts(orderBy: NAME) { nodes { name status viewerGrant { role } } } } }",
        by=payload["accessToken"],
    )
    assert response.data["viewer"]["accounts"]["nodes"] == [
        {"name": "Anna Nowak", "status": "ACTIVE", "viewerGrant": {"role": "ACCOUNTANT"}},
        {"name": "Berg Bygg", "status": "ACTIVE", "viewerGrant": {"role": "OWNER"}},
    ]


async def test_empty_account_name_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    arguments = {"token": await api.link(GUEST, "invitation"), **NEW_LOGIN, "ownAccountName": " "}

    assert await refusal_codes(api, "acceptInvitation", arguments) == [("REQUIRED", ["ownAccountName"])]


async def test_signed_in_invitee_keeps_the_session(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)

    payload = await accept(api, await api.link(GUEST, "invitation"), bo)

    assert (payload["accessToken"], payload["account"]) == (None, {"id": anna.account_id})
    assert (await api.ask("{ viewer { accounts { totalCount } } }", by=bo)).data["viewer"]["accounts"][
        "totalCount"
    ] == 2


async def test_acceptance_overwrites_a_login_that_was_never_activated(api: Api) -> None:
    """A person who registered the address without proving it must not sign in with the password they chose."""
    anna = await api.person("anna@example.com")
    await api.do("register", {"name": "Eve", "email": GUEST, "password": "the password of eve"})
    former_token = await api.link(GUEST, "activation")
    await invite(api, anna)

    payload = await accept(api, await api.link(GUEST, "invitation"))

    assert await refusal_codes(api, "signIn", {"email": GUEST, "password": "the password of eve"}) == [
        ("INVALID_CREDENTIALS", None)
    ]
    assert await refusal_codes(api, "activate", {"token": former_token}) == INVALID_LINK
    response = await api.ask("{ viewer { user { name } accounts { nodes { status } } } }", by=payload["accessToken"])
    assert response.data["viewer"] == {
        "user": {"name": "Bo Berg"},
        "accounts": {"nodes": [{"status": "ACTIVE"}, {"status": "ACTIVE"}]},
    }


async def test_address_with_a_login_has_to_sign_in(api: Api) -> None:
    anna, _ = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    error_codes = [("SIGN_IN_REQUIRED", None)]
    assert await refusal_codes(api, "acceptInvitation", {"token": token}) == error_codes
    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == error_codes
    assert await load_statuses() == ["PENDING"]


async def test_address_without_a_login_needs_name_and_password(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    assert await refusal_codes(api, "acceptInvitation", {"token": token}) == [("SIGN_IN_REQUIRED", None)]
    assert await refusal_codes(api, "acceptInvitation", {"token": token, "password": PASSWORD}) == [
        ("REQUIRED", ["name"])
    ]
    assert await refusal_codes(api, "acceptInvitation", {"token": token, "name": "Bo"}) == [("TOO_SHORT", ["password"])]
    assert await refusal_codes(
        api, "acceptInvitation", {"token": token, "name": "Bo Berg", "password": "bergen bergen"}
    ) == [("TOO_WEAK", ["password"])]


async def test_login_of_another_address_is_refused(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    assert await refusal_codes(api, "acceptInvitation", {"token": token}, by=eve) == [("EMAIL_MISMATCH", None)]
    assert codes(await accept(api, token)) == []


async def test_login_of_another_address_is_accepted_if_the_inviter_allows_it(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    await invite(api, anna, allowOtherLogin=True)

    payload = await accept(api, await api.link(GUEST, "invitation"), eve)

    assert payload["errors"] == []
    (mail,) = await mails(anna.email, "invitation-accepted")
    assert await subjects(anna.email, "invitation-accepted") == ["eve@example.com now has access to Anna Nowak"]
    assert '"invited_email": "bo@example.com"' in mail.params


async def test_link_works_once(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")
    await accept(api, token, bo)

    assert await refusal_codes(api, "acceptInvitation", {"token": token}, by=anna) == INVALID_LINK
    assert await refusal_codes(api, "declineInvitation", {"token": token}) == INVALID_LINK
    assert await load_preview(api, token) is None


@pytest.mark.parametrize("token", ["", "x", "A" * 43, pytest.param(tokens.random_token(), id="random"), "ż"])
async def test_unknown_token_is_refused(api: Api, token: str) -> None:
    await invite(api, await api.person("anna@example.com"))

    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == INVALID_LINK
    assert await refusal_codes(api, "declineInvitation", {"token": token}) == INVALID_LINK
    assert await load_preview(api, token) is None


async def test_acceptance_by_a_member_is_refused(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)
    other_id = await invite(api, anna, "COLLABORATOR", "bo.berg@example.com", allowOtherLogin=True)
    await accept(api, await api.link(GUEST, "invitation"), bo)
    token = await api.link("bo.berg@example.com", "invitation")

    assert await refusal_codes(api, "acceptInvitation", {"token": token}, by=bo) == [("ALREADY_MEMBER", None)]
    assert (await load_preview(api, token))["status"] == "PENDING"
    assert codes(await api.do("revokeInvitation", {"invitationId": other_id}, by=anna)) == []


async def test_acceptance_at_the_expiry_is_too_late(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")
    api.clock.now += LIFETIME

    too_late = [("TOKEN_EXPIRED", ["token"])]
    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == too_late
    assert await refusal_codes(api, "declineInvitation", {"token": token}) == too_late
    assert (await load_preview(api, token))["status"] == "EXPIRED"
    assert await load_invitations(api, anna) == [{"email": GUEST, "status": "EXPIRED"}]


async def test_acceptance_a_second_before_the_expiry_works(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    api.clock.now += LIFETIME - timedelta(seconds=1)

    assert codes(await accept(api, await api.link(GUEST, "invitation"))) == []


async def test_offer_of_access_that_has_ended_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = (api.clock.now + timedelta(days=1)).isoformat()
    invitation_id = await invite(api, anna, grantValidUntil=until)
    token = await api.link(GUEST, "invitation")
    api.clock.forward(days=1)

    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == [("TOKEN_EXPIRED", None)]
    assert await refusal_codes(api, "resendInvitation", {"invitationId": invitation_id}, by=anna) == [
        ("INVALID_STATE", ["invitationId"])
    ]


async def test_acceptance_mails_inviter_and_guest(api: Api) -> None:
    anna = await api.person("anna@example.com")

    await api.guest(anna, GUEST, "ACCOUNTANT")

    assert await subjects(anna.email, "invitation-accepted") == ["bo@example.com now has access to Anna Nowak"]
    assert await subjects(GUEST, "invitation-joined") == ["You now have access to Anna Nowak"]


async def test_either_token_or_id_is_required(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    invitation_id = await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    for arguments in ({}, {"token": token, "invitationId": invitation_id}):
        assert await refusal_codes(api, "acceptInvitation", arguments, by=bo) == [("REQUIRED", ["token"])]
        assert await refusal_codes(api, "declineInvitation", arguments, by=bo) == [("REQUIRED", ["token"])]


# ---- Acceptance by id ------------------------------------------------------------------------


async def load_pending(api: Api, by: Person) -> list[Any]:
    response = await api.ask("{ viewer { invitations { nodes { id accountName role status } } } }", by=by)
    nodes: list[Any] = response.data["viewer"]["invitations"]["nodes"]
    return nodes


async def test_invitee_lists_and_accepts_pending_invitations(api: Api) -> None:
    anna, bo, eve = [await api.person(f"{name}@example.com") for name in ("anna", "bo", "eve")]
    invitation_id = await invite(api, anna)
    item = {"id": invitation_id, "accountName": "Anna Nowak", "role": "ACCOUNTANT", "status": "PENDING"}

    assert (await load_pending(api, bo), await load_pending(api, eve)) == ([item], [])
    payload = await api.do("acceptInvitation", {"invitationId": invitation_id}, "grant { role }", by=bo)

    assert payload == {"grant": {"role": "ACCOUNTANT"}, "errors": []}
    assert await load_pending(api, bo) == []
    assert await refusal_codes(api, "acceptInvitation", {"invitationId": invitation_id}, by=bo) == [
        ("ALREADY_MEMBER", None)
    ]


async def test_invitation_of_another_address_is_not_found(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    invitation_id = await invite(api, anna, allowOtherLogin=True)

    for mutation in ("acceptInvitation", "declineInvitation", "resendInvitation", "revokeInvitation"):
        for id_argument in (invitation_id, UNKNOWN_ID, anna.account_id, "x"):
            error_codes = await refusal_codes(api, mutation, {"invitationId": id_argument}, by=eve)
            assert error_codes == [("NOT_FOUND", ["invitationId"])]
    assert await refusal_codes(
        api, "updateInvitation", {"invitationId": invitation_id, "role": "SIMPLE_USER"}, by=eve
    ) == [("NOT_FOUND", ["invitationId"])]


async def test_new_login_needs_the_token(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    invitation_id = await invite(api, anna)

    assert await refusal_codes(api, "acceptInvitation", {"invitationId": invitation_id, **NEW_LOGIN}, by=bo) == [
        ("REQUIRED", ["token"])
    ]


# ---- Preview and decline ---------------------------------------------------------------------


async def test_preview_shows_the_inviter_and_masks_the_address(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Nowak Meble")
    await invite(api, anna)
    expires_at = (api.clock.now + LIFETIME).isoformat().replace("+00:00", "Z")
    token = await api.link(GUEST, "invitation")

    preview = await load_preview(api, token)

    assert preview == {
        "status": "PENDING",
        "accountName": "Nowak Meble",
        "invitedByName": "Anna Nowak",
        "email": "b***@example.com",
        "role": "ACCOUNTANT",
        "expiresAt": expires_at,
        "hasLogin": False,
    }
    assert await load_statuses() == ["PENDING"]


async def test_preview_reports_only_active_logins(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")
    await api.do("register", {"name": "Bo", "email": GUEST, "password": PASSWORD})
    assert (await load_preview(api, token))["hasLogin"] is False

    await api.do("activate", {"token": await api.link(GUEST, "activation"), "password": PASSWORD})

    assert (await load_preview(api, token))["hasLogin"] is True


async def test_decline_needs_only_the_token_and_mails_the_inviter(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    payload = await api.do("declineInvitation", {"token": token}, "invitation { id }")

    assert payload == {"invitation": None, "errors": []}
    assert await load_invitations(api, anna) == [{"email": GUEST, "status": "DECLINED"}]
    assert await subjects(anna.email, "invitation-declined") == [
        "bo@example.com declined your invitation to Anna Nowak"
    ]
    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == INVALID_LINK
    (event,) = await events("account:invitation:decline")
    assert event.actor_id is None


async def test_declined_address_can_be_invited_again(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    invitation_id = await invite(api, anna)
    await api.do("declineInvitation", {"invitationId": invitation_id}, by=bo)

    await invite(api, anna)

    assert sorted(await load_statuses()) == ["DECLINED", "PENDING"]
    assert await refusal_codes(api, "resendInvitation", {"invitationId": invitation_id}, by=anna) == NOT_PENDING
