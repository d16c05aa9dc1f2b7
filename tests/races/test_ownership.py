"""Races between operations on ownership. An account has exactly one owner at any time."""

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
from tests.races.rounds import ROUNDS, Payload, outcome, outcomes, run_concurrently


async def register_account_users(api: Api) -> tuple[Person, Person, Person]:
    """Register an owner and two administrators of the owner's account."""
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    return anna, bo, ada


async def offer(api: Api, owner: Person, receiver: Person) -> Payload:
    arguments = {"accountId": owner.account_id, "userId": receiver.user_id, "password": PASSWORD}
    return await api.do("transferOwnership", arguments, by=owner)


async def try_offer(api: Api, owner: Person, receiver: Person) -> Payload:
    """An offer by a user who may no longer be the owner."""
    arguments = {"accountId": owner.account_id, "userId": receiver.user_id, "password": PASSWORD}
    response = await attempt(api, "transferOwnership", arguments, by=owner)
    payload: Payload | None = response.partial["transferOwnership"]
    return payload or {"errors": [{"code": code, "field": None} for code in response.codes]}


async def answer(api: Api, mutation: str, by: Person, owner: Person) -> Payload:
    return await api.do(mutation, {"accountId": owner.account_id}, by=by)


async def newest_grant_id(person: Person) -> str:
    """The id of a person's newest grant on the account."""
    user_id = ids.decode("User", person.user_id)
    account_id = ids.decode("Account", person.account_id)
    grant = await Grant.filter(user_id=user_id, account_id=account_id).order_by("-id").first()
    assert grant is not None
    return ids.encode("Grant", grant.id)


async def load_owner(*people: Person) -> Person:
    """The account's owner. Checks that the owner grant and the account row agree."""
    sql = """SELECT g.user_id AS grants, a.owner_id AS account FROM accounts a
        JOIN grants g ON g.account_id = a.id AND g.role = 'OWNER' AND g.status = 'ACTIVE' WHERE a.id = $1"""
    (row,) = await db.fetch(sql, ids.decode("Account", people[0].account_id), row=db.Row)
    assert row.grants == row.account
    return next(person for person in people if ids.decode("User", person.user_id) == row.account)


async def reset_administrators(*people: Person) -> None:
    """Withdraw offers and make all users except the owner administrators again."""
    account_id = ids.decode("Account", people[0].account_id)
    await db.execute("UPDATE ownership_transfers SET status = 'WITHDRAWN' WHERE status = 'PENDING'")
    await db.execute(
        """UPDATE grants SET role = 'ADMINISTRATOR', status = 'ACTIVE', ended_at = NULL
        WHERE account_id = $1 AND (role <> 'OWNER' OR status <> 'ACTIVE')""",
        account_id,
    )


@asynccontextmanager
async def check_owner_count() -> AsyncGenerator[list[int]]:
    """Count the owners of every account again and again while the block runs. There must always be one."""
    owner_counts: list[int] = []
    sql = """SELECT a.id, count(g.id)::int AS owners FROM accounts a LEFT JOIN grants g ON g.account_id = a.id
        AND g.role = 'OWNER' AND g.status = 'ACTIVE' AND g.user_id = a.owner_id GROUP BY a.id"""

    async def count_owners() -> None:
        while True:
            owner_counts.extend(row.owners for row in await db.fetch(sql, row=db.Row))
            await asyncio.sleep(0)

    task = asyncio.create_task(count_owners())
    try:
        yield owner_counts
    finally:
        task.cancel()
    assert owner_counts
    assert set(owner_counts) == {1}


async def test_offer_is_accepted_once(api: Api) -> None:
    anna, bo, ada = await register_account_users(api)
    async with check_owner_count():
        for _ in range(ROUNDS):
            owner = await load_owner(anna, bo, ada)
            receiver = bo if owner is not bo else ada
            assert codes(await offer(api, owner, receiver)) == []

            payloads = await run_concurrently(*(answer(api, "acceptOwnership", receiver, anna) for _ in range(3)))

            assert outcomes(payloads) == ["INVALID_STATE", "INVALID_STATE", "done"]
            assert await load_owner(anna, bo, ada) is receiver
    assert await OwnershipTransfer.filter(status="ACCEPTED").count() == ROUNDS


