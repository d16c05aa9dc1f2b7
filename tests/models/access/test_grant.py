"""Grants: changed, taken back, given again, given up."""

from datetime import timedelta
from typing import Any

import pytest

from database import db
from models.access.grant import Grant
from tests.api import NOWHERE, PASSWORD, Api, Person, codes
from tests.models.refusals import events, refused, rejected

GUEST = "bo@example.com"
TOO_HIGH = [("ROLE_TOO_HIGH", ["role"])]
NOT_HIS = [("ROLE_TOO_HIGH", ["grantId"])]
ENDED = [("INVALID_STATE", ["grantId"])]


async def grants_of(api: Api, by: Person) -> list[Any]:
    seen = await api.ask("{ viewer { currentAccount { grants { nodes { id role status user { id } } } } } }", by=by)
    found: list[Any] = seen.data["viewer"]["currentAccount"]["grants"]["nodes"]
    return found


async def owners_grant(api: Api, by: Person) -> str:
    key: str = (await grants_of(api, by))[0]["id"]
    return key


async def can_enter(api: Api, person: Person) -> bool:
    """Whether he finds the account where he is a guest."""
    seen = await api.ask("query ($id: ID!) { account(id: $id) { name } }", {"id": person.account_id}, by=person)
    return seen.data["account"] is not None


async def invited_again(api: Api, owner: Person, person: Person, role: str) -> dict[str, Any]:
    given = {"accountId": owner.account_id, "email": person.email, "role": role}
    assert codes(await api.do("inviteUser", given, by=owner)) == []
    token = await api.link(person.email, "invitation")
    return await api.do("acceptInvitation", {"token": token}, "grant { id role }", by=person)


# ---- Taking back and giving again ------------------------------------------------------------


async def test_access_taken_back_is_gone_with_the_next_request_and_keeps_its_history(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "COLLABORATOR")
    assert await can_enter(api, bo)

    done = await api.do("revokeGrant", {"grantId": key}, "grant { role status permissions }", by=anna)

    assert done["grant"] == {"role": "COLLABORATOR", "status": "REVOKED", "permissions": []}
    assert not await can_enter(api, bo)
    assert await refused(api, "revokeGrant", {"grantId": key}, by=anna) == ENDED
    assert await refused(api, "updateGrant", {"grantId": key, "role": "ACCOUNTANT"}, by=anna) == ENDED


async def test_access_given_again_has_its_former_role_and_list(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "SIMPLE_USER", permissions=["CONTACTS_READ"])
    await api.do("revokeGrant", {"grantId": key}, by=anna)

    done = await api.do("restoreGrant", {"grantId": key}, "grant { id role status permissions }", by=anna)

    assert done["grant"] == {
        "id": key,
        "role": "SIMPLE_USER",
        "status": "ACTIVE",
        "permissions": ["ACCOUNT_READ", "CONTACTS_READ"],
    }
    assert await can_enter(api, bo)
    assert await refused(api, "restoreGrant", {"grantId": key}, by=anna) == ENDED


