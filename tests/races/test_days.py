"""Races for subscription days and for registered numbers."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from database import db
from models.accounts import number_claim
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.billing import subscription
from models.billing.subscription import SubscriptionEntry
from resolvers import ids
from tests.api import KEY, Api, Person
from tests.races.rounds import ROUNDS, Payload, outcome, outcomes, run_concurrently


async def register_with_two_accounts(api: Api) -> tuple[Person, str]:
    """Register a user with two accounts of 3030 days each. Returns the user and the second account's id."""
    anna = await api.person("anna@example.com", accountName="First")
    payload = await api.do("createAccount", {"name": "Second"}, "account { id }", by=anna)
    for row in await Account.all():
        await subscription.credit(
            Caller(now=api.clock.now, config=OperationConfig(KEY)), row.number, 3000, reference=row.name
        )
    return anna, payload["account"]["id"]


async def extend(api: Api, by: Person, payer: str, receiver: str, days: int = 10, **extra_input: object) -> Payload:
    arguments = {"accountId": receiver, "payerAccountId": payer, "days": days, **extra_input}
    return await api.do("extendSubscription", arguments, "entry { id }", by=by)


async def load_days_left(api: Api) -> dict[str, int]:
    rows: list[Any] = await Account.all()
    return {row.name: subscription.days_left(row.subscription_until, api.clock.now) for row in rows}


async def test_opposite_transfers_keep_the_sum_and_do_not_deadlock(api: Api) -> None:
    anna, second = await register_with_two_accounts(api)
    for _ in range(ROUNDS):
        payloads = await run_concurrently(
            *(extend(api, anna, anna.account_id, second, 10) for _ in range(3)),
            *(extend(api, anna, second, anna.account_id, 20) for _ in range(3)),
        )

        assert outcomes(payloads) == ["done"] * 6
        days = await load_days_left(api)
        assert sum(days.values()) == 6060
        await run_concurrently(*(extend(api, anna, anna.account_id, second, 10) for _ in range(3)))
    entries = await SubscriptionEntry.all()
    assert sum(entry.days for entry in entries) == 6060
    assert await load_days_left(api) == {"First": 3030, "Second": 3030}


async def test_payer_cannot_transfer_more_days_than_it_has(api: Api) -> None:
    anna, second = await register_with_two_accounts(api)
    for _ in range(ROUNDS):
        await db.execute("UPDATE accounts SET subscription_until = $1", api.clock.now)
        await db.execute(
            "UPDATE accounts SET subscription_until = subscription_until + interval '35 days', trial_until = NULL"
            " WHERE name = 'First'"
        )

        payloads = await run_concurrently(*(extend(api, anna, anna.account_id, second) for _ in range(5)))

        assert outcomes(payloads) == ["INSUFFICIENT_DAYS"] * 2 + ["done"] * 3
        assert await load_days_left(api) == {"First": 5, "Second": 30}


async def test_concurrent_requests_with_one_idempotency_key_make_one_transfer(api: Api) -> None:
    anna, second = await register_with_two_accounts(api)
    for round_number in range(ROUNDS):
        key = f"key {round_number}"

        payloads = await run_concurrently(
            *(extend(api, anna, anna.account_id, second, idempotencyKey=key) for _ in range(10))
        )

        assert outcomes(payloads) == ["done"] * 10
        assert len({payload["entry"]["id"] for payload in payloads}) == 1
    assert await SubscriptionEntry.filter(kind="TRANSFER_IN").count() == ROUNDS


async def test_concurrent_different_transfers_with_one_key_make_one_of_them(api: Api) -> None:
    anna, second = await register_with_two_accounts(api)
    for round_number in range(ROUNDS):
        key = f"key {round_number}"

        payloads = await run_concurrently(
            extend(api, anna, anna.account_id, second, 10, idempotencyKey=key),
            extend(api, anna, anna.account_id, second, 11, idempotencyKey=key),
        )

        assert outcomes(payloads) == ["IDEMPOTENCY_KEY_REUSED", "done"]


# ---- Registered numbers ----------------------------------------------------------------------

NUMBERS = ["974760673", "923609016"]


