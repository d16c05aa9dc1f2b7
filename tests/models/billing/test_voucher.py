"""Vouchers: issuing, redeeming, and limits for guessing."""

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
from tests.api import KEY, UNKNOWN_ID, Api, Person, codes
from tests.models.refusals import attempt, events, refusal_codes, rejection, state

INVALID = [("VOUCHER_INVALID", ["code"])]
WRONG = "ABCDE-FGHJK-LMNPQ-RSTUV"
SELECTION = "account { subscription { daysLeft isExpired } } entry { days kind actor { id } counterpart { id } }"


async def issue(
    api: Api, days: int = 30, count: int = 1, *, reference: str = "A1", last_day: date | None = None
) -> str:
    """Issue a batch as the operator does at the command line. Returns its first code."""
    voucher_codes = voucher.new_codes(count)
    caller = Caller(now=api.clock.now, config=OperationConfig(KEY))
    await voucher.issue(caller, voucher_codes, days=days, reference=reference, last_day=last_day)
    return voucher_codes[0]


async def redeem(api: Api, by: Person, code: str, account_id: str | None = None) -> dict[str, Any]:
    return await api.do("redeemVoucher", {"accountId": account_id or by.account_id, "code": code}, SELECTION, by=by)


async def load_end() -> datetime:
    return (await Account.get(name="Firm")).subscription_until


async def create_firm(api: Api) -> Person:
    """The owner of a new account with 30 trial days."""
    return await api.person("anna@example.com", accountName="Firm")


# ---- Redeeming -------------------------------------------------------------------------------


async def test_voucher_adds_days_to_running_subscription(api: Api) -> None:
    anna = await create_firm(api)

    payload = await redeem(api, anna, await issue(api, 45))

    assert payload == {
        "account": {"subscription": {"daysLeft": 75, "isExpired": False}},
        "entry": {"days": 45, "kind": "VOUCHER", "actor": {"id": anna.user_id}, "counterpart": None},
        "errors": [],
    }
    assert await load_end() == api.clock.now + timedelta(days=75)


async def test_voucher_extends_ended_subscription_from_now(api: Api) -> None:
    anna = await create_firm(api)
    code = await issue(api, 45)
    api.clock.forward(days=400)
    anna = await api.sign_in(anna)

    payload = await redeem(api, anna, code)

    assert payload["account"] == {"subscription": {"daysLeft": 45, "isExpired": False}}
    assert await load_end() == api.clock.now + timedelta(days=45)


async def test_redemption_is_recorded_without_the_code(api: Api) -> None:
    anna = await create_firm(api)
    code = await issue(api, 45)

    await redeem(api, anna, code)

    (event,) = await events("account:subscription:redeem")
    assert (event.actor_id, event.actor_role) == (ids.decode("User", anna.user_id), "OWNER")
    assert event.account_id == ids.decode("Account", anna.account_id)
    assert '"days": 45' in event.after
    all_events = " ".join(str(row) for row in [*(await db.fetch("SELECT * FROM events", row=db.Row))])
    assert code not in all_events
    assert code.replace("-", "") not in all_events


@pytest.mark.parametrize("variant", ["lower", "blanks", "no dashes", "other dashes", "around"])
async def test_code_is_accepted_in_any_spelling(api: Api, variant: str) -> None:
    anna = await create_firm(api)
    code = await issue(api)
    typed_code = {
        "lower": code.lower(),
        "blanks": code.replace("-", " "),
        "no dashes": code.replace("-", ""),
        "other dashes": code.replace("-", " \u2013 "),
        "around": f"\t{code}\n",
    }[variant]

    assert codes(await redeem(api, anna, typed_code)) == []


async def test_voucher_can_be_redeemed_once(api: Api) -> None:
    anna = await create_firm(api)
    code = await issue(api)
    await redeem(api, anna, code)
    until = await load_end()

    assert codes(await redeem(api, anna, code)) == INVALID
    assert await load_end() == until
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == 1


