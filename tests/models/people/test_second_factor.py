"""The second factor: setting it up, signing in with it, losing it, and guessing at it."""

from base64 import b32decode
from datetime import timedelta
from typing import Any

import pytest

from auth import tokens
from database import db
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from models.people import second_factor
from models.people.second_factor import CONFIRM_WITHIN
from models.throttle import CODE
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.authenticator import Authenticator, enrolled, set_up
from tests.models.refusals import attempt, events, mails, refused, rejected
from tests.schema.world import key

SEEN = "{ viewer { secondFactor { isActive confirmedAt recoveryCodesLeft } } }"
NONE = {"isActive": False, "confirmedAt": None, "recoveryCodesLeft": 0}
WRONG = [("INVALID_CREDENTIALS", ["oneTimeCode"])]
REQUIRED = [("ONE_TIME_CODE_REQUIRED", ["oneTimeCode"])]
AGAIN = {"password": PASSWORD}


async def seen(api: Api, by: Person) -> Any:
    return (await api.ask(SEEN, by=by)).data["viewer"]["secondFactor"]


async def sign_in(api: Api, person: Person, code: str | None = None, password: str = PASSWORD) -> Any:
    given = {"email": person.email, "password": password, "oneTimeCode": code}
    return await api.do("signIn", given, "accessToken viewer { user { id } }")


async def is_in(api: Api, person: Person, code: str | None = None) -> bool:
    done = await sign_in(api, person, code)
    return done["accessToken"] is not None and done["errors"] == []


async def is_open(api: Api, token: str) -> bool:
    return (await api.ask(SEEN, by=token)).data["viewer"] is not None


async def dump() -> str:
    """All that the database holds, as text."""
    tables = await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", row=db.Row)
    rows = [await db.fetch(f"SELECT t::text AS text FROM {one.tablename} t", row=db.Row) for one in tables]
    return "\n".join(row.text for found in rows for row in found)


# ---- Setting up ------------------------------------------------------------------------------


async def test_it_counts_once_a_code_has_confirmed_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    assert await seen(api, anna) == NONE

    app = await enrolled(api, anna)

    assert await seen(api, anna) == NONE
    assert await is_in(api, anna)
    done = await api.do(
        "confirmSecondFactor", {"code": app.code()}, "recoveryCodes viewer { secondFactor { isActive } }", by=anna
    )
    assert (done["errors"], done["viewer"]) == ([], {"secondFactor": {"isActive": True}})
    at = api.clock.now.isoformat().replace("+00:00", "Z")
    assert await seen(api, anna) == {"isActive": True, "confirmedAt": at, "recoveryCodesLeft": 10}
    assert len({*done["recoveryCodes"]}) == 10
    assert {len(code.replace("-", "")) for code in done["recoveryCodes"]} == {16}


async def test_the_secret_is_shown_to_be_typed_and_as_an_address(api: Api) -> None:
    anna = await api.person("anna@example.com")

    done = await api.do("enrollSecondFactor", AGAIN, "secret uri viewer { secondFactor { isActive } }", by=anna)

    assert len(b32decode(done["secret"])) == 20
    assert done["uri"].startswith("otpauth://totp/Fullmakt:anna%40example.com?secret=" + done["secret"] + "&")
    assert done["viewer"] == {"secondFactor": {"isActive": False}}


async def test_each_enrolment_has_a_secret_of_its_own_and_the_former_dies(api: Api) -> None:
    anna = await api.person("anna@example.com")
    former = await enrolled(api, anna)
    latter = await enrolled(api, anna)
    assert former.secret != latter.secret

    payload = await api.do("confirmSecondFactor", {"code": former.code()}, by=anna)

    assert codes(payload) == [("INVALID_CREDENTIALS", ["code"])]
    assert await seen(api, anna) == NONE
    assert (await api.do("confirmSecondFactor", {"code": latter.code()}, by=anna))["errors"] == []