async def test_inviting_anew_after_taking_back_makes_a_second_grant(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, old = await api.guest(anna, GUEST, "COLLABORATOR")
    await api.do("revokeGrant", {"grantId": old}, by=anna)

    done = await invited_again(api, anna, bo, "ACCOUNTANT")

    assert done["grant"]["id"] != old
    assert [(row["role"], row["status"]) for row in await grants_of(api, anna)] == [
        ("OWNER", "ACTIVE"),
        ("COLLABORATOR", "REVOKED"),
        ("ACCOUNTANT", "ACTIVE"),
    ]
    assert await refused(api, "restoreGrant", {"grantId": old}, by=anna) == [("ALREADY_MEMBER", ["grantId"])]


async def test_who_resigned_comes_back_by_invitation_only_and_in_the_new_role(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "COLLABORATOR")

    done = await api.do("resignGrant", {"grantId": key}, "grant { status }", by=bo)

    assert done["grant"] == {"status": "RESIGNED"}
    assert not await can_enter(api, bo)
    assert await refused(api, "restoreGrant", {"grantId": key}, by=anna) == ENDED
    assert await refused(api, "resignGrant", {"grantId": key}, by=bo) == ENDED
    assert (await invited_again(api, anna, bo, "ACCOUNTANT"))["grant"]["role"] == "ACCOUNTANT"


async def test_only_ones_own_access_is_resigned(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, "COLLABORATOR")

    for wanted in (key, NOWHERE, anna.user_id, "x"):
        assert await refused(api, "resignGrant", {"grantId": wanted}, by=anna) == [("NOT_FOUND", ["grantId"])]


# ---- The owner -------------------------------------------------------------------------------


@pytest.mark.parametrize("by_owner", [True, False])
async def test_the_owners_access_is_nobodys_to_change(api: Api, by_owner: bool) -> None:  # noqa: FBT001 - a parameter
    anna = await api.person("anna@example.com")
    admin, _ = await api.guest(anna, GUEST, "ADMINISTRATOR")
    key = await owners_grant(api, anna)
    by = anna if by_owner else admin

    protected = [("OWNER_PROTECTED", ["grantId"])]
    assert await refused(api, "revokeGrant", {"grantId": key}, by=by) == protected
    assert await refused(api, "restoreGrant", {"grantId": key}, by=by) == protected
    assert await refused(api, "updateGrant", {"grantId": key, "role": "SIMPLE_USER"}, by=by) == protected
    until = (api.clock.now + timedelta(days=1)).isoformat()
    assert await refused(api, "updateGrant", {"grantId": key, "validUntil": until}, by=by) == protected


async def test_the_owner_cannot_resign(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refused(api, "resignGrant", {"grantId": await owners_grant(api, anna)}, by=anna) == [
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
async def test_the_database_holds_it_too(api: Api, statement: str, constraint: str) -> None:
    await api.guest(await api.person("anna@example.com"), GUEST, "ACCOUNTANT")

    with pytest.raises(Exception, match=constraint):
        await db.execute(statement)


# ---- Changing --------------------------------------------------------------------------------


async def test_a_new_role_acts_at_once_and_starts_without_the_old_list(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "SIMPLE_USER", permissions=["CONTACTS_READ"])

    done = await api.do("updateGrant", {"grantId": key, "role": "ACCOUNTANT"}, "grant { permissions }", by=anna)

    assert "DOCUMENTS_DELETE" in done["grant"]["permissions"]
    assert "SETTINGS_READ" not in done["grant"]["permissions"]
    (row,) = await Grant.filter(role="ACCOUNTANT")
    assert row.listed is None
    seen = await api.ask("{ viewer { currentGrant { role } } }", by=bo)
    assert seen.data["viewer"]["currentGrant"] == {"role": "ACCOUNTANT"}


async def test_an_end_is_effective_to_the_second(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "ACCOUNTANT")
    until = api.clock.now + timedelta(days=1)
    await api.do("updateGrant", {"grantId": key, "validUntil": until.isoformat()}, by=anna)

    api.clock.now = until - timedelta(seconds=1)
    assert await can_enter(api, bo)
    api.clock.now = until
    assert not await can_enter(api, bo)
    assert (await grants_of(api, anna))[1]["status"] == "EXPIRED"
    assert await refused(api, "updateGrant", {"grantId": key, "validUntil": None}, by=anna) == ENDED
    assert (await invited_again(api, anna, bo, "ACCOUNTANT"))["grant"]["id"] != key


async def test_an_end_is_cleared_by_null(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = (api.clock.now + timedelta(days=1)).isoformat()
    bo, key = await api.guest(anna, GUEST, "ACCOUNTANT", grantValidUntil=until)

    await api.do("updateGrant", {"grantId": key, "validUntil": None}, by=anna)

    api.clock.forward(days=2)
    assert await can_enter(api, bo)


async def test_revoked_access_whose_end_has_passed_is_not_given_again(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = (api.clock.now + timedelta(days=1)).isoformat()
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT", grantValidUntil=until)
    await api.do("revokeGrant", {"grantId": key}, by=anna)
    api.clock.forward(days=1)

    assert await refused(api, "restoreGrant", {"grantId": key}, by=anna) == ENDED


async def test_a_change_that_changes_nothing_leaves_no_event(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT")

    assert await refused(api, "updateGrant", {"grantId": key, "role": "ACCOUNTANT"}, by=anna) == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"role": "OWNER"}, ("ROLE_TOO_HIGH", ["role"])),
        ({"permissions": ["CONTACTS_READ"]}, ("INVALID", ["permissions"])),
        ({"role": "SIMPLE_USER", "permissions": ["USERS_READ"]}, ("INVALID", ["permissions"])),
        ({"validUntil": "2001-01-01T00:00:00Z"}, ("OUT_OF_RANGE", ["validUntil"])),
    ],
)
async def test_a_change_that_makes_no_sense(api: Api, given: dict[str, Any], error: Any) -> None:
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT")

    assert await refused(api, "updateGrant", {"grantId": key, **given}, by=anna) == [error]


async def test_only_the_owner_decides_who_is_an_administrator(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, own = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    _, other = await api.guest(anna, "eva@example.com", "ADMINISTRATOR")
    _, low = await api.guest(anna, GUEST, "ACCOUNTANT")

    assert await refused(api, "updateGrant", {"grantId": low, "role": "ADMINISTRATOR"}, by=ada) == TOO_HIGH
    for grant in (own, other):
        assert await refused(api, "updateGrant", {"grantId": grant, "validUntil": None}, by=ada) == NOT_HIS
        assert await refused(api, "updateGrant", {"grantId": grant, "role": "ACCOUNTANT"}, by=ada) == NOT_HIS
        assert await refused(api, "revokeGrant", {"grantId": grant}, by=ada) == NOT_HIS
    assert codes(await api.do("revokeGrant", {"grantId": other}, by=anna)) == []
    assert await refused(api, "restoreGrant", {"grantId": other}, by=ada) == NOT_HIS
    assert codes(await api.do("updateGrant", {"grantId": low, "role": "COLLABORATOR"}, by=ada)) == []


async def test_nobody_puts_off_the_end_of_his_own_access(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=10)
    consultant, key = await api.guest(
        anna,
        GUEST,
        "CONSULTANT",
        permissions=["USERS_READ", "USERS_WRITE"],
        grantValidUntil=until.isoformat(),
    )

    for later in (None, (until + timedelta(seconds=1)).isoformat()):
        found = await refused(api, "updateGrant", {"grantId": key, "validUntil": later}, by=consultant)
        assert found == [("ROLE_TOO_HIGH", ["validUntil"])]
    earlier = (until - timedelta(days=1)).isoformat()
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": earlier}, by=consultant)) == []
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": None}, by=anna)) == []


async def test_nobody_gives_access_that_outlasts_his_own(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=10)
    later, end = (until + timedelta(seconds=1)).isoformat(), until.isoformat()
    consultant, _ = await api.guest(
        anna, GUEST, "CONSULTANT", permissions=["USERS_READ", "USERS_WRITE", "CONTACTS_READ"], grantValidUntil=end
    )
    _, endless = await api.guest(anna, "cy@example.com", "CONSULTANT", permissions=["CONTACTS_READ"])
    too_late = [("ROLE_TOO_HIGH", ["grantValidUntil"])]
    offer = {"email": "new@example.com", "role": "CONSULTANT", "permissions": ["CONTACTS_READ"]}
    given = {"accountId": anna.account_id, **offer}

    assert await refused(api, "inviteUser", given, by=consultant) == too_late
    assert await refused(api, "inviteUser", {**given, "grantValidUntil": later}, by=consultant) == too_late
    done = await api.do("inviteUser", {**given, "grantValidUntil": end}, "invitation { id }", by=consultant)
    assert codes(done) == []
    for wanted in (None, later):
        change = {"invitationId": done["invitation"]["id"], "grantValidUntil": wanted}
        assert await refused(api, "updateInvitation", change, by=consultant) == too_late
        change = {"grantId": endless, "validUntil": wanted}
        assert await refused(api, "updateGrant", change, by=consultant) == [("ROLE_TOO_HIGH", ["validUntil"])]
    assert codes(await api.do("revokeGrant", {"grantId": endless}, by=consultant)) == []
    assert await refused(api, "restoreGrant", {"grantId": endless}, by=consultant) == NOT_HIS
    assert codes(await api.do("restoreGrant", {"grantId": endless}, by=anna)) == []
    assert codes(await api.do("updateGrant", {"grantId": endless, "validUntil": end}, by=consultant)) == []


async def test_an_invitation_falls_when_its_inviters_own_access_was_shortened(api: Api) -> None:
    anna = await api.person("anna@example.com")
    admin, key = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    given = {"accountId": anna.account_id, "email": GUEST, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", given, by=admin)) == []
    until = (api.clock.now + timedelta(days=3)).isoformat()
    assert codes(await api.do("updateGrant", {"grantId": key, "validUntil": until}, by=anna)) == []

    new = {"token": await api.link(GUEST, "invitation"), "name": "Bo Berg", "password": PASSWORD}

    assert await refused(api, "acceptInvitation", new) == [("ROLE_TOO_HIGH", None)]


@pytest.mark.parametrize("role", ["COLLABORATOR", "ACCOUNTANT", "SIMPLE_USER"])
@pytest.mark.parametrize("mutation", ["updateGrant", "revokeGrant", "restoreGrant"])
async def test_who_may_not_write_users_changes_no_access(api: Api, role: str, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, role)
    key = await owners_grant(api, anna)

    answer = await rejected(api, mutation, {"grantId": key}, by=bo)

    assert answer.codes == ["FORBIDDEN"]


async def test_the_access_of_strangers_does_not_exist(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT")

    for mutation in ("updateGrant", "revokeGrant", "restoreGrant", "resignGrant"):
        for wanted in (
            key,
            await owners_grant(api, anna),
            NOWHERE,
            anna.account_id,
            f"{key}=",
            key.swapcase(),
            "\u200b",
        ):
            found = await refused(api, mutation, {"grantId": wanted}, by=eve)
            assert found == [("NOT_FOUND", ["grantId"])]


async def test_a_former_guest_is_a_stranger(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, own = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    _, key = await api.guest(anna, GUEST, "ACCOUNTANT")
    await api.do("revokeGrant", {"grantId": own}, by=anna)

    for wanted in (key, own):
        assert await refused(api, "revokeGrant", {"grantId": wanted}, by=ada) == [("NOT_FOUND", ["grantId"])]


# ---- Consultants -----------------------------------------------------------------------------


async def test_a_consultant_without_permissions_waits_for_them(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kim, key = await api.guest(anna, GUEST, "CONSULTANT")
    shown = "grant { status permissions }"

    assert (await grants_of(api, anna))[1]["status"] == "AWAITING_PERMISSIONS"
    assert not await can_enter(api, kim)
    done = await api.do("updateGrant", {"grantId": key, "permissions": ["DOCUMENTS_READ"]}, shown, by=anna)
    assert done["grant"] == {"status": "ACTIVE", "permissions": ["ACCOUNT_READ", "DOCUMENTS_READ"]}
    assert await can_enter(api, kim)
    emptied: tuple[list[str] | None, ...] = ([], None)
    for nothing in emptied:
        done = await api.do("updateGrant", {"grantId": key, "permissions": nothing}, shown, by=anna)
        assert done["grant"] == {"status": "AWAITING_PERMISSIONS", "permissions": []}
        assert not await can_enter(api, kim)


async def test_who_waits_for_permissions_can_still_resign_or_be_sent_away(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kim, key = await api.guest(anna, GUEST, "CONSULTANT")
    _, other = await api.guest(anna, "cy@example.com", "CONSULTANT")

    assert codes(await api.do("resignGrant", {"grantId": key}, by=kim)) == []
    assert codes(await api.do("revokeGrant", {"grantId": other}, by=anna)) == []
    done = await api.do("restoreGrant", {"grantId": other}, "grant { status }", by=anna)
    assert done["grant"] == {"status": "AWAITING_PERMISSIONS"}


async def test_each_change_is_told_with_what_was_and_what_is(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, "SIMPLE_USER")

    await api.do("updateGrant", {"grantId": key, "permissions": ["CONTACTS_READ"]}, by=anna)

    (event,) = await events("account:grant:update")
    assert event.actor_role == "OWNER"
    assert '"permissions": null' in event.before
    assert '"permissions": ["ACCOUNT_READ", "CONTACTS_READ"]' in event.after
    assert PASSWORD not in event.before + event.after
