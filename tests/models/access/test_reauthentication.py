"""Re-authentication: the cases in which it is needed, how the proof is given, and what clients learn of it."""

from typing import Any, Final

import pytest

from database import db
from models.throttle import CODE
from models.throttle import PASSWORD as PASSWORD_LIMIT
from resolvers import ids
from tests.api import PASSWORD, Api, Clock, Person, codes
from tests.authenticator import enable_second_factor
from tests.models.bureaus.bureau_setup import account_number, engage, list_engagements, register_pair, request_by_bureau
from tests.models.refusals import events, refusal_codes

REQUIRED: Final = [("REAUTHENTICATION_REQUIRED", None)]
IBAN, OTHER_IBAN = "PL61109010140000071219812874", "PL27114020040000300201355387"


@pytest.fixture
def strict_api(api: Api) -> Api:
    """A client that does not prove again by itself."""
    api.reauthenticates = False
    return api


async def prove(api: Api, by: Person | str, **proof: str) -> Any:
    return await api.do("reauthenticate", proof, "session { authenticatedAt } viewer { user { id } }", by=by)


async def method(api: Api, mutation: str, input_: dict[str, Any] | None, by: Person | str) -> list[tuple[str, str]]:
    """The code and method of each error of a mutation."""
    name = mutation[0].upper() + mutation[1:]
    head, argument = (f"($input: {name}Input!)", "(input: $input)") if input_ is not None else ("", "")
    document = f"mutation{head} {{ {mutation}{argument} {{ errors {{ code method }} }} }}"
    payload = (await api.ask(document, {"input": input_} if input_ is not None else {}, by=by)).data[mutation]
    return [(error["code"], error["method"]) for error in payload["errors"]]


def invitation(person: Person, email: str = "new@example.com") -> dict[str, Any]:
    return {"accountId": person.account_id, "email": email, "role": "ACCOUNTANT"}


# ---- Cases -------------------------------------------------------------------------------------


async def test_caller_without_the_permission_is_told_so_and_not_asked(strict_api: Api, clock: Clock) -> None:
    anna = await strict_api.person("anna@example.com")
    bo, _ = await strict_api.guest(anna, "bo@example.com", "ACCOUNTANT")
    cy = await strict_api.person("cy@example.com")
    clock.forward(minutes=10)
    document = "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { errors { code } } }"

    answer = await strict_api.ask(document, {"input": invitation(anna)}, by=bo)

    assert answer.codes == ["FORBIDDEN"]
    assert await refusal_codes(strict_api, "inviteUser", invitation(anna), by=cy) == [("NOT_FOUND", ["accountId"])]


