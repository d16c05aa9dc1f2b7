"""Invitations: issue, change, resend, revoke."""

import unicodedata
from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.sharing.invitation import LIFETIME
from tests.api import UNKNOWN_ID, Api, codes
from tests.models.refusals import refusal_codes, rejection, subjects
from tests.models.sharing.invitations import (
    GUEST,
    INVALID_LINK,
    NEW_LOGIN,
    NOT_PENDING,
    ROLE_TOO_HIGH,
    accept,
    invitation_input,
    invite,
    load_preview,
    load_statuses,
)

# ---- Issue -----------------------------------------------------------------------------------


async def test_invitation_gives_no_access_until_accepted(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)

    await invite(api, anna)

    assert (await api.ask("{ viewer { accounts { totalCount } } }", by=bo)).data["viewer"]["accounts"] == {
        "totalCount": 1
    }
    assert await subjects(GUEST, "invitation") == ["anna@example.com invites you to “Anna Nowak”"]
    await accept(api, await api.link(GUEST, "invitation"), bo)
    assert (await api.ask("{ viewer { accounts { totalCount } } }", by=bo)).data["viewer"]["accounts"] == {
        "totalCount": 2
    }


async def test_new_guest_has_the_offered_role(api: Api) -> None:
    owner = await api.person("anna@example.com")

    guest, _ = await api.guest(owner, GUEST, "ACCOUNTANT")

    response = await api.ask("{ viewer { currentAccount { name settings { locks } } } }", by=guest)
    assert response.partial["viewer"]["currentAccount"] == {"name": "Anna Nowak", "settings": None}
    assert response.codes == ["FORBIDDEN"]


@pytest.mark.parametrize("role", ["COLLABORATOR", "ACCOUNTANT", "SIMPLE_USER"])
async def test_inviting_needs_users_write(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, GUEST, role)

    response = await rejection(api, "inviteUser", invitation_input(anna, email="cy@example.com"), by=guest)

    assert response.codes == ["FORBIDDEN"]
    assert response.errors[0]["extensions"]["permission"] == "USERS_WRITE"
    assert response.errors[0]["extensions"]["grantableBy"] == ["OWNER", "ADMINISTRATOR"]


async def test_inaccessible_account_is_not_found(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")

    outcomes = [
        await refusal_codes(api, "inviteUser", invitation_input(anna) | {"accountId": account_id}, by=eve)
        for account_id in (anna.account_id, UNKNOWN_ID, anna.user_id, "", "%")
    ]

    assert outcomes == [[("NOT_FOUND", ["accountId"])]] * 5


async def test_only_the_owner_invites_administrators(api: Api) -> None:
    anna = await api.person("anna@example.com")
    admin, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")

    assert await refusal_codes(api, "inviteUser", invitation_input(anna, "ADMINISTRATOR"), by=admin) == ROLE_TOO_HIGH
    await invite(api, admin, "COLLABORATOR")


async def test_owner_role_cannot_be_offered(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refusal_codes(api, "inviteUser", invitation_input(anna, "OWNER"), by=anna) == ROLE_TOO_HIGH


async def test_consultant_offers_only_held_permissions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    held_permissions = ["USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"]
    consultant, _ = await api.guest(anna, "kim@example.com", "CONSULTANT", permissions=held_permissions)

    for role, permissions in (
        ("CONSULTANT", ["DOCUMENTS_READ", "DOCUMENTS_WRITE"]),
        ("SIMPLE_USER", None),
        ("ACCOUNTANT", None),
        ("COLLABORATOR", None),
        ("ADMINISTRATOR", None),
    ):
        arguments = invitation_input(anna, role, permissions=permissions)
        assert await refusal_codes(api, "inviteUser", arguments, by=consultant) == ROLE_TOO_HIGH
    await invite(api, consultant, "CONSULTANT", permissions=["DOCUMENTS_READ", "USERS_WRITE", "USERS_READ"])


@pytest.mark.parametrize(
    ("role", "permissions"),
    [
        ("ACCOUNTANT", ["DOCUMENTS_READ"]),
        ("COLLABORATOR", []),
        ("SIMPLE_USER", ["SETTINGS_READ"]),
        ("CONSULTANT", ["OWNERSHIP"]),
        ("CONSULTANT", ["SUBSCRIPTION_WRITE"]),
    ],
)
async def test_allowlist_outside_of_the_role_is_refused(api: Api, role: str, permissions: list[str]) -> None:
    anna = await api.person("anna@example.com")

    assert await refusal_codes(api, "inviteUser", invitation_input(anna, role, permissions=permissions), by=anna) == [
        ("INVALID", ["permissions"])
    ]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"email": "nobody"}, ("INVALID", ["email"])),
        ({"email": "a@b@example.com"}, ("INVALID", ["email"])),
        ({"email": "bo@example.com\r\nBcc: eve@example.com"}, ("INVALID", ["email"])),
        ({"message": "x" * 2001}, ("TOO_LONG", ["message"])),
        ({"message": "read \u202ethis"}, ("INVALID", ["message"])),
        ({"locale": "tlh"}, ("INVALID", ["locale"])),
        ({"grantValidUntil": "2001-01-01T00:00:00Z"}, ("OUT_OF_RANGE", ["grantValidUntil"])),
        ({"grantValidUntil": "2099-01-01T00:00:00Z"}, ("OUT_OF_RANGE", ["grantValidUntil"])),
    ],
)
async def test_invalid_input_is_refused(api: Api, fields: dict[str, Any], error: Any) -> None:
    anna = await api.person("anna@example.com")

    assert await refusal_codes(api, "inviteUser", invitation_input(anna) | fields, by=anna) == [error]


