"""After the subscription's end: for every mutation of the schema, whether it goes on.

Reading, exporting, renewing, revoking access and inviting go on. A mutation that changes data joins
STOPS, and its operation demands a permission that does not outlive the subscription.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from auth import policy
from auth.policy import DecisionReason, GrantFacts, GrantStatus
from database import db
from tests.api import Clock
from tests.conftest import administer, at
from tests.models.refusals import state
from tests.schema import walk, world
from tests.schema.mutations import CALLS
from tests.schema.test_matrix import AS_GUEST, MUTATIONS, aside, payload_document
from tests.schema.walk import rule
from tests.schema.world import INSIDERS, World, key

STOPS: Final = {"updateAccount", "updateAccountSettings", "createClientAccount", "resendClientActivation"}
"""What changes data."""
OTHERWISE: Final = {"extendSubscription": "INSUFFICIENT_DAYS", "eraseMe": "INVALID_STATE"}
"""What goes on, but is refused an owner for another reason: his days are gone, his account has users."""
WITHIN: Final = [mutation for mutation in MUTATIONS if rule("Mutation", mutation).permission]
OVER: Final = "UPDATE accounts SET subscription_until = $1"


@pytest.fixture(scope="module")
async def seen(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the matrix."""
    name = f"expired_{next(world.NUMBERS)}"
    await administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with world.application(at(postgres, name), "compiled", Clock()) as api:
        yield await world.created(api)
    await administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("name", INSIDERS)
async def test_reading_goes_on_field_by_field(seen: World, name: str) -> None:
    """Runs before mutations let the guests into a second account."""
    await db.execute(OVER, seen.api.clock.now)

    assert (await walk.walk(seen, name)).differences == []


async def called(seen: World, mutation: str, name: str) -> tuple[Any, bool]:
    """The answer to a mutation in accounts that are over, and whether it left every row as it was."""
    person, call = seen.somebody(name), CALLS[mutation]
    await db.execute(OVER, seen.api.clock.now.replace(year=seen.api.clock.now.year + 2))
    await seen.begin()
    given = await call.make(seen, person)
    token = await aside(seen, person) if call.aside else person.token
    await db.execute(OVER, seen.api.clock.now)
    await seen.api.ask("{ __typename }", by=token)
    before = await state()
    answer = await seen.api.ask(payload_document(seen, mutation), {"input": given}, by=token)
    return answer, await state() == before


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_what_changes_data_stops_and_all_else_goes_on(seen: World, mutation: str) -> None:
    name = "collaborator" if mutation in AS_GUEST else "owner"

    answer, unchanged = await called(seen, mutation, name)

    errors = answer.partial[mutation]["errors"]
    expected = "SUBSCRIPTION_EXPIRED" if mutation in STOPS else OTHERWISE.get(mutation)
    assert [error["code"] for error in errors] == ([expected] if expected else [])
    if expected:
        assert answer.errors == []
        assert unchanged


@pytest.mark.parametrize("name", INSIDERS)
@pytest.mark.parametrize("mutation", WITHIN)
async def test_who_could_not_before_learns_his_role_and_who_could_learns_the_end(
    seen: World, mutation: str, name: str
) -> None:
    demanded = rule("Mutation", mutation)
    found = await seen.standing(name, key(seen.owner.account_id))
    assert found is not None
    over = GrantFacts(found.role, GrantStatus.ACTIVE, found.listed, 0, 0, subscription_over=True)
    assert demanded.permission is not None
    decision = policy.decide(demanded.permission, over)

    answer, unchanged = await called(seen, mutation, name)

    if decision.allowed:
        assert "SUBSCRIPTION_EXPIRED" not in [error["code"] for error in answer.partial[mutation]["errors"]]
        return
    assert unchanged
    if decision.reason is DecisionReason.SUBSCRIPTION_EXPIRED:
        assert [error["code"] for error in answer.data[mutation]["errors"]] == ["SUBSCRIPTION_EXPIRED"]
    else:
        assert answer.codes == ["FORBIDDEN"]
        assert answer.errors[0]["extensions"]["reason"] == decision.reason


async def test_a_running_account_renews_one_that_is_over(seen: World) -> None:
    await db.execute(OVER, seen.api.clock.now)
    await db.execute(
        "UPDATE accounts SET subscription_until = $1 WHERE id = $2",
        seen.api.clock.now.replace(year=seen.api.clock.now.year + 2),
        key(seen.side),
    )
    given = {"accountId": seen.owner.account_id, "payerAccountId": seen.side, "days": 10}

    done = await seen.api.do("extendSubscription", given, "account { status subscription { daysLeft } }", by=seen.owner)

    assert done["errors"] == []
    assert done["account"] == {"status": "ACTIVE", "subscription": {"daysLeft": 10}}
    renamed = {"accountId": seen.owner.account_id, "name": "Nowak Nya"}
    assert (await seen.api.do("updateAccount", renamed, by=seen.owner))["errors"] == []
