"""Invitations, from the mail to the grant."""

import unicodedata
from datetime import timedelta
from typing import Any

import pytest

from auth import tokens
from database import db
from models.sharing.invitation import LASTS, Invitation
from tests.api import NOWHERE, PASSWORD, Api, Person, codes
from tests.models.refusals import events, mails, refused, rejected

GUEST = "bo@example.com"
NEW_LOGIN = {"name": "Bo Berg", "password": PASSWORD}
DEAD = [("TOKEN_INVALID", ["token"])]
NOT_PENDING = [("INVITATION_NOT_PENDING", ["invitationId"])]
TOO_HIGH = [("ROLE_TOO_HIGH", ["role"])]
NO_LONGER = [("ROLE_TOO_HIGH", None)]


def offer(owner: Person, role: str = "ACCOUNTANT", email: str = GUEST, **more: object) -> dict[str, object]:
    return {"accountId": owner.account_id, "email": email, "role": role, **more}


async def invite(api: Api, by: Person, role: str = "ACCOUNTANT", email: str = GUEST, **more: object) -> str:
    """The new invitation's id."""
    done = await api.do("inviteUser", offer(by, role, email, **more), "invitation { id }", by=by)
    assert done["errors"] == []
    key: str = done["invitation"]["id"]
    return key


async def accept(api: Api, token: str, by: Person | None = None, **more: object) -> dict[str, Any]:
    given = {"token": token, **({} if by else NEW_LOGIN), **more}
    return await api.do("acceptInvitation", given, "accessToken grant { id role status } account { id }", by=by)


async def preview(api: Api, token: str) -> Any:
    asked = "query ($token: String!) { invitation(token: $token) "
    shown = "{ status accountName invitedByName email role expiresAt hasLogin } }"
    return (await api.ask(asked + shown, {"token": token})).data["invitation"]


async def listed(api: Api, by: Person) -> list[Any]:
    seen = await api.ask("{ viewer { currentAccount { invitations { nodes { email status } } } } }", by=by)
    found: list[Any] = seen.data["viewer"]["currentAccount"]["invitations"]["nodes"]
    return found


async def statuses() -> list[str]:
    return [str(row.status) for row in await Invitation.all().order_by("id")]


# ---- Offering --------------------------------------------------------------------------------


async def test_an_invitation_gives_nothing_until_it_is_accepted(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)

    await invite(api, anna)

    assert (await api.ask("{ viewer { accounts { totalCount } } }", by=bo)).data["viewer"]["accounts"] == {
        "totalCount": 1
    }
    (mail,) = await mails(GUEST, "invitation")
    assert mail.subject == "Anna Nowak invites you to Anna Nowak"
    await accept(api, await api.link(GUEST, "invitation"), bo)
    assert (await api.ask("{ viewer { accounts { totalCount } } }", by=bo)).data["viewer"]["accounts"] == {
        "totalCount": 2
    }


async def test_a_new_guest_accepts_and_sees_what_his_role_allows(api: Api) -> None:
    owner = await api.person("anna@example.com")

    guest, _ = await api.guest(owner, GUEST, "ACCOUNTANT")

    seen = await api.ask("{ viewer { currentAccount { name settings { locks } } } }", by=guest)
    assert seen.partial["viewer"]["currentAccount"] == {"name": "Anna Nowak", "settings": None}
    assert seen.codes == ["FORBIDDEN"]


