"""An account that demands a second factor is entered by nobody without one, by no path."""

import json
from typing import Any

import pytest

from database import db
from tests.api import PASSWORD, Api, Person, codes
from tests.authenticator import enrolled, set_up
from tests.models.refusals import events, refused
from tests.resolvers.statements import counted
from tests.resolvers.test_isolation import facts, parts_of
from tests.schema.world import key

REQUIRED = "TWO_FACTOR_REQUIRED"
SHUT_OUT = """{ viewer { currentAccount { settings { withoutSecondFactor {
    totalCount nodes { user { email } role } } } } } }"""
OWN = """{ viewer { grants { nodes {
    accountName status permissions account { id } entry { allowed reason grantableBy } } } } }"""
MENU = "{ viewer { currentAccount { id } currentGrant { id } accounts { totalCount nodes { id } } } }"


async def demand(api: Api, by: Person, *, on: bool = True) -> None:
    """Let an account demand a second factor; who turns it on has one."""
    given = {"accountId": by.account_id, "requiresTwoFactor": on}
    done = await api.do("updateAccountSettings", given, "account { settings { requiresTwoFactor } }", by=by)
    assert done == {"account": {"settings": {"requiresTwoFactor": on}}, "errors": []}


async def shut_out(api: Api, by: Person) -> Any:
    answer = await api.ask(SHUT_OUT, by=by, account=by.account_id)
    return answer.data["viewer"]["currentAccount"]["settings"]["withoutSecondFactor"]


async def demanding(api: Api, role: str = "ADMINISTRATOR", **more: object) -> tuple[Person, Person]:
    """An owner with a factor whose account demands it, and a guest without."""
    anna = await api.person("anna@example.com", "Anna Nowak", accountName="Storm AS")
    bo, _ = await api.guest(anna, "bo@example.com", role, **more)
    await set_up(api, anna)
    await demand(api, anna)
    return anna, bo


# ---- Turning it on ---------------------------------------------------------------------------


