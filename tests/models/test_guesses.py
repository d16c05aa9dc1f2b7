"""What may be tried only so often, and who must not be shut out by it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth import passwords
from models import db, guesses, jobs
from models.account import Account
from models.caller import Caller, Site
from models.guesses import SIGN_IN, SIGN_IN_AT_HOME, SIGN_IN_OF, Limit
from tests.api import KEY, PASSWORD, Answer, Api, Person, codes
from tests.models.bureaus import bureau
from tests.models.refusing import attempt, events, mails, rejected

WRONG = "a wrong guess"
NEW_PASSWORD = "marble thicket cobalt"
LIMITED = "RATE_LIMITED"
ABROAD = "203.0.113.7"


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


async def sign_in(api: Api, email: str = "anna@example.com", password: str = PASSWORD) -> str:
    """What a sign-in is answered with: a code, or "done"."""
    return outcome(await attempt(api, "signIn", {"email": email, "password": password}), "signIn")


def outcome(answer: Answer, mutation: str) -> str:
    if answer.errors:
        return answer.codes[0]
    return str(([error["code"] for error in answer.data[mutation]["errors"]] or ["done"])[0])


async def fail(api: Api, times: int, email: str = "anna@example.com") -> list[str]:
    return [await sign_in(api, email, WRONG) for _ in range(times)]


async def fill(limit: Limit, tries: int) -> None:
    """Let so many have been counted, where there was one."""
    sql = "UPDATE guesses SET tried = array_fill(tried[1], ARRAY[$2::int]) WHERE kind = $1"
    await db.execute(sql, limit.kind, tries)


async def counted(kind: str) -> int:
    sql = "SELECT COALESCE(sum(cardinality(tried)), 0)::int AS count FROM guesses WHERE kind = $1"
    (row,) = await db.fetch(sql, kind, row=db.Row)
    count: int = row.count
    return count


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
        await db.execute("DELETE FROM guesses WHERE kind = $1", SIGN_IN_AT_HOME.kind)
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
    limits = (guesses.SIGN_IN_FROM, SIGN_IN_OF, SIGN_IN, SIGN_IN_AT_HOME, guesses.PASSWORD, guesses.CODE)

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


# ---- Mails, and their links -------------------------------------------------------------------


async def reset(api: Api, email: str = "anna@example.com") -> Answer:
    return await attempt(api, "requestPasswordReset", {"email": email})


async def test_five_mails_of_a_kind_go_to_an_address_a_day_and_nobody_hears_of_the_sixth(api: Api) -> None:
    await api.person("anna@example.com")
    known, unknown = [
        [(await reset(api.at(f"203.0.113.{place}"), email)).body for place in range(7)]
        for email in ("ANNA@example.com", "nobody@example.com")
    ]

    assert known == unknown == [{"data": {"requestPasswordReset": {"errors": []}}}] * 7
    assert len(await mails("anna@example.com", "password-reset")) == 5
    assert len(await events("user:password:forget")) == 10
    api.clock.forward(days=1)
    await reset(api.at(ABROAD))
    assert len(await mails("anna@example.com", "password-reset")) == 6


async def test_who_uses_up_the_resets_of_another_keeps_him_out_of_nothing(api: Api) -> None:
    """At home he has his own; elsewhere the last link in his mailbox works until the next one can come."""
    await api.person("anna@example.com")
    for _ in range(9):
        await reset(api.at(ABROAD))
    api.clock.forward(hours=23, minutes=59)
    last = await api.link("anna@example.com", "reset")
    await reset(api)
    own = await api.link("anna@example.com", "reset")
    assert own != last
    assert codes(await api.do("resetPassword", {"token": own, "password": NEW_PASSWORD})) == []

    for _ in range(9):
        await reset(api.at(ABROAD))
    api.clock.forward(minutes=2)
    await reset(api.at(ABROAD))
    api.clock.forward(hours=23)
    await reset(api.at("198.51.100.1"))
    last = await api.link("anna@example.com", "reset")
    assert codes(await api.at("198.51.100.1").do("resetPassword", {"token": last, "password": PASSWORD})) == []


async def test_the_links_before_the_last_of_a_day_work_for_an_hour(api: Api) -> None:
    await api.person("anna@example.com")
    await reset(api.at(ABROAD))
    token = await api.link("anna@example.com", "reset")
    api.clock.forward(hours=1)

    assert codes(await api.do("resetPassword", {"token": token, "password": NEW_PASSWORD})) == [
        ("TOKEN_EXPIRED", ["token"])
    ]


REGISTRATION = {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD}


async def test_five_activations_go_to_an_address_a_day_however_they_are_asked_for(api: Api) -> None:
    for place in range(4):
        await api.at(f"203.0.113.{place}").do("register", REGISTRATION)
        await api.at(f"203.0.113.{place}").do("resendActivation", {"email": "anna@example.com"})

    assert len(await mails("anna@example.com", "activation")) == 5
    assert codes(await api.do("activate", {"token": await api.link("anna@example.com", "activation")})) == [
        ("REQUIRED", ["password"])
    ]


async def test_a_registration_whose_mail_is_left_out_is_not_activated_with_anybodys_password(api: Api) -> None:
    """The link in the mailbox came for the registration before: of a stranger, maybe, or followed by one."""
    stranger = {**REGISTRATION, "password": NEW_PASSWORD}
    for _ in range(5):
        await api.at(ABROAD).do("register", stranger)
    token = await api.link("anna@example.com", "activation")
    assert codes(await api.do("register", REGISTRATION)) == []

    assert codes(await api.do("activate", {"token": token})) == [("REQUIRED", ["password"])]
    assert codes(await api.do("activate", {"token": token, "password": PASSWORD})) == []
    assert await sign_in(api) == "done"
    assert await sign_in(api.at(ABROAD), password=NEW_PASSWORD) == "INVALID_CREDENTIALS"


async def test_a_taken_address_hears_of_it_five_times_a_day(api: Api) -> None:
    await api.person("anna@example.com")
    told = [await attempt(api.at(ABROAD), "register", REGISTRATION) for _ in range(6)]

    assert [answer.body for answer in told] == [{"data": {"register": {"errors": []}}}] * 6
    assert len(await mails("anna@example.com", "address-taken")) == 4  # the fifth was his own activation


async def test_of_mails_asked_for_from_one_network_sixty_are_looked_at(api: Api) -> None:
    here = api.at(ABROAD)
    for place, mutation in enumerate(["requestPasswordReset", "resendActivation"] * 30):
        assert codes(await here.do(mutation, {"email": f"p{place}@example.com"})) == []

    answer = await rejected(here, "register", REGISTRATION)

    assert answer.codes == [LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 300
    assert outcome(await reset(api), "requestPasswordReset") == "done"


TRIED = {
    "activate": {},
    "resetPassword": {"password": NEW_PASSWORD},
    "acceptInvitation": {"name": "A B", "password": NEW_PASSWORD},
    "declineInvitation": {},
}


async def test_of_made_up_links_thirty_are_looked_up_and_right_ones_do_not_count(api: Api) -> None:
    anna = await api.person("anna@example.com")
    here = api.at(ABROAD)
    await api.do("inviteUser", {"accountId": anna.account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}, by=anna)
    token = await api.link("bo@example.com", "invitation")
    preview = "query ($token: String!) { invitation(token: $token) { role } }"
    for _ in range(35):
        assert (await here.ask(preview, {"token": token})).data["invitation"] == {"role": "ACCOUNTANT"}
    for place in range(6):
        for mutation, more in TRIED.items():
            found = await attempt(here, mutation, {"token": f"made up {place}", **more})
            assert outcome(found, mutation) == "TOKEN_INVALID"
        assert (await here.ask(preview, {"token": f"made up {place}"})).data["invitation"] is None

    for mutation, more in TRIED.items():
        assert (await rejected(here, mutation, {"token": token, **more})).codes == [LIMITED]
    assert (await here.ask(preview, {"token": token})).codes == [LIMITED]
    assert (await api.ask(preview, {"token": token})).data["invitation"] == {"role": "ACCOUNTANT"}


# ---- Offers and requests ---------------------------------------------------------------------


async def test_an_account_mails_fifty_offers_a_day(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given = {"accountId": anna.account_id, "role": "ACCOUNTANT"}
    assert codes(await api.do("inviteUser", {**given, "email": "p1@example.com"}, by=anna)) == []
    await fill(guesses.INVITATION, 49)
    assert codes(await api.do("inviteUser", {**given, "email": "p2@example.com"}, by=anna)) == []

    answer = await rejected(api, "inviteUser", {**given, "email": "bo@example.com"}, by=anna)

    assert answer.codes == [LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 86_400
    api.clock.forward(days=1)
    assert codes(await api.do("inviteUser", {**given, "email": "bo@example.com"}, by=anna)) == []


async def test_an_invitation_is_mailed_five_times_a_day(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given = {"accountId": anna.account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}
    made = (await api.do("inviteUser", given, "invitation { id }", by=anna))["invitation"]["id"]
    for _ in range(4):
        assert codes(await api.do("resendInvitation", {"invitationId": made}, by=anna)) == []

    assert (await rejected(api, "resendInvitation", {"invitationId": made}, by=anna)).codes == [LIMITED]
    assert codes(await api.do("revokeInvitation", {"invitationId": made}, by=anna)) == []
    assert (await rejected(api, "inviteUser", given, by=anna)).codes == [LIMITED]


async def test_a_bureau_mails_the_link_of_a_client_five_times_a_day(api: Api) -> None:
    biuro = await bureau(api)
    client = {"name": "Klient", "ownerName": "Kari Li", "ownerEmail": "kari@example.com"}
    shown = "account { id }"
    done = await api.do("createClientAccount", {"bureauAccountId": biuro.account_id, **client}, shown, by=biuro)
    again = {"bureauAccountId": biuro.account_id, "clientAccountId": done["account"]["id"]}
    for _ in range(4):
        assert codes(await api.do("resendClientActivation", again, by=biuro)) == []

    assert (await rejected(api, "resendClientActivation", again, by=biuro)).codes == [LIMITED]


async def test_an_account_asks_for_fifty_engagements_a_day_there_or_not(api: Api) -> None:
    biuro = await bureau(api)
    given = {"bureauAccountId": biuro.account_id, "clientNumber": 987_654_321}
    for filled in (49, 50):
        assert codes(await api.do("engageBureau", given, by=biuro)) == []
        await fill(guesses.ENGAGEMENT, filled)

    assert (await rejected(api, "engageBureau", given, by=biuro)).codes == [LIMITED]


async def test_mails_tell_of_twenty_requests_a_day_and_the_list_of_all(api: Api) -> None:
    anna = await api.person("anna@example.com")
    (account,) = await Account.all()
    for place in range(4):
        await fill(guesses.REQUESTED, 17 + place)
        asker = await api.person(f"p{place}@example.com")
        given = {"accountNumber": account.number, "role": "ACCOUNTANT"}
        assert codes(await api.do("requestAccess", given, by=asker)) == []

    assert len(await mails(anna.email, "access-requested")) == 3
    seen = "query ($id: ID!) { account(id: $id) { accessRequests { totalCount } } }"
    assert (await api.ask(seen, {"id": anna.account_id}, by=anna)).data["account"] == {
        "accessRequests": {"totalCount": 4}
    }


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
    site = Site(KEY)
    for forward, left in ((timedelta(minutes=5), 7), (timedelta(seconds=1), 2), (guesses.HOME_KEPT, 0)):
        api.clock.now += forward
        await jobs.run(Caller(now=api.clock.now, site=site))
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
    assert guesses.network(Caller(now=api.clock.now, site=Site(KEY), ip_address=given)) == found
