"""Sign-in with a passkey, and the proof by a passkey in a session."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from auth import passkeys
from database import db
from models.base.caller import Caller, OperationConfig
from models.people.passkey_challenge import LIFETIME
from models.scheduled import retention
from models.throttle import CODE, PASSKEY, PASSKEY_CHALLENGE
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.authenticator import enable_second_factor, enroll
from tests.browser import SESSION_HEADERS, Browser
from tests.models.people.factors import can_sign_in
from tests.models.people.factors import sign_in as sign_in_with_password
from tests.models.refusals import events, refusal_codes
from tests.models.sharing.views import ask_in_view
from tests.passkey_device import (
    Device,
    add_passkey,
    begin_reauthentication,
    begin_registration,
    begin_sign_in,
    encode,
    passkey_ids,
    sign_in,
)

REFUSED = [("INVALID_CREDENTIALS", ["credential"])]
REFUSED_IN_SESSION = [("INVALID_CREDENTIALS", ["passkey"])]
PROOF_REQUIRED = [("REAUTHENTICATION_REQUIRED", None)]


async def reauthenticate(api: Api, by: Person | str, **values: object) -> dict[str, Any]:
    return await api.do("reauthenticate", values, "session { authenticatedAt }", by=by)


# ---- Sign-in ---------------------------------------------------------------------------------


async def test_passkey_signs_in_without_address_and_code(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    _ = await enable_second_factor(api, anna)
    options = json.loads(await begin_sign_in(api))
    assert (options["rpId"], options.get("allowCredentials", []), options["userVerification"]) == (
        "fullmakt.example.com",
        [],
        "required",
    )

    payload = await sign_in(api, device.sign(json.dumps(options)))

    assert (payload["errors"], payload["viewer"]) == ([], {"user": {"id": anna.user_id}})
    query = "{ viewer { session { authenticatedAt } passkeys { lastUsedAt } } }"
    now = api.clock.now.isoformat().replace("+00:00", "Z")
    assert (await api.ask(query, by=payload["accessToken"])).data["viewer"] == {
        "session": {"authenticatedAt": now},
        "passkeys": [{"lastUsedAt": now}],
    }
    assert (await events("user:session:start"))[-1].actor_id.hex == anna.user_id[1:]


async def test_passkey_signs_a_browser_in_by_cookie(api: Api) -> None:
    browser, anna = Browser(api.http), await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    options = (await browser.ask("mutation { beginPasskeySignIn { options } }")).data["beginPasskeySignIn"]["options"]
    document = """mutation ($input: SignInWithPasskeyInput!) {
        signInWithPasskey(input: $input) { accessToken viewer { user { id } } errors { code } } }"""

    answer = await browser.ask(document, {"input": {"credential": device.sign(options)}}, headers=SESSION_HEADERS)

    assert answer.data["signInWithPasskey"] == {
        "accessToken": None,
        "viewer": {"user": {"id": anna.user_id}},
        "errors": [],
    }
    assert await browser.is_signed_in()
    begin = "mutation { beginPasskeyReauthentication { options } }"
    options = (await browser.ask(begin)).data["beginPasskeyReauthentication"]["options"]
    prove = "mutation ($input: ReauthenticateInput!) { reauthenticate(input: $input) { errors { code } } }"
    answer = await browser.ask(prove, {"input": {"passkey": device.sign(options)}})
    assert answer.data["reauthenticate"] == {"errors": []}


async def test_every_wrong_passkey_has_the_same_refusal(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    device = await add_passkey(api, anna)
    other_device = await add_passkey(api, bo)
    stranger = replace(Device(), user_handle=device.user_handle)
    wrong_devices = [
        replace(device, origin="http://fullmakt.example.com.evil.example.net"),
        replace(device, origin="http://evil.example.net"),
        replace(device, domain="evil.example.net"),
        replace(device, verifies_user=False),
        replace(device, cross_origin=True),
        replace(device, key=other_device.key),
        replace(device, user_handle=other_device.user_handle),
        replace(device, user_handle=None),
        replace(device, credential_id=other_device.credential_id),
        stranger,
    ]
    credentials = [wrong_device.sign(await begin_sign_in(api)) for wrong_device in wrong_devices]
    in_session = json.loads(await begin_reauthentication(api, anna))["challenge"]
    registration = json.loads(await begin_registration(api, anna))["challenge"]
    challenges = (encode(b"x" * 32), encode(b""), in_session, registration)
    credentials += [device.sign(await begin_sign_in(api), challenge=challenge) for challenge in challenges]
    malformed = json.loads(device.sign(await begin_sign_in(api)))
    credentials += [
        json.dumps({**malformed, "response": {**malformed["response"], part: value}})
        for part in ("clientDataJSON", "authenticatorData", "signature", "userHandle")
        for value in ("", "*", "AAAA", 7)
    ]
    credentials += ["", "null", "{}", "[" * 9000, device.create(await begin_registration(api, anna))]

    payloads = [await sign_in(api, credential) for credential in credentials]

    assert [codes(payload) for payload in payloads] == [REFUSED] * len(credentials)
    assert len({payload["errors"][0]["message"] for payload in payloads}) == 1
    assert all(payload["accessToken"] is None and payload["viewer"] is None for payload in payloads)
    assert (await sign_in(api, device.sign(await begin_sign_in(api))))["errors"] == []


async def test_challenge_signs_in_once_within_five_minutes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    credential = device.sign(await begin_sign_in(api))

    payloads = await asyncio.gather(*(sign_in(api, credential) for _ in range(4)))

    assert sorted(codes(payload) for payload in payloads) == [[], REFUSED, REFUSED, REFUSED]
    assert codes(await sign_in(api, credential)) == REFUSED
    late = device.sign(await begin_sign_in(api))
    api.clock.now += LIFETIME
    assert codes(await sign_in(api, late)) == REFUSED


async def test_refused_credential_uses_its_challenge_up(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    options = await begin_sign_in(api)

    assert codes(await sign_in(api, replace(device, verifies_user=False).sign(options))) == REFUSED
    assert codes(await sign_in(api, device.sign(options))) == REFUSED


@pytest.mark.parametrize(("stored", "reported"), [(5, 5), (5, 3), (5, 0)])
async def test_counter_that_does_not_move_on_is_refused_and_recorded(api: Api, stored: int, reported: int) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    device.sign_count = stored
    assert (await sign_in(api, device.sign(await begin_sign_in(api))))["errors"] == []
    copy = replace(device, sign_count=reported)

    assert codes(await sign_in(api, copy.sign(await begin_sign_in(api)))) == REFUSED

    (event,) = await events("user:passkey:refuse")
    assert (f"u{event.actor_id.hex}", event.account_id) == (anna.user_id, None)
    device.sign_count = stored + 1
    assert (await sign_in(api, device.sign(await begin_sign_in(api))))["errors"] == []


async def test_passkey_of_an_erased_user_does_not_sign_in(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    options = await begin_sign_in(api)
    assert codes(await api.do("eraseMe", {"password": PASSWORD}, by=anna)) == []

    assert codes(await sign_in(api, device.sign(options))) == REFUSED
    assert await db.fetch("SELECT FROM passkeys", row=db.Row) == []


async def test_passkey_signs_in_while_the_password_needs_a_code(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    device = await add_passkey(limited_api, anna)
    stranger = limited_api.at("203.0.113.7")
    for _ in range(10):
        _ = await sign_in_with_password(stranger, anna, password="a wrong guess")
    document = "mutation ($input: SignInInput!) { signIn(input: $input) { errors { code } } }"
    values = {"email": anna.email, "password": PASSWORD}
    assert (await stranger.ask(document, {"input": values})).codes == ["RATE_LIMITED"]

    assert (await sign_in(stranger, device.sign(await begin_sign_in(stranger))))["errors"] == []


async def test_wrong_passkeys_of_a_network_are_limited(limited_api: Api) -> None:
    anna = await limited_api.person("anna@example.com")
    device = await add_passkey(limited_api, anna)
    stranger = limited_api.at("203.0.113.7")
    options = await begin_sign_in(stranger)
    for _ in range(PASSKEY.max_attempts):
        assert codes(await sign_in(stranger, "{}")) == REFUSED
    document = "mutation ($input: SignInWithPasskeyInput!) { signInWithPasskey(input: $input) { accessToken } }"

    answer = await stranger.ask(document, {"input": {"credential": device.sign(options)}})

    assert answer.codes == ["RATE_LIMITED"]
    assert (await sign_in(limited_api, device.sign(await begin_sign_in(limited_api))))["errors"] == []


async def test_begun_sign_ins_of_a_network_are_limited(limited_api: Api) -> None:
    stranger = limited_api.at("203.0.113.7")
    document = "mutation {" + "".join(f" n{number}: beginPasskeySignIn {{ options }}" for number in range(10)) + "}"
    for _ in range(PASSKEY_CHALLENGE.max_attempts // 10):
        assert (await stranger.ask(document)).codes == []

    assert {*(await stranger.ask(document)).codes} == {"RATE_LIMITED"}
    assert await begin_sign_in(limited_api)


async def test_expired_challenges_are_deleted(api: Api) -> None:
    _ = [await begin_sign_in(api) for _ in range(3)]
    api.clock.now += LIFETIME
    _ = await begin_sign_in(api)
    api.clock.forward(seconds=1)

    _ = await retention.run(Caller(now=api.clock.now, config=OperationConfig(link_key=KEY)))

    assert len(await db.fetch("SELECT FROM passkey_challenges", row=db.Row)) == 1


async def test_installation_without_a_domain_has_no_passkeys(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "relying_party", lambda *_: None)

    assert codes(await api.do("beginPasskeySignIn", None)) == [("INVALID_STATE", None)]
    assert codes(await sign_in(api, "{}")) == [("INVALID_STATE", None)]


# ---- Second factor ---------------------------------------------------------------------------


async def test_password_of_a_user_with_a_passkey_needs_a_recovery_code(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await add_passkey(api, anna)

    payload = await sign_in_with_password(api, anna)

    assert codes(payload) == [("ONE_TIME_CODE_REQUIRED", ["oneTimeCode"])]
    assert payload["errors"][0]["message"] == "Use your passkey, or enter a recovery code."
    assert codes(await sign_in_with_password(api, anna, "000000")) == [("INVALID_CREDENTIALS", ["oneTimeCode"])]
    renewed = await api.do("regenerateRecoveryCodes", {"password": PASSWORD}, "recoveryCodes", by=anna)
    assert await can_sign_in(api, anna, renewed["recoveryCodes"][3])


async def test_unconfirmed_app_beside_a_passkey_proves_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await add_passkey(api, anna)
    app = await enroll(api, anna)

    assert codes(await sign_in_with_password(api, anna, app.code())) == [("INVALID_CREDENTIALS", ["oneTimeCode"])]


async def test_passkey_opens_accounts_that_demand_a_second_factor(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    values = {"accountId": anna.account_id, "requiresTwoFactor": True}
    assert codes(await api.do("updateAccountSettings", values, by=anna)) == [
        ("TWO_FACTOR_REQUIRED", ["requiresTwoFactor"])
    ]
    _ = await add_passkey(api, anna)
    assert codes(await api.do("updateAccountSettings", values, by=anna)) == []
    query = "{ viewer { currentAccount { id } } }"
    assert (await api.ask(query, by=bo, account=anna.account_id)).partial["viewer"]["currentAccount"] is None

    _ = await add_passkey(api, bo)

    assert (await api.ask(query, by=bo, account=anna.account_id)).data["viewer"]["currentAccount"] is not None
    assert codes(await api.do("removePasskey", {"passkeyId": (await passkey_ids(api, bo))[0]}, by=bo)) == []
    assert (await api.ask(query, by=bo, account=anna.account_id)).partial["viewer"]["currentAccount"] is None


async def test_undone_change_of_the_address_removes_passkeys_that_were_added_since(api: Api) -> None:
    anna = await api.person("anna@example.com")
    first = await add_passkey(api, anna)
    api.clock.forward(minutes=1)
    values = {"newEmail": "thief@example.com", "password": PASSWORD}
    assert codes(await api.do("changeEmail", values, by=anna)) == []
    token = await api.link("thief@example.com", "email-change")
    assert codes(await api.do("confirmEmailChange", {"token": token})) == []
    api.clock.forward(minutes=1)
    second = await add_passkey(api, anna)

    undo = {"token": await api.link("anna@example.com", "email-undo")}
    assert codes(await api.do("undoEmailChange", undo)) == []

    assert codes(await sign_in(api, second.sign(await begin_sign_in(api)))) == REFUSED
    assert codes(await sign_in(api, first.sign(await begin_sign_in(api)))) == []
    assert await db.fetch("SELECT FROM recovery_codes", row=db.Row) == []


# ---- Reauthentication ------------------------------------------------------------------------


async def test_passkey_renews_the_proof_of_its_session_alone(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    token = (await sign_in(api, device.sign(await begin_sign_in(api))))["accessToken"]
    api.reauthenticates = False
    api.clock.forward(minutes=10)
    refusal = "mutation { revokeOtherSessions { errors { code method } } }"
    assert (await api.ask(refusal, by=token)).data["revokeOtherSessions"]["errors"] == [
        {"code": "REAUTHENTICATION_REQUIRED", "method": "PASSKEY"}
    ]
    options = await begin_reauthentication(api, token)
    assert [entry["id"] for entry in json.loads(options)["allowCredentials"]] == [encode(device.credential_id)]

    payload = await reauthenticate(api, token, passkey=replace(device, user_handle=None).sign(options))

    assert codes(payload) == []
    assert codes(await api.do("revokeOtherSessions", None, by=anna)) == PROOF_REQUIRED
    assert codes(await api.do("revokeOtherSessions", None, by=token)) == []


async def test_proof_needs_the_users_own_passkey_and_the_challenge_of_the_session(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    device, foreign_device = await add_passkey(api, anna), await add_passkey(api, bo)
    other_token = (await sign_in(api, device.sign(await begin_sign_in(api))))["accessToken"]
    own_options = await begin_reauthentication(api, anna)
    credentials = [
        foreign_device.sign(own_options),
        device.sign(await begin_reauthentication(api, other_token)),
        device.sign(await begin_sign_in(api)),
        device.sign(own_options, challenge=json.loads(await begin_registration(api, anna))["challenge"]),
        replace(device, verifies_user=False).sign(await begin_reauthentication(api, anna)),
        replace(device, user_handle=foreign_device.user_handle).sign(await begin_reauthentication(api, anna)),
        device.sign(own_options),  # used up by the first
        "{}",
    ]

    outcomes = [codes(await reauthenticate(api, anna, passkey=credential)) for credential in credentials]

    assert outcomes == [REFUSED_IN_SESSION] * len(credentials)


async def test_each_secret_of_a_proof_is_checked(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    with_wrong_password = {"passkey": device.sign(await begin_reauthentication(api, anna)), "password": "a wrong guess"}
    with_wrong_code = {"passkey": device.sign(await begin_reauthentication(api, anna)), "code": "000000"}

    assert codes(await reauthenticate(api, anna, **with_wrong_password)) == [("INVALID_CREDENTIALS", ["password"])]
    assert codes(await reauthenticate(api, anna, **with_wrong_code)) == [("INVALID_CREDENTIALS", ["code"])]
    assert codes(await reauthenticate(api, anna, password=PASSWORD)) == [("ONE_TIME_CODE_REQUIRED", ["code"])]


async def test_counter_that_does_not_move_on_renews_no_proof(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna, Device(counts=True))
    assert codes(await reauthenticate(api, anna, passkey=device.sign(await begin_reauthentication(api, anna)))) == []
    copy = replace(device, counts=False)

    payload = await reauthenticate(api, anna, passkey=copy.sign(await begin_reauthentication(api, anna)))

    assert codes(payload) == REFUSED_IN_SESSION
    assert len(await events("user:passkey:refuse")) == 1


async def test_wrong_passkeys_count_as_wrong_codes_of_the_session(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    for _ in range(CODE.max_attempts):
        assert codes(await reauthenticate(api, anna, passkey="{}")) == REFUSED_IN_SESSION
    document = "mutation ($input: ReauthenticateInput!) { reauthenticate(input: $input) { errors { code } } }"
    credential = device.sign(await begin_reauthentication(api, anna))

    assert (await api.ask(document, {"input": {"passkey": credential}}, by=anna)).codes == ["RATE_LIMITED"]
    assert codes(await sign_in(api, device.sign(await begin_sign_in(api)))) == []


async def test_user_without_a_passkey_begins_no_proof(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refusal_codes(api, "beginPasskeyReauthentication", None, by=anna) == [("INVALID_STATE", None)]


# ---- View as ---------------------------------------------------------------------------------


async def test_view_as_shows_no_passkeys_and_changes_none(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, grant_id = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    _ = await add_passkey(api, anna)

    answer = await ask_in_view(api, "{ viewer { passkeys { id name } } }", anna, grant_id)

    assert "Phone" not in json.dumps(answer.body)
    refused = await ask_in_view(api, "mutation { beginPasskeyRegistration { options } }", anna, grant_id)
    assert refused.codes == ["BAD_USER_INPUT"]  # a view is read-only
