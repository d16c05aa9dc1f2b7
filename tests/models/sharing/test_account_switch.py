"""Switching to another account, and recording the use of an account."""

from typing import Any

from tests.api import PASSWORD, UNKNOWN_ID, Api, Person
from tests.models.refusals import events, refusal_codes

USER_QUERY = "{ viewer { user { id } } }"
ACCOUNT_QUERY = "{ viewer { currentAccount { id } currentGrant { role } } }"


async def sign_in(api: Api, email: str) -> str:
    payload = await api.do("signIn", {"email": email, "password": PASSWORD}, "accessToken")
    token: str = payload["accessToken"]
    return token


async def load_current_account_id(api: Api, by: str | Person, *, account: str | None = None) -> Any:
    current_account = (await api.ask(ACCOUNT_QUERY, by=by, account=account)).data["viewer"]["currentAccount"]
    return current_account and current_account["id"]


async def create_second_account(api: Api, by: Person) -> str:
    payload = await api.do("createAccount", {"name": "Second"}, "account { id }", by=by)
    account_id: str = payload["account"]["id"]
    return account_id


async def test_switch_applies_to_the_current_session_only(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other_token = await sign_in(api, anna.email)
    second = await create_second_account(api, anna)

    payload = await api.do(
        "switchAccount", {"accountId": second}, "account { id } viewer { currentAccount { id } }", by=anna
    )

    assert payload["account"]["id"] == payload["viewer"]["currentAccount"]["id"] == second
    assert await load_current_account_id(api, anna) == second
    assert await load_current_account_id(api, other_token) == anna.account_id


async def test_next_session_starts_in_the_last_used_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    second = await create_second_account(api, anna)
    api.clock.forward(minutes=1)
    await api.do("switchAccount", {"accountId": second}, by=anna)

    assert await load_current_account_id(api, await sign_in(api, anna.email)) == second
    list_response = await api.ask("{ viewer { accounts { nodes { id } } } }", by=anna)
    assert [node["id"] for node in list_response.data["viewer"]["accounts"]["nodes"]] == [second, anna.account_id]


async def test_switch_to_an_inaccessible_account_is_not_found(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")

    outcomes = [
        await refusal_codes(api, "switchAccount", {"accountId": account_id}, by=anna)
        for account_id in (bo.account_id, UNKNOWN_ID, anna.user_id, "")
    ]

    assert outcomes == [[("NOT_FOUND", ["accountId"])]] * 4


async def test_header_selects_the_account_of_one_request(api: Api) -> None:
    anna = await api.person("anna@example.com")
    second = await create_second_account(api, anna)
    number = (await api.ask("query ($id: ID!) { account(id: $id) { number } }", {"id": second}, by=anna)).data

    assert await load_current_account_id(api, anna, account=second) == second
    assert await load_current_account_id(api, anna, account=str(number["account"]["number"])) == second
    assert await load_current_account_id(api, anna) == anna.account_id


async def test_header_with_an_inaccessible_account_fails_closed(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    number = (await api.ask("{ viewer { currentAccount { number } } }", by=bo)).data["viewer"]["currentAccount"]

    outcomes = [
        await api.ask(ACCOUNT_QUERY, by=anna, account=account_id)
        for account_id in (
            bo.account_id,
            str(number["number"]),
            UNKNOWN_ID,
            "",
            "0",
            "99999999999999999999",
            "x",
            anna.user_id,
        )
    ]

    assert [response.codes for response in outcomes] == [["ACCOUNT_REQUIRED"] * 2] * 8
    nothing = {"viewer": {"currentAccount": None, "currentGrant": None}}
    assert [(response.status, response.partial) for response in outcomes] == [(200, nothing)] * 8


async def test_stale_header_refuses_only_what_is_asked_of_its_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR", allowOtherLogin=True)
    own = (await api.do("createAccount", {"name": "Own AS"}, "account { id }", by=bo))["account"]["id"]
    await api.do("revokeGrant", {"grantId": grant}, by=anna)
    await api.do("inviteUser", {"accountId": anna.account_id, "email": bo.email, "role": "ACCOUNTANT"}, by=anna)
    stale = anna.account_id
    query = """query ($own: ID!, $stale: ID!) {
        viewer { user { id } currentAccount { id } accounts { nodes { id } } invitations { nodes { id } } }
        own: account(id: $own) { id } stale: account(id: $stale) { id } }"""

    answer = await api.ask(query, {"own": own, "stale": stale}, by=bo, account=stale)

    (invitation,) = answer.partial["viewer"].pop("invitations")["nodes"]
    assert [error["path"] for error in answer.errors] == [["viewer", "currentAccount"]]
    viewer = {"user": {"id": bo.user_id}, "currentAccount": None, "accounts": {"nodes": [{"id": own}]}}
    assert answer.partial == {"viewer": viewer, "own": {"id": own}, "stale": None}
    accept = """mutation ($input: AcceptInvitationInput!) { acceptInvitation(input: $input) {
        errors { code } viewer { currentAccount { id } currentGrant { role } } } }"""
    values = {"input": {"invitationId": invitation["id"]}}
    payload = (await api.ask(accept, values, by=bo, account=stale)).data["acceptInvitation"]
    current = {"currentAccount": {"id": stale}, "currentGrant": {"role": "ACCOUNTANT"}}
    assert payload == {"errors": [], "viewer": current}


async def test_stale_header_does_not_keep_a_session_open(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    await api.do("revokeGrant", {"grantId": grant}, by=anna)

    answer = await api.ask("mutation { signOut { errors { code } } }", by=bo, account=anna.account_id)

    assert answer.data == {"signOut": {"errors": []}}
    assert (await api.ask(USER_QUERY, by=bo)).data == {"viewer": None}


async def test_access_that_a_mutation_takes_ends_for_the_rest_of_its_request(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    await api.do("createAccount", {"name": "Own AS"}, by=bo)
    document = """mutation ($input: ResignGrantInput!) { resignGrant(input: $input) { errors { code } }
        updateProfile(input: {}) { viewer { currentAccount { id } } } }"""

    answer = await api.ask(document, {"input": {"grantId": grant}}, by=bo, account=anna.account_id)

    assert answer.partial["updateProfile"] == {"viewer": {"currentAccount": None}}
    assert answer.codes == ["ACCOUNT_REQUIRED"]


async def test_revoked_access_ends_in_the_running_session(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant_id = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    assert await load_current_account_id(api, bo) == anna.account_id

    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)

    assert await load_current_account_id(api, bo) is None
    assert (await api.ask(ACCOUNT_QUERY, by=bo, account=anna.account_id)).codes == ["ACCOUNT_REQUIRED"] * 2
    assert await refusal_codes(api, "switchAccount", {"accountId": anna.account_id}, by=bo) == [
        ("NOT_FOUND", ["accountId"])
    ]


async def test_use_is_recorded_once_an_hour_with_the_current_role(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant_id = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    for _ in range(3):
        await api.ask(USER_QUERY, by=bo)
        api.clock.forward(minutes=2)
    await api.do("updateGrant", {"grantId": grant_id, "role": "COLLABORATOR"}, by=anna)
    api.clock.forward(hours=1)
    await api.ask(USER_QUERY, by=bo)

    roles = [event.actor_role for event in await events("account:account:enter") if event.actor_role != "OWNER"]

    assert roles == ["ACCOUNTANT", "COLLABORATOR"]
    response = await api.ask("{ viewer { events { nodes { type actor { id } actorRole account { id } } } } }", by=anna)
    entries = [node for node in response.data["viewer"]["events"]["nodes"] if node["actorRole"] == "ACCOUNTANT"]
    assert [(node["actor"]["id"], node["account"]["id"]) for node in entries if node["type"].endswith("enter")] == [
        (bo.user_id, anna.account_id)
    ]
