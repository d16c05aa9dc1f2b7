"""Chains of events, when many transactions add to the same ones."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

from database import db
from models.accounts import account
from models.audit import chain, event
from models.base.caller import Caller, OperationConfig
from models.people.user import User
from resolvers import ids
from tests.api import KEY, Api, Person
from tests.races.racing import ROUNDS, Payload, at_once, outcomes


async def three_accounts(api: Api) -> tuple[Person, list[UUID]]:
    anna = await api.person("anna@example.com")
    for name in ("Second", "Third"):
        await api.do("createAccount", {"name": name}, by=anna)
    return anna, [row.id for row in await account.Account.all()]


def caller(api: Api, person: Person) -> Caller:
    return Caller(now=api.clock.now, config=OperationConfig(KEY), user_id=ids.decode("User", person.user_id))


async def whole() -> int:
    """How many events there are, all of them in chains that are whole and as long as their last place says."""
    found = [one async for one in chain.verify()]
    assert [one.broken for one in found] == [None] * len(found)
    assert [one.events for one in found] == [one.head.position for one in found if one.head]
    assert await chain.unlinked() is None
    return sum(one.events for one in found)


async def test_writers_of_crossing_chains_neither_fork_them_nor_wait_for_each_other(api: Api) -> None:
    anna, accounts = await three_accounts(api)
    writer = caller(api, anna)
    before = await whole()

    async def write() -> None:
        async with db.transaction():
            for account_id in random.sample([*accounts, None], 3):
                await event.record(writer, "account:account:update", account_id=account_id, after={"name": "x"})
                await asyncio.sleep(random.random() * 0.002)  # noqa: S311 - not a secret

    for _ in range(ROUNDS):
        await asyncio.gather(*(write() for _ in range(8)))

    assert await whole() == before + ROUNDS * 8 * 3


async def test_who_has_told_his_event_may_still_wait_for_a_row(api: Api) -> None:
    """The one tells first and locks then, the other the other way round."""
    anna, accounts = await three_accounts(api)
    writer = caller(api, anna)

    async def change() -> None:
        await User.filter(id=writer.user_id).update(locale="en")
        await asyncio.sleep(0.002)

    async def tell() -> None:
        await event.record(writer, "account:account:update", account_id=accounts[0])
        await asyncio.sleep(0.002)

    async def together(*steps: Callable[[], Awaitable[None]]) -> None:
        async with db.transaction():
            for step in steps:
                await step()

    for _ in range(ROUNDS):
        await asyncio.gather(together(tell, change), together(change, tell))
    await whole()


async def test_operations_on_two_accounts_and_sign_ins_keep_every_chain_whole(api: Api) -> None:
    anna, accounts = await three_accounts(api)
    first, second, _ = (ids.encode("Account", key) for key in accounts)

    async def extend(payer: str, receiver: str) -> Payload:
        given = {"accountId": receiver, "payerAccountId": payer, "days": 10}
        return await api.do("extendSubscription", given, by=anna)

    for place in range(ROUNDS):
        done = await at_once(
            extend(first, second),
            extend(second, first),
            api.do("updateAccount", {"accountId": first, "name": f"x{place}"}, by=anna),
            api.do("switchAccount", {"accountId": second}, by=anna),
            api.do("requestPasswordReset", {"email": "nobody@example.com"}),
        )
        assert outcomes(done) == ["done"] * 5
    await whole()
