"""Grants: updating, revoking, restoring and resigning."""

import json
from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from tests.api import PASSWORD, UNKNOWN_ID, Api, Person, codes
from tests.models.refusals import events, refusal_codes, rejection

GUEST = "bo@example.com"
ROLE_TOO_HIGH = [("ROLE_TOO_HIGH", ["role"])]
MAY_NOT_MANAGE = [("ROLE_TOO_HIGH", ["grantId"])]
NOT_LIVE = [("INVALID_STATE", ["grantId"])]


async def load_grants(api: Api, by: Person) -> list[Any]:
    answer = await api.ask("{ viewer { currentAccount { grants { nodes { id role status user { id } } } } } }", by=by)
    nodes: list[Any] = answer.data["viewer"]["currentAccount"]["grants"]["nodes"]
    return nodes


async def load_owner_grant_id(api: Api, by: Person) -> str:
    key: str = (await load_grants(api, by))[0]["id"]
    return key


async def can_enter(api: Api, person: Person) -> bool:
    """True if the person can enter the account where they are a guest."""
    answer = await api.ask("query ($id: ID!) { account(id: $id) { name } }", {"id": person.account_id}, by=person)
    return answer.data["account"] is not None


async def invite_and_accept(api: Api, owner: Person, person: Person, role: str) -> dict[str, Any]:
    arguments = {"accountId": owner.account_id, "email": person.email, "role": role}
    assert codes(await api.do("inviteUser", arguments, by=owner)) == []
    token = await api.link(person.email, "invitation")
    return await api.do("acceptInvitation", {"token": token}, "grant { id role }", by=person)


# ---- Revoking, restoring and resigning -------------------------------------------------------


async def test_revoked_grant_gives_no_access_and_keeps_its_role(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "COLLABORATOR")
    assert await can_enter(api, bo)

    payload = await api.do("revokeGrant", {"grantId": key}, "grant { role status permissions }", by=anna)

    assert payload["grant"] == {"role": "COLLABORATOR", "status": "REVOKED", "permissions": []}
    assert not await can_enter(api, bo)
    assert await refusal_codes(api, "revokeGrant", {"grantId": key}, by=anna) == NOT_LIVE
    assert await refusal_codes(api, "updateGrant", {"grantId": key, "role": "ACCOUNTANT"}, by=anna) == NOT_LIVE


async def test_restored_grant_has_its_former_role_and_allowlist(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "SIMPLE_USER", permissions=["CONTACTS_READ"])
    await api.do("revokeGrant", {"grantId": key}, by=anna)

    payload = await api.do("restoreGrant", {"grantId": key}, "grant { id role status permissions }", by=anna)

    assert payload["grant"] == {
        "id": key,
        "role": "SIMPLE_USER",
        "status": "ACTIVE",
        "permissions": ["ACCOUNT_READ", "CONTACTS_READ"],
    }
    assert await can_enter(api, bo)
    assert await refusal_codes(api, "restoreGrant", {"grantId": key}, by=anna) == NOT_LIVE