@pytest.mark.parametrize("role", ["COLLABORATOR", "ACCOUNTANT", "SIMPLE_USER"])
async def test_who_may_not_write_users_does_not_invite(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com")
    guest, _ = await api.guest(anna, GUEST, role)

    answer = await rejected(api, "inviteUser", offer(anna, email="cy@example.com"), by=guest)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["extensions"]["permission"] == "USERS_WRITE"
    assert answer.errors[0]["extensions"]["grantableBy"] == ["OWNER", "ADMINISTRATOR"]


async def test_who_cannot_enter_an_account_finds_none_to_invite_to(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")

    answers = [
        await refused(api, "inviteUser", offer(anna) | {"accountId": key}, by=eve)
        for key in (anna.account_id, NOWHERE, anna.user_id, "", "%")
    ]

    assert answers == [[("NOT_FOUND", ["accountId"])]] * 5


async def test_only_the_owner_appoints_administrators(api: Api) -> None:
    anna = await api.person("anna@example.com")
    admin, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")

    assert await refused(api, "inviteUser", offer(anna, "ADMINISTRATOR"), by=admin) == TOO_HIGH
    await invite(api, admin, "COLLABORATOR")


async def test_nobody_invites_an_owner(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refused(api, "inviteUser", offer(anna, "OWNER"), by=anna) == TOO_HIGH


async def test_a_consultant_gives_only_what_he_holds(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given = ["USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"]
    consultant, _ = await api.guest(anna, "kim@example.com", "CONSULTANT", permissions=given)

    for role, permissions in (
        ("CONSULTANT", ["DOCUMENTS_READ", "DOCUMENTS_WRITE"]),
        ("SIMPLE_USER", None),
        ("ACCOUNTANT", None),
        ("COLLABORATOR", None),
        ("ADMINISTRATOR", None),
    ):
        wanted = offer(anna, role, permissions=permissions)
        assert await refused(api, "inviteUser", wanted, by=consultant) == TOO_HIGH
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
async def test_a_list_has_what_the_role_can_have(api: Api, role: str, permissions: list[str]) -> None:
    anna = await api.person("anna@example.com")

    assert await refused(api, "inviteUser", offer(anna, role, permissions=permissions), by=anna) == [
        ("INVALID", ["permissions"])
    ]


@pytest.mark.parametrize(
    ("given", "error"),
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
async def test_an_invitation_that_makes_no_sense(api: Api, given: dict[str, Any], error: Any) -> None:
    anna = await api.person("anna@example.com")

    assert await refused(api, "inviteUser", offer(anna) | given, by=anna) == [error]


@pytest.mark.parametrize("again", ["bo@example.com", "BO@example.com", " Bo@Example.com "])
async def test_a_pending_address_is_not_invited_twice(api: Api, again: str) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)

    assert await refused(api, "inviteUser", offer(anna, email=again), by=anna) == [("ALREADY_INVITED", ["email"])]


async def test_a_pending_address_is_one_in_every_unicode_form(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna, email="zoë@example.com")
    decomposed = unicodedata.normalize("NFD", "ZOË@example.com")

    assert await refused(api, "inviteUser", offer(anna, email=decomposed), by=anna) == [("ALREADY_INVITED", ["email"])]


async def test_a_holder_of_access_is_not_invited(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.guest(anna, GUEST, "ACCOUNTANT")

    for email in (GUEST, "BO@example.com", anna.email):
        assert await refused(api, "inviteUser", offer(anna, email=email), by=anna) == [("ALREADY_MEMBER", ["email"])]


async def test_an_invitation_is_issued_when_the_subscription_is_over(api: Api) -> None:
    anna = await api.person("anna@example.com")
    api.clock.forward(days=20)
    await api.ask("{ __typename }", by=anna)
    api.clock.forward(days=10, seconds=-1)
    anna = await signed_in(api, anna)
    api.clock.forward(days=1)

    await invite(api, anna)
    assert (await accept(api, await api.link(GUEST, "invitation")))["errors"] == []


async def signed_in(api: Api, person: Person) -> Person:
    done = await api.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
    return Person(person.email, done["accessToken"], person.user_id, person.account_id)


# ---- Accepting -------------------------------------------------------------------------------


async def test_a_new_login_needs_no_second_proof_of_its_address(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna, "COLLABORATOR")

    done = await accept(api, await api.link(GUEST, "invitation"))

    assert done["grant"]["role"] == "COLLABORATOR"
    seen = await api.ask(
        "{ viewer { user { email isActivated } currentAccount { id } accounts { totalCount } } }",
        by=done["accessToken"],
    )
    assert seen.data["viewer"] == {
        "user": {"email": GUEST, "isActivated": True},
        "currentAccount": {"id": anna.account_id},
        "accounts": {"totalCount": 1},
    }
    assert await mails(GUEST, "activation") == []


async def test_an_account_of_his_own_is_opened_with_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)

    done = await accept(api, await api.link(GUEST, "invitation"), ownAccountName="Berg Bygg")

    seen = await api.ask(
        "{ viewer { accounts(orderBy: NAME) { nodes { name status viewerGrant { role } } } } }", by=done["accessToken"]
    )
    assert seen.data["viewer"]["accounts"]["nodes"] == [
        {"name": "Anna Nowak", "status": "ACTIVE", "viewerGrant": {"role": "ACCOUNTANT"}},
        {"name": "Berg Bygg", "status": "ACTIVE", "viewerGrant": {"role": "OWNER"}},
    ]


async def test_an_account_with_an_empty_name_is_not_opened(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    given = {"token": await api.link(GUEST, "invitation"), **NEW_LOGIN, "ownAccountName": " "}

    assert await refused(api, "acceptInvitation", given) == [("REQUIRED", ["ownAccountName"])]


async def test_who_is_signed_in_keeps_his_session(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)

    done = await accept(api, await api.link(GUEST, "invitation"), bo)

    assert (done["accessToken"], done["account"]) == (None, {"id": anna.account_id})
    assert (await api.ask("{ viewer { accounts { totalCount } } }", by=bo)).data["viewer"]["accounts"][
        "totalCount"
    ] == 2


async def test_a_pending_login_is_taken_over_by_who_has_the_mail(api: Api) -> None:
    """Whoever registered the address without proving it must not get in with his password."""
    anna = await api.person("anna@example.com")
    await api.do("register", {"name": "Eve", "email": GUEST, "password": "the password of eve"})
    stale = await api.link(GUEST, "activation")
    await invite(api, anna)

    done = await accept(api, await api.link(GUEST, "invitation"))

    assert await refused(api, "signIn", {"email": GUEST, "password": "the password of eve"}) == [
        ("INVALID_CREDENTIALS", None)
    ]
    assert await refused(api, "activate", {"token": stale}) == DEAD
    seen = await api.ask("{ viewer { user { name } accounts { nodes { status } } } }", by=done["accessToken"])
    assert seen.data["viewer"] == {
        "user": {"name": "Bo Berg"},
        "accounts": {"nodes": [{"status": "ACTIVE"}, {"status": "ACTIVE"}]},
    }


async def test_an_address_with_a_login_signs_in(api: Api) -> None:
    anna, _ = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    required = [("SIGN_IN_REQUIRED", None)]
    assert await refused(api, "acceptInvitation", {"token": token}) == required
    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == required
    assert await statuses() == ["PENDING"]


async def test_an_address_without_a_login_gives_name_and_password(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    assert await refused(api, "acceptInvitation", {"token": token}) == [("SIGN_IN_REQUIRED", None)]
    assert await refused(api, "acceptInvitation", {"token": token, "password": PASSWORD}) == [("REQUIRED", ["name"])]
    assert await refused(api, "acceptInvitation", {"token": token, "name": "Bo"}) == [("TOO_SHORT", ["password"])]
    assert await refused(api, "acceptInvitation", {"token": token, "name": "Bo Berg", "password": "bergen bergen"}) == [
        ("TOO_WEAK", ["password"])
    ]


async def test_another_login_is_refused_and_uses_nothing_up(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    assert await refused(api, "acceptInvitation", {"token": token}, by=eve) == [("EMAIL_MISMATCH", None)]
    assert codes(await accept(api, token)) == []


async def test_another_login_is_taken_where_the_inviter_allows_it_and_he_is_told_which(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    await invite(api, anna, allowOtherLogin=True)

    done = await accept(api, await api.link(GUEST, "invitation"), eve)

    assert done["errors"] == []
    (mail,) = await mails(anna.email, "invitation-accepted")
    assert mail.subject == "eve@example.com now has access to Anna Nowak"
    assert '"invited_email": "bo@example.com"' in mail.params


async def test_a_link_works_once(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")
    await accept(api, token, bo)

    assert await refused(api, "acceptInvitation", {"token": token}, by=bo) == DEAD
    assert await refused(api, "declineInvitation", {"token": token}) == DEAD
    assert await preview(api, token) is None


@pytest.mark.parametrize("token", ["", "x", "A" * 43, tokens.random_token(), "ż"])
async def test_a_made_up_link_is_dead(api: Api, token: str) -> None:
    await invite(api, await api.person("anna@example.com"))

    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == DEAD
    assert await refused(api, "declineInvitation", {"token": token}) == DEAD
    assert await preview(api, token) is None


async def test_accepting_what_one_has_uses_nothing_up(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    await invite(api, anna)
    other = await invite(api, anna, "COLLABORATOR", "bo.berg@example.com", allowOtherLogin=True)
    await accept(api, await api.link(GUEST, "invitation"), bo)
    token = await api.link("bo.berg@example.com", "invitation")

    assert await refused(api, "acceptInvitation", {"token": token}, by=bo) == [("ALREADY_MEMBER", None)]
    assert (await preview(api, token))["status"] == "PENDING"
    assert codes(await api.do("revokeInvitation", {"invitationId": other}, by=anna)) == []


async def test_at_the_deadline_it_is_too_late(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")
    api.clock.now += LASTS

    too_late = [("TOKEN_EXPIRED", ["token"])]
    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == too_late
    assert await refused(api, "declineInvitation", {"token": token}) == too_late
    assert (await preview(api, token))["status"] == "EXPIRED"
    assert await listed(api, anna) == [{"email": GUEST, "status": "EXPIRED"}]


async def test_a_second_before_the_deadline_it_is_not(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    api.clock.now += LASTS - timedelta(seconds=1)

    assert codes(await accept(api, await api.link(GUEST, "invitation"))) == []


async def test_access_that_has_ended_before_it_began_is_not_given(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = (api.clock.now + timedelta(days=1)).isoformat()
    key = await invite(api, anna, grantValidUntil=until)
    token = await api.link(GUEST, "invitation")
    api.clock.forward(days=1)

    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == [("TOKEN_EXPIRED", None)]
    assert await refused(api, "resendInvitation", {"invitationId": key}, by=anna) == [
        ("INVALID_STATE", ["invitationId"])
    ]


async def test_inviter_and_guest_hear_of_it(api: Api) -> None:
    anna = await api.person("anna@example.com")

    await api.guest(anna, GUEST, "ACCOUNTANT")

    assert [mail.subject for mail in await mails(anna.email, "invitation-accepted")] == [
        "bo@example.com now has access to Anna Nowak"
    ]
    assert [mail.subject for mail in await mails(GUEST, "invitation-joined")] == ["You now have access to Anna Nowak"]


async def test_give_either_the_link_or_the_invitation(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    key = await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    for given in ({}, {"token": token, "invitationId": key}):
        assert await refused(api, "acceptInvitation", given, by=bo) == [("REQUIRED", ["token"])]
        assert await refused(api, "declineInvitation", given, by=bo) == [("REQUIRED", ["token"])]


# ---- Without the link ------------------------------------------------------------------------


async def pending(api: Api, by: Person) -> list[Any]:
    seen = await api.ask("{ viewer { invitations { nodes { id accountName role status } } } }", by=by)
    found: list[Any] = seen.data["viewer"]["invitations"]["nodes"]
    return found


async def test_pending_ones_are_found_at_sign_in_and_accepted_there(api: Api) -> None:
    anna, bo, eve = [await api.person(f"{name}@example.com") for name in ("anna", "bo", "eve")]
    key = await invite(api, anna)
    shown = {"id": key, "accountName": "Anna Nowak", "role": "ACCOUNTANT", "status": "PENDING"}

    assert (await pending(api, bo), await pending(api, eve)) == ([shown], [])
    done = await api.do("acceptInvitation", {"invitationId": key}, "grant { role }", by=bo)

    assert done == {"grant": {"role": "ACCOUNTANT"}, "errors": []}
    assert await pending(api, bo) == []
    assert await refused(api, "acceptInvitation", {"invitationId": key}, by=bo) == NOT_PENDING


async def test_an_invitation_of_somebody_else_does_not_exist(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    key = await invite(api, anna, allowOtherLogin=True)

    for mutation in ("acceptInvitation", "declineInvitation", "resendInvitation", "revokeInvitation"):
        for wanted in (key, NOWHERE, anna.account_id, "x"):
            found = await refused(api, mutation, {"invitationId": wanted}, by=eve)
            assert found == [("NOT_FOUND", ["invitationId"])]
    assert await refused(api, "updateInvitation", {"invitationId": key, "role": "SIMPLE_USER"}, by=eve) == [
        ("NOT_FOUND", ["invitationId"])
    ]


async def test_a_new_login_needs_the_link(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    key = await invite(api, anna)

    assert await refused(api, "acceptInvitation", {"invitationId": key, **NEW_LOGIN}, by=bo) == [
        ("REQUIRED", ["token"])
    ]


# ---- Preview and decline ---------------------------------------------------------------------


async def test_the_link_shows_who_invites_and_hides_the_address(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="Nowak Meble")
    await invite(api, anna)
    ends = (api.clock.now + LASTS).isoformat().replace("+00:00", "Z")
    token = await api.link(GUEST, "invitation")

    shown = await preview(api, token)

    assert shown == {
        "status": "PENDING",
        "accountName": "Nowak Meble",
        "invitedByName": "Anna Nowak",
        "email": "b***@example.com",
        "role": "ACCOUNTANT",
        "expiresAt": ends,
        "hasLogin": False,
    }
    assert await statuses() == ["PENDING"]


async def test_only_an_activated_login_counts_as_one(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")
    await api.do("register", {"name": "Bo", "email": GUEST, "password": PASSWORD})
    assert (await preview(api, token))["hasLogin"] is False

    await api.do("activate", {"token": await api.link(GUEST, "activation")})

    assert (await preview(api, token))["hasLogin"] is True


async def test_the_link_is_enough_to_decline_and_the_inviter_hears_of_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    done = await api.do("declineInvitation", {"token": token}, "invitation { id }")

    assert done == {"invitation": None, "errors": []}
    assert await listed(api, anna) == [{"email": GUEST, "status": "DECLINED"}]
    assert [mail.subject for mail in await mails(anna.email, "invitation-declined")] == [
        "bo@example.com declined your invitation to Anna Nowak"
    ]
    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == DEAD
    (event,) = await events("account:invitation:decline")
    assert event.actor_id is None


async def test_a_declined_address_can_be_invited_again(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    key = await invite(api, anna)
    await api.do("declineInvitation", {"invitationId": key}, by=bo)

    await invite(api, anna)

    assert sorted(await statuses()) == ["DECLINED", "PENDING"]
    assert await refused(api, "resendInvitation", {"invitationId": key}, by=anna) == NOT_PENDING


# ---- Changing what is pending ----------------------------------------------------------------


async def test_what_is_offered_can_change_while_it_is_pending(api: Api) -> None:
    anna = await api.person("anna@example.com")
    key = await invite(api, anna, "COLLABORATOR")

    done = await api.do(
        "updateInvitation",
        {"invitationId": key, "role": "SIMPLE_USER", "permissions": ["CONTACTS_READ"]},
        "invitation { role permissions }",
        by=anna,
    )

    assert done["invitation"] == {"role": "SIMPLE_USER", "permissions": ["ACCOUNT_READ", "CONTACTS_READ"]}
    accepted = await api.do(
        "acceptInvitation",
        {"token": await api.link(GUEST, "invitation"), **NEW_LOGIN},
        "grant { role permissions }",
    )
    assert accepted["grant"] == {"role": "SIMPLE_USER", "permissions": ["ACCOUNT_READ", "CONTACTS_READ"]}


async def test_an_end_is_set_and_cleared(api: Api) -> None:
    anna = await api.person("anna@example.com")
    key = await invite(api, anna, grantValidUntil=(api.clock.now + timedelta(days=9)).isoformat())

    done = await api.do(
        "updateInvitation", {"invitationId": key, "grantValidUntil": None}, "invitation { grantValidUntil }", by=anna
    )

    assert done["invitation"] == {"grantValidUntil": None}


async def test_nobody_changes_an_offer_into_more_than_he_can_give(api: Api) -> None:
    anna = await api.person("anna@example.com")
    admin, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    low, high = await invite(api, anna), await invite(api, anna, "ADMINISTRATOR", "cy@example.com")
    until = (api.clock.now + timedelta(days=9)).isoformat()

    assert await refused(api, "updateInvitation", {"invitationId": low, "role": "ADMINISTRATOR"}, by=admin) == TOO_HIGH
    assert await refused(api, "updateInvitation", {"invitationId": low, "role": "OWNER"}, by=anna) == TOO_HIGH
    assert (
        await refused(api, "updateInvitation", {"invitationId": high, "grantValidUntil": until}, by=admin) == TOO_HIGH
    )
    not_his = [("ROLE_TOO_HIGH", ["invitationId"])]
    assert await refused(api, "updateInvitation", {"invitationId": high, "role": "ACCOUNTANT"}, by=admin) == not_his
    assert await refused(api, "revokeInvitation", {"invitationId": high}, by=admin) == not_his
    assert await refused(api, "resendInvitation", {"invitationId": high}, by=admin) == TOO_HIGH


@pytest.mark.parametrize("mutation", ["updateInvitation", "revokeInvitation", "resendInvitation"])
async def test_what_is_no_longer_pending_stays(api: Api, mutation: str) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    key = await invite(api, anna)
    await accept(api, await api.link(GUEST, "invitation"), bo)

    assert await refused(api, mutation, {"invitationId": key}, by=anna) == NOT_PENDING


async def test_a_revoked_link_is_dead(api: Api) -> None:
    anna = await api.person("anna@example.com")
    key = await invite(api, anna)
    token = await api.link(GUEST, "invitation")

    done = await api.do("revokeInvitation", {"invitationId": key}, "invitation { status }", by=anna)

    assert done["invitation"] == {"status": "REVOKED"}
    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == DEAD
    assert await preview(api, token) is None
    await invite(api, anna)


async def test_a_resent_invitation_has_a_new_link_and_a_new_term(api: Api) -> None:
    anna = await api.person("anna@example.com")
    key = await invite(api, anna)
    old = await api.link(GUEST, "invitation")
    api.clock.now += LASTS + timedelta(hours=1)

    done = await api.do("resendInvitation", {"invitationId": key}, "invitation { id status expiresAt }", by=anna)

    ends = (api.clock.now + LASTS).isoformat().replace("+00:00", "Z")
    assert done["invitation"] == {"id": key, "status": "PENDING", "expiresAt": ends}
    assert await refused(api, "acceptInvitation", {"token": old, **NEW_LOGIN}) == DEAD
    assert codes(await accept(api, await api.link(GUEST, "invitation"))) == []


async def test_an_expired_one_makes_room_for_another_and_cannot_come_back_beside_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    key = await invite(api, anna)
    api.clock.now += LASTS
    await invite(api, anna, "COLLABORATOR")

    assert await refused(api, "resendInvitation", {"invitationId": key}, by=anna) == [
        ("ALREADY_INVITED", ["invitationId"])
    ]
    assert await statuses() == ["EXPIRED", "PENDING"]


async def test_resending_to_who_has_access_meanwhile_is_refused(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person(GUEST)
    key = await invite(api, anna)
    await invite(api, anna, email="bo.berg@example.com", allowOtherLogin=True)
    await accept(api, await api.link("bo.berg@example.com", "invitation"), bo)

    assert await refused(api, "resendInvitation", {"invitationId": key}, by=anna) == [
        ("ALREADY_MEMBER", ["invitationId"])
    ]


# ---- The inviter's right, as it is when the invitation is accepted ---------------------------


async def invited_by_admin(api: Api, role: str = "COLLABORATOR") -> tuple[Person, str, str]:
    """The owner, the id of the grant of the administrator who invited, and the link."""
    anna = await api.person("anna@example.com")
    admin, grant_id = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    await invite(api, admin, role)
    return anna, grant_id, await api.link(GUEST, "invitation")


async def test_an_offer_ends_with_the_access_of_who_made_it(api: Api) -> None:
    anna, grant_id, token = await invited_by_admin(api)

    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)

    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == NO_LONGER
    await api.do("restoreGrant", {"grantId": grant_id}, by=anna)
    assert codes(await accept(api, token)) == []


async def test_an_offer_ends_when_who_made_it_may_no_longer_invite(api: Api) -> None:
    anna, grant_id, token = await invited_by_admin(api, "ACCOUNTANT")

    await api.do("updateGrant", {"grantId": grant_id, "role": "COLLABORATOR"}, by=anna)

    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == NO_LONGER


async def test_an_offer_ends_when_it_is_above_what_its_maker_has_left(api: Api) -> None:
    anna, grant_id, token = await invited_by_admin(api)
    given = {"grantId": grant_id, "role": "CONSULTANT", "permissions": ["USERS_READ", "USERS_WRITE", "DOCUMENTS_READ"]}

    assert codes(await api.do("updateGrant", given, by=anna)) == []

    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == NO_LONGER


async def test_an_offer_ends_when_the_access_of_its_maker_runs_out(api: Api) -> None:
    anna, grant_id, token = await invited_by_admin(api)
    until = (api.clock.now + timedelta(days=1)).isoformat()
    await api.do("updateGrant", {"grantId": grant_id, "validUntil": until}, by=anna)
    api.clock.forward(days=1)

    assert await refused(api, "acceptInvitation", {"token": token, **NEW_LOGIN}) == NO_LONGER


async def test_who_resends_or_changes_it_vouches_from_then_on(api: Api) -> None:
    anna, grant_id, _ = await invited_by_admin(api)
    seen = await api.ask("{ viewer { currentAccount { invitations(first: 1) { nodes { id } } } } }", by=anna)
    key = seen.data["viewer"]["currentAccount"]["invitations"]["nodes"][0]["id"]
    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)

    await api.do("resendInvitation", {"invitationId": key}, by=anna)

    assert codes(await accept(api, await api.link(GUEST, "invitation"))) == []


async def test_a_row_that_was_accepted_names_its_grant(api: Api) -> None:
    await api.guest(await api.person("anna@example.com"), GUEST, "ACCOUNTANT")

    with pytest.raises(Exception, match="invitations_accepted_gave_a_grant"):
        await db.execute("UPDATE invitations SET grant_id = NULL")
