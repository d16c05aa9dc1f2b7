"""Days and numbers, when several requests reach for the same ones."""

from typing import Any

from database import db
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.billing import subscription
from models.billing.subscription import SubscriptionEntry
from tests.api import KEY, Api, Person
from tests.races.racing import ROUNDS, Payload, at_once, outcome, outcomes


async def two_accounts(api: Api) -> tuple[Person, str]:
    """Somebody with two accounts of 3030 days each."""
    anna = await api.person("anna@example.com", accountName="First")
    second = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    for row in await Account.all():
        await subscription.credit(
            Caller(now=api.clock.now, config=OperationConfig(KEY)), row.number, 3000, reference=row.name
        )
    return anna, second["account"]["id"]


async def extend(api: Api, by: Person, payer: str, receiver: str, days: int = 10, **more: object) -> Payload:
    given = {"accountId": receiver, "payerAccountId": payer, "days": days, **more}
    return await api.do("extendSubscription", given, "entry { id }", by=by)


async def left(api: Api) -> dict[str, int]:
    rows: list[Any] = await Account.all()
    return {row.name: subscription.days_left(row.subscription_until, api.clock.now) for row in rows}


async def test_crossing_transfers_keep_the_sum_and_never_wait_for_each_other(api: Api) -> None:
    anna, second = await two_accounts(api)
    for _ in range(ROUNDS):
        done = await at_once(
            *(extend(api, anna, anna.account_id, second, 10) for _ in range(3)),
            *(extend(api, anna, second, anna.account_id, 20) for _ in range(3)),
        )

        assert outcomes(done) == ["done"] * 6
        days = await left(api)
        assert sum(days.values()) == 6060
        await at_once(*(extend(api, anna, anna.account_id, second, 10) for _ in range(3)))
    entries = await SubscriptionEntry.all()
    assert sum(entry.days for entry in entries) == 6060
    assert await left(api) == {"First": 3030, "Second": 3030}


async def test_a_payer_gives_what_it_has_and_no_more(api: Api) -> None:
    anna, second = await two_accounts(api)
    for _ in range(ROUNDS):
        await db.execute("UPDATE accounts SET subscription_until = $1", api.clock.now)
        await db.execute(
            "UPDATE accounts SET subscription_until = subscription_until + interval '35 days' WHERE name = 'First'"
        )

        done = await at_once(*(extend(api, anna, anna.account_id, second) for _ in range(5)))

        assert outcomes(done) == ["INSUFFICIENT_DAYS"] * 2 + ["done"] * 3
        assert await left(api) == {"First": 5, "Second": 30}


async def test_one_key_ten_times_at_once_is_one_transfer(api: Api) -> None:
    anna, second = await two_accounts(api)
    for place in range(ROUNDS):
        key = f"key {place}"

        done = await at_once(*(extend(api, anna, anna.account_id, second, idempotencyKey=key) for _ in range(10)))

        assert outcomes(done) == ["done"] * 10
        assert len({payload["entry"]["id"] for payload in done}) == 1
    assert await SubscriptionEntry.filter(kind="TRANSFER_IN").count() == ROUNDS


async def test_one_key_for_two_transfers_at_once_is_one_of_them(api: Api) -> None:
    anna, second = await two_accounts(api)
    for place in range(ROUNDS):
        key = f"key {place}"

        done = await at_once(
            extend(api, anna, anna.account_id, second, 10, idempotencyKey=key),
            extend(api, anna, anna.account_id, second, 11, idempotencyKey=key),
        )

        assert outcomes(done) == ["IDEMPOTENCY_KEY_REUSED", "done"]


# ---- Numbers that belong to one owner --------------------------------------------------------

NUMBERS = ["974760673", "923609016"]


async def test_a_number_that_two_owners_reach_for_belongs_to_one(api: Api) -> None:
    people = [await api.person(f"{name}@example.com") for name in ("anna", "bo", "cy")]
    given = {
        "name": "Second",
        "country": "NO",
        "organizationNumber": NUMBERS[0],
        "bankAccountNumber": "NO9386011117947",
    }
    for _ in range(ROUNDS):
        done = await at_once(*(api.do("createAccount", given, by=person) for person in people))

        assert outcomes(done) == ["ORGANIZATION_NUMBER_TAKEN"] * 2 + ["done"]
        await db.execute("UPDATE accounts SET organization_number = NULL, bank_account_number = NULL")
        await db.execute("DELETE FROM organization_numbers")
        await db.execute("DELETE FROM bank_accounts")


async def number(api: Api, by: Person, account: str, value: str | None) -> Payload:
    given = {"accountId": account, "country": "NO", "organizationNumber": value}
    return await api.do("updateAccount", given, by=by)


async def test_an_owner_may_swap_the_numbers_of_his_accounts_at_once(api: Api) -> None:
    anna, second = await two_accounts(api)
    await number(api, anna, anna.account_id, NUMBERS[0])
    await number(api, anna, second, NUMBERS[1])
    for place in range(ROUNDS):
        one, other = NUMBERS[(place + 1) % 2], NUMBERS[place % 2]

        done = await at_once(number(api, anna, anna.account_id, one), number(api, anna, second, other))

        assert outcomes(done) == ["done", "done"]
        kept = await db.fetch("SELECT number FROM organization_numbers ORDER BY number", row=db.Row)
        assert [row.number for row in kept] == sorted(NUMBERS)


async def test_a_number_moves_from_one_account_of_an_owner_to_another(api: Api) -> None:
    anna, second = await two_accounts(api)
    holder, other = anna.account_id, second
    await number(api, anna, holder, NUMBERS[0])
    for _ in range(ROUNDS):
        done = await at_once(number(api, anna, holder, None), number(api, anna, other, NUMBERS[0]))

        assert outcomes(done) == ["done", "done"]
        assert await Account.filter(organization_number=NUMBERS[0]).count() == 1
        holder, other = other, holder


async def test_a_number_let_go_is_taken_by_a_stranger_or_not_yet(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    holder, other = anna, bo
    await number(api, holder, holder.account_id, NUMBERS[0])
    for _ in range(ROUNDS):
        let_go, taken = await at_once(
            number(api, holder, holder.account_id, None), number(api, other, other.account_id, NUMBERS[0])
        )

        assert outcome(let_go) == "done"
        if outcome(taken) != "done":
            assert outcome(taken) == "ORGANIZATION_NUMBER_TAKEN"
            assert outcome(await number(api, other, other.account_id, NUMBERS[0])) == "done"
        holder, other = other, holder
