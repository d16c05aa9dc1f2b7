"""Races between redemptions of vouchers, and the consistency of the ledger during them."""

import random

from database import db
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.billing import subscription, voucher
from models.billing.subscription import SubscriptionEntry
from tests.api import KEY, Api, Person
from tests.models.refusals import attempt
from tests.races.ledger import check_ledgers
from tests.races.rounds import ROUNDS, Payload, outcomes, run_concurrently


def operator(api: Api) -> Caller:
    return Caller(now=api.clock.now, config=OperationConfig(KEY))


async def issue(api: Api, reference: str, *, days: int = 1, count: int = 1) -> list[str]:
    new_codes = voucher.new_codes(count)
    await voucher.issue(operator(api), new_codes, days=days, reference=reference)
    return new_codes


async def redeem(api: Api, by: Person, code: str, account_id: str | None = None) -> Payload:
    return await api.do("redeemVoucher", {"accountId": account_id or by.account_id, "code": code}, by=by)


async def test_voucher_redeemed_by_ten_users_counts_once(api: Api) -> None:
    people = [await api.person(f"p{index}@example.com", accountName=f"Firm {index}") for index in range(10)]
    for index in range(ROUNDS):
        (code,) = await issue(api, str(index))
        await db.execute("UPDATE guesses SET tried = '{}'")

        payloads = await run_concurrently(*(redeem(api, person, code) for person in people))

        assert outcomes(payloads) == ["VOUCHER_INVALID"] * 9 + ["done"]
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == ROUNDS
    days = [subscription.days_left(row.subscription_until, api.clock.now) for row in await Account.all()]
    assert sum(days) == 10 * 30 + ROUNDS


async def test_voucher_redeemed_ten_times_by_one_user_counts_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for index in range(ROUNDS // 5):
        (code,) = await issue(api, str(index))
        await db.execute("UPDATE guesses SET tried = '{}'")

        payloads = await run_concurrently(*(redeem(api, anna, code) for _ in range(10)))

        assert outcomes(payloads) == ["VOUCHER_INVALID"] * 9 + ["done"]
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == ROUNDS // 5


async def guess(api: Api, by: Person, account_id: str) -> Payload:
    answer = await attempt(api, "redeemVoucher", {"accountId": account_id, "code": "wrong"}, by=by)
    return {"code": answer.codes[0] if answer.errors else answer.data["redeemVoucher"]["errors"][0]["code"]}


async def test_concurrent_wrong_codes_are_limited_to_ten(api: Api) -> None:
    anna = await api.person("anna@example.com")
    accounts = [anna.account_id]
    for index in range(3):
        payload = await api.do("createAccount", {"name": f"Firm {index}"}, "account { id }", by=anna)
        accounts.append(payload["account"]["id"])
    for _ in range(ROUNDS // 5):
        await db.execute("UPDATE guesses SET tried = '{}'")

        answers = await run_concurrently(*(guess(api, anna, accounts[index % 4]) for index in range(20)))

        assert sorted(answer["code"] for answer in answers) == ["RATE_LIMITED"] * 10 + ["VOUCHER_INVALID"] * 10


async def test_sum_of_days_equals_credited_days_during_concurrent_changes(api: Api) -> None:
    """Vouchers, credits and transfers of three accounts run concurrently."""
    anna = await api.person("anna@example.com", accountName="Firm 0")
    accounts = [anna.account_id]
    for index in (1, 2):
        payload = await api.do("createAccount", {"name": f"Firm {index}"}, "account { id }", by=anna)
        accounts.append(payload["account"]["id"])
    expected_days = 3 * 30
    for index in range(min(ROUNDS, 140)):  # more rounds would exceed the maximum of ten years for one account
        voucher_days = 1 + index % 20
        codes = await issue(api, f"batch {index}", days=voucher_days, count=2)

        payloads = await run_concurrently(
            *(redeem(api, anna, code, random.choice(accounts)) for code in codes),  # noqa: S311 - not a secret
            *(transfer(api, anna, *random.sample(accounts, 2)) for _ in range(4)),
            sell(api, index, 3),
        )

        expected_days += 3 + 2 * voucher_days
        assert {*outcomes(payloads)} <= {"done", "INSUFFICIENT_DAYS"}
        assert outcomes(payloads[:2]) == ["done", "done"]
        await check_ledgers(expected_days)


async def transfer(api: Api, by: Person, payer: str, receiver: str) -> Payload:
    days = random.randint(10, 40)  # noqa: S311 - not a secret
    return await api.do("extendSubscription", {"accountId": receiver, "payerAccountId": payer, "days": days}, by=by)


async def sell(api: Api, index: int, days: int) -> Payload:
    row = await Account.get(name=f"Firm {index % 3}")
    await subscription.credit(operator(api), row.number, days, reference=f"order {index}")
    return {"errors": []}