async def test_new_invitation_after_revocation_creates_second_grant(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, old = await api.guest(anna, GUEST, "COLLABORATOR")
    await api.do("revokeGrant", {"grantId": old}, by=anna)

    payload = await invite_and_accept(api, anna, bo, "ACCOUNTANT")

    assert payload["grant"]["id"] != old
    assert [(row["role"], row["status"]) for row in await load_grants(api, anna)] == [
        ("OWNER", "ACTIVE"),
        ("COLLABORATOR", "REVOKED"),
        ("ACCOUNTANT", "ACTIVE"),
    ]
    assert await refusal_codes(api, "restoreGrant", {"grantId": old}, by=anna) == [("ALREADY_MEMBER", ["grantId"])]


async def test_resigned_user_can_return_only_by_invitation(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "COLLABORATOR")

    payload = await api.do("resignGrant", {"grantId": key}, "grant { status }", by=bo)

    assert payload["grant"] == {"status": "RESIGNED"}
    assert not await can_enter(api, bo)
    assert await refusal_codes(api, "restoreGrant", {"grantId": key}, by=anna) == NOT_LIVE
    assert await refusal_codes(api, "resignGrant", {"grantId": key}, by=bo) == NOT_LIVE
    assert (await invite_and_accept(api, anna, bo, "ACCOUNTANT"))["grant"]["role"] == "ACCOUNTANT"


async def test_user_can_resign_only_their_own_grant(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, "COLLABORATOR")

    for grant_id in (key, UNKNOWN_ID, anna.user_id, "x"):
        assert await refusal_codes(api, "resignGrant", {"grantId": grant_id}, by=anna) == [("NOT_FOUND", ["grantId"])]


# ---- The owner -------------------------------------------------------------------------------


@pytest.mark.parametrize("by_owner", [True, False])
async def test_owner_grant_cannot_be_changed(api: Api, by_owner: bool) -> None:  # noqa: FBT001 - a parameter
    anna = await api.person("anna@example.com")
    admin, _ = await api.guest(anna, GUEST, "ADMINISTRATOR")
    key = await load_owner_grant_id(api, anna)
    by = anna if by_owner else admin

    errors = [("OWNER_PROTECTED", ["grantId"])]
    assert await refusal_codes(api, "revokeGrant", {"grantId": key}, by=by) == errors
    assert await refusal_codes(api, "restoreGrant", {"grantId": key}, by=by) == errors
    assert await refusal_codes(api, "updateGrant", {"grantId": key, "role": "SIMPLE_USER"}, by=by) == errors
    until = (api.clock.now + timedelta(days=1)).isoformat()
    assert await refusal_codes(api, "updateGrant", {"grantId": key, "validUntil": until}, by=by) == errors


async def test_owner_cannot_resign(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refusal_codes(api, "resignGrant", {"grantId": await load_owner_grant_id(api, anna)}, by=anna) == [
        ("LAST_OWNER", ["grantId"])
    ]


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE grants SET role = 'OWNER' WHERE role = 'ACCOUNTANT'", "grants_one_owner"),
        ("UPDATE grants SET valid_until = now() WHERE role = 'OWNER'", "grants_owner_is_for_ever"),
        ("UPDATE grants SET listed = 1 WHERE role = 'ACCOUNTANT'", "grants_list_where_it_counts"),
        (
            "UPDATE grants SET user_id = (SELECT user_id FROM grants WHERE role = 'OWNER')",
            "grants_one_live",
        ),
    ],
)
async def test_database_enforces_grant_rules(api: Api, statement: str, constraint: str) -> None:
    await api.guest(await api.person("anna@example.com"), GUEST, "ACCOUNTANT")

    with pytest.raises(Exception, match=constraint):
        await db.execute(statement)


# ---- Changing --------------------------------------------------------------------------------


async def test_new_role_takes_effect_at_once_without_old_allowlist(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "SIMPLE_USER", permissions=["CONTACTS_READ"])

    payload = await api.do("updateGrant", {"grantId": key, "role": "ACCOUNTANT"}, "grant { permissions }", by=anna)

    assert "DOCUMENTS_DELETE" in payload["grant"]["permissions"]
    assert "SETTINGS_READ" not in payload["grant"]["permissions"]
    (row,) = await Grant.filter(role="ACCOUNTANT")
    assert row.listed is None
    answer = await api.ask("{ viewer { currentGrant { role } } }", by=bo)
    assert answer.data["viewer"]["currentGrant"] == {"role": "ACCOUNTANT"}


async def test_grant_ends_at_its_exact_end(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "ACCOUNTANT")
    until = api.clock.now + timedelta(days=1)
    await api.do("updateGrant", {"grantId": key, "validUntil": until.isoformat()}, by=anna)

    api.clock.now = until - timedelta(seconds=1)
    assert await can_enter(api, bo)
    api.clock.now = until
    assert not await can_enter(api, bo)
    assert (await load_grants(api, anna))[1]["status"] == "EXPIRED"
    assert await refusal_codes(api, "updateGrant", {"grantId": key, "removeEnd": True}, by=anna) == NOT_LIVE
    assert (await invite_and_accept(api, anna, bo, "ACCOUNTANT"))["grant"]["id"] != key


