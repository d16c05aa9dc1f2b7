"""An account that requires a second factor cannot be entered without one, by any path."""

import json
from typing import Any

import pytest

from database import db
from tests.api import PASSWORD, Api, Person, codes
from tests.authenticator import enable_second_factor, enroll
from tests.models.refusals import events, refusal_codes
from tests.resolvers.statements import record_statements
from tests.resolvers.test_isolation import private_values, root_selections
from tests.schema.world import key

FACTOR_REQUIRED = "TWO_FACTOR_REQUIRED"
WITHOUT_FACTOR_QUERY = """{ viewer { currentAccount { settings { withoutSecondFactor {
    totalCount nodes { user { email } role } } } } } }"""
GRANTS_QUERY = """{ viewer { grants { nodes {
    accountName status permissions account { id } entry { allowed reason grantableBy } } } } }"""
ACCOUNTS_QUERY = "{ viewer { currentAccount { id } currentGrant { id } accounts { totalCount nodes { id } } } }"


async def require_factor(api: Api, by: Person, *, is_required: bool = True) -> None:
    """Change whether an account requires a second factor. The caller needs one to require it."""
    arguments = {"accountId": by.account_id, "requiresTwoFactor": is_required}
    payload = await api.do("updateAccountSettings", arguments, "account { settings { requiresTwoFactor } }", by=by)
    assert payload == {"account": {"settings": {"requiresTwoFactor": is_required}}, "errors": []}


async def load_users_without_factor(api: Api, by: Person) -> Any:
    answer = await api.ask(WITHOUT_FACTOR_QUERY, by=by, account=by.account_id)
    return answer.data["viewer"]["currentAccount"]["settings"]["withoutSecondFactor"]


async def set_up_account(api: Api, role: str = "ADMINISTRATOR", **arguments: object) -> tuple[Person, Person]:
    """The owner of an account that requires a second factor, with a factor, and a guest without one."""
    anna = await api.person("anna@example.com", "Anna Nowak", accountName="Storm AS")
    bo, _ = await api.guest(anna, "bo@example.com", role, **arguments)
    await enable_second_factor(api, anna)
    await require_factor(api, anna)
    return anna, bo


# ---- Requiring a factor ----------------------------------------------------------------------


async def test_user_without_factor_cannot_require_one(api: Api) -> None:
    anna = await api.person("anna@example.com")
    arguments = {"accountId": anna.account_id, "requiresTwoFactor": True}
    assert await refusal_codes(api, "updateAccountSettings", arguments, by=anna) == [
        (FACTOR_REQUIRED, ["requiresTwoFactor"])
    ]
    app = await enroll(api, anna)
    assert await refusal_codes(api, "updateAccountSettings", arguments, by=anna) == [
        (FACTOR_REQUIRED, ["requiresTwoFactor"])
    ]

    await api.do("confirmSecondFactor", {"code": app.code()}, by=anna)

    assert (await api.do("updateAccountSettings", arguments, by=anna))["errors"] == []
    recorded_events = await events("account:settings:update")
    assert [(event.before, event.after) for event in recorded_events] == [
        ('{"requires_two_factor": false}', '{"requires_two_factor": true}')
    ]


async def test_users_without_factor_are_listed_before_it_is_required(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    cy, _ = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    _, revoked_grant = await api.guest(anna, "revoked_grant@example.com", "ACCOUNTANT")
    _ = await api.guest(anna, "waits@example.com", "CONSULTANT")
    await api.do("revokeGrant", {"grantId": revoked_grant}, by=anna)
    await enable_second_factor(api, cy)
    await enroll(api, bo)  # not confirmed, so it does not count

    users = await load_users_without_factor(api, anna)

    assert users == {
        "totalCount": 2,
        "nodes": [
            {"user": {"email": anna.email}, "role": "OWNER"},
            {"user": {"email": bo.email}, "role": "ADMINISTRATOR"},
        ],
    }
    await enable_second_factor(api, anna)
    assert [node["user"]["email"] for node in (await load_users_without_factor(api, anna))["nodes"]] == [bo.email]
    await require_factor(api, anna)
    assert [node["user"]["email"] for node in (await load_users_without_factor(api, anna))["nodes"]] == [bo.email]


@pytest.mark.parametrize(
    ("permissions", "path"),
    [
        (["USERS_READ"], ["viewer", "currentAccount", "settings"]),
        (["SETTINGS_READ"], ["viewer", "currentAccount", "settings", "withoutSecondFactor"]),
    ],
)
async def test_list_needs_permission_to_read_users_and_settings(
    api: Api, permissions: list[str], path: list[str]
) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "CONSULTANT", permissions=permissions)

    answer = await api.ask(WITHOUT_FACTOR_QUERY, by=bo)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["path"] == path