async def test_either_acceptance_or_decline_succeeds(api: Api) -> None:
    anna, bo, ada = await register_account_users(api)
    for _ in range(ROUNDS):
        owner = await load_owner(anna, bo, ada)
        receiver = bo if owner is not bo else ada
        assert codes(await offer(api, owner, receiver)) == []

        payloads = await run_concurrently(
            answer(api, "acceptOwnership", receiver, anna), answer(api, "declineOwnership", receiver, anna)
        )

        assert outcomes(payloads) == ["INVALID_STATE", "done"]
        assert (await load_owner(anna, bo, ada) is receiver) == (outcome(payloads[0]) == "done")
        await reset_administrators(anna, bo, ada)


async def test_concurrent_offers_to_two_users_lead_to_one_owner(api: Api) -> None:
    anna, bo, ada = await register_account_users(api)
    for _ in range(ROUNDS):
        owner = await load_owner(anna, bo, ada)
        receivers = [person for person in (anna, bo, ada) if person is not owner]

        payloads = await run_concurrently(*(offer(api, owner, receiver) for receiver in receivers))
        assert outcomes(payloads) == ["done", "done"]
        payloads = await run_concurrently(*(answer(api, "acceptOwnership", receiver, anna) for receiver in receivers))

        assert outcomes(payloads) == ["INVALID_STATE", "done"]
        assert await load_owner(anna, bo, ada) is receivers[[outcome(receiver) for receiver in payloads].index("done")]


async def test_concurrent_resignations_revocations_and_transfers_leave_one_owner(api: Api) -> None:
    """The owner and two administrators start conflicting operations."""
    anna, bo, ada = await register_account_users(api)
    async with check_owner_count():
        for _ in range(ROUNDS):
            owner = await load_owner(anna, bo, ada)
            heir, administrator = (person for person in (anna, bo, ada) if person is not owner)
            grant_inputs = {
                user.email: {"grantId": await newest_grant_id(user)} for user in (owner, heir, administrator)
            }
            assert codes(await offer(api, owner, heir)) == []

            payloads = await run_concurrently(*conflicting_calls(api, owner, heir, administrator, grant_inputs))

            accept_payload, resign_payload = payloads[0], payloads[1]
            # Acceptance after resignation is refused, and resignation after acceptance is too.
            assert (outcome(accept_payload) == "done") + (outcome(resign_payload) == "done") <= 1
            current_owner = await load_owner(anna, bo, ada)
            assert current_owner is (heir if outcome(accept_payload) == "done" else owner)
            await reset_administrators(anna, bo, ada)


def conflicting_calls(
    api: Api, owner: Person, heir: Person, administrator: Person, grant_inputs: dict[str, dict[str, str]]
) -> list[Any]:
    return [
        answer(api, "acceptOwnership", heir, owner),
        api.do("resignGrant", grant_inputs[heir.email], by=heir),
        api.do("resignGrant", grant_inputs[owner.email], by=owner),
        api.do("revokeGrant", grant_inputs[heir.email], by=owner),
        try_offer(api, owner, administrator),
        api.do("revokeGrant", grant_inputs[owner.email], by=heir),
        api.do("revokeGrant", grant_inputs[owner.email], by=administrator),
    ]


async def test_number_moves_with_account_or_is_claimed_by_new_account(api: Api) -> None:
    anna, bo, ada = await register_account_users(api)
    number = {"country": "PL", "organizationNumber": "5260250274"}
    assert codes(await api.do("updateAccount", {"accountId": anna.account_id, **number}, by=anna)) == []
    for round_number in range(ROUNDS):
        owner = await load_owner(anna, bo, ada)
        receiver = bo if owner is not bo else ada
        assert codes(await offer(api, owner, receiver)) == []

        payloads = await run_concurrently(
            answer(api, "acceptOwnership", receiver, anna),
            api.do("createAccount", {"name": f"Number {round_number}", **number}, by=owner),
        )

        assert outcomes(payloads) == ["ORGANIZATION_NUMBER_TAKEN", "done"]
        await db.execute("UPDATE accounts SET organization_number = NULL WHERE name LIKE 'Number %'")
