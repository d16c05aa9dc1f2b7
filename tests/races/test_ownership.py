"""Ownership, when several people act on it at the same moment: one owner, at every instant."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from database import db
from models.access.grant import Grant
from models.sharing.ownership import OwnershipTransfer
from resolvers import ids
from tests.api import PASSWORD, Api, Person, codes
from tests.models.refusals import attempt
from tests.races.racing import ROUNDS, Payload, at_once, outcome, outcomes


async def house(api: Api) -> tuple[Person, Person, Person]:
    """An owner, and two administrators of her account."""
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    return anna, bo, ada


async def offer(api: Api, owner: Person, receiver: Person) -> Payload:
    given = {"accountId": owner.account_id, "userId": receiver.user_id, "password": PASSWORD}
    return await api.do("transferOwnership", given, by=owner)


async def tried(api: Api, owner: Person, receiver: Person) -> Payload:
    """An offer by somebody who may have ceased to be the owner."""
    given = {"accountId": owner.account_id, "userId": receiver.user_id, "password": PASSWORD}
    done = await attempt(api, "transferOwnership", given, by=owner)
    payload: Payload | None = done.partial["transferOwnership"]
    return payload or {"errors": [{"code": code, "field": None} for code in done.codes]}


async def answer(api: Api, mutation: str, by: Person, owner: Person) -> Payload:
    return await api.do(mutation, {"accountId": owner.account_id}, by=by)


async def key_of(person: Person) -> str:
    """The id of somebody's grant on the account of the races, the newest."""
    decoded = ids.decode("User", person.user_id)
    account = ids.decode("Account", person.account_id)
    found = await Grant.filter(user_id=decoded, account_id=account).order_by("-id").first()
    assert found is not None
    return ids.encode("Grant", found.id)


async def owner_of(*people: Person) -> Person:
    """Whose the account is, which grants and account must say alike."""
    sql = """SELECT g.user_id AS grants, a.owner_id AS account FROM accounts a
        JOIN grants g ON g.account_id = a.id AND g.role = 'OWNER' AND g.status = 'ACTIVE' WHERE a.id = $1"""
    (row,) = await db.fetch(sql, ids.decode("Account", people[0].account_id), row=db.Row)
    assert row.grants == row.account
    return next(person for person in people if ids.decode("User", person.user_id) == row.account)


async def all_administer(*people: Person) -> None:
    """Make room for the next round: everybody is an administrator again, but the owner."""
    account = ids.decode("Account", people[0].account_id)
    await db.execute("UPDATE ownership_transfers SET status = 'WITHDRAWN' WHERE status = 'PENDING'")
    await db.execute(
        """UPDATE grants SET role = 'ADMINISTRATOR', status = 'ACTIVE', ended_at = NULL
        WHERE account_id = $1 AND (role <> 'OWNER' OR status <> 'ACTIVE')""",
        account,
    )


@asynccontextmanager
async def watched() -> AsyncGenerator[list[int]]:
    """How many owners every account was seen to have, again and again, while something happens."""
    seen: list[int] = []
    sql = """SELECT a.id, count(g.id)::int AS owners FROM accounts a LEFT JOIN grants g ON g.account_id = a.id
        AND g.role = 'OWNER' AND g.status = 'ACTIVE' AND g.user_id = a.owner_id GROUP BY a.id"""

    async def look() -> None:
        while True:
            seen.extend(row.owners for row in await db.fetch(sql, row=db.Row))
            await asyncio.sleep(0)

    task = asyncio.create_task(look())
    try:
        yield seen
    finally:
        task.cancel()
    assert seen
    assert set(seen) == {1}


async def test_an_offer_is_accepted_once(api: Api) -> None:
    anna, bo, ada = await house(api)
    async with watched():
        for _ in range(ROUNDS):
            owner = await owner_of(anna, bo, ada)
            receiver = bo if owner is not bo else ada
            assert codes(await offer(api, owner, receiver)) == []

            done = await at_once(*(answer(api, "acceptOwnership", receiver, anna) for _ in range(3)))

            assert outcomes(done) == ["INVALID_STATE", "INVALID_STATE", "done"]
            assert await owner_of(anna, bo, ada) is receiver
    assert await OwnershipTransfer.filter(status="ACCEPTED").count() == ROUNDS


