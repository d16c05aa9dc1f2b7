"""Races between transactions that append to the same event chains."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

from database import db
from models.accounts import account
from models.audit import chain, event
from models.audit.event_type import EventType
from models.base.caller import Caller, OperationConfig
from models.people.user import User
from resolvers import ids
from tests.api import KEY, Api, Person
from tests.races.rounds import ROUNDS, Payload, outcomes, run_concurrently


async def register_with_three_accounts(api: Api) -> tuple[Person, list[UUID]]:
    anna = await api.person("anna@example.com")
    for name in ("Second", "Third"):
        await api.do("createAccount", {"name": name}, by=anna)
    return anna, [row.id for row in await account.Account.all()]


def caller_of(api: Api, person: Person) -> Caller:
    return Caller(now=api.clock.now, config=OperationConfig(KEY), user_id=ids.decode("User", person.user_id))


async def count_events_of_valid_chains() -> int:
    """Check that all chains are valid and as long as their head says. Returns the number of events."""
    reports = [report async for report in chain.verify()]
    assert [report.first_break for report in reports] == [None] * len(reports)
    assert [report.events for report in reports] == [report.head.position for report in reports if report.head]
    assert await chain.find_unlinked() is None
    return sum(report.events for report in reports)


async def test_writers_of_overlapping_chains_do_not_fork_or_deadlock(api: Api) -> None:
    anna, accounts = await register_with_three_accounts(api)
    writer = caller_of(api, anna)
    before = await count_events_of_valid_chains()

    async def write() -> None:
        async with db.transaction():
            for account_id in random.sample([*accounts, None], 3):
                await event.record(writer, EventType.ACCOUNT_UPDATE, account_id=account_id, after={"name": "x"})
                await asyncio.sleep(random.random() * 0.002)  # noqa: S311 - not a secret

    for _ in range(ROUNDS):
        await asyncio.gather(*(write() for _ in range(8)))

    assert await count_events_of_valid_chains() == before + ROUNDS * 8 * 3


async def test_recording_before_or_after_a_row_lock_does_not_deadlock(api: Api) -> None:
    """One transaction records an event and then locks a row. The other transaction does the reverse."""
    anna, accounts = await register_with_three_accounts(api)
    writer = caller_of(api, anna)

    async def change() -> None:
        await User.filter(id=writer.user_id).update(locale="en")
        await asyncio.sleep(0.002)

    async def record() -> None:
        await event.record(writer, EventType.ACCOUNT_UPDATE, account_id=accounts[0])
        await asyncio.sleep(0.002)

    async def run_in_transaction(*steps: Callable[[], Awaitable[None]]) -> None:
        async with db.transaction():
            for step in steps:
                await step()

    for _ in range(ROUNDS):
        await asyncio.gather(run_in_transaction(record, change), run_in_transaction(change, record))
    await count_events_of_valid_chains()


async def test_concurrent_operations_keep_all_chains_valid(api: Api) -> None:
    anna, accounts = await register_with_three_accounts(api)
    first, second, _ = (ids.encode("Account", key) for key in accounts)
    await db.execute("UPDATE accounts SET trial_until = NULL")  # the days can be transferred

    async def extend(payer: str, receiver: str) -> Payload:
        arguments = {"accountId": receiver, "payerAccountId": payer, "days": 10}
        return await api.do("extendSubscription", arguments, by=anna)

    for round_number in range(ROUNDS):
        payloads = await run_concurrently(
            extend(first, second),
            extend(second, first),
            api.do("updateAccount", {"accountId": first, "name": f"x{round_number}"}, by=anna),
            api.do("switchAccount", {"accountId": second}, by=anna),
            api.do("requestPasswordReset", {"email": "nobody@example.com"}),
        )
        assert outcomes(payloads) == ["done"] * 5
    await count_events_of_valid_chains()
