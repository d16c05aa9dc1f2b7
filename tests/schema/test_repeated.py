"""No mutation that did nothing says that it succeeded: each is called twice with the same input.

The second call is refused with a code, or it is in REPEATABLE with the reason why its answer is true.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from tests.api import Clock
from tests.conftest import database_address, execute_outside_transaction
from tests.schema.mutations import CALLS
from tests.schema.test_matrix import BY_GUESTS, sign_in_again
from tests.schema.world import DATABASE_NUMBERS, World, application, create_world

SAME_ANSWER: Final = "It answers alike whether or not the address, or the account, exists."
NEW_THING: Final = "It does the same again: it creates, sends, proves or moves one more."
STATE_SET: Final = "It sets values. Its answer is the object, which has these values."
REPEATABLE: Final = {
    "register": SAME_ANSWER,
    "resendActivation": SAME_ANSWER,
    "requestPasswordReset": SAME_ANSWER,
    "requestAccess": SAME_ANSWER,
    "engageBureau": SAME_ANSWER,
    "signIn": NEW_THING,
    "reauthenticate": NEW_THING,
    "beginPasskeySignIn": NEW_THING,
    "beginPasskeyRegistration": NEW_THING,
    "beginPasskeyReauthentication": NEW_THING,
    "enrollSecondFactor": NEW_THING,
    "regenerateRecoveryCodes": NEW_THING,
    "exportMyData": NEW_THING,
    "createAccount": NEW_THING,
    "createClientAccount": NEW_THING,
    "resendClientActivation": NEW_THING,
    "correctClientOwner": NEW_THING,
    "resendInvitation": NEW_THING,
    "extendSubscription": NEW_THING,
    "transferOwnership": "It ends the former offer and makes a new one.",
    "changeEmail": NEW_THING,
    "changePassword": STATE_SET,
    "updateProfile": STATE_SET,
    "renamePasskey": STATE_SET,
    "updateAccount": STATE_SET,
    "updateAccountSettings": STATE_SET,
    "createContact": NEW_THING,
    "updateContact": STATE_SET,
    "archiveContact": STATE_SET,
    "createProduct": NEW_THING,
    "updateProduct": STATE_SET,
    "archiveProduct": STATE_SET,
    "createExpense": NEW_THING,
    "updateExpense": STATE_SET,
    "archiveExpense": STATE_SET,
    "createDocument": NEW_THING,
    "updateDocument": STATE_SET,
    "addDocumentLine": NEW_THING,
    "updateDocumentLine": STATE_SET,
    "createCreditNote": NEW_THING,
    "sendDocument": NEW_THING,
    "recordPayment": NEW_THING,
    "createExport": NEW_THING,
    "createExportLink": NEW_THING,
    "updateInvitation": STATE_SET,
    "updateGrant": STATE_SET,
    "updateEngagement": STATE_SET,
    "switchAccount": STATE_SET,
    "revokeOtherSessions": "It answers with the number of sessions that ended: zero.",
}


@pytest.fixture(scope="module")
async def world(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the matrix tests."""
    name = f"repeated_{next(DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with application(database_address(postgres, name), "compiled", Clock()) as api:
        yield await create_world(api)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def refusals(payload: dict[str, Any]) -> list[str]:
    """The codes of a payload and of its outcomes."""
    parts = [payload, *payload.get("outcomes", [])]
    return [error["code"] for part in parts for error in part["errors"]]


def test_each_repeatable_mutation_exists() -> None:
    assert REPEATABLE.keys() <= CALLS.keys()


@pytest.mark.parametrize("mutation", sorted(CALLS))
async def test_second_call_is_refused_or_does_something(world: World, mutation: str) -> None:
    call = CALLS[mutation]
    await world.reset()
    person = world.person("collaborator" if mutation in BY_GUESTS else "owner")
    values = await call.make_input(world, person)
    token = await sign_in_again(world, person) if call.has_other_session else person.token
    if call.is_by_new_user:
        token = (await world.api.person(world.new_address())).token
    selection = "errors { code }" + (" outcomes { errors { code } }" if mutation.endswith("Consultant") else "")

    first, second = [await run(world, mutation, values, token, selection) for _ in range(2)]

    assert first == []
    if mutation in REPEATABLE:
        assert second == []
    else:
        assert second, "the second call did nothing, and said that it succeeded"


async def run(world: World, mutation: str, values: object, token: str, selection: str) -> list[str]:
    """Call a mutation. Returns the codes of its refusals, at any place of the response."""
    name = mutation[0].upper() + mutation[1:]
    declaration, argument = (f"($input: {name}Input!)", "(input: $input)") if values is not None else ("", "")
    document = f"mutation{declaration} {{ {mutation}{argument} {{ {selection} }} }}"
    answer = await world.api.ask(document, {"input": values} if values is not None else {}, by=token)
    payload = answer.partial[mutation]
    return answer.codes if payload is None else refusals(payload)
