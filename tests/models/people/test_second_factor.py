"""Enrolment, recovery codes and disabling of a second factor."""

from base64 import b32decode
from datetime import timedelta

import pytest

from auth import tokens
from database import db
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from models.people import second_factor
from models.people.second_factor import CONFIRM_WITHIN
from models.throttle import CODE
from tests.api import KEY, PASSWORD, Api, codes
from tests.authenticator import enable_second_factor, enroll
from tests.models.people.factors import (
    NO_FACTOR,
    PASSWORD_INPUT,
    WRONG_CODE,
    can_sign_in,
    is_open,
    load_second_factor,
    sign_in,
    use_up_attempts,
)
from tests.models.refusals import events, mails, refusal_codes, rejection
from tests.schema.world import key


async def dump_database() -> str:
    """The content of all tables as text."""
    tables = await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", row=db.Row)
    rows = [await db.fetch(f"SELECT t::text AS text FROM {table_row.tablename} t", row=db.Row) for table_row in tables]
    return "\n".join(row.text for table_rows in rows for row in table_rows)


# ---- Enrolment -------------------------------------------------------------------------------


async def test_factor_is_active_after_confirmation_with_a_code(api: Api) -> None:
    anna = await api.person("anna@example.com")
    assert await load_second_factor(api, anna) == NO_FACTOR

    app = await enroll(api, anna)

    assert await load_second_factor(api, anna) == NO_FACTOR
    assert await can_sign_in(api, anna)
    payload = await api.do(
        "confirmSecondFactor", {"code": app.code()}, "recoveryCodes viewer { secondFactor { isActive } }", by=anna
    )
    assert (payload["errors"], payload["viewer"]) == ([], {"secondFactor": {"isActive": True}})
    at = api.clock.now.isoformat().replace("+00:00", "Z")
    assert await load_second_factor(api, anna) == {"isActive": True, "confirmedAt": at, "recoveryCodesLeft": 10}
    assert len({*payload["recoveryCodes"]}) == 10
    assert {len(code.replace("-", "")) for code in payload["recoveryCodes"]} == {16}


async def test_enrolment_returns_the_secret_and_its_uri(api: Api) -> None:
    anna = await api.person("anna@example.com")

    payload = await api.do(
        "enrollSecondFactor", PASSWORD_INPUT, "secret uri viewer { secondFactor { isActive } }", by=anna
    )

    assert len(b32decode(payload["secret"])) == 20
    assert payload["uri"].startswith("otpauth://totp/Fullmakt:anna%40example.com?secret=" + payload["secret"] + "&")
    assert payload["viewer"] == {"secondFactor": {"isActive": False}}


async def test_new_enrolment_replaces_the_former_secret(api: Api) -> None:
    anna = await api.person("anna@example.com")
    former = await enroll(api, anna)
    latter = await enroll(api, anna)
    assert former.secret != latter.secret

    payload = await api.do("confirmSecondFactor", {"code": former.code()}, by=anna)

    assert codes(payload) == [("INVALID_CREDENTIALS", ["code"])]
    assert await load_second_factor(api, anna) == NO_FACTOR
    assert (await api.do("confirmSecondFactor", {"code": latter.code()}, by=anna))["errors"] == []


