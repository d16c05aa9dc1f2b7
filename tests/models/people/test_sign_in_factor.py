"""Sign-in with a second factor, and the limits of wrong codes."""

from datetime import timedelta
from typing import Any

from database import db
from models.throttle import CODE
from tests.api import PASSWORD, Api, Person, codes
from tests.authenticator import enable_second_factor, enroll
from tests.models.people.factors import (
    CODE_REQUIRED,
    WRONG_CODE,
    can_sign_in,
    is_open,
    load_second_factor,
    sign_in,
    use_up_attempts,
)
from tests.models.refusals import attempt, events, refusal_codes, rejection


async def sign_in_delay(api: Api, person: Person, code: str) -> Any:
    response = await rejection(api, "signIn", {"email": person.email, "password": PASSWORD, "oneTimeCode": code})
    assert response.codes == ["RATE_LIMITED"]
    return response.errors[0]["extensions"]["retryAfterSeconds"]


# ---- Sign-in ---------------------------------------------------------------------------------


async def test_sign_in_needs_password_and_code(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)

    for code in (None, "", "  - "):
        arguments = {"email": anna.email, "password": PASSWORD, "oneTimeCode": code}
        assert await refusal_codes(api, "signIn", arguments) == CODE_REQUIRED
    payload = await sign_in(api, anna, f" {app.code()[:3]} {app.code()[3:]} ")

    assert payload["errors"] == []
    assert payload["viewer"] == {"user": {"id": anna.user_id}}
    assert await is_open(api, payload["accessToken"])