async def test_unknown_used_expired_and_malformed_codes_get_the_same_error(api: Api) -> None:
    anna = await create_firm(api)
    used_code = await issue(api, reference="used_code")
    expired_code = await issue(api, reference="expired_code", last_day=api.clock.now.date())
    await redeem(api, anna, used_code)
    api.clock.forward(days=1)

    error_lists = [
        (await redeem(api, anna, code))["errors"]
        for code in (WRONG, used_code, expired_code, "", "0", "ÅÄÖ", "A" * 5000, "\U0001f39f" * 20)
    ]

    assert [codes({"errors": errors}) for errors in error_lists] == [INVALID] * 8
    assert len({str(errors) for errors in error_lists}) == 1


async def test_voucher_is_valid_to_the_end_of_its_last_day(api: Api) -> None:
    anna = await create_firm(api)
    last_date = api.clock.now.date()
    code = await issue(api, reference="A1", last_day=last_date)
    late_code = await issue(api, reference="A2", last_day=last_date)
    midnight = datetime(last_date.year, last_date.month, last_date.day, tzinfo=UTC) + timedelta(days=1)

    api.clock.now = midnight - timedelta(microseconds=1)
    assert codes(await redeem(api, anna, code)) == []
    api.clock.now = midnight
    assert codes(await redeem(api, anna, late_code)) == INVALID


async def test_voucher_stays_open_if_the_end_is_out_of_range(api: Api) -> None:
    anna = await create_firm(api)
    code = await issue(api, 3650)
    arguments = {"accountId": anna.account_id, "code": code}

    assert await refusal_codes(api, "redeemVoucher", arguments, by=anna) == [("OUT_OF_RANGE", ["code"])]
    api.clock.now = (await load_end()) - (MAX_END - timedelta(days=3650))
    assert codes(await redeem(api, await api.sign_in(anna), code)) == []
    assert await load_end() == api.clock.now + MAX_END


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "COLLABORATOR"])
async def test_role_with_permission_can_redeem(api: Api, role: str) -> None:
    anna = await create_firm(api)
    bo, _ = await api.guest(anna, "bo@example.com", role)

    assert codes(await redeem(api, bo, await issue(api))) == []


async def test_accountant_cannot_redeem(api: Api) -> None:
    anna = await create_firm(api)
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    code = await issue(api)

    answer = await rejection(api, "redeemVoucher", {"accountId": anna.account_id, "code": code}, by=bo)

    assert answer.codes == ["FORBIDDEN"]


async def test_foreign_account_is_not_found_for_any_code(api: Api) -> None:
    anna = await create_firm(api)
    stig = await api.person("stig@example.com")
    code = await issue(api)

    for account in (anna.account_id, UNKNOWN_ID):
        for candidate in (code, WRONG):
            error_codes = await refusal_codes(api, "redeemVoucher", {"accountId": account, "code": candidate}, by=stig)
            assert error_codes == [("NOT_FOUND", ["accountId"])]


# ---- Guessing --------------------------------------------------------------------------------

RATE_LIMITED = "RATE_LIMITED"


async def guess(api: Api, by: Person, times: int, code: str = WRONG) -> list[str]:
    """Try a code `times` times. Returns the error code of each answer."""
    arguments = {"accountId": by.account_id, "code": code}
    answers = [await attempt(api, "redeemVoucher", arguments, by=by) for _ in range(times)]
    return [
        *(answer.codes[0] if answer.errors else answer.data["redeemVoucher"]["errors"][0]["code"] for answer in answers)
    ]


async def test_right_code_after_ten_wrong_ones_is_rate_limited(api: Api) -> None:
    anna = await create_firm(api)
    arguments = {"accountId": anna.account_id, "code": await issue(api)}
    assert await guess(api, anna, 10) == ["VOUCHER_INVALID"] * 10
    api.clock.forward(minutes=20)

    answer = await rejection(api, "redeemVoucher", arguments, by=anna)

    assert answer.codes == [RATE_LIMITED]
    assert answer.errors[0]["extensions"]["retryAfterSeconds"] == 40 * 60


async def test_each_wrong_code_counts_for_an_hour(api: Api) -> None:
    anna = await create_firm(api)
    await guess(api, anna, 4)
    api.clock.forward(minutes=30)
    await guess(api, anna, 6)

    api.clock.forward(minutes=30, seconds=-1)
    assert await guess(api, anna, 1) == [RATE_LIMITED]
    api.clock.forward(seconds=1)
    assert await guess(api, anna, 5) == ["VOUCHER_INVALID"] * 4 + [RATE_LIMITED]
    api.clock.forward(minutes=30)
    assert codes(await redeem(api, anna, await issue(api))) == []


