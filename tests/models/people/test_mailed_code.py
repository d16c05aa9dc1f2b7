"""Sign-in with a mailed code, while too many wrong passwords are sent."""

import re

import pytest

from database import db
from mailer.render import render
from models.outbox import delivery
from models.throttle import MAILED_CODE, MAILED_CODE_TO, SIGN_IN, SIGN_IN_CODE
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Person
from tests.authenticator import enable_second_factor
from tests.models.refusals import attempt
from tests.models.throttle_attempts import ABROAD, RATE_LIMITED, WRONG, count_attempts, fail, fill, outcome

REQUIRED = "ONE_TIME_CODE_REQUIRED"
EMAIL = "anna@example.com"


@pytest.fixture
async def attacked_api(api: Api) -> Api:
    """An API with a user, anna, and more wrong passwords of strangers than all users may send."""
    await api.person(EMAIL)
    await fail(api.at("192.0.2.1"), 1, "stranger@example.com")
    await continue_attack(api)
    return api


async def continue_attack(api: Api) -> None:
    """Exhaust the limit of all users now."""
    sql = "UPDATE guesses SET tried = array_fill($1::timestamptz, ARRAY[$2::int]) WHERE kind = $3"
    await db.execute(sql, api.clock.now, SIGN_IN.max_attempts, SIGN_IN.kind)


async def sign_in(
    api: Api, code: str | None = None, *, password: str = PASSWORD, email: str = EMAIL, address: str = ABROAD
) -> str:
    """Sign in from a new network. Returns the error code, or "done"."""
    variables = {"email": email, "password": password, "oneTimeCode": code}
    return outcome(await attempt(api.at(address), "signIn", variables), "signIn")


async def mailed_codes(email: str = EMAIL) -> list[str]:
    """The codes in the mails to an address, the newest first."""
    rows = [row for row in await delivery.newest(50, to=email) if row.kind == "sign-in-code"]
    texts = [render(row, KEY, PUBLIC_URL).text for row in rows]
    return [match[0] for text in texts if (match := re.search(r"^\d{8}$", text, re.MULTILINE))]


async def test_right_password_and_mailed_code_sign_in(attacked_api: Api) -> None:
    assert await sign_in(attacked_api) == REQUIRED
    (code,) = await mailed_codes()

    assert await sign_in(attacked_api, f"{code[:4]} {code[4:]}") == "done"
    assert await sign_in(attacked_api) == "done"  # the network is trusted now
    assert await count_attempts("sign-in:code") == 1  # the attempt without a code


async def test_wrong_password_and_unknown_address_get_the_same_response_and_no_mail(attacked_api: Api) -> None:
    await attacked_api.do("register", {"name": "Bo", "email": "bo@example.com", "password": PASSWORD})
    answers = [
        (await attempt(attacked_api.at(f"203.0.113.{place}"), "signIn", variables)).body
        for place, variables in enumerate(
            [
                {"email": EMAIL, "password": PASSWORD},
                {"email": EMAIL, "password": PASSWORD, "oneTimeCode": "00000000"},
                {"email": EMAIL, "password": WRONG},
                {"email": EMAIL, "password": WRONG, "oneTimeCode": "00000000"},
                {"email": "nobody@example.com", "password": WRONG},
                {"email": "bo@example.com", "password": PASSWORD},  # not activated
            ]
        )
    ]

    assert all(answer == answers[0] for answer in answers)
    assert len(await mailed_codes()) == 1
    assert await mailed_codes("bo@example.com") == []


async def test_code_does_not_replace_the_password(attacked_api: Api) -> None:
    await sign_in(attacked_api)
    (code,) = await mailed_codes()

    assert await sign_in(attacked_api, code, password=WRONG) == REQUIRED
    assert await sign_in(attacked_api, code) == "done"


async def test_code_works_in_its_network_until_it_expires(attacked_api: Api) -> None:
    attacked_api.clock.now = attacked_api.clock.now.replace(minute=14, second=59)
    await continue_attack(attacked_api)
    await sign_in(attacked_api)
    (code,) = await mailed_codes()
    attacked_api.clock.forward(minutes=15)
    await continue_attack(attacked_api)

    assert await sign_in(attacked_api, code, address="198.51.100.7") == REQUIRED
    attacked_api.clock.forward(seconds=1)
    await continue_attack(attacked_api)
    assert await sign_in(attacked_api, code) == REQUIRED
    attacked_api.clock.forward(seconds=-1)
    assert await sign_in(attacked_api, code) == "done"


async def test_second_factor_replaces_the_mailed_code(attacked_api: Api) -> None:
    anna = await attacked_api.sign_in(Person(EMAIL, "", "", ""))
    app = await enable_second_factor(attacked_api, anna)

    assert await sign_in(attacked_api) == REQUIRED
    assert await sign_in(attacked_api, app.wrong_code()) == REQUIRED
    assert await mailed_codes() == []
    assert await sign_in(attacked_api, app.code()) == "done"


async def test_wrong_codes_are_limited_for_one_user(attacked_api: Api) -> None:
    await sign_in(attacked_api)
    (code,) = await mailed_codes()
    for place in range(10):
        assert await sign_in(attacked_api, "00000000", address=f"198.51.100.{place}") == REQUIRED

    assert await sign_in(attacked_api, code) == REQUIRED
    assert await count_attempts(MAILED_CODE.kind) == MAILED_CODE.max_attempts


async def test_mails_are_limited_and_the_last_code_still_works(attacked_api: Api) -> None:
    await sign_in(attacked_api)
    await fill(MAILED_CODE_TO, MAILED_CODE_TO.max_attempts)

    assert await sign_in(attacked_api) == REQUIRED
    (code,) = await mailed_codes()
    assert await sign_in(attacked_api, code) == "done"


async def test_attempts_with_codes_are_limited_by_network(attacked_api: Api) -> None:
    outcomes = [
        await sign_in(attacked_api, email=f"p{number}@example.com") for number in range(SIGN_IN_CODE.max_attempts + 1)
    ]

    assert outcomes == [REQUIRED] * SIGN_IN_CODE.max_attempts + [RATE_LIMITED]
    assert await sign_in(attacked_api, address="198.51.100.7") == REQUIRED


async def test_stranger_who_continues_keeps_nobody_out(attacked_api: Api) -> None:
    for place in range(60):
        assert await sign_in(attacked_api, email=f"p{place}@example.com", address=f"198.51.100.{place}") == REQUIRED
        assert await sign_in(attacked_api, password=WRONG, address=f"198.51.101.{place}") == REQUIRED

    assert await sign_in(attacked_api) == REQUIRED
    assert await sign_in(attacked_api, (await mailed_codes())[0]) == "done"