async def test_enrolment_expires_after_an_hour(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enroll(api, anna)
    api.clock.now += CONFIRM_WITHIN

    assert await refusal_codes(api, "confirmSecondFactor", {"code": app.code()}, by=anna) == [("INVALID_STATE", None)]
    api.clock.now -= timedelta(seconds=1)
    assert (await api.do("confirmSecondFactor", {"code": app.code()}, by=anna))["errors"] == []


async def test_active_factor_cannot_be_replaced(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)

    assert await refusal_codes(api, "enrollSecondFactor", PASSWORD_INPUT, by=anna) == [("INVALID_STATE", None)]
    assert await refusal_codes(api, "confirmSecondFactor", {"code": app.code()}, by=anna) == [("INVALID_STATE", None)]
    assert await can_sign_in(api, anna, app.code())


async def test_confirmation_ends_the_other_sessions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other_token = (await sign_in(api, anna))["accessToken"]
    app = await enroll(api, anna)

    await api.do("confirmSecondFactor", {"code": app.code()}, by=anna)

    assert (await is_open(api, anna.token), await is_open(api, other_token)) == (True, False)


@pytest.mark.parametrize("mutation", ["enrollSecondFactor", "disableSecondFactor", "regenerateRecoveryCodes"])
async def test_changes_need_the_password(api: Api, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    if mutation != "enrollSecondFactor":
        await enable_second_factor(api, anna)

    outcomes = [
        await refusal_codes(api, mutation, {"password": arguments}, by=anna)
        for arguments in ("", "guess", PASSWORD.upper())
    ]

    assert outcomes == [[("INVALID_CREDENTIALS", ["password"])]] * 3


@pytest.mark.parametrize("mutation", ["disableSecondFactor", "regenerateRecoveryCodes"])
async def test_changes_need_an_active_factor(api: Api, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    assert await refusal_codes(api, mutation, PASSWORD_INPUT, by=anna) == [("INVALID_STATE", None)]
    await enroll(api, anna)

    assert await refusal_codes(api, mutation, PASSWORD_INPUT, by=anna) == [("INVALID_STATE", None)]
    assert await refusal_codes(api, "confirmSecondFactor", {"code": "x"}, by=await api.person("b@example.com")) == [
        ("INVALID_STATE", None)
    ]


@pytest.mark.parametrize(
    ("mutation", "arguments"),
    [
        ("enrollSecondFactor", PASSWORD_INPUT),
        ("confirmSecondFactor", {"code": "000000"}),
        ("disableSecondFactor", PASSWORD_INPUT),
        ("regenerateRecoveryCodes", PASSWORD_INPUT),
    ],
)
async def test_operation_needs_a_signed_in_user(api: Api, mutation: str, arguments: dict[str, str]) -> None:
    assert (await rejection(api, mutation, arguments)).codes == ["UNAUTHENTICATED"]


# ---- Recovery codes --------------------------------------------------------------------------


async def test_recovery_code_works_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    first, second = app.recovery_codes[:2]

    assert await can_sign_in(api, anna, first)

    assert codes(await sign_in(api, anna, first)) == WRONG_CODE
    assert await can_sign_in(api, anna, f" {second.replace('-', ' ').lower()} ")
    assert (await load_second_factor(api, anna))["recoveryCodesLeft"] == 8
    assert [mail.params for mail in await mails(anna.email, "recovery-code-used")] == [
        '{"codes_left": "9"}',
        '{"codes_left": "8"}',
    ]


async def test_codes_of_another_user_are_wrong(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    of_anna, of_bo = await enable_second_factor(api, anna), await enable_second_factor(api, bo)

    assert codes(await sign_in(api, anna, of_bo.recovery_codes[0])) == WRONG_CODE
    assert codes(await sign_in(api, anna, of_bo.code())) == WRONG_CODE
    assert await can_sign_in(api, bo, of_bo.recovery_codes[0])
    assert await can_sign_in(api, anna, of_anna.code())


async def test_new_recovery_codes_replace_the_former(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    assert await can_sign_in(api, anna, app.recovery_codes[0])

    payload = await api.do(
        "regenerateRecoveryCodes",
        PASSWORD_INPUT,
        "recoveryCodes viewer { secondFactor { recoveryCodesLeft } }",
        by=anna,
    )

    assert payload["viewer"] == {"secondFactor": {"recoveryCodesLeft": 10}}
    assert not {*payload["recoveryCodes"]} & {*app.recovery_codes}
    assert codes(await sign_in(api, anna, app.recovery_codes[1])) == WRONG_CODE
    assert await can_sign_in(api, anna, payload["recoveryCodes"][0])


async def test_recovery_code_does_not_confirm_an_enrolment(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    await api.do("disableSecondFactor", PASSWORD_INPUT, by=anna)
    await enroll(api, anna)

    payload = await api.do("confirmSecondFactor", {"code": app.recovery_codes[0]}, by=anna)

    assert codes(payload) == [("INVALID_CREDENTIALS", ["code"])]


# ---- Disabling -------------------------------------------------------------------------------


async def test_disabling_deletes_the_factor_and_its_recovery_codes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)

    payload = await api.do("disableSecondFactor", PASSWORD_INPUT, "viewer { secondFactor { isActive } }", by=anna)

    assert payload == {"viewer": {"secondFactor": {"isActive": False}}, "errors": []}
    assert await can_sign_in(api, anna)
    assert await db.fetch("SELECT FROM second_factors", row=db.Row) == []
    assert await db.fetch("SELECT FROM recovery_codes", row=db.Row) == []
    again = await enable_second_factor(api, anna)
    assert codes(await sign_in(api, anna, app.code())) == WRONG_CODE
    assert await can_sign_in(api, anna, again.code())


async def test_operator_disables_a_lost_factor(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await enable_second_factor(api, anna)
    operator = Caller(now=api.clock.now, config=OperationConfig(KEY))

    await second_factor.disable_lost(operator, "Anna@Example.com")

    assert not await is_open(api, anna.token)
    assert await can_sign_in(api, anna)
    assert len(await mails(anna.email, "second-factor-disabled")) == 1
    (event_row,) = await events("operator:second-factor:disable")
    assert (event_row.actor_id, event_row.after) == (None, f'{{"user": "{key(anna.user_id)}"}}')
    for email in (anna.email, "nobody@example.com", "x"):
        with pytest.raises(Refusal) as refusal:
            await second_factor.disable_lost(operator, email)
        assert refusal.value.problems[0].code == "NOT_FOUND"


# ---- Events, mails and stored data -----------------------------------------------------------


async def test_changes_are_recorded_and_mailed_without_secrets(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    await use_up_attempts(api, anna, app)
    api.clock.now += CODE.window
    await sign_in(api, anna, app.recovery_codes[0])
    assert codes(await api.do("reauthenticate", {"code": app.code()}, by=anna)) == []
    new_codes_payload = await api.do("regenerateRecoveryCodes", PASSWORD_INPUT, "recoveryCodes", by=anna)
    await api.do("disableSecondFactor", PASSWORD_INPUT, by=anna)

    kinds = ["enabled", "guessed", "disabled"]
    assert [len(await mails(anna.email, f"second-factor-{kind}")) for kind in kinds] == [1, 1, 1]
    kinds = ["code-used", "codes-renewed"]
    assert [len(await mails(anna.email, f"recovery-{kind}")) for kind in kinds] == [1, 1]
    event_row = await api.ask("{ viewer { events { nodes { type actor { id } before after } } } }", by=anna)
    subjects = ("user:second-factor:", "user:recovery-code:")
    nodes = [node for node in event_row.data["viewer"]["events"]["nodes"] if node["type"].startswith(subjects)]
    assert [node["type"] for node in nodes] == [
        "user:second-factor:disable",
        "user:recovery-code:renew",
        "user:recovery-code:use",
        *["user:second-factor:refuse"] * CODE.max_attempts,
        "user:second-factor:confirm",
        "user:second-factor:enroll",
    ]
    assert {node["actor"]["id"] for node in nodes} == {anna.user_id}
    database_text = await dump_database()
    for code in (*app.recovery_codes, *new_codes_payload["recoveryCodes"]):
        assert code not in database_text
        assert code.replace("-", "") not in database_text


async def test_database_alone_does_not_yield_the_secret(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    database_text = await db.fetch_one("SELECT seed FROM second_factors", row=db.Row)
    assert database_text is not None

    assert tokens.derive_bytes(KEY, "second-factor", database_text.seed)[:20] == app.secret
    assert app.secret not in database_text.seed
    assert app.secret.hex() not in await dump_database()


async def test_factor_is_invisible_to_other_users(api: Api) -> None:
    owner = await api.person("owner@example.com")
    bo, _ = await api.guest(owner, "bo@example.com", "ADMINISTRATOR")
    query = """{ viewer { currentAccount { events { nodes { type } } messages { nodes { kind } }
        grants { nodes { user { id name email locale isActivated createdAt } status permissions } } } } }"""
    await api.ask("{ __typename }", by=bo)  # records the use of the account before the comparison
    await api.ask("{ __typename }", by=owner)
    before = (await api.ask(query, by=owner)).data

    await enable_second_factor(api, bo)

    assert (await api.ask(query, by=owner)).data == before
