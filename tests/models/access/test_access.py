"""What somebody may do right now: the policy, through the API."""

from typing import Any

import pytest

from auth import policy
from auth.policy import Permission, Role
from tests.api import Api, Person, codes
from tests.models.refusals import refused

GUEST = "bo@example.com"
RESTRICTABLE = policy.permissions(policy.RESTRICTABLE)


async def held(api: Api, by: Person) -> list[str]:
    """The permissions in the account where the person is a guest; none where he cannot enter it."""
    seen = await api.ask("query ($id: ID!) { account(id: $id) { viewerPermissions } }", {"id": by.account_id}, by=by)
    account = seen.data["account"]
    return account["viewerPermissions"] if account else []


async def decision(api: Api, by: Person, permission: str) -> dict[str, Any]:
    asked = "query ($id: ID!, $p: Permission!) { account(id: $id) { viewerCan(permission: $p) "
    shown = "{ allowed reason grantableBy } } }"
    seen = await api.ask(asked + shown, {"id": by.account_id, "p": permission}, by=by)
    found: dict[str, Any] = seen.data["account"]["viewerCan"]
    return found


async def set_up(api: Api, by: Person, **settings: object) -> None:
    given = {"accountId": by.account_id, **settings}
    assert codes(await api.do("updateAccountSettings", given, by=by)) == []


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.OWNER, Role.CONSULTANT}])
async def test_a_role_has_what_the_table_says(api: Api, role: Role) -> None:
    anna = await api.person("anna@example.com")

    bo, _ = await api.guest(anna, GUEST, role)

    assert await held(api, bo) == policy.permissions(policy.ROLES[role])


async def test_restrictions_bind_simple_users_only_and_at_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "SIMPLE_USER")
    cy, _ = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    before = await held(api, bo)

    await set_up(api, anna, simpleUserRestrictions=["REPORTS_READ", "CONTACTS_WRITE"])

    assert await held(api, bo) == [p for p in before if p not in {"REPORTS_READ", "CONTACTS_WRITE"}]
    assert await held(api, cy) == policy.permissions(policy.ROLES[Role.ACCOUNTANT])
    assert await decision(api, bo, "REPORTS_READ") == {
        "allowed": False,
        "reason": "RESTRICTED_BY_ACCOUNT",
        "grantableBy": ["OWNER", "ADMINISTRATOR", "COLLABORATOR"],
    }
    await set_up(api, anna, simpleUserRestrictions=[])
    assert await held(api, bo) == before


async def test_taking_the_reading_takes_all_of_its_kind(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "SIMPLE_USER")

    await set_up(api, anna, simpleUserRestrictions=["DOCUMENTS_READ"])

    assert [p for p in await held(api, bo) if p.startswith("DOCUMENTS")] == []


async def test_locks_bind_everybody_the_owner_too_and_can_be_undone(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "ACCOUNTANT")

    await set_up(api, anna, locks=["DOCUMENTS_DELETE"])

    for person in (anna, bo):
        assert "DOCUMENTS_DELETE" not in await held(api, person)
        assert (await decision(api, person, "DOCUMENTS_DELETE"))["reason"] == "LOCKED_BY_ACCOUNT"
    await set_up(api, anna, locks=[])
    assert "DOCUMENTS_DELETE" in await held(api, bo)


async def test_with_every_lock_on_the_owner_still_gets_out(api: Api) -> None:
    anna = await api.person("anna@example.com")

    await set_up(api, anna, locks=RESTRICTABLE, simpleUserRestrictions=RESTRICTABLE)

    assert await held(api, anna) == [p for p in Permission if p not in RESTRICTABLE]
    await set_up(api, anna, locks=[])
    assert await held(api, anna) == list(Permission)


@pytest.mark.parametrize("field", ["locks", "simpleUserRestrictions"])
@pytest.mark.parametrize("permission", [p for p in Permission if p not in RESTRICTABLE])
async def test_the_keys_to_the_door_are_not_taken(api: Api, field: str, permission: str) -> None:
    anna = await api.person("anna@example.com")

    found = await refused(
        api, "updateAccountSettings", {"accountId": anna.account_id, field: [permission, "REPORTS_READ"]}, by=anna
    )

    assert found == [("INVALID", [field])]


async def test_a_list_cuts_a_simple_user_down(api: Api) -> None:
    anna = await api.person("anna@example.com")

    bo, _ = await api.guest(anna, GUEST, "SIMPLE_USER", permissions=["DOCUMENTS_READ"])

    assert await held(api, bo) == ["ACCOUNT_READ", "DOCUMENTS_READ"]
    assert await decision(api, bo, "REPORTS_READ") == {
        "allowed": False,
        "reason": "RESTRICTED_BY_GRANT",
        "grantableBy": ["OWNER", "ADMINISTRATOR"],
    }
    assert (await decision(api, bo, "SETTINGS_READ"))["reason"] == "ROLE"


async def test_a_consultant_has_exactly_his_list(api: Api) -> None:
    anna = await api.person("anna@example.com")

    kim, _ = await api.guest(anna, GUEST, "CONSULTANT", permissions=["SETTINGS_READ", "SETTINGS_WRITE", "USERS_READ"])
    await set_up(api, anna, simpleUserRestrictions=RESTRICTABLE)

    assert await held(api, kim) == ["ACCOUNT_READ", "SETTINGS_READ", "SETTINGS_WRITE", "USERS_READ"]


async def test_when_the_subscription_is_over_changing_ends_and_the_way_back_stays(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "COLLABORATOR")
    api.clock.forward(days=10)
    for person in (anna, bo):
        await api.ask("{ __typename }", by=person)
    api.clock.forward(days=10)
    for person in (anna, bo):
        await api.ask("{ __typename }", by=person)
    api.clock.forward(days=10, seconds=-1)
    assert await held(api, anna) == list(Permission)
    assert await held(api, bo) == policy.permissions(policy.ROLES[Role.COLLABORATOR])
    fresh = await api.do("signIn", {"email": anna.email, "password": "kestrel orbit lantern"}, "accessToken")
    anna = Person(anna.email, fresh["accessToken"], anna.user_id, anna.account_id)

    api.clock.forward(seconds=1)

    assert await held(api, anna) == [p for p in Permission if "_READ" in p or policy.mask([p]) & policy.SURVIVES_EXPIRY]
    assert (await decision(api, anna, "DOCUMENTS_WRITE"))["reason"] == "SUBSCRIPTION_EXPIRED"
    over = [("SUBSCRIPTION_EXPIRED", None)]
    assert await refused(api, "updateAccount", {"accountId": anna.account_id, "name": "N"}, by=anna) == over
    assert await refused(api, "updateAccountSettings", {"accountId": anna.account_id, "locks": []}, by=anna) == over
    seen = await api.ask("{ viewer { currentAccount { status subscription { daysLeft isExpired } } } }", by=anna)
    assert seen.data["viewer"]["currentAccount"] == {
        "status": "READ_ONLY",
        "subscription": {"daysLeft": 0, "isExpired": True},
    }
    assert codes(await api.do("revokeGrant", {"grantId": key}, by=anna)) == []
    assert codes(await api.do("restoreGrant", {"grantId": key}, by=anna)) == []
    assert codes(await api.do("createAccount", {"name": "Another"}, by=anna)) == []
