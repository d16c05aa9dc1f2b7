"""Races between changes of addresses, registrations, erasures and password resets."""

from database import db
from resolvers import ids
from tests.api import PASSWORD, Api, Person
from tests.races.rounds import ROUNDS, outcome, outcomes, reset_mail_limits, run_concurrently

EMAIL = "SELECT email FROM users WHERE id = $1"


async def request(api: Api, person: Person, new_email: str) -> str:
    """Ask for a change of the address. Returns the token of the mailed link."""
    await reset_mail_limits()
    payload = await api.do("changeEmail", {"newEmail": new_email, "password": PASSWORD}, by=person)
    assert payload["errors"] == []
    return await api.link(new_email, "email-change")


async def email_of(person: Person) -> str:
    (row,) = await db.fetch(EMAIL, ids.decode("User", person.user_id), row=db.Row)
    return str(row.email)


async def test_link_changes_the_address_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for number in range(ROUNDS):
        token = await request(api, anna, f"anna{number}@example.com")

        payloads = await run_concurrently(*(api.do("confirmEmailChange", {"token": token}) for _ in range(3)))

        assert outcomes(payloads) == ["TOKEN_INVALID"] * 2 + ["done"]
        assert await email_of(anna) == f"anna{number}@example.com"


async def test_address_goes_to_one_of_two_users(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    for number in range(ROUNDS):
        address = f"wanted{number}@example.com"
        link_tokens = [await request(api, person, address) for person in (anna, bo)]

        payloads = await run_concurrently(*(api.do("confirmEmailChange", {"token": token}) for token in link_tokens))

        assert outcomes(payloads) == ["ALREADY_EXISTS", "done"]
        assert sorted([await email_of(anna) == address, await email_of(bo) == address]) == [False, True]


async def test_address_is_registered_while_a_login_gets_and_leaves_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for number in range(ROUNDS):
        former, address = await email_of(anna), f"next{number}@example.com"
        token = await request(api, anna, address)
        registrations = [{"name": "Bo", "email": email, "password": PASSWORD} for email in (former, address)]

        payloads = await run_concurrently(
            api.do("confirmEmailChange", {"token": token}), *(api.do("register", values) for values in registrations)
        )

        assert [outcome(payload) for payload in payloads] == ["done"] * 3
        assert await email_of(anna) == address


async def test_erasure_and_change_have_one_outcome(api: Api) -> None:
    for number in range(max(1, ROUNDS // 5)):
        await reset_mail_limits()
        anna = await api.person(f"anna{number}@example.com")
        token = await request(api, anna, f"new{number}@example.com")

        erase_payload, change_payload = await run_concurrently(
            api.do("eraseMe", {"password": PASSWORD}, by=anna), api.do("confirmEmailChange", {"token": token})
        )

        assert outcome(erase_payload) == "done"
        assert outcome(change_payload) in {"done", "TOKEN_INVALID"}
        assert (await email_of(anna)).endswith("@erased.invalid")
        sql = "SELECT (SELECT count(*) FROM former_addresses) + (SELECT count(*) FROM erasures"
        (row,) = await db.fetch(f"{sql} WHERE finished_at IS NULL) AS count", row=db.Row)
        assert row.count == 0


async def test_reset_link_to_the_former_address_loses_or_comes_first(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for number in range(max(1, ROUNDS // 5)):
        former, address = await email_of(anna), f"safe{number}@example.com"
        token = await request(api, anna, address)
        assert (await api.do("requestPasswordReset", {"email": former}))["errors"] == []
        reset = {"token": await api.link(former, "reset"), "password": PASSWORD}

        change_payload, reset_payload = await run_concurrently(
            api.do("confirmEmailChange", {"token": token}), api.do("resetPassword", reset)
        )

        assert [outcome(change_payload), outcome(reset_payload)] in (
            ["done", "TOKEN_INVALID"],
            ["TOKEN_INVALID", "done"],
        )
        payload = await api.do("signIn", {"email": await email_of(anna), "password": PASSWORD}, "accessToken")
        anna = Person(anna.email, payload["accessToken"], anna.user_id, anna.account_id)