@pytest.mark.parametrize("repeated_email", ["bo@example.com", "BO@example.com", " Bo@Example.com "])
async def test_address_with_a_pending_invitation_is_refused(api: Api, repeated_email: str) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)

    assert await refusal_codes(api, "inviteUser", invitation_input(anna, email=repeated_email), by=anna) == [
        ("ALREADY_INVITED", ["email"])
    ]


async def test_pending_address_matches_in_every_unicode_form(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna, email="zoë@example.com")
    decomposed_email = unicodedata.normalize("NFD", "ZOË@example.com")

    assert await refusal_codes(api, "inviteUser", invitation_input(anna, email=decomposed_email), by=anna) == [
        ("ALREADY_INVITED", ["email"])
    ]


async def test_member_cannot_be_invited(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.guest(anna, GUEST, "ACCOUNTANT")

    for email in (GUEST, "BO@example.com", anna.email):
        assert await refusal_codes(api, "inviteUser", invitation_input(anna, email=email), by=anna) == [
            ("ALREADY_MEMBER", ["email"])
        ]


async def test_invitation_works_after_the_subscription_expired(api: Api) -> None:
    anna = await api.person("anna@example.com")
    api.clock.forward(days=20)
    await api.ask("{ __typename }", by=anna)
    api.clock.forward(days=10, seconds=-1)
    anna = await api.sign_in(anna)
    api.clock.forward(days=1)

    await invite(api, anna)
    assert (await accept(api, await api.link(GUEST, "invitation")))["errors"] == []


# ---- Change, resend and revoke ---------------------------------------------------------------


async def test_pending_offer_can_be_changed(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invitation_id = await invite(api, anna, "COLLABORATOR")

    payload = await api.do(
        "updateInvitation",
        {"invitationId": invitation_id, "role": "SIMPLE_USER", "permissions": ["CONTACTS_READ"]},
        "invitation { role permissions }",
        by=anna,
    )

    assert payload["invitation"] == {"role": "SIMPLE_USER", "permissions": ["ACCOUNT_READ", "CONTACTS_READ"]}
    acceptance = await api.do(
        "acceptInvitation",
        {"token": await api.link(GUEST, "invitation"), **NEW_LOGIN},
        "grant { role permissions }",
    )
    assert acceptance["grant"] == {"role": "SIMPLE_USER", "permissions": ["ACCOUNT_READ", "CONTACTS_READ"]}


async def test_end_of_the_offered_access_can_be_cleared(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invitation_id = await invite(api, anna, grantValidUntil=(api.clock.now + timedelta(days=9)).isoformat())

    payload = await api.do(
        "updateInvitation",
        {"invitationId": invitation_id, "removeEnd": True},
        "invitation { grantValidUntil }",
        by=anna,
    )

    assert payload["invitation"] == {"grantValidUntil": None}


async def test_change_beyond_the_callers_rights_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    admin, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    low, high = await invite(api, anna), await invite(api, anna, "ADMINISTRATOR", "cy@example.com")
    until = (api.clock.now + timedelta(days=9)).isoformat()

    assert (
        await refusal_codes(api, "updateInvitation", {"invitationId": low, "role": "ADMINISTRATOR"}, by=admin)
        == ROLE_TOO_HIGH
    )
    assert (
        await refusal_codes(api, "updateInvitation", {"invitationId": low, "role": "OWNER"}, by=anna) == ROLE_TOO_HIGH
    )
    beyond_reach = [("ROLE_TOO_HIGH", ["invitationId"])]
    for change in ({"grantValidUntil": until}, {"role": "ACCOUNTANT"}):
        refused_codes = await refusal_codes(api, "updateInvitation", {"invitationId": high, **change}, by=admin)
        assert refused_codes == beyond_reach
    assert await refusal_codes(api, "revokeInvitation", {"invitationId": high}, by=admin) == beyond_reach
    assert await refusal_codes(api, "resendInvitation", {"invitationId": high}, by=admin) == ROLE_TOO_HIGH


@pytest.mark.parametrize("mutation", ["updateInvitation", "revokeInvitation", "resendInvitation"])
async def test_accepted_invitation_cannot_be_changed(api: Api, mutation: str) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    invitation_id = await invite(api, anna)
    await accept(api, await api.link(GUEST, "invitation"), bo)

    assert await refusal_codes(api, mutation, {"invitationId": invitation_id}, by=anna) == NOT_PENDING


async def test_revoked_link_stops_working(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invitation_id = await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    payload = await api.do("revokeInvitation", {"invitationId": invitation_id}, "invitation { status }", by=anna)

    assert payload["invitation"] == {"status": "REVOKED"}
    assert await refusal_codes(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == INVALID_LINK
    assert await load_preview(api, token) is None
    await invite(api, anna)


async def test_resent_invitation_has_a_new_link_and_expiry(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invitation_id = await invite(api, anna)
    old = await api.link(GUEST, "invitation")
    api.clock.now += LIFETIME + timedelta(hours=1)

    payload = await api.do(
        "resendInvitation", {"invitationId": invitation_id}, "invitation { id status expiresAt }", by=anna
    )

    ends = (api.clock.now + LIFETIME).isoformat().replace("+00:00", "Z")
    assert payload["invitation"] == {"id": invitation_id, "status": "PENDING", "expiresAt": ends}
    assert await refusal_codes(api, "acceptInvitation", {"token": old, **NEW_LOGIN}) == INVALID_LINK
    assert codes(await accept(api, await api.link(GUEST, "invitation"))) == []


async def test_expired_invitation_cannot_be_resent_beside_a_new_one(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invitation_id = await invite(api, anna)
    api.clock.now += LIFETIME
    await invite(api, anna, "COLLABORATOR")

    assert await refusal_codes(api, "resendInvitation", {"invitationId": invitation_id}, by=anna) == [
        ("ALREADY_INVITED", ["invitationId"])
    ]
    assert await load_statuses() == ["EXPIRED", "PENDING"]


async def test_resending_to_a_member_is_refused(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    invitation_id = await invite(api, anna)
    await invite(api, anna, email="bo.berg@example.com", allowOtherLogin=True)
    await accept(api, await api.link("bo.berg@example.com", "invitation"), bo)

    assert await refusal_codes(api, "resendInvitation", {"invitationId": invitation_id}, by=anna) == [
        ("ALREADY_MEMBER", ["invitationId"])
    ]


@pytest.mark.parametrize("change", [{"removeEnd": True}, {"role": "COLLABORATOR", "removeEnd": True}])
async def test_expired_offer_of_access_that_has_ended_is_changed_and_resent(api: Api, change: dict[str, Any]) -> None:
    """The refusal to resend it says "Change its end first". So that works."""
    anna = await api.person("anna@example.com")
    invitation_id = await invite(api, anna, grantValidUntil=(api.clock.now + timedelta(days=5)).isoformat())
    api.clock.now += LIFETIME
    target = {"invitationId": invitation_id}
    assert await refusal_codes(api, "resendInvitation", target, by=anna) == [("INVALID_STATE", ["invitationId"])]

    payload = await api.do("updateInvitation", {**target, **change}, "invitation { status grantValidUntil }", by=anna)

    assert payload == {"invitation": {"status": "EXPIRED", "grantValidUntil": None}, "errors": []}
    acceptance_input = {"token": await api.link(GUEST, "invitation"), **NEW_LOGIN}
    assert await refusal_codes(api, "acceptInvitation", acceptance_input) == [("TOKEN_EXPIRED", ["token"])]
    assert codes(await api.do("resendInvitation", target, by=anna)) == []
    acceptance = await accept(api, await api.link(GUEST, "invitation"))
    assert acceptance["grant"]["role"] == change.get("role", "ACCOUNTANT")


async def test_expired_offer_needs_a_seat_when_it_is_resent(api: Api) -> None:
    anna = await api.person("anna@example.com")
    invitation_id = await invite(api, anna)
    api.clock.now += LIFETIME
    await db.execute("UPDATE accounts SET purchased_seats = 0")
    change = {"invitationId": invitation_id, "role": "COLLABORATOR"}

    assert codes(await api.do("updateInvitation", change, by=anna)) == []
    assert await refusal_codes(api, "resendInvitation", {"invitationId": invitation_id}, by=anna) == [
        ("SEATS_EXHAUSTED", ["invitationId"])
    ]
