"""Vouchers: issued by the operator, redeemed once, and not to be guessed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from database import db
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.base.errors import Refusal
from models.base.validation import MAX_END
from models.billing import voucher
from models.billing.subscription import SubscriptionEntry
from resolvers import ids
from tests.api import KEY, NOWHERE, PASSWORD, Api, Person, codes
from tests.models.refusals import attempt, events, refused, rejected, state

INVALID = [("VOUCHER_INVALID", ["code"])]
WRONG = "ABCDE-FGHJK-LMNPQ-RSTUV"
SHOWN = "account { subscription { daysLeft isExpired } } entry { days kind actor { id } counterpart { id } }"


async def issue(
    api: Api, days: int = 30, count: int = 1, *, reference: str = "A1", last_day: date | None = None
) -> str:
    """What the operator does at the command line. The first code."""
    made = voucher.new_codes(count)
    caller = Caller(now=api.clock.now, config=OperationConfig(KEY))
    await voucher.issue(caller, made, days=days, reference=reference, last_day=last_day)
    return made[0]


async def redeem(api: Api, by: Person, code: str, account_id: str | None = None) -> dict[str, Any]:
    return await api.do("redeemVoucher", {"accountId": account_id or by.account_id, "code": code}, SHOWN, by=by)


async def end() -> datetime:
    return (await Account.get(name="Firm")).subscription_until


async def firm(api: Api) -> Person:
    """The owner of an account with its 30 trial days."""
    return await api.person("anna@example.com", accountName="Firm")


async def signed_in(api: Api, person: Person) -> Person:
    done = await api.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
    return Person(person.email, done["accessToken"], person.user_id, person.account_id)


# ---- Redeeming -------------------------------------------------------------------------------


async def test_days_are_added_to_those_that_are_left(api: Api) -> None:
    anna = await firm(api)

    done = await redeem(api, anna, await issue(api, 45))

    assert done == {
        "account": {"subscription": {"daysLeft": 75, "isExpired": False}},
        "entry": {"days": 45, "kind": "VOUCHER", "actor": {"id": anna.user_id}, "counterpart": None},
        "errors": [],
    }
    assert await end() == api.clock.now + timedelta(days=75)


async def test_a_subscription_that_is_over_goes_on_from_now(api: Api) -> None:
    anna = await firm(api)
    code = await issue(api, 45)
    api.clock.forward(days=400)
    anna = await signed_in(api, anna)

    done = await redeem(api, anna, code)

    assert done["account"] == {"subscription": {"daysLeft": 45, "isExpired": False}}
    assert await end() == api.clock.now + timedelta(days=45)


async def test_it_is_told_with_the_end_before_and_after_and_without_the_code(api: Api) -> None:
    anna = await firm(api)
    code = await issue(api, 45)

    await redeem(api, anna, code)

    (told,) = await events("account:subscription:redeem")
    assert (told.actor_id, told.actor_role) == (ids.decode("User", anna.user_id), "OWNER")
    assert told.account_id == ids.decode("Account", anna.account_id)
    assert '"days": 45' in told.after
    everything = " ".join(str(row) for row in [*(await db.fetch("SELECT * FROM events", row=db.Row))])
    assert code not in everything
    assert code.replace("-", "") not in everything


@pytest.mark.parametrize("spelling", ["lower", "blanks", "no dashes", "other dashes", "around"])
async def test_case_blanks_and_dashes_do_not_count(api: Api, spelling: str) -> None:
    anna = await firm(api)
    code = await issue(api)
    spelt = {
        "lower": code.lower(),
        "blanks": code.replace("-", " "),
        "no dashes": code.replace("-", ""),
        "other dashes": code.replace("-", " \u2013 "),
        "around": f"\t{code}\n",
    }[spelling]

    assert codes(await redeem(api, anna, spelt)) == []


async def test_a_voucher_is_used_once(api: Api) -> None:
    anna = await firm(api)
    code = await issue(api)
    await redeem(api, anna, code)
    until = await end()

    assert codes(await redeem(api, anna, code)) == INVALID
    assert await end() == until
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == 1


async def test_unknown_used_expired_and_malformed_get_one_answer(api: Api) -> None:
    anna = await firm(api)
    used = await issue(api, reference="used")
    expired = await issue(api, reference="expired", last_day=api.clock.now.date())
    await redeem(api, anna, used)
    api.clock.forward(days=1)

    found = [
        (await redeem(api, anna, code))["errors"]
        for code in (WRONG, used, expired, "", "0", "ÅÄÖ", "A" * 5000, "\U0001f39f" * 20)
    ]

    assert [codes({"errors": errors}) for errors in found] == [INVALID] * 8
    assert len({str(errors) for errors in found}) == 1


async def test_a_voucher_works_to_the_end_of_its_last_day(api: Api) -> None:
    anna = await firm(api)
    last = api.clock.now.date()
    code = await issue(api, reference="A1", last_day=last)
    other = await issue(api, reference="A2", last_day=last)
    midnight = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)

    api.clock.now = midnight - timedelta(microseconds=1)
    assert codes(await redeem(api, anna, code)) == []
    api.clock.now = midnight
    assert codes(await redeem(api, anna, other)) == INVALID


async def test_a_voucher_that_leads_too_far_is_not_used_up(api: Api) -> None:
    anna = await firm(api)
    code = await issue(api, 3650)
    given = {"accountId": anna.account_id, "code": code}

    assert await refused(api, "redeemVoucher", given, by=anna) == [("OUT_OF_RANGE", ["code"])]
    api.clock.now = (await end()) - (MAX_END - timedelta(days=3650))
    assert codes(await redeem(api, await signed_in(api, anna), code)) == []
    assert await end() == api.clock.now + MAX_END


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "COLLABORATOR"])
async def test_who_may_renew_redeems(api: Api, role: str) -> None:
    anna = await firm(api)
    bo, _ = await api.guest(anna, "bo@example.com", role)

    assert codes(await redeem(api, bo, await issue(api))) == []


async def test_an_accountant_does_not_redeem(api: Api) -> None:
    anna = await firm(api)
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    code = await issue(api)

    answer = await rejected(api, "redeemVoucher", {"accountId": anna.account_id, "code": code}, by=bo)

    assert answer.codes == ["FORBIDDEN"]


async def test_in_an_account_of_others_no_code_is_even_looked_at(api: Api) -> None:
    anna = await firm(api)
    stig = await api.person("stig@example.com")
    code = await issue(api)

    for account in (anna.account_id, NOWHERE):
        for tried in (code, WRONG):
            found = await refused(api, "redeemVoucher", {"accountId": account, "code": tried}, by=stig)
            assert found == [("NOT_FOUND", ["accountId"])]


# ---- Guessing --------------------------------------------------------------------------------

LIMITED = "RATE_LIMITED"


async def guess(api: Api, by: Person, times: int, code: str = WRONG) -> list[str]:
    """The codes that so many tries are answered with."""
    given = {"accountId": by.account_id, "code": code}
    answers = [await attempt(api, "redeemVoucher", given, by=by) for _ in range(times)]
    return [
        *(answer.codes[0] if answer.errors else answer.data["redeemVoucher"]["errors"][0]["code"] for answer in answers)
    ]


async def test_after_ten_wrong_codes_the_right_one_is_not_looked_at(api: Api) -> None:
    anna = await firm(api)
    given = {"accountId": anna.account_id, "code": await issue(api)}
    assert await guess(api, anna, 10) == ["VOUCHER_INVALID"] * 10
    api.clock.forward(minutes=20)

    answer = await rejected(api, "redeemVoucher", given, by=anna)

    assert answer.codes == [LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 40 * 60


async def test_wrong_codes_are_forgotten_one_by_one_an_hour_later(api: Api) -> None:
    anna = await firm(api)
    await guess(api, anna, 4)
    api.clock.forward(minutes=30)
    await guess(api, anna, 6)

    api.clock.forward(minutes=30, seconds=-1)
    assert await guess(api, anna, 1) == [LIMITED]
    api.clock.forward(seconds=1)
    assert await guess(api, anna, 5) == ["VOUCHER_INVALID"] * 4 + [LIMITED]
    api.clock.forward(minutes=30)
    assert codes(await redeem(api, anna, await issue(api))) == []


async def test_right_codes_do_not_count(api: Api) -> None:
    anna = await firm(api)
    await guess(api, anna, 9)
    for place in range(12):
        assert codes(await redeem(api, anna, await issue(api, 1, reference=f"B{place}"))) == []

    assert await guess(api, anna, 2) == ["VOUCHER_INVALID", LIMITED]


async def test_guesses_are_the_users_in_whatever_account_and_session(api: Api) -> None:
    anna = await firm(api)
    second = (await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna))["account"]["id"]
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await guess(api, anna, 10)
    again = await signed_in(api, anna)

    assert await guess(api, replace(again, account_id=second), 1, await issue(api)) == [LIMITED]
    assert await guess(api, bo, 1) == ["VOUCHER_INVALID"]


async def test_of_26_guesses_in_one_document_ten_are_looked_at(api: Api) -> None:
    anna = await firm(api)
    code = await issue(api)
    document = " ".join(
        f'a{place}: redeemVoucher(input: {{ accountId: "{anna.account_id}", code: "{tried}" }}) {{ errors {{ code }} }}'
        for place, tried in enumerate([*[WRONG] * 25, code])
    )

    answer = await api.ask(f"mutation {{ {document} }}", by=anna)

    assert [payload is None for payload in answer.partial.values()] == [False] * 10 + [True] * 16
    assert answer.codes == [LIMITED] * 16


# ---- The operator ----------------------------------------------------------------------------


def test_codes_are_long_and_easy_to_copy() -> None:
    made = voucher.new_codes(1000)

    assert len(set(made)) == 1000
    assert {len(code) for code in made} == {23}
    assert set("".join(made)) == {*voucher.LETTERS, "-"}
    assert len(voucher.LETTERS) == 32
    assert not {*"01IO"} & {*voucher.LETTERS}


async def test_what_is_stored_of_a_code_is_its_digest(api: Api) -> None:
    code = await issue(api)

    rows = await db.fetch("SELECT v::text AS text FROM vouchers v", row=db.Row)
    assert [row.text.count(code.replace("-", "")) for row in rows] == [0]
    (told,) = await events("operator:voucher:issue")
    assert told.after == '{"days": 30, "count": 1, "reference": "A1", "expires_at": null}'


async def test_a_reference_is_used_once(api: Api) -> None:
    await issue(api, count=3)
    before = await state()

    with pytest.raises(Refusal, match="This reference was used before"):
        await issue(api, count=3)

    assert await state() == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 3651}, "days"),
        ({"count": 0}, "count"),
        ({"count": 10_001}, "count"),
        ({"reference": " "}, "reference"),
        ({"reference": "x" * 201}, "reference"),
        ({"last_day": date(2020, 1, 1)}, "expires"),
    ],
)
async def test_what_cannot_be_issued(api: Api, given: dict[str, Any], field: str) -> None:
    before = await state()

    with pytest.raises(Refusal) as refusal:
        await issue(api, **given)

    assert [problem.field for problem in refusal.value.problems] == [field]
    assert await state() == before


async def test_what_was_issued_is_listed_with_what_was_redeemed(api: Api) -> None:
    anna = await firm(api)
    code = await issue(api, 30, 3, reference="spring", last_day=date(2099, 4, 30))
    await issue(api, 60, 1, reference="summer")
    await redeem(api, anna, code)

    found = [(row.reference, row.days, row.issued, row.redeemed) for row in await voucher.batches()]

    assert found == [("spring", 30, 3, 1), ("summer", 60, 1, 0)]


async def test_the_database_holds_that_a_voucher_is_redeemed_once(api: Api) -> None:
    anna = await firm(api)
    await redeem(api, anna, await issue(api))

    with pytest.raises(Exception, match="redeemed once"):
        await db.execute("UPDATE vouchers SET entry_id = NULL")


async def test_nobody_redeems_without_signing_in(api: Api) -> None:
    answer = await attempt(api, "redeemVoucher", {"accountId": NOWHERE, "code": WRONG})

    assert answer.codes == ["UNAUTHENTICATED"]
