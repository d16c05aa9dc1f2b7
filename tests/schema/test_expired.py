"""For every mutation: whether it still works after the end of the subscription.

Reading, exporting, renewing, revoking and inviting still work. A mutation that changes data is in
STOPPED_MUTATIONS, and its operation requires a permission that does not survive expiry.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from auth import policy
from auth.policy import DecisionReason, GrantFacts, GrantStatus
from database import db
from tests.api import Clock
from tests.conftest import database_address, execute_outside_transaction
from tests.models.refusals import state
from tests.schema import walk
from tests.schema.mutations import CALLS
from tests.schema.test_matrix import BY_GUESTS, MUTATIONS, payload_document, sign_in_again
from tests.schema.walk import rule
from tests.schema.world import DATABASE_NUMBERS, INSIDERS, World, application, create_world, key

STOPPED_MUTATIONS: Final = {
    "updateAccount",
    "updateAccountSettings",
    "createClientAccount",
    "resendClientActivation",
    "correctClientOwner",
    "createContact",
    "updateContact",
    "archiveContact",
    "createProduct",
    "updateProduct",
    "archiveProduct",
    "createExpense",
    "updateExpense",
    "archiveExpense",
    "createDocument",
    "updateDocument",
    "deleteDocument",
    "addDocumentLine",
    "updateDocumentLine",
    "removeDocumentLine",
    "issueDocument",
    "sendDocument",
    "createCreditNote",
    "recordPayment",
}
"""The mutations that change data."""
OTHER_REFUSALS: Final = {"extendSubscription": "INSUFFICIENT_DAYS", "eraseMe": "INVALID_STATE"}
"""The mutations that still work, but are refused for another reason: no days are left, the account has users."""
MUTATIONS_WITH_PERMISSION: Final = [mutation for mutation in MUTATIONS if rule("Mutation", mutation).permission]
SET_END: Final = "UPDATE accounts SET subscription_until = $1"


@pytest.fixture(scope="module")
async def world(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the matrix tests."""
    name = f"expired_{next(DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with application(database_address(postgres, name), "compiled", Clock()) as api:
        yield await create_world(api)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("name", INSIDERS)
async def test_every_field_can_still_be_read(world: World, name: str) -> None:
    """It runs before the mutations: these give the guests access to a second account."""
    await db.execute(SET_END, world.api.clock.now)

    assert (await walk.walk(world, name)).differences == []


async def run_after_expiry(world: World, mutation: str, name: str) -> tuple[Any, bool]:
    """The response to a mutation after the end of all subscriptions, and whether all rows stayed as they were."""
    person, call = world.person(name), CALLS[mutation]
    await db.execute(SET_END, world.api.clock.now.replace(year=world.api.clock.now.year + 2))
    await world.reset()
    values = await call.make_input(world, person)
    token = await sign_in_again(world, person) if call.has_other_session else person.token
    await db.execute(SET_END, world.api.clock.now)
    await world.api.ask("{ __typename }", by=token)
    before = await state()
    answer = await world.api.ask(payload_document(world, mutation), {"input": values}, by=token)
    return answer, await state() == before


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_only_mutations_that_change_data_stop(world: World, mutation: str) -> None:
    name = "collaborator" if mutation in BY_GUESTS else "owner"

    answer, is_unchanged = await run_after_expiry(world, mutation, name)

    errors = answer.partial[mutation]["errors"]
    expected_code = "SUBSCRIPTION_EXPIRED" if mutation in STOPPED_MUTATIONS else OTHER_REFUSALS.get(mutation)
    assert [error["code"] for error in errors] == ([expected_code] if expected_code else [])
    if expected_code:
        assert answer.errors == []
        assert is_unchanged


@pytest.mark.parametrize("name", INSIDERS)
@pytest.mark.parametrize("mutation", MUTATIONS_WITH_PERMISSION)
async def test_refusal_names_the_role_before_the_expiry(world: World, mutation: str, name: str) -> None:
    mutation_rule = rule("Mutation", mutation)
    facts = await world.grant_facts(name, key(world.owner.account_id))
    assert facts is not None
    expired_facts = GrantFacts(facts.role, GrantStatus.ACTIVE, facts.allowlist, 0, 0, subscription_over=True)
    assert mutation_rule.permission is not None
    decision = policy.decide(mutation_rule.permission, expired_facts)

    answer, is_unchanged = await run_after_expiry(world, mutation, name)

    if decision.allowed:
        assert "SUBSCRIPTION_EXPIRED" not in [error["code"] for error in answer.partial[mutation]["errors"]]
        return
    assert is_unchanged
    if decision.reason is DecisionReason.SUBSCRIPTION_EXPIRED:
        assert [error["code"] for error in answer.data[mutation]["errors"]] == ["SUBSCRIPTION_EXPIRED"]
    else:
        assert answer.codes == ["FORBIDDEN"]
        assert answer.errors[0]["extensions"]["reason"] == decision.reason


async def test_active_account_extends_expired_account(world: World) -> None:
    await db.execute(SET_END, world.api.clock.now)
    await db.execute(
        "UPDATE accounts SET subscription_until = $1 WHERE id = $2",
        world.api.clock.now.replace(year=world.api.clock.now.year + 2),
        key(world.side_account_id),
    )
    values = {"accountId": world.owner.account_id, "payerAccountId": world.side_account_id, "days": 10}

    payload = await world.api.do(
        "extendSubscription", values, "account { status subscription { daysLeft } }", by=world.owner
    )

    assert payload["errors"] == []
    assert payload["account"] == {"status": "ACTIVE", "subscription": {"daysLeft": 10}}
    new_name = {"accountId": world.owner.account_id, "name": "Nowak Nya"}
    assert (await world.api.do("updateAccount", new_name, by=world.owner))["errors"] == []