async def test_right_codes_are_not_counted(api: Api) -> None:
    anna = await create_firm(api)
    await guess(api, anna, 9)
    for index in range(12):
        assert codes(await redeem(api, anna, await issue(api, 1, reference=f"B{index}"))) == []

    assert await guess(api, anna, 2) == ["VOUCHER_INVALID", RATE_LIMITED]


async def test_wrong_codes_count_per_user_across_accounts_and_sessions(api: Api) -> None:
    anna = await create_firm(api)
    second = (await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna))["account"]["id"]
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    await guess(api, anna, 10)
    second_session = await api.sign_in(anna)

    assert await guess(api, replace(second_session, account_id=second), 1, await issue(api)) == [RATE_LIMITED]
    assert await guess(api, bo, 1) == ["VOUCHER_INVALID"]


async def test_guesses_in_one_document_are_limited(api: Api) -> None:
    anna = await create_firm(api)
    right_code = await issue(api)
    document = " ".join(
        f'a{index}: redeemVoucher(input: {{ accountId: "{anna.account_id}", code: "{code}" }}) {{ errors {{ code }} }}'
        for index, code in enumerate([*[WRONG] * 25, right_code])
    )

    answer = await api.ask(f"mutation {{ {document} }}", by=anna)

    assert [payload is None for payload in answer.partial.values()] == [False] * 10 + [True] * 16
    assert answer.codes == [RATE_LIMITED] * 16


# ---- The operator ----------------------------------------------------------------------------


def test_codes_are_long_and_unambiguous() -> None:
    voucher_codes = voucher.new_codes(1000)

    assert len(set(voucher_codes)) == 1000
    assert {len(code) for code in voucher_codes} == {23}
    assert set("".join(voucher_codes)) == {*voucher.LETTERS, "-"}
    assert len(voucher.LETTERS) == 32
    assert not {*"01IO"} & {*voucher.LETTERS}


async def test_only_the_digest_of_a_code_is_stored(api: Api) -> None:
    code = await issue(api)

    rows = await db.fetch("SELECT v::text AS text FROM vouchers v", row=db.Row)
    assert [row.text.count(code.replace("-", "")) for row in rows] == [0]
    (event,) = await events("operator:voucher:issue")
    assert event.after == '{"days": 30, "count": 1, "reference": "A1", "expires_at": null}'


async def test_reference_can_be_used_once(api: Api) -> None:
    await issue(api, count=3)
    before = await state()

    with pytest.raises(Refusal, match="This reference was used before"):
        await issue(api, count=3)

    assert await state() == before


@pytest.mark.parametrize(
    ("arguments", "field"),
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
async def test_invalid_batch_is_rejected(api: Api, arguments: dict[str, Any], field: str) -> None:
    before = await state()

    with pytest.raises(Refusal) as refusal:
        await issue(api, **arguments)

    assert [problem.field for problem in refusal.value.problems] == [field]
    assert await state() == before


async def test_batches_are_listed_with_redeemed_count(api: Api) -> None:
    anna = await create_firm(api)
    code = await issue(api, 30, 3, reference="spring", last_day=date(2099, 4, 30))
    await issue(api, 60, 1, reference="summer")
    await redeem(api, anna, code)

    batches = [(row.reference, row.days, row.issued_count, row.redeemed_count) for row in await voucher.list_batches()]

    assert batches == [("spring", 30, 3, 1), ("summer", 60, 1, 0)]


async def test_database_enforces_single_redemption(api: Api) -> None:
    anna = await create_firm(api)
    await redeem(api, anna, await issue(api))

    with pytest.raises(Exception, match="redeemed once"):
        await db.execute("UPDATE vouchers SET entry_id = NULL")


async def test_redeeming_needs_a_signed_in_user(api: Api) -> None:
    answer = await attempt(api, "redeemVoucher", {"accountId": UNKNOWN_ID, "code": WRONG})

    assert answer.codes == ["UNAUTHENTICATED"]