async def test_grant_is_raised_or_prolonged_with_a_proof_and_lowered_without(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    _, grant = await api.guest(anna, "bo@example.com", "SIMPLE_USER", permissions=["DOCUMENTS_READ"])
    end, later = (clock.now.replace(year=clock.now.year + years).isoformat() for years in (1, 2))
    clock.forward(minutes=10)

    raises: list[dict[str, Any]] = [
        {"role": "COLLABORATOR"},
        {"role": "ACCOUNTANT"},
        {"role": "CONSULTANT", "permissions": ["DOCUMENTS_READ"]},
        {"permissions": ["DOCUMENTS_READ", "EXPENSES_READ"]},
        {"permissions": ["EXPENSES_READ"]},
        {"removePermissionList": True},
    ]
    for change in raises:
        assert await refusal_codes(api, "updateGrant", {"grantId": grant, **change}, by=anna) == REQUIRED, change
    for change in ({"validUntil": end}, {"permissions": ["DOCUMENTS_READ"]}, {"permissions": []}):
        assert codes(await api.do("updateGrant", {"grantId": grant, **change}, by=anna)) == [], change
    for change in ({"validUntil": later}, {"removeEnd": True}, {"permissions": ["DOCUMENTS_READ"]}):
        assert await refusal_codes(api, "updateGrant", {"grantId": grant, **change}, by=anna) == REQUIRED, change


async def test_bank_account_and_factor_requirement_change_with_a_proof_only(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com", country="PL")
    settings = {"accountId": anna.account_id, "bankAccountNumber": IBAN}
    assert codes(await api.do("updateAccountSettings", settings, by=anna)) == []
    clock.forward(minutes=10)

    same_form = {**settings, "invoicePrefix": "N", "requiresTwoFactor": False}
    assert codes(await api.do("updateAccountSettings", same_form, by=anna)) == []
    other_account = {**settings, "bankAccountNumber": OTHER_IBAN}
    assert await refusal_codes(api, "updateAccountSettings", other_account, by=anna) == REQUIRED
    assert codes(await prove(api, anna, password=PASSWORD)) == []
    assert codes(await api.do("updateAccountSettings", other_account, by=anna)) == []

    await db.execute("UPDATE accounts SET requires_two_factor = TRUE")
    app = await enable_second_factor(api, anna)
    clock.forward(minutes=10)
    off = {"accountId": anna.account_id, "requiresTwoFactor": False}
    assert await refusal_codes(api, "updateAccountSettings", off, by=anna) == REQUIRED
    assert codes(await prove(api, anna, code=app.code())) == []
    assert codes(await api.do("updateAccountSettings", off, by=anna)) == []


async def test_client_gives_the_proof_for_an_engagement_and_the_bureau_does_not(strict_api: Api, clock: Clock) -> None:
    api = strict_api
    bureau, client = await register_pair(api)
    other = await api.person("other@example.com")
    clock.forward(minutes=10)

    engagement_id = await request_by_bureau(api, bureau, client)
    assert await refusal_codes(api, "acceptEngagement", {"engagementId": engagement_id}, by=client) == REQUIRED
    request = {"clientAccountId": other.account_id, "bureauNumber": await account_number(bureau)}
    assert await refusal_codes(api, "engageBureau", request, by=other) == REQUIRED
    assert codes(await prove(api, other, password=PASSWORD)) == []
    assert codes(await api.do("engageBureau", request, by=other)) == []
    (pending,) = [row for row in await list_engagements(api, bureau) if row["id"] != engagement_id]
    assert codes(await api.do("acceptEngagement", {"engagementId": pending["id"]}, by=bureau)) == []


async def test_other_sessions_end_with_a_proof_and_the_own_one_without(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    thief = await api.sign_in(anna)
    sessions = (await api.ask("{ viewer { sessions { nodes { id isCurrent } } } }", by=thief)).data["viewer"][
        "sessions"
    ]
    id_of = {node["isCurrent"]: node["id"] for node in sessions["nodes"]}
    clock.forward(minutes=10)

    assert await refusal_codes(api, "revokeSession", {"sessionId": id_of[False]}, by=thief) == REQUIRED
    assert await refusal_codes(api, "revokeOtherSessions", None, by=thief) == REQUIRED
    assert codes(await api.do("revokeSession", {"sessionId": id_of[True]}, by=thief)) == []


@pytest.mark.parametrize(
    "mutation", ["changePassword", "disableSecondFactor", "eraseMe", "regenerateRecoveryCodes", "transferOwnership"]
)
async def test_password_alone_is_no_proof_with_a_second_factor(strict_api: Api, clock: Clock, mutation: str) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    account = (await api.do("createAccount", {"name": "Two"}, "account { id }", by=anna))["account"]["id"]
    bo, _ = await api.guest(Person(anna.email, anna.token, anna.user_id, account), "bo@example.com", "ACCOUNTANT")
    app = await enable_second_factor(api, anna)
    input_: dict[str, Any] = {
        "changePassword": {"currentPassword": PASSWORD, "newPassword": "another kestrel orbit"},
        "transferOwnership": {"accountId": account, "userId": bo.user_id, "password": PASSWORD},
    }.get(mutation, {"password": PASSWORD})
    clock.forward(minutes=10)

    assert await refusal_codes(api, mutation, input_, by=anna) == REQUIRED
    assert await method(api, mutation, input_, anna) == [("REAUTHENTICATION_REQUIRED", "ONE_TIME_CODE")]
    assert codes(await prove(api, anna, code=app.code())) == []
    expected = [("INVALID_STATE", None)] if mutation == "eraseMe" else []
    assert codes(await api.do(mutation, input_, by=anna)) == expected


async def test_password_in_the_input_is_the_proof_without_a_second_factor(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    clock.forward(days=1)

    offer = {"accountId": anna.account_id, "userId": bo.user_id, "password": PASSWORD}
    assert codes(await api.do("transferOwnership", offer, by=anna)) == []
    change = {"currentPassword": PASSWORD, "newPassword": "another kestrel orbit"}
    assert codes(await api.do("changePassword", change, by=anna)) == []


async def test_repeat_with_an_idempotency_key_returns_the_outcome_and_moves_nothing(
    strict_api: Api, clock: Clock
) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    await db.execute("UPDATE accounts SET subscription_until = subscription_until + interval '300 days'")
    second = (await api.do("createAccount", {"name": "Two"}, "account { id }", by=anna))["account"]["id"]
    transfer = {"accountId": second, "payerAccountId": anna.account_id, "days": 10, "idempotencyKey": "once"}
    assert codes(await api.do("extendSubscription", transfer, by=anna)) == []
    clock.forward(minutes=10)

    assert codes(await api.do("extendSubscription", transfer, by=anna)) == []
    assert await refusal_codes(api, "extendSubscription", {**transfer, "idempotencyKey": "twice"}, by=anna) == REQUIRED


# ---- The proof ---------------------------------------------------------------------------------


async def test_proof_counts_for_ten_minutes_of_its_own_session(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    other = await api.sign_in(anna)
    clock.forward(minutes=9, seconds=59)
    assert codes(await api.do("inviteUser", invitation(anna, "a@example.com"), by=anna)) == []
    clock.forward(seconds=1)
    assert await method(api, "inviteUser", invitation(anna), anna) == [("REAUTHENTICATION_REQUIRED", "PASSWORD")]

    payload = await prove(api, anna, password=PASSWORD)

    assert payload["errors"] == []
    assert payload["session"] == {"authenticatedAt": clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert codes(await api.do("inviteUser", invitation(anna), by=anna)) == []
    assert await refusal_codes(api, "inviteUser", invitation(anna, "b@example.com"), by=other) == REQUIRED
    (row,) = await events("user:session:reauthenticate")
    assert row.actor_id == ids.decode("User", anna.user_id)


async def test_each_way_to_a_session_is_a_proof(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    clock.forward(days=1)
    for session in (await api.sign_in(anna), await api.person("bo@example.com")):
        assert codes(await api.do("revokeOtherSessions", None, by=session)) == []
    anna = await api.sign_in(anna)
    guest, _ = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    assert codes(await api.do("revokeOtherSessions", None, by=guest)) == []


async def test_proof_counts_for_the_rest_of_its_request(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    clock.forward(days=1)
    document = """mutation ($password: String, $invitation: InviteUserInput!) {
        first: inviteUser(input: $invitation) { errors { code } }
        reauthenticate(input: { password: $password }) { errors { code } viewer { currentAccount {
            viewerCan(permission: USERS_WRITE) { needsReauthentication } } } }
        second: inviteUser(input: $invitation) { errors { code } } }"""

    answer = await api.ask(document, {"password": PASSWORD, "invitation": invitation(anna)}, by=anna)

    assert answer.data == {
        "first": {"errors": [{"code": "REAUTHENTICATION_REQUIRED"}]},
        "reauthenticate": {
            "errors": [],
            "viewer": {"currentAccount": {"viewerCan": {"needsReauthentication": False}}},
        },
        "second": {"errors": []},
    }


async def test_wrong_or_missing_secrets_are_refused_and_limited(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    clock.forward(minutes=10)

    assert codes(await prove(api, anna)) == [("REQUIRED", ["password"])]
    assert codes(await prove(api, anna, code="123456")) == [("REQUIRED", ["password"])]
    for _ in range(PASSWORD_LIMIT.max_attempts):
        assert codes(await prove(api, anna, password="wrong")) == [("INVALID_CREDENTIALS", ["password"])]
    document = 'mutation { reauthenticate(input: { password: "wrong" }) { errors { code } } }'
    assert (await api.ask(document, by=anna)).codes == ["RATE_LIMITED"]
    assert (await api.ask(document)).codes == ["UNAUTHENTICATED"]
    assert await refusal_codes(api, "inviteUser", invitation(anna), by=anna) == REQUIRED


async def test_user_with_a_second_factor_proves_by_an_unused_code(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    clock.forward(minutes=10)

    assert codes(await prove(api, anna, password=PASSWORD)) == [("ONE_TIME_CODE_REQUIRED", ["code"])]
    assert codes(await prove(api, anna, code=app.code(), password="wrong")) == [("INVALID_CREDENTIALS", ["password"])]
    assert codes(await prove(api, anna, code=app.wrong_code())) == [("INVALID_CREDENTIALS", ["code"])]
    code = app.code()
    assert codes(await prove(api, anna, code=code)) == []
    assert codes(await prove(api, anna, code=code)) == [("INVALID_CREDENTIALS", ["code"])]
    assert codes(await prove(api, anna, code=app.recovery_codes[0])) == []


async def test_stolen_session_cannot_use_up_the_codes_of_a_sign_in(strict_api: Api) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    app = await enable_second_factor(api, anna)

    for _ in range(CODE.max_attempts):
        assert codes(await prove(api, anna, code=app.wrong_code())) == [("INVALID_CREDENTIALS", ["code"])]

    document = 'mutation { reauthenticate(input: { code: "000000" }) { errors { code } } }'
    assert (await api.ask(document, by=anna)).codes == ["RATE_LIMITED"]
    sign_in = {"email": anna.email, "password": PASSWORD, "oneTimeCode": app.code()}
    assert codes(await api.do("signIn", sign_in)) == []


async def test_client_activation_in_an_open_session_is_no_proof(strict_api: Api, clock: Clock) -> None:
    api = strict_api
    bureau, client = await register_pair(api)
    await engage(api, bureau, client)
    new = {"bureauAccountId": bureau.account_id, "name": "K", "ownerName": "K", "ownerEmail": client.email}
    assert codes(await api.do("createClientAccount", new, by=bureau)) == []
    token = await api.link(client.email, "activation")
    clock.forward(minutes=10)

    payload = await api.do("activate", {"token": token}, "accessToken", by=client)

    assert payload["errors"] == []
    assert await refusal_codes(api, "revokeOtherSessions", None, by=payload["accessToken"]) == REQUIRED


# ---- What clients learn beforehand ---------------------------------------------------------------

DECISION_QUERY: Final = """query ($id: ID!, $permission: Permission!) { account(id: $id) {
    viewerCan(permission: $permission) { allowed reason needsReauthentication } } }"""


async def test_viewer_can_knows_the_missing_proof(strict_api: Api, clock: Clock) -> None:
    api, anna = strict_api, await strict_api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")

    async def needs(by: Person, permission: str) -> bool:
        variables = {"id": anna.account_id, "permission": permission}
        decision = (await api.ask(DECISION_QUERY, variables, by=by)).data["account"]["viewerCan"]
        assert decision["allowed"] is (decision["reason"] == "GRANTED")
        return bool(decision["needsReauthentication"])

    asked = ("USERS_WRITE", "SETTINGS_WRITE", "SUBSCRIPTION_WRITE", "OWNERSHIP")
    assert [await needs(anna, permission) for permission in asked] == [False] * 4
    clock.forward(minutes=10)
    assert [await needs(anna, permission) for permission in asked] == [True] * 4
    assert [await needs(anna, permission) for permission in ("USERS_READ", "DOCUMENTS_WRITE")] == [False] * 2
    assert [await needs(bo, permission) for permission in asked] == [False] * 4
    assert codes(await prove(api, anna, password=PASSWORD)) == []
    assert [await needs(anna, permission) for permission in asked] == [False] * 4
