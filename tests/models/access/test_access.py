"""Effective permissions, read through the API."""

from typing import Any

import pytest

from auth import policy
from auth.policy import Permission, Role
from tests.api import Api, Person, codes
from tests.models.refusals import refusal_codes

GUEST = "bo@example.com"
RESTRICTABLE = policy.permissions(policy.RESTRICTABLE)


async def load_permissions(api: Api, by: Person) -> list[str]:
    """The permissions in the account where the person is a guest. Empty if they cannot enter it."""
    answer = await api.ask("query ($id: ID!) { account(id: $id) { viewerPermissions } }", {"id": by.account_id}, by=by)
    account = answer.data["account"]
    return account["viewerPermissions"] if account else []


async def load_decision(api: Api, by: Person, permission: str) -> dict[str, Any]:
    query = "query ($id: ID!, $p: Permission!) { account(id: $id) { viewerCan(permission: $p) "
    selection = "{ allowed reason grantableBy } } }"
    answer = await api.ask(query + selection, {"id": by.account_id, "p": permission}, by=by)
    decision_fields: dict[str, Any] = answer.data["account"]["viewerCan"]
    return decision_fields


async def update_settings(api: Api, by: Person, **settings: object) -> None:
    arguments = {"accountId": by.account_id, **settings}
    assert codes(await api.do("updateAccountSettings", arguments, by=by)) == []


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.OWNER, Role.CONSULTANT}])
async def test_role_has_permissions_of_policy_table(api: Api, role: Role) -> None:
    anna = await api.person("anna@example.com")

    bo, _ = await api.guest(anna, GUEST, role)

    assert await load_permissions(api, bo) == policy.permissions(policy.ROLES[role])


async def test_restrictions_apply_to_simple_users_only_and_at_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "SIMPLE_USER")
    cy, _ = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    before = await load_permissions(api, bo)

    await update_settings(api, anna, simpleUserRestrictions=["REPORTS_READ", "CONTACTS_WRITE"])

    assert await load_permissions(api, bo) == [p for p in before if p not in {"REPORTS_READ", "CONTACTS_WRITE"}]
    assert await load_permissions(api, cy) == policy.permissions(policy.ROLES[Role.ACCOUNTANT])
    assert await load_decision(api, bo, "REPORTS_READ") == {
        "allowed": False,
        "reason": "RESTRICTED_BY_ACCOUNT",
        "grantableBy": ["OWNER", "ADMINISTRATOR", "COLLABORATOR"],
    }
    await update_settings(api, anna, simpleUserRestrictions=[])
    assert await load_permissions(api, bo) == before


async def test_restricted_read_permission_restricts_dependent_permissions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "SIMPLE_USER")

    await update_settings(api, anna, simpleUserRestrictions=["DOCUMENTS_READ"])

    assert [p for p in await load_permissions(api, bo) if p.startswith("DOCUMENTS")] == []


async def test_locks_apply_to_every_role_and_can_be_removed(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "ACCOUNTANT")

    await update_settings(api, anna, locks=["DOCUMENTS_DELETE"])

    for person in (anna, bo):
        assert "DOCUMENTS_DELETE" not in await load_permissions(api, person)
        assert (await load_decision(api, person, "DOCUMENTS_DELETE"))["reason"] == "LOCKED_BY_ACCOUNT"
    await update_settings(api, anna, locks=[])
    assert "DOCUMENTS_DELETE" in await load_permissions(api, bo)


async def test_owner_can_remove_locks_when_everything_is_locked(api: Api) -> None:
    anna = await api.person("anna@example.com")

    await update_settings(api, anna, locks=RESTRICTABLE, simpleUserRestrictions=RESTRICTABLE)

    assert await load_permissions(api, anna) == [p for p in Permission if p not in RESTRICTABLE]
    await update_settings(api, anna, locks=[])
    assert await load_permissions(api, anna) == list(Permission)


@pytest.mark.parametrize("field", ["locks", "simpleUserRestrictions"])
@pytest.mark.parametrize("permission", [p for p in Permission if p not in RESTRICTABLE])
async def test_essential_permission_cannot_be_restricted(api: Api, field: str, permission: str) -> None:
    anna = await api.person("anna@example.com")

    error_codes = await refusal_codes(
        api, "updateAccountSettings", {"accountId": anna.account_id, field: [permission, "REPORTS_READ"]}, by=anna
    )

    assert error_codes == [("INVALID", [field])]