async def test_end_is_removed_by_its_own_word(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = (api.clock.now + timedelta(days=1)).isoformat()
    bo, key = await api.guest(anna, GUEST, "ACCOUNTANT", grantValidUntil=until)

    both_fields = {"grantId": key, "removeEnd": True, "validUntil": until}
    assert await refusal_codes(api, "updateGrant", both_fields, by=anna) == [("INVALID", ["removeEnd"])]
    await api.do("updateGrant", {"grantId": key, "removeEnd": True}, by=anna)

    api.clock.forward(days=2)
    assert await can_enter(api, bo)


@pytest.mark.parametrize("way", ["revoked", "expired"])
async def test_grant_past_its_end_is_restored_with_a_new_end(api: Api, way: str) -> None:
    """updateGrant refers to restoreGrant, so restoreGrant works."""
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=1)
    bo, key = await api.guest(anna, GUEST, "ACCOUNTANT", grantValidUntil=until.isoformat())
    if way == "revoked":
        await api.do("revokeGrant", {"grantId": key}, by=anna)
    api.clock.forward(days=1)
    anna = await api.sign_in(anna)
    later = (until + timedelta(days=2)).isoformat().replace("+00:00", "Z")

    assert await refusal_codes(api, "updateGrant", {"grantId": key, "validUntil": later}, by=anna) == NOT_LIVE
    assert await refusal_codes(api, "restoreGrant", {"grantId": key}, by=anna) == NOT_LIVE
    past = {"grantId": key, "validUntil": until.isoformat()}
    assert await refusal_codes(api, "restoreGrant", past, by=anna) == [("OUT_OF_RANGE", ["validUntil"])]
    restore_input = {"grantId": key, "validUntil": later}
    payload = await api.do("restoreGrant", restore_input, "grant { status role validUntil }", by=anna)

    assert payload == {"grant": {"status": "ACTIVE", "role": "ACCOUNTANT", "validUntil": later}, "errors": []}
    assert await can_enter(api, bo)
    assert len(await events("account:grant:expire")) == (1 if way == "expired" else 0)
    (restore_event,) = await events("account:grant:restore")
    before, after = (json.loads(facts) for facts in (restore_event.before, restore_event.after))
    assert (before["status"], after["status"]) == (way.upper(), "ACTIVE")
    assert await refusal_codes(api, "restoreGrant", restore_input, by=anna) == NOT_LIVE


async def test_refusal_after_the_end_names_what_works(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "ACCOUNTANT")
    await api.do("resignGrant", {"grantId": key}, by=bo)

    payloads = [
        await api.do(mutation, {"grantId": key}, by=anna) for mutation in ("updateGrant", "restoreGrant", "updateGrant")
    ]

    message = "The holder has given up this access. Send a new invitation."
    assert [payload["errors"][0]["message"] for payload in payloads] == [message] * 3
    assert (await invite_and_accept(api, anna, bo, "ACCOUNTANT"))["grant"]["id"] != key


async def test_restored_grant_does_not_outlast_its_giver(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=10)
    permissions = ["USERS_READ", "USERS_WRITE", "CONTACTS_READ"]
    consultant, _ = await api.guest(
        anna, GUEST, "CONSULTANT", permissions=permissions, grantValidUntil=until.isoformat()
    )
    soon = (api.clock.now + timedelta(days=1)).isoformat()
    _, key = await api.guest(anna, "cy@example.com", "CONSULTANT", permissions=["CONTACTS_READ"], grantValidUntil=soon)
    api.clock.forward(days=2)
    consultant = await api.sign_in(consultant)
    later = (until + timedelta(seconds=1)).isoformat()

    for new_end in ({"removeEnd": True}, {"validUntil": later}):
        refused_codes = await refusal_codes(api, "restoreGrant", {"grantId": key, **new_end}, by=consultant)
        assert refused_codes == [("ROLE_TOO_HIGH", ["validUntil"])]
    restore_input = {"grantId": key, "validUntil": until.isoformat()}
    assert codes(await api.do("restoreGrant", restore_input, by=consultant)) == []


async def test_update_without_change_records_no_event(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT")

    assert await refusal_codes(api, "updateGrant", {"grantId": key, "role": "ACCOUNTANT"}, by=anna) == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"role": "OWNER"}, ("ROLE_TOO_HIGH", ["role"])),
        ({"permissions": ["CONTACTS_READ"]}, ("INVALID", ["permissions"])),
        ({"role": "SIMPLE_USER", "permissions": ["USERS_READ"]}, ("INVALID", ["permissions"])),
        ({"validUntil": "2001-01-01T00:00:00Z"}, ("OUT_OF_RANGE", ["validUntil"])),
    ],
)
async def test_invalid_update_is_rejected(api: Api, changes: dict[str, Any], error: Any) -> None:
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT")

    assert await refusal_codes(api, "updateGrant", {"grantId": key, **changes}, by=anna) == [error]