async def test_wrong_password_does_not_reveal_the_factor(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    app = await enable_second_factor(api, anna)

    outcomes = [
        await refusal_codes(api, "signIn", {"email": email, "password": "a wrong guess", "oneTimeCode": code})
        for email in (anna.email, bo.email, "nobody@example.com")
        for code in (None, "000000", app.code(), app.recovery_codes[0])
    ]

    assert outcomes == [[("INVALID_CREDENTIALS", None)]] * 12
    assert await can_sign_in(api, anna, app.code())
    assert await can_sign_in(api, bo, "a code without a need")


async def test_code_is_accepted_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    code = app.code()
    assert await can_sign_in(api, anna, code)

    assert codes(await sign_in(api, anna, code)) == WRONG_CODE
    api.clock.forward(seconds=30)  # the code is still valid, but used
    assert codes(await sign_in(api, anna, code)) == WRONG_CODE
    assert await can_sign_in(api, anna, app.code())


async def test_code_older_than_the_last_one_is_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    ahead, current = app.code(steps=1), app.code()
    assert await can_sign_in(api, anna, ahead)

    assert [codes(await sign_in(api, anna, code)) for code in (current, ahead, app.code(steps=-1))] == [WRONG_CODE] * 3
    api.clock.forward(seconds=60)
    assert await can_sign_in(api, anna, app.code())


async def test_confirmation_code_is_refused_at_sign_in(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enroll(api, anna)
    await api.do("confirmSecondFactor", {"code": app.code()}, by=anna)

    assert codes(await sign_in(api, anna, app.code())) == WRONG_CODE


async def test_used_code_stays_refused_when_the_clock_goes_back(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    assert await can_sign_in(api, anna, app.code())
    api.clock.forward(hours=-1)

    assert codes(await sign_in(api, anna, app.code())) == WRONG_CODE
    assert await can_sign_in(api, anna, app.recovery_codes[0])
    api.clock.forward(hours=1, seconds=30)
    assert await can_sign_in(api, anna, app.code())


async def test_password_reset_does_not_bypass_the_factor(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    await api.do("requestPasswordReset", {"email": anna.email})

    payload = await api.do(
        "resetPassword", {"token": await api.link(anna.email, "reset"), "password": "anew " + PASSWORD}
    )

    assert payload == {"errors": []}
    assert not await is_open(api, anna.token)
    assert codes(await sign_in(api, anna, password="anew " + PASSWORD)) == CODE_REQUIRED
    assert codes(await sign_in(api, anna, app.code(), password="anew " + PASSWORD)) == []


async def test_password_change_keeps_the_factor(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)

    await api.do("changePassword", {"currentPassword": PASSWORD, "newPassword": "anew " + PASSWORD}, by=anna)

    assert (await load_second_factor(api, anna))["isActive"]
    assert codes(await sign_in(api, anna, password="anew " + PASSWORD)) == CODE_REQUIRED
    assert codes(await sign_in(api, anna, app.code(), password="anew " + PASSWORD)) == []


async def test_mailed_links_do_not_bypass_the_factor(api: Api) -> None:
    """Neither a used activation link nor an invitation for a new login bypasses the factor."""
    anna, owner = await api.person("anna@example.com"), await api.person("owner@example.com")
    used_token = await api.link(anna.email, "activation")
    await enable_second_factor(api, anna)
    invitation = {"accountId": owner.account_id, "email": anna.email, "role": "ACCOUNTANT"}
    assert (await api.do("inviteUser", invitation, by=owner))["errors"] == []
    arguments = {"token": await api.link(anna.email, "invitation"), "name": "Eve", "password": PASSWORD}

    assert await refusal_codes(api, "activate", {"token": used_token, "password": "anew " + PASSWORD}) == [
        ("TOKEN_INVALID", ["token"])
    ]
    assert await refusal_codes(api, "activate", {"token": used_token, "password": PASSWORD}) == [
        ("ALREADY_ACTIVE", ["token"])
    ]
    assert await refusal_codes(api, "acceptInvitation", arguments) == [("SIGN_IN_REQUIRED", None)]


async def test_reopened_activation_link_does_not_bypass_the_factor(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await enable_second_factor(api, anna)
    await db.execute("UPDATE user_tokens SET used_at = NULL, has_worked = FALSE")

    arguments = {"token": await api.link(anna.email, "activation"), "password": "anew " + PASSWORD}

    assert await refusal_codes(api, "activate", arguments) == [("TOKEN_INVALID", ["token"])]


# ---- Wrong codes -----------------------------------------------------------------------------


async def test_correct_code_waits_after_ten_wrong_codes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    await use_up_attempts(api, anna, app)

    assert await sign_in_delay(api, anna, app.code()) == 900
    assert await sign_in_delay(api, anna, app.recovery_codes[0]) == 900
    api.clock.now += CODE.window - timedelta(seconds=1)
    assert await sign_in_delay(api, anna, app.code()) == 1
    api.clock.forward(seconds=1)
    assert await can_sign_in(api, anna, app.code())


async def test_batched_sign_ins_count_each_code(api: Api) -> None:
    """The limit counts the codes, not the requests: one request can contain many sign-ins."""
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    field = '{0}: signIn(input: {{email: "{1}", password: "{2}", oneTimeCode: "{3}"}}) {{ errors {{ code }} }}'
    wrong_field = field.format("{0}", anna.email, PASSWORD, app.wrong_code())
    fields = " ".join(wrong_field.replace("{0}", f"a{number}", 1) for number in range(29))
    right_field = field.format("right", anna.email, PASSWORD, app.code())

    response = await api.ask(f"mutation {{ {fields} {right_field} }}")

    assert [error["extensions"]["code"] for error in response.errors] == ["RATE_LIMITED"] * 20
    assert [value for value in response.partial.values() if value] == [
        {"errors": [{"code": "INVALID_CREDENTIALS"}]}
    ] * CODE.max_attempts
    assert len(await events("user:second-factor:refuse")) == CODE.max_attempts


async def test_wrong_passwords_do_not_lock_the_user_out(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    arguments = {"email": anna.email, "password": "a wrong guess", "oneTimeCode": "000000"}
    for _ in range(CODE.max_attempts):
        assert await refusal_codes(api.at("203.0.113.7"), "signIn", arguments) == [("INVALID_CREDENTIALS", None)]
    assert (await rejection(api.at("203.0.113.7"), "signIn", arguments)).codes == ["RATE_LIMITED"]

    assert await can_sign_in(api, anna, app.code())


async def test_correct_code_does_not_reset_the_count(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    for _ in range(CODE.max_attempts - 1):
        await sign_in(api, anna, app.wrong_code())
    assert await can_sign_in(api, anna, app.code())
    assert await can_sign_in(api, anna, app.recovery_codes[0])
    assert codes(await sign_in(api, anna, app.wrong_code())) == WRONG_CODE

    assert await sign_in_delay(api, anna, app.code(steps=1)) == 900


async def test_wrong_codes_count_for_one_user_and_keep_sessions(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    of_anna, of_bo = await enable_second_factor(api, anna), await enable_second_factor(api, bo)

    await use_up_attempts(api, anna, of_anna)

    assert await can_sign_in(api, bo, of_bo.code())
    assert (await load_second_factor(api, anna))["isActive"]


async def test_new_enrolment_does_not_reset_the_count(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enroll(api, anna)
    for _ in range(CODE.max_attempts):
        assert codes(await api.do("confirmSecondFactor", {"code": app.wrong_code()}, by=anna)) == [
            ("INVALID_CREDENTIALS", ["code"])
        ]
    app = await enroll(api, anna)

    assert (await attempt(api, "confirmSecondFactor", {"code": app.code()}, by=anna)).codes == ["RATE_LIMITED"]
    api.clock.now += CODE.window
    assert (await api.do("confirmSecondFactor", {"code": app.code()}, by=anna))["errors"] == []


async def test_count_is_ignored_when_the_clock_goes_back(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    api.clock.forward(days=365)
    await use_up_attempts(api, anna, app)
    api.clock.forward(days=-365)

    assert await can_sign_in(api, anna, app.code())