async def test_allowlist_limits_simple_user(api: Api) -> None:
    anna = await api.person("anna@example.com")

    bo, _ = await api.guest(anna, GUEST, "SIMPLE_USER", permissions=["DOCUMENTS_READ"])

    assert await load_permissions(api, bo) == ["ACCOUNT_READ", "DOCUMENTS_READ"]
    assert await load_decision(api, bo, "REPORTS_READ") == {
        "allowed": False,
        "reason": "RESTRICTED_BY_GRANT",
        "grantableBy": ["OWNER", "ADMINISTRATOR"],
    }
    assert (await load_decision(api, bo, "SETTINGS_READ"))["reason"] == "ROLE"


async def test_consultant_has_exactly_the_allowlist(api: Api) -> None:
    anna = await api.person("anna@example.com")

    kim, _ = await api.guest(anna, GUEST, "CONSULTANT", permissions=["SETTINGS_READ", "SETTINGS_WRITE", "USERS_READ"])
    await update_settings(api, anna, simpleUserRestrictions=RESTRICTABLE)

    assert await load_permissions(api, kim) == ["ACCOUNT_READ", "SETTINGS_READ", "SETTINGS_WRITE", "USERS_READ"]


async def test_expired_subscription_leaves_reading_and_renewal(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, key = await api.guest(anna, GUEST, "COLLABORATOR")
    api.clock.forward(days=10)
    for person in (anna, bo):
        await api.ask("{ __typename }", by=person)
    api.clock.forward(days=10)
    for person in (anna, bo):
        await api.ask("{ __typename }", by=person)
    api.clock.forward(days=10, seconds=-1)
    assert await load_permissions(api, anna) == list(Permission)
    assert await load_permissions(api, bo) == policy.permissions(policy.ROLES[Role.COLLABORATOR])
    fresh = await api.do("signIn", {"email": anna.email, "password": "kestrel orbit lantern"}, "accessToken")
    anna = Person(anna.email, fresh["accessToken"], anna.user_id, anna.account_id)

    api.clock.forward(seconds=1)

    assert await load_permissions(api, anna) == [
        p for p in Permission if "_READ" in p or policy.mask([p]) & policy.SURVIVES_EXPIRY
    ]
    assert (await load_decision(api, anna, "DOCUMENTS_WRITE"))["reason"] == "SUBSCRIPTION_EXPIRED"
    over = [("SUBSCRIPTION_EXPIRED", None)]
    assert await refusal_codes(api, "updateAccount", {"accountId": anna.account_id, "name": "N"}, by=anna) == over
    assert (
        await refusal_codes(api, "updateAccountSettings", {"accountId": anna.account_id, "locks": []}, by=anna) == over
    )
    answer = await api.ask("{ viewer { currentAccount { status subscription { daysLeft isExpired } } } }", by=anna)
    assert answer.data["viewer"]["currentAccount"] == {
        "status": "READ_ONLY",
        "subscription": {"daysLeft": 0, "isExpired": True},
    }
    assert codes(await api.do("revokeGrant", {"grantId": key}, by=anna)) == []
    assert codes(await api.do("restoreGrant", {"grantId": key}, by=anna)) == []
    assert codes(await api.do("createAccount", {"name": "Another"}, by=anna)) == []


async def test_refused_field_and_viewer_can_give_the_same_reason(api: Api) -> None:
    """Bo is an accountant in one account of Anna and a restricted consultant in another. Each has its own reason."""
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "ACCOUNTANT")
    second = (await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna))["account"]["id"]
    offer = {"accountId": second, "email": GUEST, "role": "CONSULTANT", "permissions": ["DOCUMENTS_READ"]}
    await api.do("inviteUser", offer, by=anna)
    assert codes(await api.do("acceptInvitation", {"token": await api.link(GUEST, "invitation")}, by=bo)) == []
    query = """query ($user: ID!) {
        accounts(orderBy: NAME) { nodes { viewerCan(permission: USERS_READ) { reason grantableBy }
            owner { email } viewerGrant { role grantedBy { email } } } }
        node(id: $user) { ... on User { email } } }"""

    answer = await api.ask(query, {"user": anna.user_id}, by=bo)

    nodes = answer.partial["accounts"]["nodes"]
    assert [node["viewerCan"]["reason"] for node in nodes] == ["ROLE", "RESTRICTED_BY_GRANT"]
    node_facts: list[dict[str, Any]] = []
    for error in answer.errors:
        facts = {name: error["extensions"][name] for name in ("role", "reason", "grantableBy")}
        if error["path"][0] == "node":
            node_facts.append(facts)
            continue
        node = nodes[error["path"][2]]
        assert facts == {"role": node["viewerGrant"]["role"], **node["viewerCan"]}, error["path"]
    assert len(answer.errors) == 5
    assert node_facts[0]["reason"] in {"ROLE", "RESTRICTED_BY_GRANT"}