async def test_nobody_shuts_himself_out(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given = {"accountId": anna.account_id, "requiresTwoFactor": True}
    assert await refused(api, "updateAccountSettings", given, by=anna) == [(REQUIRED, ["requiresTwoFactor"])]
    app = await enrolled(api, anna)
    assert await refused(api, "updateAccountSettings", given, by=anna) == [(REQUIRED, ["requiresTwoFactor"])]

    await api.do("confirmSecondFactor", {"code": app.code()}, by=anna)

    assert (await api.do("updateAccountSettings", given, by=anna))["errors"] == []
    found = await events("account:settings:update")
    assert [(e.before, e.after) for e in found] == [('{"requires_two_factor": false}', '{"requires_two_factor": true}')]


async def test_who_would_be_shut_out_is_listed_before(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    cy, _ = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    _, gone = await api.guest(anna, "gone@example.com", "ACCOUNTANT")
    _ = await api.guest(anna, "waits@example.com", "CONSULTANT")
    await api.do("revokeGrant", {"grantId": gone}, by=anna)
    await set_up(api, cy)
    await enrolled(api, bo)  # not confirmed: worth nothing

    found = await shut_out(api, anna)

    assert found == {
        "totalCount": 2,
        "nodes": [
            {"user": {"email": anna.email}, "role": "OWNER"},
            {"user": {"email": bo.email}, "role": "ADMINISTRATOR"},
        ],
    }
    await set_up(api, anna)
    assert [node["user"]["email"] for node in (await shut_out(api, anna))["nodes"]] == [bo.email]
    await demand(api, anna)
    assert [node["user"]["email"] for node in (await shut_out(api, anna))["nodes"]] == [bo.email]


@pytest.mark.parametrize(
    ("permissions", "path"),
    [
        (["USERS_READ"], ["viewer", "currentAccount", "settings"]),
        (["SETTINGS_READ"], ["viewer", "currentAccount", "settings", "withoutSecondFactor"]),
    ],
)
async def test_the_list_is_for_who_reads_both_users_and_settings(
    api: Api, permissions: list[str], path: list[str]
) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "CONSULTANT", permissions=permissions)

    answer = await api.ask(SHUT_OUT, by=bo)

    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["path"] == path


# ---- Shut out --------------------------------------------------------------------------------


async def test_the_account_is_not_there_and_the_grant_says_why(api: Api) -> None:
    anna, bo = await demanding(api)
    number = (await api.ask("{ viewer { currentAccount { number } } }", by=anna)).data["viewer"]["currentAccount"]

    query = """query($id: ID!, $number: Int!) {
        account(id: $id) { id } number: account(number: $number) { id } node(id: $id) { id } }"""
    answer = await api.ask(query, {"id": anna.account_id, **number}, by=bo)
    assert answer.data == {"account": None, "number": None, "node": None}
    assert (await api.ask(MENU, by=bo)).data["viewer"] == {
        "currentAccount": None,
        "currentGrant": None,
        "accounts": {"totalCount": 0, "nodes": []},
    }
    assert (await api.ask("{ accounts { totalCount } grants { totalCount } }", by=bo)).data == {
        "accounts": {"totalCount": 0},
        "grants": {"totalCount": 1},
    }
    assert (await api.ask(OWN, by=bo)).data["viewer"]["grants"]["nodes"] == [
        {
            "accountName": "Storm AS",
            "status": "ACTIVE",
            "permissions": [],
            "account": None,
            "entry": {"allowed": False, "reason": REQUIRED, "grantableBy": ["OWNER", "ADMINISTRATOR", "COLLABORATOR"]},
        }
    ]


async def test_switching_and_the_header_say_what_is_missing(api: Api) -> None:
    anna, bo = await demanding(api)

    assert await refused(api, "switchAccount", {"accountId": anna.account_id}, by=bo) == [(REQUIRED, ["accountId"])]
    answer = await api.ask(MENU, by=bo, account=anna.account_id)

    assert (answer.status, answer.body.get("data")) == (403, None)
    told = answer.errors[0]["extensions"]
    assert (told["code"], told["reason"]) == ("ACCOUNT_REQUIRED", REQUIRED)
    stranger = await api.person("stranger@example.com")
    assert await refused(api, "switchAccount", {"accountId": anna.account_id}, by=stranger) == [
        ("NOT_FOUND", ["accountId"])
    ]
    told = (await api.ask(MENU, by=stranger, account=anna.account_id)).errors[0]["extensions"]
    assert {**told, "requestId": ""} == {"code": "ACCOUNT_REQUIRED", "requestId": ""}


async def test_no_operation_gets_in(api: Api) -> None:
    anna, bo = await demanding(api)
    _, grant = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    here = {"accountId": anna.account_id}
    invited = await api.do(
        "inviteUser", {**here, "email": "dag@example.com", "role": "ACCOUNTANT"}, "invitation { id }", by=anna
    )
    side = await api.do("createAccount", {"name": "Side AS"}, "account { id }", by=bo)
    other = side["account"]["id"]

    tried: list[tuple[str, dict[str, Any], str]] = [
        ("updateAccount", {**here, "name": "Mine"}, "accountId"),
        ("updateAccountSettings", {**here, "requiresTwoFactor": False}, "accountId"),
        ("inviteUser", {**here, "email": "eve@example.com", "role": "ACCOUNTANT"}, "accountId"),
        ("revokeInvitation", {"invitationId": invited["invitation"]["id"]}, "invitationId"),
        ("updateGrant", {"grantId": grant, "role": "COLLABORATOR"}, "grantId"),
        ("revokeGrant", {"grantId": grant}, "grantId"),
        ("extendSubscription", {**here, "payerAccountId": other, "days": 10}, "accountId"),
        ("extendSubscription", {"accountId": other, "payerAccountId": anna.account_id, "days": 10}, "payerAccountId"),
    ]
    for mutation, given, field in tried:
        assert await refused(api, mutation, given, by=bo) == [(REQUIRED, [field])], mutation


async def test_every_path_from_the_root_ends_before_it(api: Api) -> None:
    anna, bo = await demanding(api)
    await api.guest(anna, "hidden@example.com", "ACCOUNTANT")
    own = await db.fetch("SELECT id FROM grants WHERE user_id = $1", key(bo.user_id), row=db.Row)
    # What he did himself, and where, stays his: as after his access was taken back.
    query = "{ grants { nodes { id accountName } } viewer { events { nodes { id before after account { id } } } } }"
    mine = json.dumps((await api.ask(query, by=bo)).data)
    secrets = {secret for secret in await facts(anna.account_id) if secret not in mine}
    secrets -= {str(row.id) for row in own}
    assert len(secrets) > 20

    for selection in parts_of("Query"):
        answer = await api.ask(f"{{ {selection} }}", by=bo)

        text = json.dumps(answer.body)
        assert answer.partial is not None, text[:300]
        assert sorted(secret for secret in secrets if secret in text) == []


async def test_the_people_of_the_account_are_strangers(api: Api) -> None:
    anna, bo = await demanding(api)
    cy, _ = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { name email } } }"

    answer = await api.ask(query, {"ids": [anna.user_id, cy.user_id]}, by=bo)

    assert answer.partial["nodes"] == [{"name": "Anna Nowak", "email": None}, None]  # who invited him, and no more
    assert answer.codes == ["FORBIDDEN"]


