"""Rate limits for guessable secrets, and users whom strangers must not lock out."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth import passwords
from database import db
from models import throttle
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from models.throttle import SIGN_IN, SIGN_IN_TRUSTED, Limit
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.models.refusals import attempt, events, rejection
from tests.models.throttle_attempts import (
    ABROAD,
    NEW_PASSWORD,
    RATE_LIMITED,
    WRONG,
    count_attempts,
    fail,
    fill,
    outcome,
    sign_in,
)


@pytest.fixture
def checked_passwords(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were compared with a hash."""
    attempts: list[str] = []
    verify = passwords._verify

    def record_and_verify(password: str, password_hash: str) -> bool:
        attempts.append(password)
        return verify(password, password_hash)

    monkeypatch.setattr(passwords, "_verify", record_and_verify)
    return attempts


CODE_REQUIRED = "ONE_TIME_CODE_REQUIRED"


async def exhaust_all(api: Api) -> None:
    """Exhaust the limit of wrong passwords of all users."""
    await fail(api.at("192.0.2.1"), 1, "stranger@example.com")
    await fill(SIGN_IN, SIGN_IN.max_attempts)


# ---- Sign-in ---------------------------------------------------------------------------------


async def test_address_is_limited_for_five_minutes_after_ten_failures(api: Api, checked_passwords: list[str]) -> None:
    await api.person("anna@example.com")
    assert await fail(api.at(ABROAD), 10) == ["INVALID_CREDENTIALS"] * 10
    api.clock.forward(minutes=2)

    answer = await rejection(api.at(ABROAD), "signIn", {"email": "ANNA@example.com", "password": PASSWORD})

    assert answer.codes == [RATE_LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 180
    assert checked_passwords == [WRONG] * 10
    api.clock.forward(minutes=3)
    assert await sign_in(api.at(ABROAD)) == "done"


async def test_unknown_address_is_limited_with_the_same_response(api: Api) -> None:
    await api.person("anna@example.com")
    responses: list[list[Any]] = []
    for email in ("anna@example.com", "nobody@example.com", "no address"):
        address_responses: list[Any] = []
        for place in [*range(11), *[99] * 11]:
            variables = {"email": email, "password": WRONG}
            answer = await attempt(api.at(f"203.0.{len(responses)}.{place}"), "signIn", variables)
            for error in answer.errors:
                error["extensions"].pop("requestId")
            address_responses.append((answer.status, answer.body))
        responses.append(address_responses)

    assert responses[0] == responses[1] == responses[2]
    assert responses[0][9][1]["data"]["signIn"]["errors"][0]["code"] == "INVALID_CREDENTIALS"
    assert responses[0][10][1]["data"]["signIn"]["errors"][0]["code"] == CODE_REQUIRED
    assert responses[0][21][1]["errors"][0]["extensions"] == {
        "code": RATE_LIMITED,
        "limit": "SIGN_INS",
        "retryAfterSeconds": 300,
        "retryAt": (api.clock.now + timedelta(minutes=5)).isoformat().replace("+00:00", "Z"),
    }


@pytest.mark.parametrize("address", ["203.0.113.{}", "2001:db8:0:{:x}::1"])
async def test_failures_in_different_networks_are_counted_separately(api: Api, address: str) -> None:
    for place in range(12):
        assert await fail(api.at(address.format(place)), 1, f"p{place}@example.com") == ["INVALID_CREDENTIALS"]


@pytest.mark.parametrize("addresses", [["203.0.113.7"], ["2001:db8::{:x}"], ["::ffff:203.0.113.7", "203.0.113.7"]])
async def test_network_needs_a_code_after_failures_for_fifty_addresses(api: Api, addresses: list[str]) -> None:
    await api.person("anna@example.com")
    clients = [api.at(addresses[place % len(addresses)].format(place)) for place in range(51)]

    outcomes = [outcomes for place in range(51) for outcomes in await fail(clients[place], 2, f"p{place}@example.com")]

    assert outcomes == ["INVALID_CREDENTIALS"] * 100 + [CODE_REQUIRED] * 2
    assert await sign_in(clients[0]) == CODE_REQUIRED
    assert await sign_in(api.at("198.51.100.1")) == "done"


async def test_mistyped_passwords_of_a_colleague_lock_out_no_other(api: Api) -> None:
    await api.person("anna@example.com")
    for colleague in range(15):
        await fail(api.at(ABROAD), 11, f"p{colleague}@example.com")

    assert await sign_in(api.at(ABROAD)) == "done"


@pytest.mark.parametrize(
    ("place", "count"), [("2001:db8:0:1:{:x}::", 50), ("2001:db8:0:{:x}::", 100), ("2001:db8:0:{:x}00::", 200)]
)
async def test_larger_networks_have_larger_bounds(api: Api, place: str, count: int) -> None:
    """Networks of /64 within one /64, one /56 and one /48."""
    await api.person("anna@example.com")
    addresses = [place.format(number) for number in range(count + 1)]

    outcomes = [await sign_in(api.at(address), f"p{number}@example.com") for number, address in enumerate(addresses)]

    assert outcomes == ["INVALID_CREDENTIALS"] * count + [CODE_REQUIRED]
    assert await sign_in(api.at(addresses[0])) == CODE_REQUIRED
    assert await sign_in(api.at("2001:db8:1::1")) == "done"


async def test_wrong_passwords_of_a_48_bit_network_never_reach_the_limit_of_all(api: Api) -> None:
    """The attack: 1,000 wrong passwords from networks of one provider's customer."""
    await api.person("anna@example.com")
    addresses = [f"2001:db8:0:{number:x}::1" for number in range(1000)]

    outcomes = [
        await sign_in(api.at(address), f"p{number % 40}@example.com") for number, address in enumerate(addresses)
    ]

    assert await count_attempts("sign-in") < SIGN_IN.max_attempts
    assert outcomes[-1] == CODE_REQUIRED
    assert await sign_in(api.at("2001:db8:ffff::1")) == "done"


async def test_refused_attempt_is_not_counted(api: Api) -> None:
    """Otherwise a single IP address could exhaust the limit of all users."""
    await fail(api.at(ABROAD), 25)

    kinds = ("sign-in:pair", "sign-in:from", "sign-in:network", "sign-in:of", "sign-in", "sign-in:code")
    assert [await count_attempts(kind) for kind in kinds] == [10, 1, 10, 10, 10, 0]


async def test_correct_password_refunds_only_its_own_attempt(api: Api) -> None:
    await api.person("anna@example.com")
    await api.person("bo@example.com")
    await fail(api.at(ABROAD), 9)
    for _ in range(3):
        assert await sign_in(api.at(ABROAD)) == "done"
        await db.execute("DELETE FROM guesses WHERE kind = $1", SIGN_IN_TRUSTED.kind)
    assert await sign_in(api.at(ABROAD), "bo@example.com") == "done"

    assert await fail(api.at(ABROAD), 2) == ["INVALID_CREDENTIALS", RATE_LIMITED]


async def test_user_on_a_trusted_network_is_not_locked_out_by_strangers(api: Api) -> None:
    await api.person("anna@example.com")
    for place in range(15):
        await fail(api.at(f"203.0.113.{place}"), 1)

    assert await sign_in(api) == "done"
    assert await fail(api, 11) == ["INVALID_CREDENTIALS"] * 10 + [RATE_LIMITED]


async def test_limit_of_all_users_does_not_apply_on_a_trusted_network(api: Api) -> None:
    await api.person("anna@example.com")
    await exhaust_all(api)

    assert await fail(api.at("198.51.100.1"), 1, "bo@example.com") == [CODE_REQUIRED]
    assert await sign_in(api) == "done"


async def test_password_reset_ends_each_wait(api: Api) -> None:
    """On a new network while a stranger continues, and on a trusted one whose attempts are exhausted."""
    await api.person("anna@example.com")
    for place in range(15):
        await fail(api.at(f"203.0.113.{place}"), 1)
    await fail(api, 11)
    for client, code in ((api.at("198.51.100.1"), CODE_REQUIRED), (api, RATE_LIMITED)):
        assert await sign_in(client) == code
        await client.do("requestPasswordReset", {"email": "anna@example.com"})
        variables = {"token": await api.link("anna@example.com", "reset"), "password": NEW_PASSWORD}
        assert codes(await client.do("resetPassword", variables)) == []

        assert await sign_in(client, password=NEW_PASSWORD) == "done"


async def test_sign_in_never_waits_longer_than_fifteen_minutes() -> None:
    limits = [limit for limit in vars(throttle).values() if isinstance(limit, Limit)]
    limits = [limit for limit in limits if limit.kind.startswith(("sign-in", "password", "code", "mailed-code"))]
    limits.remove(throttle.MAILED_CODE_TO)  # the codes that were mailed still work

    assert max(limit.window for limit in limits) == timedelta(minutes=15)


# ---- Concurrent attempts ---------------------------------------------------------------------


async def test_ten_of_a_thousand_passwords_in_aliases_are_checked(api: Api, checked_passwords: list[str]) -> None:
    await api.person("anna@example.com")
    field = f'signIn(input: {{email: "anna@example.com", password: "{WRONG}"}}) {{ __typename }}'
    document = f"mutation {{ {' '.join(f'a{place}: {field}' for place in range(25))} }}"

    answers = await asyncio.gather(*(api.ask(document) for _ in range(40)))

    assert [code for answer in answers for code in answer.codes] == [RATE_LIMITED] * 990
    assert checked_passwords == [WRONG] * 10


async def test_ten_of_many_concurrent_passwords_from_many_networks_are_checked(
    api: Api, checked_passwords: list[str]
) -> None:
    await api.person("anna@example.com")
    field = f'signIn(input: {{email: "anna@example.com", password: "{WRONG}"}}) {{ __typename }}'
    document = f"mutation {{ {' '.join(f'a{place}: {field}' for place in range(25))} }}"

    answers = await asyncio.gather(*(api.at(f"203.0.113.{place}").ask(document) for place in range(12)))

    # The others are refused with one and the same code, so they teach nothing.
    assert {code for answer in answers for code in answer.codes} == {RATE_LIMITED}
    assert len(checked_passwords) == 12 * 10
    assert await count_attempts("sign-in:of") == 10


# ---- Password confirmation -------------------------------------------------------------------


def confirmed_mutations(person: Person) -> dict[str, dict[str, Any]]:
    """The mutations that require the password of the signed-in user, with their inputs."""
    return {
        "changePassword": {"currentPassword": WRONG, "newPassword": NEW_PASSWORD},
        "enrollSecondFactor": {"password": WRONG},
        "disableSecondFactor": {"password": WRONG},
        "regenerateRecoveryCodes": {"password": WRONG},
        "transferOwnership": {"accountId": person.account_id, "userId": person.user_id, "password": WRONG},
        "exportMyData": {"password": WRONG},
        "eraseMe": {"password": WRONG},
    }


async def test_password_confirmation_is_limited_across_all_mutations(api: Api, checked_passwords: list[str]) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    attempts = [*confirmed_mutations(anna).items()] * 2
    outcomes = [outcome(await attempt(api, name, variables, by=anna), name) for name, variables in attempts]

    assert outcomes == ["INVALID_CREDENTIALS"] * 10 + [RATE_LIMITED] * 4
    assert checked_passwords == [WRONG] * 10
    for name, variables in confirmed_mutations(anna).items():
        field = "currentPassword" if "currentPassword" in variables else "password"
        assert (await rejection(api, name, {**variables, field: PASSWORD}, by=anna)).codes == [RATE_LIMITED]
    assert codes(await api.do("enrollSecondFactor", {"password": PASSWORD}, by=bo)) == []
    assert await sign_in(api) == "done"


# ---- Responses and events --------------------------------------------------------------------


async def test_response_with_only_rate_limits_has_a_retry_after_header(api: Api) -> None:
    sign_in_field = 'signIn(input: {email: "anna@example.com", password: "x"}) { errors { code } }'
    await fail(api.at(ABROAD), 10)
    api.clock.forward(seconds=90)

    async def header(document: str) -> str | None:
        response = await api.at(ABROAD).http.post("/graphql", json={"query": document})
        return response.headers.get("retry-after")

    assert await header(f"mutation {{ {sign_in_field} }}") == "210"
    assert await header(f"mutation {{ a: {sign_in_field} b: {sign_in_field} }}") == "210"
    assert await header(f"mutation {{ {sign_in_field} signOut {{ errors {{ code }} }} }}") is None
    assert await header("{ __typename }") is None


async def test_password_beyond_the_queue_is_rate_limited_and_not_counted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_MAX_QUEUED_CALLS", 0)
    variables = {"email": "anna@example.com", "password": WRONG}

    answers = [await rejection(api.at(ABROAD), "signIn", variables) for _ in range(11)]

    assert [answer.codes for answer in answers] == [[RATE_LIMITED]] * 11
    assert answers[10].errors[0]["extensions"]["retryAfterSeconds"] == 5
    assert await count_attempts("sign-in") == 0


async def test_at_most_a_hundred_refusals_an_hour_are_recorded(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    field = f'inviteUser(input: {{accountId: "{anna.account_id}", email: "x@example.com", role: ACCOUNTANT}})'
    document = f"mutation {{ {' '.join(f'a{place}: {field} {{ __typename }}' for place in range(30))} }}"
    for _ in range(4):
        assert (await api.ask(document, by=bo)).codes == ["FORBIDDEN"] * 30
    assert len(await events("refused:account:invitation:issue")) == 100

    api.clock.forward(hours=1)
    assert (await api.ask(document, by=bo)).codes == ["FORBIDDEN"] * 30
    assert len(await events("refused:account:invitation:issue")) == 130


# ---- Stored counters -------------------------------------------------------------------------


async def test_counters_contain_no_address(api: Api) -> None:
    await api.person("anna@example.com")
    await fail(api.at(ABROAD), 1)

    rows = await db.fetch("SELECT g::text AS text FROM guesses g", row=db.Row)
    assert len(rows) >= 7
    assert not [row for row in rows if "anna" in row.text or ABROAD in row.text or "127.0.0.1" in row.text]
    assert not [row for row in rows if b"anna".hex() in row.text]


async def test_counters_and_trusted_networks_are_deleted_when_they_expire(api: Api) -> None:
    await api.person("anna@example.com")
    await fail(api.at(ABROAD), 1)
    config = OperationConfig(KEY)
    for forward, count in ((timedelta(minutes=5), 7), (timedelta(seconds=1), 1), (throttle.TRUST_DURATION, 0)):
        api.clock.now += forward
        await jobs.run(Caller(now=api.clock.now, config=config))
        sql = "SELECT count(*)::int AS count FROM guesses WHERE kind LIKE 'sign-in%'"
        (row,) = await db.fetch(sql, row=db.Row)
        assert row.count == count


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (None, ""),
        ("", ""),
        ("testclient", ""),
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_network_of_an_address(api: Api, address: str | None, network: str) -> None:
    assert throttle.network(Caller(now=api.clock.now, config=OperationConfig(KEY), ip_address=address)) == network
