"""For every mutation: whether it still works while the account waits for its closing.

Reading, exporting, reopening, leaving and taking access go on. Each other mutation of the account is refused with
ACCOUNT_CLOSING and changes nothing. A new mutation is expected to be refused, or has to be added to a list.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest

from database import db
from tests.api import Clock
from tests.conftest import database_address, execute_outside_transaction
from tests.models.refusals import state
from tests.schema import walk
from tests.schema.mutations import CALLS
from tests.schema.test_matrix import BY_GUESTS, MUTATIONS, payload_document, sign_in_again
from tests.schema.walk import rule
from tests.schema.world import DATABASE_NUMBERS, INSIDERS, World, application, create_world

OF_THE_LOGIN: Final = {mutation for mutation in MUTATIONS if rule("Mutation", mutation).permission is None} - {
    "acceptInvitation",
    "acceptOwnership",
}
"""The mutations of the caller's own login, sessions, invitations and requests."""
GOES_ON: Final = OF_THE_LOGIN | {
    "reopenAccount",
    "withdrawOwnership",
    "revokeInvitation",
    "revokeGrant",
    "declineEngagement",
    "withdrawEngagementRequest",
    "endEngagement",
    "unassignConsultant",
    "declineAccessRequest",
    "createExport",
    "createExportLink",
}
OTHER_REFUSALS: Final = {"closeAccount": "ALREADY_CLOSING", "eraseMe": "INVALID_STATE"}
SET_DATE: Final = "UPDATE accounts SET closes_at = $1 WHERE closed_at IS NULL"


@pytest.fixture(scope="module")
async def world(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the matrix tests."""
    name = f"closing_{next(DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with application(database_address(postgres, name), "compiled", Clock()) as api:
        yield await create_world(api)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("name", INSIDERS)
async def test_every_field_can_still_be_read(world: World, name: str) -> None:
    """It runs before the mutations: these give the guests access to a second account."""
    await db.execute(SET_DATE, world.api.clock.now + timedelta(days=30))

    differences = (await walk.walk(world, name)).differences

    assert differences == []


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_only_reading_leaving_and_taking_access_go_on(world: World, mutation: str) -> None:
    person, call = world.person("collaborator" if mutation in BY_GUESTS else "owner"), CALLS[mutation]
    await world.reset()
    values = await call.make_input(world, person)
    token = await sign_in_again(world, person) if call.has_other_session else person.token
    await db.execute(SET_DATE, world.api.clock.now + timedelta(days=30))
    await world.api.ask("{ __typename }", by=token)
    before = await state()

    answer = await world.api.ask(payload_document(world, mutation), {"input": values}, by=token)

    errors = [error["code"] for error in answer.partial[mutation]["errors"]]
    outcomes = answer.partial[mutation].get("outcomes") or []
    errors += [error["code"] for outcome in outcomes for error in outcome["errors"]]
    if mutation in OTHER_REFUSALS:
        assert errors == [OTHER_REFUSALS[mutation]]
    elif mutation in GOES_ON:
        assert errors == []
    else:
        assert errors == ["ACCOUNT_CLOSING"]
        assert await state() == before