async def test_of_accepting_withdrawing_and_declining_one_happens(api: Api) -> None:
    anna, bo, ada = await house(api)
    for _ in range(ROUNDS):
        owner = await owner_of(anna, bo, ada)
        receiver = bo if owner is not bo else ada
        assert codes(await offer(api, owner, receiver)) == []

        done = await at_once(
            answer(api, "acceptOwnership", receiver, anna), answer(api, "declineOwnership", receiver, anna)
        )

        assert outcomes(done) == ["INVALID_STATE", "done"]
        assert (await owner_of(anna, bo, ada) is receiver) == (outcome(done[0]) == "done")
        await all_administer(anna, bo, ada)


async def test_two_offers_to_two_people_make_one_owner(api: Api) -> None:
    anna, bo, ada = await house(api)
    for _ in range(ROUNDS):
        owner = await owner_of(anna, bo, ada)
        others = [person for person in (anna, bo, ada) if person is not owner]

        done = await at_once(*(offer(api, owner, one) for one in others))
        assert outcomes(done) == ["done", "done"]
        done = await at_once(*(answer(api, "acceptOwnership", one, anna) for one in others))

        assert outcomes(done) == ["INVALID_STATE", "done"]
        assert await owner_of(anna, bo, ada) is others[[outcome(one) for one in done].index("done")]


async def test_resigning_revoking_and_transferring_at_once_leaves_one_owner(api: Api) -> None:
    """Two administrators and the owner: each pulls in his own direction."""
    anna, bo, ada = await house(api)
    async with watched():
        for _ in range(ROUNDS):
            owner = await owner_of(anna, bo, ada)
            heir, other = (person for person in (anna, bo, ada) if person is not owner)
            keys = {one.email: {"grantId": await key_of(one)} for one in (owner, heir, other)}
            assert codes(await offer(api, owner, heir)) == []

            done = await at_once(*pulled(api, owner, heir, other, keys))

            accepted, resigned = done[0], done[1]
            # Who accepts after he has resigned, or resigns after he has accepted, is refused.
            assert (outcome(accepted) == "done") + (outcome(resigned) == "done") <= 1
            now = await owner_of(anna, bo, ada)
            assert now is (heir if outcome(accepted) == "done" else owner)
            await all_administer(anna, bo, ada)


def pulled(api: Api, owner: Person, heir: Person, other: Person, keys: dict[str, dict[str, str]]) -> list[Any]:
    return [
        answer(api, "acceptOwnership", heir, owner),
        api.do("resignGrant", keys[heir.email], by=heir),
        api.do("resignGrant", keys[owner.email], by=owner),
        api.do("revokeGrant", keys[heir.email], by=owner),
        tried(api, owner, other),
        api.do("revokeGrant", keys[owner.email], by=heir),
        api.do("revokeGrant", keys[owner.email], by=other),
    ]


async def test_a_number_goes_with_the_account_or_stays_for_another_one(api: Api) -> None:
    anna, bo, ada = await house(api)
    number = {"country": "PL", "organizationNumber": "5260250274"}
    assert codes(await api.do("updateAccount", {"accountId": anna.account_id, **number}, by=anna)) == []
    for place in range(ROUNDS):
        owner = await owner_of(anna, bo, ada)
        receiver = bo if owner is not bo else ada
        assert codes(await offer(api, owner, receiver)) == []

        done = await at_once(
            answer(api, "acceptOwnership", receiver, anna),
            api.do("createAccount", {"name": f"Number {place}", **number}, by=owner),
        )

        assert outcomes(done) == ["ORGANIZATION_NUMBER_TAKEN", "done"]
        await db.execute("UPDATE accounts SET organization_number = NULL WHERE name LIKE 'Number %'")