# ---- Users without a factor ------------------------------------------------------------------


async def test_account_is_hidden_and_grant_gives_the_reason(api: Api) -> None:
    anna, bo = await set_up_account(api)
    number = (await api.ask("{ viewer { currentAccount { number } } }", by=anna)).data["viewer"]["currentAccount"]

    query = """query($id: ID!, $number: Int!) {
        account(id: $id) { id } number: account(number: $number) { id } node(id: $id) { id } }"""
    answer = await api.ask(query, {"id": anna.account_id, **number}, by=bo)
    assert answer.data == {"account": None, "number": None, "node": None}
    assert (await api.ask(ACCOUNTS_QUERY, by=bo)).data["viewer"] == {
        "currentAccount": None,
        "currentGrant": None,
        "accounts": {"totalCount": 0, "nodes": []},
    }
    assert (await api.ask("{ accounts { totalCount } grants { totalCount } }", by=bo)).data == {
        "accounts": {"totalCount": 0},
        "grants": {"totalCount": 1},
    }
    assert (await api.ask(GRANTS_QUERY, by=bo)).data["viewer"]["grants"]["nodes"] == [
        {
            "accountName": "Storm AS",
            "status": "ACTIVE",
            "permissions": [],
            "account": None,
            "entry": {
                "allowed": False,
                "reason": FACTOR_REQUIRED,
                "grantableBy": ["OWNER", "ADMINISTRATOR", "COLLABORATOR"],
            },
        }
    ]


async def test_account_switch_and_account_header_report_missing_factor(api: Api) -> None:
    anna, bo = await set_up_account(api)

    assert await refusal_codes(api, "switchAccount", {"accountId": anna.account_id}, by=bo) == [
        (FACTOR_REQUIRED, ["accountId"])
    ]
    current_query = "{ viewer { currentAccount { id } } }"
    answer = await api.ask(current_query, by=bo, account=anna.account_id)

    assert (answer.status, answer.partial) == (200, {"viewer": {"currentAccount": None}})
    extensions = answer.errors[0]["extensions"]
    assert (extensions["code"], extensions["reason"]) == ("ACCOUNT_REQUIRED", FACTOR_REQUIRED)
    stranger = await api.person("stranger@example.com")
    assert await refusal_codes(api, "switchAccount", {"accountId": anna.account_id}, by=stranger) == [
        ("NOT_FOUND", ["accountId"])
    ]
    extensions = (await api.ask(current_query, by=stranger, account=anna.account_id)).errors[0]["extensions"]
    assert {**extensions, "requestId": ""} == {"code": "ACCOUNT_REQUIRED", "requestId": ""}


async def test_operations_are_rejected_without_factor(api: Api) -> None:
    anna, bo = await set_up_account(api)
    _, grant = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    account = {"accountId": anna.account_id}
    payload = await api.do(
        "inviteUser", {**account, "email": "dag@example.com", "role": "ACCOUNTANT"}, "invitation { id }", by=anna
    )
    side = await api.do("createAccount", {"name": "Side AS"}, "account { id }", by=bo)
    side_account_id = side["account"]["id"]

    mutations: list[tuple[str, dict[str, Any], str]] = [
        ("updateAccount", {**account, "name": "Mine"}, "accountId"),
        ("updateAccountSettings", {**account, "requiresTwoFactor": False}, "accountId"),
        ("inviteUser", {**account, "email": "eve@example.com", "role": "ACCOUNTANT"}, "accountId"),
        ("revokeInvitation", {"invitationId": payload["invitation"]["id"]}, "invitationId"),
        ("updateGrant", {"grantId": grant, "role": "COLLABORATOR"}, "grantId"),
        ("revokeGrant", {"grantId": grant}, "grantId"),
        ("extendSubscription", {**account, "payerAccountId": side_account_id, "days": 10}, "accountId"),
        (
            "extendSubscription",
            {"accountId": side_account_id, "payerAccountId": anna.account_id, "days": 10},
            "payerAccountId",
        ),
    ]
    for mutation, arguments, field in mutations:
        assert await refusal_codes(api, mutation, arguments, by=bo) == [(FACTOR_REQUIRED, [field])], mutation