async def test_an_enrolment_waits_an_hour(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enrolled(api, anna)
    api.clock.now += CONFIRM_WITHIN

    assert await refused(api, "confirmSecondFactor", {"code": app.code()}, by=anna) == [("INVALID_STATE", None)]
    api.clock.now -= timedelta(seconds=1)
    assert (await api.do("confirmSecondFactor", {"code": app.code()}, by=anna))["errors"] == []


async def test_an_active_one_is_not_replaced(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)

    assert await refused(api, "enrollSecondFactor", AGAIN, by=anna) == [("INVALID_STATE", None)]
    assert await refused(api, "confirmSecondFactor", {"code": app.code()}, by=anna) == [("INVALID_STATE", None)]
    assert await is_in(api, anna, app.code())


async def test_confirming_ends_the_sessions_that_were_started_without_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other = (await sign_in(api, anna))["accessToken"]
    app = await enrolled(api, anna)

    await api.do("confirmSecondFactor", {"code": app.code()}, by=anna)

    assert (await is_open(api, anna.token), await is_open(api, other)) == (True, False)


@pytest.mark.parametrize("mutation", ["enrollSecondFactor", "disableSecondFactor", "regenerateRecoveryCodes"])
async def test_a_stolen_session_without_the_password_changes_nothing(api: Api, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    if mutation != "enrollSecondFactor":
        await set_up(api, anna)

    answers = [await refused(api, mutation, {"password": given}, by=anna) for given in ("", "guess", PASSWORD.upper())]

    assert answers == [[("INVALID_CREDENTIALS", ["password"])]] * 3


@pytest.mark.parametrize("mutation", ["disableSecondFactor", "regenerateRecoveryCodes"])
async def test_there_is_nothing_to_change_before_it_is_active(api: Api, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    assert await refused(api, mutation, AGAIN, by=anna) == [("INVALID_STATE", None)]
    await enrolled(api, anna)

    assert await refused(api, mutation, AGAIN, by=anna) == [("INVALID_STATE", None)]
    assert await refused(api, "confirmSecondFactor", {"code": "x"}, by=await api.person("b@example.com")) == [
        ("INVALID_STATE", None)
    ]


@pytest.mark.parametrize(
    ("mutation", "given"),
    [
        ("enrollSecondFactor", AGAIN),
        ("confirmSecondFactor", {"code": "000000"}),
        ("disableSecondFactor", AGAIN),
        ("regenerateRecoveryCodes", AGAIN),
    ],
)
async def test_nobody_is_told_to_sign_in(api: Api, mutation: str, given: dict[str, str]) -> None:
    assert (await rejected(api, mutation, given)).codes == ["UNAUTHENTICATED"]


# ---- Signing in ------------------------------------------------------------------------------


async def test_signing_in_needs_password_and_code(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)

    for code in (None, "", "  - "):
        given = {"email": anna.email, "password": PASSWORD, "oneTimeCode": code}
        assert await refused(api, "signIn", given) == REQUIRED
    done = await sign_in(api, anna, f" {app.code()[:3]} {app.code()[3:]} ")

    assert done["errors"] == []
    assert done["viewer"] == {"user": {"id": anna.user_id}}
    assert await is_open(api, done["accessToken"])


async def test_only_who_knows_the_password_learns_that_there_is_one(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    app = await set_up(api, anna)

    answers = [
        await refused(api, "signIn", {"email": who, "password": "a wrong guess", "oneTimeCode": code})
        for who in (anna.email, bo.email, "nobody@example.com")
        for code in (None, "000000", app.code(), app.recovery_codes[0])
    ]

    assert answers == [[("INVALID_CREDENTIALS", None)]] * 12
    assert await is_in(api, anna, app.code())
    assert await is_in(api, bo, "a code that nobody asked for")


async def test_a_code_is_accepted_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    code = app.code()
    assert await is_in(api, anna, code)

    assert codes(await sign_in(api, anna, code)) == WRONG
    api.clock.forward(seconds=30)  # the same code is still within the window
    assert codes(await sign_in(api, anna, code)) == WRONG
    assert await is_in(api, anna, app.code())


async def test_no_code_from_before_the_last_one_is_accepted(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    ahead, current = app.code(steps=1), app.code()
    assert await is_in(api, anna, ahead)

    assert [codes(await sign_in(api, anna, code)) for code in (current, ahead, app.code(steps=-1))] == [WRONG] * 3
    api.clock.forward(seconds=60)
    assert await is_in(api, anna, app.code())


async def test_the_code_that_confirmed_signs_nobody_in(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enrolled(api, anna)
    await api.do("confirmSecondFactor", {"code": app.code()}, by=anna)

    assert codes(await sign_in(api, anna, app.code())) == WRONG


async def test_a_clock_that_goes_back_makes_no_used_code_right(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    assert await is_in(api, anna, app.code())
    api.clock.forward(hours=-1)

    assert codes(await sign_in(api, anna, app.code())) == WRONG
    assert await is_in(api, anna, app.recovery_codes[0])
    api.clock.forward(hours=1, seconds=30)
    assert await is_in(api, anna, app.code())


async def test_a_password_reset_does_not_get_round_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    await api.do("requestPasswordReset", {"email": anna.email})

    done = await api.do("resetPassword", {"token": await api.link(anna.email, "reset"), "password": "anew " + PASSWORD})

    assert done == {"errors": []}
    assert not await is_open(api, anna.token)
    assert codes(await sign_in(api, anna, password="anew " + PASSWORD)) == REQUIRED
    assert codes(await sign_in(api, anna, app.code(), password="anew " + PASSWORD)) == []


async def test_a_changed_password_leaves_it_as_it_is(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)

    await api.do("changePassword", {"currentPassword": PASSWORD, "newPassword": "anew " + PASSWORD}, by=anna)

    assert (await seen(api, anna))["isActive"]
    assert codes(await sign_in(api, anna, password="anew " + PASSWORD)) == REQUIRED
    assert codes(await sign_in(api, anna, app.code(), password="anew " + PASSWORD)) == []


async def test_no_link_of_a_mail_gets_round_it(api: Api) -> None:
    """An activation link from before, and an invitation that offers a new login."""
    anna, owner = await api.person("anna@example.com"), await api.person("owner@example.com")
    used = await api.link(anna.email, "activation")
    await set_up(api, anna)
    invited = {"accountId": owner.account_id, "email": anna.email, "role": "ACCOUNTANT"}
    assert (await api.do("inviteUser", invited, by=owner))["errors"] == []
    given = {"token": await api.link(anna.email, "invitation"), "name": "Eve", "password": PASSWORD}

    assert await refused(api, "activate", {"token": used, "password": PASSWORD}) == [("TOKEN_INVALID", ["token"])]
    assert await refused(api, "acceptInvitation", given) == [("SIGN_IN_REQUIRED", None)]


async def test_a_link_that_lives_by_mistake_starts_no_session(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await set_up(api, anna)
    await db.execute("UPDATE user_tokens SET used_at = NULL")

    given = {"token": await api.link(anna.email, "activation")}

    assert await refused(api, "activate", given) == [("SIGN_IN_REQUIRED", None)]


# ---- Recovery codes --------------------------------------------------------------------------


async def test_each_recovery_code_signs_in_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    first, second = app.recovery_codes[:2]

    assert await is_in(api, anna, first)

    assert codes(await sign_in(api, anna, first)) == WRONG
    assert await is_in(api, anna, f" {second.replace('-', ' ').lower()} ")
    assert (await seen(api, anna))["recoveryCodesLeft"] == 8
    assert [mail.params for mail in await mails(anna.email, "recovery-code-used")] == [
        '{"codes_left": "9"}',
        '{"codes_left": "8"}',
    ]


async def test_the_recovery_codes_of_somebody_else_are_wrong(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    of_anna, of_bo = await set_up(api, anna), await set_up(api, bo)

    assert codes(await sign_in(api, anna, of_bo.recovery_codes[0])) == WRONG
    assert codes(await sign_in(api, anna, of_bo.code())) == WRONG
    assert await is_in(api, bo, of_bo.recovery_codes[0])
    assert await is_in(api, anna, of_anna.code())


async def test_new_recovery_codes_end_the_former(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    assert await is_in(api, anna, app.recovery_codes[0])

    done = await api.do(
        "regenerateRecoveryCodes", AGAIN, "recoveryCodes viewer { secondFactor { recoveryCodesLeft } }", by=anna
    )

    assert done["viewer"] == {"secondFactor": {"recoveryCodesLeft": 10}}
    assert not {*done["recoveryCodes"]} & {*app.recovery_codes}
    assert codes(await sign_in(api, anna, app.recovery_codes[1])) == WRONG
    assert await is_in(api, anna, done["recoveryCodes"][0])


async def test_a_recovery_code_confirms_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    await api.do("disableSecondFactor", AGAIN, by=anna)
    await enrolled(api, anna)

    payload = await api.do("confirmSecondFactor", {"code": app.recovery_codes[0]}, by=anna)

    assert codes(payload) == [("INVALID_CREDENTIALS", ["code"])]


# ---- Disabling -------------------------------------------------------------------------------


async def test_disabled_the_password_is_enough_and_nothing_is_left(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)

    done = await api.do("disableSecondFactor", AGAIN, "viewer { secondFactor { isActive } }", by=anna)

    assert done == {"viewer": {"secondFactor": {"isActive": False}}, "errors": []}
    assert await is_in(api, anna)
    assert await db.fetch("SELECT FROM second_factors", row=db.Row) == []
    assert await db.fetch("SELECT FROM recovery_codes", row=db.Row) == []
    again = await set_up(api, anna)
    assert codes(await sign_in(api, anna, app.code())) == WRONG
    assert await is_in(api, anna, again.code())


async def test_the_operator_helps_who_has_lost_everything(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await set_up(api, anna)
    operator = Caller(now=api.clock.now, config=OperationConfig(KEY))

    await second_factor.take_away(operator, "Anna@Example.com")

    assert not await is_open(api, anna.token)
    assert await is_in(api, anna)
    assert len(await mails(anna.email, "second-factor-disabled")) == 1
    (told,) = await events("operator:second-factor:disable")
    assert (told.actor_id, told.after) == (None, f'{{"user": "{key(anna.user_id)}"}}')
    for email in (anna.email, "nobody@example.com", "x"):
        with pytest.raises(Refusal) as refusal:
            await second_factor.take_away(operator, email)
        assert refusal.value.problems[0].code == "NOT_FOUND"


# ---- Guessing --------------------------------------------------------------------------------


async def use_up(api: Api, person: Person, app: Authenticator) -> None:
    for _ in range(CODE.most):
        assert codes(await sign_in(api, person, app.wrong())) == WRONG


async def limited(api: Api, person: Person, code: str) -> Any:
    answer = await rejected(api, "signIn", {"email": person.email, "password": PASSWORD, "oneTimeCode": code})
    assert answer.codes == ["RATE_LIMITED"]
    return answer.errors[0]["extensions"]["retryAfterSeconds"]


async def test_after_ten_wrong_codes_even_the_right_one_waits(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    await use_up(api, anna, app)

    assert await limited(api, anna, app.code()) == 900
    assert await limited(api, anna, app.recovery_codes[0]) == 900
    api.clock.now += CODE.within - timedelta(seconds=1)
    assert await limited(api, anna, app.code()) == 1
    api.clock.forward(seconds=1)
    assert await is_in(api, anna, app.code())


async def test_a_thousand_guesses_are_ten(api: Api) -> None:
    """As fields of requests as large as they may be: how often a code is compared is counted, not requests."""
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    field = '{0}: signIn(input: {{email: "{1}", password: "{2}", oneTimeCode: "{3}"}}) {{ errors {{ code }} }}'
    wrong = field.format("{0}", anna.email, PASSWORD, app.wrong())
    fields = " ".join(wrong.replace("{0}", f"a{place}", 1) for place in range(29))
    right = field.format("right", anna.email, PASSWORD, app.code())

    answer = await api.ask(f"mutation {{ {fields} {right} }}")

    assert [error["extensions"]["code"] for error in answer.errors] == ["RATE_LIMITED"] * 20
    assert [value for value in answer.partial.values() if value] == [
        {"errors": [{"code": "INVALID_CREDENTIALS"}]}
    ] * CODE.most
    assert len(await events("user:second-factor:refuse")) == CODE.most


async def test_wrong_passwords_shut_nobody_out(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    given = {"email": anna.email, "password": "a wrong guess", "oneTimeCode": "000000"}
    for _ in range(CODE.most):
        assert await refused(api.at("203.0.113.7"), "signIn", given) == [("INVALID_CREDENTIALS", None)]
    assert (await rejected(api.at("203.0.113.7"), "signIn", given)).codes == ["RATE_LIMITED"]

    assert await is_in(api, anna, app.code())


async def test_a_right_code_leaves_the_wrong_ones_counted(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    for _ in range(CODE.most - 1):
        await sign_in(api, anna, app.wrong())
    assert await is_in(api, anna, app.code())
    assert await is_in(api, anna, app.recovery_codes[0])
    assert codes(await sign_in(api, anna, app.wrong())) == WRONG

    assert await limited(api, anna, app.code(steps=1)) == 900


async def test_guesses_are_each_users_own_and_sessions_go_on(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    of_anna, of_bo = await set_up(api, anna), await set_up(api, bo)

    await use_up(api, anna, of_anna)

    assert await is_in(api, bo, of_bo.code())
    assert (await seen(api, anna))["isActive"]


async def test_a_new_enrolment_forgets_no_wrong_code(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enrolled(api, anna)
    for _ in range(CODE.most):
        assert codes(await api.do("confirmSecondFactor", {"code": app.wrong()}, by=anna)) == [
            ("INVALID_CREDENTIALS", ["code"])
        ]
    app = await enrolled(api, anna)

    assert (await attempt(api, "confirmSecondFactor", {"code": app.code()}, by=anna)).codes == ["RATE_LIMITED"]
    api.clock.now += CODE.within
    assert (await api.do("confirmSecondFactor", {"code": app.code()}, by=anna))["errors"] == []


async def test_a_clock_that_goes_back_keeps_nobody_waiting(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    api.clock.forward(days=365)
    await use_up(api, anna, app)
    api.clock.forward(days=-365)

    assert await is_in(api, anna, app.code())


# ---- What is told ----------------------------------------------------------------------------


async def test_each_change_is_recorded_and_mailed_without_a_secret(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    await use_up(api, anna, app)
    api.clock.now += CODE.within
    await sign_in(api, anna, app.recovery_codes[0])
    made = await api.do("regenerateRecoveryCodes", AGAIN, "recoveryCodes", by=anna)
    await api.do("disableSecondFactor", AGAIN, by=anna)

    kinds = ["enabled", "guessed", "disabled"]
    assert [len(await mails(anna.email, f"second-factor-{kind}")) for kind in kinds] == [1, 1, 1]
    kinds = ["code-used", "codes-renewed"]
    assert [len(await mails(anna.email, f"recovery-{kind}")) for kind in kinds] == [1, 1]
    told = await api.ask("{ viewer { events { nodes { type actor { id } before after } } } }", by=anna)
    subjects = ("user:second-factor:", "user:recovery-code:")
    nodes = [node for node in told.data["viewer"]["events"]["nodes"] if node["type"].startswith(subjects)]
    assert [node["type"] for node in nodes] == [
        "user:second-factor:disable",
        "user:recovery-code:renew",
        "user:recovery-code:use",
        *["user:second-factor:refuse"] * CODE.most,
        "user:second-factor:confirm",
        "user:second-factor:enroll",
    ]
    assert {node["actor"]["id"] for node in nodes} == {anna.user_id}
    kept = await dump()
    for code in (*app.recovery_codes, *made["recoveryCodes"]):
        assert code not in kept
        assert code.replace("-", "") not in kept


async def test_the_database_alone_makes_no_code(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    kept = await db.fetch_one("SELECT seed FROM second_factors", row=db.Row)
    assert kept is not None

    assert tokens.derive_bytes(KEY, "second-factor", kept.seed)[:20] == app.secret
    assert app.secret not in kept.seed
    assert app.secret.hex() not in await dump()


async def test_others_see_nothing_of_it(api: Api) -> None:
    owner = await api.person("owner@example.com")
    bo, _ = await api.guest(owner, "bo@example.com", "ADMINISTRATOR")
    query = """{ viewer { currentAccount { events { nodes { type } } messages { nodes { kind } }
        grants { nodes { user { id name email locale isActivated createdAt } status permissions } } } } }"""
    await api.ask("{ __typename }", by=bo)  # entering is noted by itself
    await api.ask("{ __typename }", by=owner)
    before = (await api.ask(query, by=owner)).data

    await set_up(api, bo)

    assert (await api.ask(query, by=owner)).data == before