async def test_number_claimed_by_several_owners_belongs_to_one(api: Api) -> None:
    people = [await api.person(f"{name}@example.com") for name in ("anna", "bo", "cy")]
    arguments = {
        "name": "Second",
        "country": "NO",
        "organizationNumber": NUMBERS[0],
        "bankAccountNumber": "NO9386011117947",
    }
    for _ in range(ROUNDS):
        payloads = await run_concurrently(*(api.do("createAccount", arguments, by=person) for person in people))

        assert outcomes(payloads) == ["ORGANIZATION_NUMBER_TAKEN"] * 2 + ["done"]
        await db.execute("UPDATE accounts SET organization_number = NULL, bank_account_number = NULL")
        await db.execute("DELETE FROM organization_numbers")
        await db.execute("DELETE FROM bank_accounts")


async def set_number(api: Api, by: Person, account: str, value: str | None) -> Payload:
    arguments = {"accountId": account, "country": "NO", "organizationNumber": value}
    return await api.do("updateAccount", arguments, by=by)


async def test_owner_can_swap_numbers_of_two_accounts_concurrently(api: Api) -> None:
    anna, second = await register_with_two_accounts(api)
    await set_number(api, anna, anna.account_id, NUMBERS[0])
    await set_number(api, anna, second, NUMBERS[1])
    for round_number in range(ROUNDS):
        first_number, second_number = NUMBERS[(round_number + 1) % 2], NUMBERS[round_number % 2]

        payloads = await run_concurrently(
            set_number(api, anna, anna.account_id, first_number), set_number(api, anna, second, second_number)
        )

        assert outcomes(payloads) == ["done", "done"]
        registered_numbers = await db.fetch("SELECT number FROM organization_numbers ORDER BY number", row=db.Row)
        assert [row.number for row in registered_numbers] == sorted(NUMBERS)


async def test_number_can_move_between_accounts_of_one_owner(api: Api) -> None:
    anna, second = await register_with_two_accounts(api)
    holder_id, receiver_id = anna.account_id, second
    await set_number(api, anna, holder_id, NUMBERS[0])
    for _ in range(ROUNDS):
        payloads = await run_concurrently(
            set_number(api, anna, holder_id, None), set_number(api, anna, receiver_id, NUMBERS[0])
        )

        assert outcomes(payloads) == ["done", "done"]
        assert await Account.filter(organization_number=NUMBERS[0]).count() == 1
        holder_id, receiver_id = receiver_id, holder_id


async def test_released_number_can_be_claimed_by_stranger(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    holder, claimant = anna, bo
    await set_number(api, holder, holder.account_id, NUMBERS[0])
    for _ in range(ROUNDS):
        release_payload, claim_payload = await run_concurrently(
            set_number(api, holder, holder.account_id, None), set_number(api, claimant, claimant.account_id, NUMBERS[0])
        )

        assert outcome(release_payload) == "done"
        if outcome(claim_payload) != "done":
            assert outcome(claim_payload) == "ORGANIZATION_NUMBER_TAKEN"
            assert outcome(await set_number(api, claimant, claimant.account_id, NUMBERS[0])) == "done"
        holder, claimant = claimant, holder


async def test_claimed_number_moves_once(api: Api) -> None:
    """The jobs of several processes and the claiming account settle one claim at the same time."""
    squatter, company = await api.person("squatter@example.com"), await api.person("company@example.com")
    row = await Account.get(id=ids.decode("Account", company.account_id))
    operator = Caller(now=api.clock.now, config=OperationConfig(KEY))
    await subscription.credit(operator, row.number, 3000, reference="paid")
    for round_number in range(ROUNDS):
        await set_number(api, squatter, squatter.account_id, NUMBERS[0])
        assert outcome(await set_number(api, company, company.account_id, NUMBERS[0])) == "ORGANIZATION_NUMBER_TAKEN"
        await db.execute("UPDATE number_claims SET created_at = $1, moves_at = $2", *_past(api))

        counts, payload = await asyncio.gather(
            asyncio.gather(*(number_claim.settle_all(operator) for _ in range(3))),
            set_number(api, company, company.account_id, NUMBERS[0]),
        )

        assert sum(counts) <= 1
        assert outcome(payload) == "done"
        assert [account.id for account in await Account.filter(organization_number=NUMBERS[0])] == [row.id]
        lost_mails = await db.fetch("SELECT FROM messages WHERE kind = 'number-lost'", row=db.Row)
        assert len(lost_mails) == round_number + 1
        await set_number(api, company, company.account_id, None)


def _past(api: Api) -> tuple[datetime, datetime]:
    return api.clock.now - timedelta(days=8), api.clock.now