async def test_only_owner_can_manage_administrators(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, ada_grant = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    _, eva_grant = await api.guest(anna, "eva@example.com", "ADMINISTRATOR")
    _, accountant_grant = await api.guest(anna, GUEST, "ACCOUNTANT")

    assert (
        await refusal_codes(api, "updateGrant", {"grantId": accountant_grant, "role": "ADMINISTRATOR"}, by=ada)
        == ROLE_TOO_HIGH
    )
    for grant_id in (ada_grant, eva_grant):
        assert (
            await refusal_codes(api, "updateGrant", {"grantId": grant_id, "removeEnd": True}, by=ada) == MAY_NOT_MANAGE
        )
        assert (
            await refusal_codes(api, "updateGrant", {"grantId": grant_id, "role": "ACCOUNTANT"}, by=ada)
            == MAY_NOT_MANAGE
        )
        assert await refusal_codes(api, "revokeGrant", {"grantId": grant_id}, by=ada) == MAY_NOT_MANAGE
    assert codes(await api.do("revokeGrant", {"grantId": eva_grant}, by=anna)) == []
    assert await refusal_codes(api, "restoreGrant", {"grantId": eva_grant}, by=ada) == MAY_NOT_MANAGE
    assert codes(await api.do("updateGrant", {"grantId": accountant_grant, "role": "COLLABORATOR"}, by=ada)) == []


async def test_user_cannot_extend_their_own_grant(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=10)
    consultant, key = await api.guest(
        anna,
        GUEST,
        "CONSULTANT",
        permissions=["USERS_READ", "USERS_WRITE"],
        grantValidUntil=until.isoformat(),
    )

    for change in ({"removeEnd": True}, {"validUntil": (until + timedelta(seconds=1)).isoformat()}):
        rejection = await refusal_codes(api, "updateGrant", {"grantId": key, **change}, by=consultant)
        assert rejection == [("ROLE_TOO_HIGH", ["validUntil"])]
    earlier = (until - timedelta(days=1)).isoformat()
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": earlier}, by=consultant)) == []
    assert codes(await api.do("updateGrant", {"grantId": key, "removeEnd": True}, by=anna)) == []


async def test_user_cannot_give_access_beyond_their_own_end(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=10)
    later, end = (until + timedelta(seconds=1)).isoformat(), until.isoformat()
    consultant, _ = await api.guest(
        anna, GUEST, "CONSULTANT", permissions=["USERS_READ", "USERS_WRITE", "CONTACTS_READ"], grantValidUntil=end
    )
    _, endless = await api.guest(anna, "cy@example.com", "CONSULTANT", permissions=["CONTACTS_READ"])
    too_late = [("ROLE_TOO_HIGH", ["grantValidUntil"])]
    offer = {"email": "new@example.com", "role": "CONSULTANT", "permissions": ["CONTACTS_READ"]}
    arguments = {"accountId": anna.account_id, **offer}

    assert await refusal_codes(api, "inviteUser", arguments, by=consultant) == too_late
    assert await refusal_codes(api, "inviteUser", {**arguments, "grantValidUntil": later}, by=consultant) == too_late
    payload = await api.do("inviteUser", {**arguments, "grantValidUntil": end}, "invitation { id }", by=consultant)
    assert codes(payload) == []
    for name, value in (("removeEnd", True), ("until", later)):
        offer_field, grant_field = ("grantValidUntil", "validUntil") if name == "until" else (name, name)
        change = {"invitationId": payload["invitation"]["id"], offer_field: value}
        assert await refusal_codes(api, "updateInvitation", change, by=consultant) == too_late
        change = {"grantId": endless, grant_field: value}
        assert await refusal_codes(api, "updateGrant", change, by=consultant) == [("ROLE_TOO_HIGH", ["validUntil"])]
    assert codes(await api.do("revokeGrant", {"grantId": endless}, by=consultant)) == []
    assert await refusal_codes(api, "restoreGrant", {"grantId": endless}, by=consultant) == MAY_NOT_MANAGE
    assert codes(await api.do("restoreGrant", {"grantId": endless}, by=anna)) == []
    assert codes(await api.do("updateGrant", {"grantId": endless, "validUntil": end}, by=consultant)) == []


async def test_invitation_is_rejected_after_inviter_access_was_shortened(api: Api) -> None:
    anna = await api.person("anna@example.com")
    admin, key = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    arguments = {"accountId": anna.account_id, "email": GUEST, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", arguments, by=admin)) == []
    until = (api.clock.now + timedelta(days=3)).isoformat()
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": until}, by=anna)) == []

    new = {"token": await api.link(GUEST, "invitation"), "name": "Bo Berg", "password": PASSWORD}

    assert await refusal_codes(api, "acceptInvitation", new) == [("ROLE_TOO_HIGH", None)]


@pytest.mark.parametrize("role", ["COLLABORATOR", "ACCOUNTANT", "SIMPLE_USER"])
@pytest.mark.parametrize("mutation", ["updateGrant", "revokeGrant", "restoreGrant"])
async def test_role_without_users_write_cannot_change_grants(api: Api, role: str, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, role)
    key = await load_owner_grant_id(api, anna)

    answer = await rejection(api, mutation, {"grantId": key}, by=bo)

    assert answer.codes == ["FORBIDDEN"]


async def test_grants_of_foreign_accounts_are_not_found(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT")

    for mutation in ("updateGrant", "revokeGrant", "restoreGrant", "resignGrant"):
        for grant_id in (
            key,
            await load_owner_grant_id(api, anna),
            UNKNOWN_ID,
            anna.account_id,
            f"{key}=",
            key.swapcase(),
            "\u200b",
        ):
            error_codes = await refusal_codes(api, mutation, {"grantId": grant_id}, by=eve)
            assert error_codes == [("NOT_FOUND", ["grantId"])]


async def test_former_guest_cannot_change_grants(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, ada_grant = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT")
    await api.do("revokeGrant", {"grantId": ada_grant}, by=anna)

    for grant_id in (key, ada_grant):
        assert await refusal_codes(api, "revokeGrant", {"grantId": grant_id}, by=ada) == [("NOT_FOUND", ["grantId"])]


# ---- Consultants -----------------------------------------------------------------------------


async def test_consultant_without_permissions_awaits_permissions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kim, key = await api.guest(anna, GUEST, "CONSULTANT")
    selection = "grant { status permissions }"

    assert (await load_grants(api, anna))[1]["status"] == "AWAITING_PERMISSIONS"
    assert not await can_enter(api, kim)
    payload = await api.do("updateGrant", {"grantId": key, "permissions": ["DOCUMENTS_READ"]}, selection, by=anna)
    assert payload["grant"] == {"status": "ACTIVE", "permissions": ["ACCOUNT_READ", "DOCUMENTS_READ"]}
    assert await can_enter(api, kim)
    empty_lists: tuple[list[str] | None, ...] = ([], None)
    for permissions in empty_lists:
        payload = await api.do("updateGrant", {"grantId": key, "permissions": permissions}, selection, by=anna)
        assert payload["grant"] == {"status": "AWAITING_PERMISSIONS", "permissions": []}
        assert not await can_enter(api, kim)


async def test_grant_awaiting_permissions_can_be_resigned_and_revoked(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kim, key = await api.guest(anna, GUEST, "CONSULTANT")
    _, cy_grant = await api.guest(anna, "cy@example.com", "CONSULTANT")

    assert codes(await api.do("resignGrant", {"grantId": key}, by=kim)) == []
    assert codes(await api.do("revokeGrant", {"grantId": cy_grant}, by=anna)) == []
    payload = await api.do("restoreGrant", {"grantId": cy_grant}, "grant { status }", by=anna)
    assert payload["grant"] == {"status": "AWAITING_PERMISSIONS"}


async def test_update_is_recorded_with_state_before_and_after(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, "SIMPLE_USER")

    await api.do("updateGrant", {"grantId": key, "permissions": ["CONTACTS_READ"]}, by=anna)

    (event,) = await events("account:grant:update")
    assert event.actor_role == "OWNER"
    assert '"permissions": null' in event.before
    assert '"permissions": ["ACCOUNT_READ", "CONTACTS_READ"]' in event.after
    assert PASSWORD not in event.before + event.after
