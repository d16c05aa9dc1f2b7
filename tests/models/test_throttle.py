"""What may be tried only so often, and who must not be shut out by it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth import passwords
from database import db
from models import throttle
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from models.throttle import SIGN_IN, SIGN_IN_OF, SIGN_IN_TRUSTED
from tests.api import KEY, PASSWORD, Api, Person, codes
from tests.models.refusals import attempt, events, rejected
from tests.models.throttle_attempts import ABROAD, LIMITED, NEW_PASSWORD, WRONG, counted, fail, fill, outcome, sign_in


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every password that was compared with a hash."""
    compared: list[str] = []
    compare = passwords._verify

    def noted(password: str, hashed: str) -> bool:
        compared.append(password)
        return compare(password, hashed)

    monkeypatch.setattr(passwords, "_verify", noted)
    return compared


# ---- Signing in ------------------------------------------------------------------------------


async def test_after_ten_failures_for_an_address_nobody_looks_for_five_minutes(api: Api, looked_at: list[str]) -> None:
    await api.person("anna@example.com")
    for place in range(10):
        assert await fail(api.at(f"203.0.113.{place}"), 1) == ["INVALID_CREDENTIALS"]
    api.clock.forward(minutes=2)

    answer = await rejected(api.at("198.51.100.1"), "signIn", {"email": "ANNA@example.com", "password": PASSWORD})

    assert answer.codes == [LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 180
    assert looked_at == [WRONG] * 10
    api.clock.forward(minutes=3)
    assert await sign_in(api.at("198.51.100.1")) == "done"


async def test_addresses_without_a_login_are_limited_in_the_same_words(api: Api) -> None:
    await api.person("anna@example.com")
    told: list[list[Any]] = []
    for email in ("anna@example.com", "nobody@example.com", "no address"):
        said: list[Any] = []
        for place in range(11):
            given = {"email": email, "password": WRONG}
            answer = await attempt(api.at(f"203.0.113.{20 * len(told) + place}"), "signIn", given)
            for error in answer.errors:
                error["extensions"].pop("requestId")
            said.append((answer.status, answer.body))
        told.append(said)

    assert told[0] == told[1] == told[2]
    assert told[0][10][1]["errors"][0]["extensions"] == {"code": LIMITED, "retryAfterSeconds": 300}


@pytest.mark.parametrize("address", ["203.0.113.{}", "2001:db8:0:{:x}::1"])
async def test_failures_in_other_networks_count_elsewhere(api: Api, address: str) -> None:
    for place in range(12):
        assert await fail(api.at(address.format(place)), 1, f"p{place}@example.com") == ["INVALID_CREDENTIALS"]


@pytest.mark.parametrize("addresses", [["203.0.113.7"], ["2001:db8::{:x}"], ["::ffff:203.0.113.7", "203.0.113.7"]])
async def test_ten_failures_in_one_network_are_the_last_whoevers_they_are(api: Api, addresses: list[str]) -> None:
    found: list[str] = []
    for place in range(11):
        here = api.at(addresses[place % len(addresses)].format(place))
        found += await fail(here, 1, f"p{place}@example.com")

    assert found == ["INVALID_CREDENTIALS"] * 10 + [LIMITED]


async def test_a_try_that_is_refused_counts_nowhere(api: Api) -> None:
    """Else a single address could use up what all have together."""
    await fail(api.at(ABROAD), 25)

    assert await counted("sign-in:from") == await counted("sign-in:of") == await counted("sign-in") == 10


async def test_a_right_password_gives_back_its_own_count_and_no_other(api: Api) -> None:
    await api.person("anna@example.com")
    await api.person("bo@example.com")
    await fail(api.at(ABROAD), 9)
    for _ in range(3):
        assert await sign_in(api.at(ABROAD)) == "done"
        await db.execute("DELETE FROM guesses WHERE kind = $1", SIGN_IN_TRUSTED.kind)
    assert await sign_in(api.at(ABROAD), "bo@example.com") == "done"

    assert await fail(api.at(ABROAD), 2) == ["INVALID_CREDENTIALS", LIMITED]


async def test_strangers_do_not_shut_out_who_has_signed_in_there_before(api: Api) -> None:
    await api.person("anna@example.com")
    for place in range(15):
        await fail(api.at(f"203.0.113.{place}"), 1)

    assert await sign_in(api) == "done"
    assert await fail(api, 11) == ["INVALID_CREDENTIALS"] * 10 + [LIMITED]


async def test_what_all_have_together_turns_nobody_off_at_home(api: Api) -> None:
    await api.person("anna@example.com")
    await fail(api.at(ABROAD), 1)
    await fill(SIGN_IN, SIGN_IN.most - 1)

    assert await fail(api.at("198.51.100.1"), 2, "bo@example.com") == ["INVALID_CREDENTIALS", LIMITED]
    assert await sign_in(api.at("198.51.100.2")) == LIMITED
    assert await sign_in(api) == "done"


async def test_the_link_of_a_reset_ends_every_wait(api: Api) -> None:
    """Where he has never been, while a stranger goes on; and at home, where he has used up his own tries."""
    await api.person("anna@example.com")
    for place in range(15):
        await fail(api.at(f"203.0.113.{place}"), 1)
    await fail(api, 11)
    for here in (api.at("198.51.100.1"), api):
        assert await sign_in(here) == LIMITED
        await here.do("requestPasswordReset", {"email": "anna@example.com"})
        given = {"token": await api.link("anna@example.com", "reset"), "password": NEW_PASSWORD}
        assert codes(await here.do("resetPassword", given)) == []

        assert await sign_in(here, password=NEW_PASSWORD) == "done"


async def test_no_wait_of_signing_in_is_longer_than_a_quarter_of_an_hour() -> None:
    limits = (throttle.SIGN_IN_FROM, SIGN_IN_OF, SIGN_IN, SIGN_IN_TRUSTED, throttle.PASSWORD, throttle.CODE)

    assert max(limit.within for limit in limits) == timedelta(minutes=15)


# ---- So many at once -------------------------------------------------------------------------


async def test_of_a_thousand_passwords_in_aliases_ten_are_looked_at(api: Api, looked_at: list[str]) -> None:
    await api.person("anna@example.com")
    field = f'signIn(input: {{email: "anna@example.com", password: "{WRONG}"}}) {{ __typename }}'
    document = f"mutation {{ {' '.join(f'a{place}: {field}' for place in range(25))} }}"

    answers = await asyncio.gather(*(api.ask(document) for _ in range(40)))

    assert [code for answer in answers for code in answer.codes] == [LIMITED] * 990
    assert looked_at == [WRONG] * 10


async def test_of_many_passwords_from_many_networks_at_once_ten_are_looked_at(api: Api, looked_at: list[str]) -> None:
    await api.person("anna@example.com")
    field = f'signIn(input: {{email: "anna@example.com", password: "{WRONG}"}}) {{ __typename }}'
    document = f"mutation {{ {' '.join(f'a{place}: {field}' for place in range(25))} }}"

    answers = await asyncio.gather(*(api.at(f"203.0.113.{place}").ask(document) for place in range(12)))

    assert [code for answer in answers for code in answer.codes] == [LIMITED] * 290
    assert looked_at == [WRONG] * 10


# ---- Passwords given again -------------------------------------------------------------------


def given_again(person: Person) -> dict[str, dict[str, Any]]:
    """Every mutation that asks for the password of who is signed in."""
    return {
        "changePassword": {"currentPassword": WRONG, "newPassword": NEW_PASSWORD},
        "enrollSecondFactor": {"password": WRONG},
        "disableSecondFactor": {"password": WRONG},
        "regenerateRecoveryCodes": {"password": WRONG},
        "transferOwnership": {"accountId": person.account_id, "userId": person.user_id, "password": WRONG},
        "exportMyData": {"password": WRONG},
        "eraseMe": {"password": WRONG},
    }


async def test_a_password_given_again_is_counted_wherever_it_is_asked_for(api: Api, looked_at: list[str]) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    tries = [*given_again(anna).items()] * 2
    found = [outcome(await attempt(api, name, given, by=anna), name) for name, given in tries]

    assert found == ["INVALID_CREDENTIALS"] * 10 + [LIMITED] * 4
    assert looked_at == [WRONG] * 10
    for name, given in given_again(anna).items():
        right = {**given, "currentPassword" if "currentPassword" in given else "password": PASSWORD}
        assert (await rejected(api, name, right, by=anna)).codes == [LIMITED]
    assert codes(await api.do("enrollSecondFactor", {"password": PASSWORD}, by=bo)) == []
    assert await sign_in(api) == "done"


# ---- What is said, and written down ---------------------------------------------------------


async def test_an_answer_that_is_nothing_but_a_wait_says_so_in_its_header(api: Api) -> None:
    limited = 'signIn(input: {email: "anna@example.com", password: "x"}) { errors { code } }'
    await fail(api.at(ABROAD), 10)
    api.clock.forward(seconds=90)

    async def header(document: str) -> str | None:
        response = await api.at(ABROAD).http.post("/graphql", json={"query": document})
        return response.headers.get("retry-after")

    assert await header(f"mutation {{ {limited} }}") == "210"
    assert await header(f"mutation {{ a: {limited} b: {limited} }}") == "210"
    assert await header(f"mutation {{ {limited} signOut {{ errors {{ code }} }} }}") is None
    assert await header("{ __typename }") is None


async def test_passwords_beyond_the_queue_say_when_to_try_again_and_count_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_MAX_WAITING", 0)
    given = {"email": "anna@example.com", "password": WRONG}

    answers = [await rejected(api.at(ABROAD), "signIn", given) for _ in range(11)]

    assert [answer.codes for answer in answers] == [[LIMITED]] * 11
    assert answers[10].errors[0]["extensions"]["retryAfterSeconds"] == 5
    assert await counted("sign-in") == 0


async def test_of_what_somebody_tries_without_end_a_hundred_are_written_down_each_hour(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    field = f'inviteUser(input: {{accountId: "{anna.account_id}", email: "x@example.com", role: ACCOUNTANT}})'
    document = f"mutation {{ {' '.join(f'a{place}: {field} {{ __typename }}' for place in range(30))} }}"
    for _ in range(4):
        assert (await api.ask(document, by=bo)).codes == ["FORBIDDEN"] * 30
    assert len(await events("refused:invitation:issue")) == 100

    api.clock.forward(hours=1)
    assert (await api.ask(document, by=bo)).codes == ["FORBIDDEN"] * 30
    assert len(await events("refused:invitation:issue")) == 130


# ---- What is kept ----------------------------------------------------------------------------


async def test_what_is_counted_names_no_address(api: Api) -> None:
    await api.person("anna@example.com")
    await fail(api.at(ABROAD), 1)

    rows = await db.fetch("SELECT g::text AS text FROM guesses g", row=db.Row)
    assert len(rows) == 7
    assert not [row for row in rows if "anna" in row.text or ABROAD in row.text or "127.0.0.1" in row.text]
    assert not [row for row in rows if b"anna".hex() in row.text]


async def test_counters_are_deleted_when_they_count_nothing_and_homes_when_they_are_left(api: Api) -> None:
    await api.person("anna@example.com")
    await fail(api.at(ABROAD), 1)
    site = OperationConfig(KEY)
    for forward, left in ((timedelta(minutes=5), 7), (timedelta(seconds=1), 2), (throttle.TRUST_LASTS, 0)):
        api.clock.now += forward
        await jobs.run(Caller(now=api.clock.now, config=site))
        (row,) = await db.fetch("SELECT count(*)::int AS count FROM guesses", row=db.Row)
        assert row.count == left


@pytest.mark.parametrize(
    ("given", "found"),
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
def test_a_network_is_what_one_client_may_choose_from(api: Api, given: str | None, found: str) -> None:
    assert throttle.network(Caller(now=api.clock.now, config=OperationConfig(KEY), ip_address=given)) == found