async def test_the_owner_is_bound_too(api: Api) -> None:
    anna, bo = await demanding(api)
    await set_up(api, bo)
    await api.ask(MENU, by=bo)

    assert (await api.do("disableSecondFactor", {"password": PASSWORD}, by=anna))["errors"] == []

    assert (await api.ask(MENU, by=anna)).data["viewer"]["accounts"]["totalCount"] == 0
    seen = (await api.ask("{ viewer { events(first: 100) { nodes { actor { id } } } } }", by=anna)).data["viewer"]
    assert {node["actor"]["id"] for node in seen["events"]["nodes"]} == {anna.user_id}
    given = {"accountId": anna.account_id, "requiresTwoFactor": False}
    assert await refused(api, "updateAccountSettings", given, by=anna) == [(REQUIRED, ["accountId"])]


# ---- And in again ----------------------------------------------------------------------------


async def test_who_sets_one_up_is_in_with_the_next_request(api: Api) -> None:
    anna, bo = await demanding(api)
    app = await enrolled(api, bo)
    assert (await api.ask(MENU, by=bo)).data["viewer"]["currentAccount"] is None

    shown = "viewer { currentAccount { id } grants { nodes { entry { reason } } } }"
    done = await api.do("confirmSecondFactor", {"code": app.code()}, shown, by=bo)

    assert done["viewer"]["grants"]["nodes"] == [{"entry": {"reason": "GRANTED"}}]
    seen = (await api.ask(MENU, by=bo)).data["viewer"]
    assert (seen["currentAccount"], seen["accounts"]["totalCount"]) == ({"id": anna.account_id}, 1)
    assert (await api.do("switchAccount", {"accountId": anna.account_id}, by=bo))["errors"] == []
    await api.do("disableSecondFactor", {"password": PASSWORD}, by=bo)
    assert (await api.ask(MENU, by=bo)).data["viewer"]["currentAccount"] is None


async def test_turned_off_everybody_is_in_again(api: Api) -> None:
    anna, bo = await demanding(api)

    await demand(api, anna, on=False)

    assert (await api.ask(MENU, by=bo)).data["viewer"]["currentAccount"] == {"id": anna.account_id}