async def test_no_root_field_reaches_the_account_without_factor(api: Api) -> None:
    anna, bo = await set_up_account(api)
    await api.guest(anna, "hidden@example.com", "ACCOUNTANT")
    bo_grants = await db.fetch("SELECT id FROM grants WHERE user_id = $1", key(bo.user_id), row=db.Row)
    # Bo can read their own events and grants, as after a revocation.
    query = "{ grants { nodes { id accountName } } viewer { events { nodes { id before after account { id } } } } }"
    bo_data = json.dumps((await api.ask(query, by=bo)).data)
    secrets = {secret for secret in await private_values(anna.account_id) if secret not in bo_data}
    secrets -= {str(row.id) for row in bo_grants}
    assert len(secrets) > 20

    for selection in root_selections("Query"):
        answer = await api.ask(f"{{ {selection} }}", by=bo)

        text = json.dumps(answer.body)
        assert answer.partial is not None, text[:300]
        assert sorted(secret for secret in secrets if secret in text) == []


async def test_users_of_the_account_are_hidden_without_factor(api: Api) -> None:
    anna, bo = await set_up_account(api)
    cy, _ = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { name email } } }"

    answer = await api.ask(query, {"ids": [anna.user_id, cy.user_id]}, by=bo)

    assert answer.partial["nodes"] == [{"name": "Anna Nowak", "email": None}, None]  # the name of the inviter only
    assert answer.codes == ["FORBIDDEN"]


async def test_owner_without_factor_cannot_enter(api: Api) -> None:
    anna, bo = await set_up_account(api)
    await enable_second_factor(api, bo)
    await api.ask(ACCOUNTS_QUERY, by=bo)

    assert (await api.do("disableSecondFactor", {"password": PASSWORD}, by=anna))["errors"] == []

    assert (await api.ask(ACCOUNTS_QUERY, by=anna)).data["viewer"]["accounts"]["totalCount"] == 0
    viewer = (await api.ask("{ viewer { events(first: 100) { nodes { actor { id } } } } }", by=anna)).data["viewer"]
    assert {node["actor"]["id"] for node in viewer["events"]["nodes"]} == {anna.user_id}
    arguments = {"accountId": anna.account_id, "requiresTwoFactor": False}
    assert await refusal_codes(api, "updateAccountSettings", arguments, by=anna) == [(FACTOR_REQUIRED, ["accountId"])]


# ---- Regaining access ------------------------------------------------------------------------


async def test_confirmed_factor_gives_access_with_next_request(api: Api) -> None:
    anna, bo = await set_up_account(api)
    app = await enroll(api, bo)
    assert (await api.ask(ACCOUNTS_QUERY, by=bo)).data["viewer"]["currentAccount"] is None

    selection = "viewer { currentAccount { id } grants { nodes { entry { reason } } } }"
    payload = await api.do("confirmSecondFactor", {"code": app.code()}, selection, by=bo)

    assert payload["viewer"]["grants"]["nodes"] == [{"entry": {"reason": "GRANTED"}}]
    viewer = (await api.ask(ACCOUNTS_QUERY, by=bo)).data["viewer"]
    assert (viewer["currentAccount"], viewer["accounts"]["totalCount"]) == ({"id": anna.account_id}, 1)
    assert (await api.do("switchAccount", {"accountId": anna.account_id}, by=bo))["errors"] == []
    await api.do("disableSecondFactor", {"password": PASSWORD}, by=bo)
    assert (await api.ask(ACCOUNTS_QUERY, by=bo)).data["viewer"]["currentAccount"] is None


async def test_dropped_requirement_restores_access(api: Api) -> None:
    anna, bo = await set_up_account(api)

    await require_factor(api, anna, is_required=False)

    assert (await api.ask(ACCOUNTS_QUERY, by=bo)).data["viewer"]["currentAccount"] == {"id": anna.account_id}


