"""Vouchers that several redeem at the same moment, and a ledger that must add up all the while."""

import random

from database import db
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.billing import subscription, voucher
from models.billing.subscription import SubscriptionEntry
from tests.api import KEY, Api, Person
from tests.models.refusals import attempt
from tests.races.ledger import reconciled
from tests.races.racing import ROUNDS, Payload, at_once, outcomes


def operator(api: Api) -> Caller:
    return Caller(now=api.clock.now, config=OperationConfig(KEY))


async def issue(api: Api, reference: str, *, days: int = 1, count: int = 1) -> list[str]:
    made = voucher.new_codes(count)
    await voucher.issue(operator(api), made, days=days, reference=reference)
    return made


async def redeem(api: Api, by: Person, code: str, account_id: str | None = None) -> Payload:
    return await api.do("redeemVoucher", {"accountId": account_id or by.account_id, "code": code}, by=by)


async def test_one_voucher_redeemed_by_ten_gives_its_days_once(api: Api) -> None:
    people = [await api.person(f"p{place}@example.com", accountName=f"Firm {place}") for place in range(10)]
    for place in range(ROUNDS):
        (code,) = await issue(api, str(place))
        await db.execute("UPDATE guesses SET tried = '{}'")

        done = await at_once(*(redeem(api, person, code) for person in people))

        assert outcomes(done) == ["VOUCHER_INVALID"] * 9 + ["done"]
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == ROUNDS
    days = [subscription.days_left(row.subscription_until, api.clock.now) for row in await Account.all()]
    assert sum(days) == 10 * 30 + ROUNDS


async def test_one_voucher_redeemed_ten_times_by_one_gives_its_days_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for place in range(ROUNDS // 5):
        (code,) = await issue(api, str(place))
        await db.execute("UPDATE guesses SET tried = '{}'")

        done = await at_once(*(redeem(api, anna, code) for _ in range(10)))

        assert outcomes(done) == ["VOUCHER_INVALID"] * 9 + ["done"]
    assert await SubscriptionEntry.filter(kind="VOUCHER").count() == ROUNDS // 5


async def guess(api: Api, by: Person, account_id: str) -> Payload:
    answer = await attempt(api, "redeemVoucher", {"accountId": account_id, "code": "wrong"}, by=by)
    return {"code": answer.codes[0] if answer.errors else answer.data["redeemVoucher"]["errors"][0]["code"]}


async def test_of_many_wrong_codes_at_once_ten_are_looked_at(api: Api) -> None:
    anna = await api.person("anna@example.com")
    accounts = [anna.account_id]
    for place in range(3):
        done = await api.do("createAccount", {"name": f"Firm {place}"}, "account { id }", by=anna)
        accounts.append(done["account"]["id"])
    for _ in range(ROUNDS // 5):
        await db.execute("UPDATE guesses SET tried = '{}'")

        answers = await at_once(*(guess(api, anna, accounts[place % 4]) for place in range(20)))

        assert sorted(answer["code"] for answer in answers) == ["RATE_LIMITED"] * 10 + ["VOUCHER_INVALID"] * 10


async def test_days_are_conserved_while_they_come_and_go_from_all_sides(api: Api) -> None:
    """Vouchers, credits and transfers of three accounts at once: what was credited is what is there."""
    anna = await api.person("anna@example.com", accountName="Firm 0")
    accounts = [anna.account_id]
    for place in (1, 2):
        opened = await api.do("createAccount", {"name": f"Firm {place}"}, "account { id }", by=anna)
        accounts.append(opened["account"]["id"])
    credited = 3 * 30
    for place in range(min(ROUNDS, 140)):  # more would lead to the ten years of one account
        worth = 1 + place % 20
        codes = await issue(api, f"batch {place}", days=worth, count=2)

        done = await at_once(
            *(redeem(api, anna, code, random.choice(accounts)) for code in codes),  # noqa: S311 - not a secret
            *(move(api, anna, *random.sample(accounts, 2)) for _ in range(4)),
            sell(api, place, 3),
        )

        credited += 3 + 2 * worth
        assert {*outcomes(done)} <= {"done", "INSUFFICIENT_DAYS"}
        assert outcomes(done[:2]) == ["done", "done"]
        await reconciled(credited)


async def move(api: Api, by: Person, payer: str, receiver: str) -> Payload:
    days = random.randint(10, 40)  # noqa: S311 - not a secret
    return await api.do("extendSubscription", {"accountId": receiver, "payerAccountId": payer, "days": days}, by=by)


async def sell(api: Api, place: int, days: int) -> Payload:
    row = await Account.get(name=f"Firm {place % 3}")
    await subscription.credit(operator(api), row.number, days, reference=f"order {place}")
    return {"errors": []}