async def test_a_sign_in_begins_where_one_can_enter(api: Api) -> None:
    _, bo = await demanding(api)
    side = await api.do("createAccount", {"name": "Side AS"}, "account { id }", by=bo)

    done = await api.do(
        "signIn", {"email": bo.email, "password": PASSWORD}, "viewer { currentAccount { id } accounts { totalCount } }"
    )

    assert done["viewer"] == {"currentAccount": side["account"], "accounts": {"totalCount": 1}}


async def test_an_invitation_is_accepted_and_waits_for_the_factor(api: Api) -> None:
    anna, _ = await demanding(api)
    stig = await api.person("stig@example.com")
    given = {"accountId": anna.account_id, "email": stig.email, "role": "COLLABORATOR"}
    await api.do("inviteUser", given, by=anna)

    token = await api.link(stig.email, "invitation")
    done = await api.do("acceptInvitation", {"token": token}, "account { id } grant { entry { reason } }", by=stig)

    assert done == {"account": None, "grant": {"entry": {"reason": REQUIRED}}, "errors": []}
    assert (await api.ask(MENU, by=stig)).data["viewer"]["accounts"]["nodes"] == [{"id": stig.account_id}]


async def test_who_is_shut_out_stands_behind_no_invitation(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    given = {"accountId": anna.account_id, "email": "cy@example.com", "role": "ACCOUNTANT"}
    await api.do("inviteUser", given, by=bo)
    await set_up(api, anna)
    await demand(api, anna)
    login = {"token": await api.link("cy@example.com", "invitation"), "name": "Cy", "password": PASSWORD}

    assert await refused(api, "acceptInvitation", login) == [("ROLE_TOO_HIGH", None)]
    await set_up(api, bo)
    assert codes(await api.do("acceptInvitation", login)) == []


async def test_one_can_give_up_what_one_cannot_enter(api: Api) -> None:
    _, bo = await demanding(api)
    mine = (await api.ask("{ viewer { grants { nodes { id } } } }", by=bo)).data["viewer"]["grants"]["nodes"][0]["id"]

    done = await api.do("resignGrant", {"grantId": mine}, "grant { status }", by=bo)

    assert done == {"grant": {"status": "RESIGNED"}, "errors": []}


# ---- What others see, and what it costs ------------------------------------------------------


async def test_a_grant_tells_nobody_else_whether_its_holder_has_one(api: Api) -> None:
    anna, bo = await demanding(api)
    query = """{ viewer { currentAccount { grants { nodes { user { id } status permissions entry { reason } } } } } }"""
    before = (await api.ask(query, by=anna)).data

    await set_up(api, bo)

    after = (await api.ask(query, by=anna)).data
    assert after == before
    nodes = after["viewer"]["currentAccount"]["grants"]["nodes"]
    assert [node["entry"] for node in nodes] == [{"reason": "GRANTED"}] * 2
    assert "USERS_WRITE" in nodes[1]["permissions"]


async def test_it_costs_no_statement(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await set_up(api, anna)
    query = "{ viewer { accounts { nodes { id viewerPermissions grants { nodes { permissions } } } } } }"
    await api.ask(query, by=anna)
    with counted() as before:
        await api.ask(query, by=anna)
    await demand(api, anna)

    with counted() as after:
        await api.ask(query, by=anna)

    assert after == before


async def test_who_looks_through_the_eyes_of_one_shut_out_sees_nothing_either(api: Api) -> None:
    anna, bo = await demanding(api, "ACCOUNTANT")
    (grant,) = (await api.ask("{ viewer { grants { nodes { id accountName } } } }", by=bo)).data["viewer"]["grants"][
        "nodes"
    ]
    query = "{ viewer { currentAccount { name } } }"

    through_bo = await api.ask(query, by=anna, account=anna.account_id, headers={"X-View-As": grant["id"]})
    through_role = await api.ask(query, by=anna, account=anna.account_id, headers={"X-View-As": "ACCOUNTANT"})

    assert through_bo.data == {"viewer": {"currentAccount": None}}
    assert through_role.data == {"viewer": {"currentAccount": {"name": "Storm AS"}}}
