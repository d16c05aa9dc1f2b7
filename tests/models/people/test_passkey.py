"""Passkeys of a user: adding, renaming and removing them."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from database import db
from models.people.passkey import MAX_NAME, MAX_PER_USER
from models.people.passkey_challenge import LIFETIME
from models.throttle import PASSKEY_CHALLENGE_OF
from tests.api import PASSWORD, Api, Person, codes
from tests.authenticator import enable_second_factor
from tests.models.people.factors import can_sign_in, is_open
from tests.models.people.factors import sign_in as sign_in_with_password
from tests.models.refusals import events, mails, refusal_codes
from tests.passkey_device import (
    Device,
    add_passkey,
    begin_reauthentication,
    begin_registration,
    begin_sign_in,
    decode,
    passkey_ids,
    sign_in,
    try_to_add,
)

REFUSED = [("INVALID_CREDENTIALS", ["credential"])]


async def remove(api: Api, by: Person, passkey_id: str) -> dict[str, Any]:
    return await api.do("removePasskey", {"passkeyId": passkey_id}, "passkeyId viewer { passkeys { id } }", by=by)


# ---- Adding ----------------------------------------------------------------------------------


async def test_options_name_the_user_and_demand_a_verified_discoverable_passkey(api: Api) -> None:
    anna = await api.person("anna@example.com")
    phone = await add_passkey(api, anna)

    options = json.loads(await begin_registration(api, anna))

    assert (options["rp"], options["user"]["name"], options["user"]["displayName"]) == (
        {"name": "Fullmakt", "id": "fullmakt.example.com"},
        "anna@example.com",
        "Anna Nowak",
    )
    assert decode(options["user"]["id"]).hex() == anna.user_id[1:]
    assert len(decode(options["challenge"])) == 32
    selection = options["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert [decode(entry["id"]) for entry in options["excludeCredentials"]] == [phone.credential_id]


@pytest.mark.parametrize("attestation", ["none", "packed"])
async def test_passkey_is_added_with_its_name(api: Api, attestation: str) -> None:
    anna = await api.person("anna@example.com")
    device = Device(attestation=attestation)

    payload = await try_to_add(api, anna, device.create(await begin_registration(api, anna)), "  Anna's phone ")

    assert payload["errors"] == []
    passkey = payload["passkey"]
    assert (passkey["name"], passkey["lastUsedAt"], passkey["isBackedUp"]) == ("Anna's phone", None, True)
    assert payload["viewer"]["passkeys"] == [{"id": passkey["id"]}]
    assert await passkey_ids(api, anna) == [passkey["id"]]
    assert json.loads((await events("user:passkey:add"))[-1].after)["name"] == "Anna's phone"
    assert len(await mails(anna.email, "passkey-added")) == 1


async def test_first_passkey_brings_recovery_codes_and_ends_other_sessions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other_token = (await sign_in_with_password(api, anna))["accessToken"]

    payload = await try_to_add(api, anna, Device().create(await begin_registration(api, anna)))

    assert len({*payload["recoveryCodes"]}) == 10
    assert (await is_open(api, anna.token), await is_open(api, other_token)) == (True, False)
    assert not await can_sign_in(api, anna)
    assert await can_sign_in(api, anna, payload["recoveryCodes"][0])
    assert not await can_sign_in(api, anna, payload["recoveryCodes"][0])


async def test_passkey_beside_another_factor_brings_no_codes_and_ends_no_session(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    other_token = (await sign_in_with_password(api, anna, app.code()))["accessToken"]

    payload = await try_to_add(api, anna, Device().create(await begin_registration(api, anna)))

    assert (payload["errors"], payload["recoveryCodes"]) == ([], None)
    assert await is_open(api, other_token)
    assert await can_sign_in(api, anna, app.recovery_codes[0])
    second = await try_to_add(api, anna, Device().create(await begin_registration(api, anna)))
    assert (second["errors"], second["recoveryCodes"]) == ([], None)


@pytest.mark.parametrize(
    "device",
    [
        Device(origin="https://fullmakt.example.com.evil.example.net"),
        Device(origin="https://fullmakt.example.com"),  # the test's site is on http
        Device(domain="evil.example.net"),
        Device(verifies_user=False),
        Device(cross_origin=True),
        Device(attestation="fido-u2f"),
    ],
    ids=["origin", "scheme", "domain", "no user verification", "frame", "attestation"],
)
async def test_passkey_of_another_site_or_without_verification_is_refused(api: Api, device: Device) -> None:
    anna = await api.person("anna@example.com")
    options = await begin_registration(api, anna)

    assert codes(await try_to_add(api, anna, device.create(options))) == REFUSED

    assert await passkey_ids(api, anna) == []
    assert codes(await try_to_add(api, anna, Device().create(options))) == REFUSED  # the challenge is used up


async def test_challenge_of_a_registration_works_once_in_its_session_for_five_minutes(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    other = await api.sign_in(anna)
    options = await begin_registration(api, anna)
    device = Device()
    credential = device.create(options)
    outcomes = [
        codes(await try_to_add(api, bo, credential)),
        codes(await try_to_add(api, other, credential)),
        codes(await try_to_add(api, anna, Device().create(options, challenge="A" * 43))),
        codes(
            await try_to_add(
                api, anna, Device().create(options, challenge=json.loads(await begin_sign_in(api))["challenge"])
            )
        ),
    ]
    assert outcomes == [REFUSED] * 4

    assert codes(await try_to_add(api, anna, credential)) == []
    assert codes(await try_to_add(api, anna, credential)) == REFUSED
    late = await begin_registration(api, anna)
    api.clock.now += LIFETIME
    assert codes(await try_to_add(api, anna, Device().create(late))) == REFUSED


async def test_key_belongs_to_one_user(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    device = await add_passkey(api, anna)

    assert codes(await try_to_add(api, bo, device.create(await begin_registration(api, bo)))) == [
        ("ALREADY_EXISTS", ["credential"])
    ]
    assert codes(await try_to_add(api, anna, device.create(await begin_registration(api, anna)))) == [
        ("ALREADY_EXISTS", ["credential"])
    ]


async def test_user_has_a_bounded_number_of_passkeys(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(MAX_PER_USER - 1):
        _ = await add_passkey(api, anna)
    last_options = [await begin_registration(api, anna), await begin_registration(api, anna)]

    payloads = await asyncio.gather(*(try_to_add(api, anna, Device().create(options)) for options in last_options))

    assert sorted(codes(payload) for payload in payloads) == [[], [("INVALID_STATE", None)]]
    assert codes(await api.do("beginPasskeyRegistration", None, by=anna)) == [("INVALID_STATE", None)]
    assert len(await passkey_ids(api, anna)) == MAX_PER_USER


@pytest.mark.parametrize("name", ["", "  ", "x" * (MAX_NAME + 1), "two\nlines", "hid\u200bden"])
async def test_bad_name_is_refused_before_the_challenge_is_used(api: Api, name: str) -> None:
    anna = await api.person("anna@example.com")
    device = Device()
    credential = device.create(await begin_registration(api, anna))

    (problem,) = codes(await try_to_add(api, anna, credential, name))

    assert problem[1] == ["name"]
    assert codes(await try_to_add(api, anna, credential)) == []


async def test_malformed_credentials_are_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    whole = json.loads(Device().create(await begin_registration(api, anna)))
    texts = ["", "null", "[]", "{}", '"x"', "[" * 9000, '{"a":' * 1500, json.dumps({**whole, "id": 7})]
    for part in ("clientDataJSON", "attestationObject"):
        for value in (None, 7, "", "*", "A" * 5, "gICA" * 1000, "wQA"):
            options = await begin_registration(api, anna) if part == "attestationObject" else json.dumps({})
            credential = json.loads(Device().create(options)) if options != "{}" else whole
            texts.append(json.dumps({**credential, "response": {**credential["response"], part: value}}))

    for text in texts:
        assert codes(await try_to_add(api, anna, text)) == REFUSED, text

    assert (await api.ask("{ viewer { passkeys { id } } }", by=anna)).data["viewer"]["passkeys"] == []


async def test_begun_registrations_are_limited(limited_api: Api) -> None:
    api = limited_api
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    for _ in range(PASSKEY_CHALLENGE_OF.max_attempts):
        _ = await begin_registration(api, anna)

    document = "mutation { beginPasskeyRegistration { options } }"

    assert (await api.ask(document, by=anna)).codes == ["RATE_LIMITED"]
    assert await begin_registration(api, bo)


@pytest.mark.parametrize("mutation", ["beginPasskeyRegistration", "addPasskey", "removePasskey"])
async def test_changes_need_a_recent_proof(api: Api, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    api.reauthenticates = False
    api.clock.forward(minutes=6)
    inputs = {
        "beginPasskeyRegistration": None,
        "addPasskey": {"credential": Device().create(await begin_registration(api, anna)), "name": "Other"},
        "removePasskey": {"passkeyId": (await passkey_ids(api, anna))[0]},
    }
    api.clock.forward(minutes=4)

    document_input = inputs[mutation]
    assert codes(await api.do(mutation, document_input, by=anna)) == [("REAUTHENTICATION_REQUIRED", None)]

    credential = device.sign(await begin_reauthentication(api, anna))
    assert codes(await api.do("reauthenticate", {"passkey": credential}, by=anna)) == []
    assert codes(await api.do(mutation, document_input, by=anna)) == []


# ---- Renaming and removing -------------------------------------------------------------------


async def test_passkey_is_renamed(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    _ = await add_passkey(api, anna)
    (passkey_id,) = await passkey_ids(api, anna)

    payload = await api.do("renamePasskey", {"passkeyId": passkey_id, "name": "Tablet"}, "passkey { name }", by=anna)

    assert (payload["errors"], payload["passkey"]) == ([], {"name": "Tablet"})
    event = (await events("user:passkey:rename"))[-1]
    assert [json.loads(facts)["name"] for facts in (event.before, event.after)] == ["Phone", "Tablet"]
    changes = {"passkeyId": passkey_id, "name": "Mine"}
    assert await refusal_codes(api, "renamePasskey", changes, by=bo) == [("NOT_FOUND", ["passkeyId"])]
    assert await refusal_codes(api, "renamePasskey", {**changes, "name": ""}, by=anna) == [("REQUIRED", ["name"])]


async def test_passkey_of_another_user_is_neither_shown_nor_removed(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    _ = await add_passkey(api, anna)
    (passkey_id,) = await passkey_ids(api, anna)
    node = "query ($id: ID!) { node(id: $id) { id ... on Passkey { name } } }"

    assert (await api.ask(node, {"id": passkey_id}, by=anna)).data["node"] == {"id": passkey_id, "name": "Phone"}
    assert (await api.ask(node, {"id": passkey_id}, by=bo)).data["node"] is None
    assert (await api.ask(node, {"id": passkey_id})).codes == ["UNAUTHENTICATED"]
    assert await refusal_codes(api, "removePasskey", {"passkeyId": passkey_id}, by=bo) == [("NOT_FOUND", ["passkeyId"])]
    unknown_id = f"k{uuid4().hex}"
    assert await refusal_codes(api, "removePasskey", {"passkeyId": unknown_id}, by=bo) == [("NOT_FOUND", ["passkeyId"])]


async def test_removed_passkey_ends_its_sessions_and_the_second_factor(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    codes_before = await db.fetch("SELECT FROM recovery_codes", row=db.Row)
    stolen_token = (await sign_in(api, device.sign(await begin_sign_in(api))))["accessToken"]
    (passkey_id,) = await passkey_ids(api, anna)
    begun = await begin_sign_in(api)

    payload = await remove(api, anna, passkey_id)

    assert (payload["errors"], payload["passkeyId"], payload["viewer"]) == ([], passkey_id, {"passkeys": []})
    assert (await is_open(api, anna.token), await is_open(api, stolen_token)) == (True, False)
    assert codes(await sign_in(api, device.sign(begun))) == REFUSED
    assert await can_sign_in(api, anna)
    assert len(codes_before) == 10
    assert await db.fetch("SELECT FROM recovery_codes", row=db.Row) == []
    assert [json.loads(mail.params)["changes_sign_in"] for mail in await mails(anna.email, "passkey-removed")] == [
        "yes"
    ]
    assert await refusal_codes(api, "removePasskey", {"passkeyId": passkey_id}, by=anna) == [
        ("NOT_FOUND", ["passkeyId"])
    ]


async def test_session_that_removes_its_own_passkey_stays(api: Api) -> None:
    anna = await api.person("anna@example.com")
    device = await add_passkey(api, anna)
    token = (await sign_in(api, device.sign(await begin_sign_in(api))))["accessToken"]

    payload = await api.do("removePasskey", {"passkeyId": (await passkey_ids(api, token))[0]}, by=token)

    assert payload["errors"] == []
    assert await is_open(api, token)


async def test_factor_stays_while_an_app_or_a_passkey_is_left(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    first_device, second_device = await add_passkey(api, anna), await add_passkey(api, anna)
    newest_id, oldest_id = await passkey_ids(api, anna)

    assert (await remove(api, anna, oldest_id))["errors"] == []
    assert codes(await sign_in(api, first_device.sign(await begin_sign_in(api)))) == REFUSED
    assert (await api.do("disableSecondFactor", {"password": PASSWORD}, by=anna))["errors"] == []

    assert not await can_sign_in(api, anna)
    assert await can_sign_in(api, anna, app.recovery_codes[0])
    assert (await sign_in(api, second_device.sign(await begin_sign_in(api))))["errors"] == []
    assert [json.loads(mail.params) for mail in await mails(anna.email, "second-factor-disabled")] == [
        {"has_factor": "yes"}
    ]
    assert (await remove(api, anna, newest_id))["errors"] == []
    assert await can_sign_in(api, anna)
    assert await refusal_codes(api, "disableSecondFactor", {"password": PASSWORD}, by=anna) == [("INVALID_STATE", None)]


async def test_passkey_removed_twice_at_once_is_removed_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await add_passkey(api, anna)
    (passkey_id,) = await passkey_ids(api, anna)

    payloads = await asyncio.gather(*(remove(api, anna, passkey_id) for _ in range(3)))

    assert sorted(codes(payload) for payload in payloads) == [[], *[[("NOT_FOUND", ["passkeyId"])]] * 2]
    assert len(await events("user:passkey:remove")) == 1


async def test_signed_out_caller_has_no_passkeys(api: Api) -> None:
    document = "mutation { beginPasskeyRegistration { options } }"

    assert (await api.ask(document)).codes == ["UNAUTHENTICATED"]
    assert (await api.ask(document.replace("Registration", "Reauthentication"))).codes == ["UNAUTHENTICATED"]