async def test_sign_in_selects_an_account_that_can_be_entered(api: Api) -> None:
    _, bo = await set_up_account(api)
    side = await api.do("createAccount", {"name": "Side AS"}, "account { id }", by=bo)

    payload = await api.do(
        "signIn", {"email": bo.email, "password": PASSWORD}, "viewer { currentAccount { id } accounts { totalCount } }"
    )

    assert payload["viewer"] == {"currentAccount": side["account"], "accounts": {"totalCount": 1}}


async def test_accepted_invitation_gives_no_access_without_factor(api: Api) -> None:
    anna, _ = await set_up_account(api)
    stig = await api.person("stig@example.com")
    arguments = {"accountId": anna.account_id, "email": stig.email, "role": "COLLABORATOR"}
    await api.do("inviteUser", arguments, by=anna)

    token = await api.link(stig.email, "invitation")
    payload = await api.do("acceptInvitation", {"token": token}, "account { id } grant { entry { reason } }", by=stig)

    assert payload == {"account": None, "grant": {"entry": {"reason": FACTOR_REQUIRED}}, "errors": []}
    assert (await api.ask(ACCOUNTS_QUERY, by=stig)).data["viewer"]["accounts"]["nodes"] == [{"id": stig.account_id}]


async def test_invitation_of_inviter_without_factor_is_rejected(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    arguments = {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}
    await api.do("inviteUser", arguments, by=bo)
    await enable_second_factor(api, anna)
    await require_factor(api, anna)
    login = {"token": await api.link("cy@example.com", "invitation"), "name": "Cy", "password": PASSWORD}

    assert await refusal_codes(api, "acceptInvitation", login) == [("ROLE_TOO_HIGH", None)]
    await enable_second_factor(api, bo)
    assert codes(await api.do("acceptInvitation", login)) == []


async def test_grant_can_be_resigned_without_factor(api: Api) -> None:
    _, bo = await set_up_account(api)
    grant_id = (await api.ask("{ viewer { grants { nodes { id } } } }", by=bo)).data["viewer"]["grants"]["nodes"][0][
        "id"
    ]

    payload = await api.do("resignGrant", {"grantId": grant_id}, "grant { status }", by=bo)

    assert payload == {"grant": {"status": "RESIGNED"}, "errors": []}


# ---- Visibility and cost ---------------------------------------------------------------------


async def test_grant_does_not_show_to_others_whether_holder_has_a_factor(api: Api) -> None:
    anna, bo = await set_up_account(api)
    query = """{ viewer { currentAccount { grants { nodes { user { id } status permissions entry { reason } } } } } }"""
    before = (await api.ask(query, by=anna)).data

    await enable_second_factor(api, bo)

    after = (await api.ask(query, by=anna)).data
    assert after == before
    nodes = after["viewer"]["currentAccount"]["grants"]["nodes"]
    assert [node["entry"] for node in nodes] == [{"reason": "GRANTED"}] * 2
    assert "USERS_WRITE" in nodes[1]["permissions"]


async def test_requirement_takes_no_extra_statement(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await enable_second_factor(api, anna)
    query = "{ viewer { accounts { nodes { id viewerPermissions grants { nodes { permissions } } } } } }"
    await api.ask(query, by=anna)
    with record_statements() as before:
        await api.ask(query, by=anna)
    await require_factor(api, anna)

    with record_statements() as after:
        await api.ask(query, by=anna)

    assert after == before


async def test_view_as_user_without_factor_shows_nothing(api: Api) -> None:
    anna, bo = await set_up_account(api, "ACCOUNTANT")
    (grant,) = (await api.ask("{ viewer { grants { nodes { id accountName } } } }", by=bo)).data["viewer"]["grants"][
        "nodes"
    ]
    query = "{ viewer { currentAccount { name } } }"

    through_bo = await api.ask(query, by=anna, account=anna.account_id, headers={"X-View-As": grant["id"]})
    through_role = await api.ask(query, by=anna, account=anna.account_id, headers={"X-View-As": "ACCOUNTANT"})

    assert through_bo.data == {"viewer": {"currentAccount": None}}
    assert through_role.data == {"viewer": {"currentAccount": {"name": "Storm AS"}}}
