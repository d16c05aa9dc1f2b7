"""Which mutations need re-authentication: each one has decided, and the answer is held by the mutation itself."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest

from models.access.reauthentication import MAX_AGE, ReauthenticationCase
from schema.build import build
from schema.matrix import reauthenticated_mutations
from tests.api import PASSWORD, Clock, codes
from tests.conftest import database_address, execute_outside_transaction
from tests.models.refusals import refusal_codes
from tests.schema.mutations import CALLS, Input
from tests.schema.test_matrix import BY_GUESTS, MUTATIONS, sign_in_again
from tests.schema.world import DATABASE_NUMBERS, World, application, create_world

Cases = ReauthenticationCase
ASKING: Final = {
    "acceptEngagement": Cases.FOR_CLIENT,
    "acceptOwnership": Cases.ALWAYS,
    "addPasskey": Cases.ALWAYS,
    "approveAccessRequest": Cases.ALWAYS,
    "assignConsultant": Cases.ALWAYS,
    "beginPasskeyRegistration": Cases.ALWAYS,
    "changeEmail": Cases.SECOND_FACTOR,
    "changePassword": Cases.SECOND_FACTOR,
    "correctClientOwner": Cases.ALWAYS,
    "disableSecondFactor": Cases.SECOND_FACTOR,
    "engageBureau": Cases.FOR_CLIENT,
    "enrollSecondFactor": Cases.SECOND_FACTOR,
    "eraseMe": Cases.SECOND_FACTOR,
    "extendSubscription": Cases.ALWAYS,
    "inviteUser": Cases.ALWAYS,
    "regenerateRecoveryCodes": Cases.SECOND_FACTOR,
    "removePasskey": Cases.ALWAYS,
    "replaceConsultant": Cases.ALWAYS,
    "resendInvitation": Cases.ALWAYS,
    "restoreGrant": Cases.ALWAYS,
    "revokeOtherSessions": Cases.ALWAYS,
    "revokeSession": Cases.OTHER_SESSION,
    "transferOwnership": Cases.SECOND_FACTOR,
    "updateAccountSettings": Cases.SENSITIVE_SETTING,
    "updateEngagement": Cases.MORE_ACCESS,
    "updateGrant": Cases.MORE_ACCESS,
    "updateInvitation": Cases.ALWAYS,
    "withdrawClientAccount": Cases.ALWAYS,
    "closeAccount": Cases.SECOND_FACTOR,
}
TAKES: Final = "It takes access, or an offer, from others. Speed counts more."
OWN_ONLY: Final = "It concerns the caller alone."
SIGNS_IN: Final = "It is a proof itself, or happens before any session."
NO_ACCESS: Final = "It lets no user into an account that exists, and moves no money."
NOT_ASKING: Final = {
    "register": SIGNS_IN,
    "activate": SIGNS_IN,
    "resendActivation": SIGNS_IN,
    "signIn": SIGNS_IN,
    "requestPasswordReset": SIGNS_IN,
    "beginPasskeySignIn": SIGNS_IN,
    "signInWithPasskey": SIGNS_IN,
    "beginPasskeyReauthentication": SIGNS_IN,
    "resetPassword": SIGNS_IN,
    "confirmEmailChange": "The request has asked. Its input is the link.",
    "undoEmailChange": "Its input is the link, which proves more than a session.",
    "cancelEmailChange": OWN_ONLY,
    "reauthenticate": SIGNS_IN,
    "confirmSecondFactor": "Its input has a code.",
    "exportMyData": "Its input has the password, and it only reads.",
    "signOut": OWN_ONLY,
    "updateProfile": OWN_ONLY,
    "renamePasskey": OWN_ONLY,
    "switchAccount": OWN_ONLY,
    "resignGrant": OWN_ONLY,
    "acceptInvitation": "The inviter has given the proof, and only the invited user gets in.",
    "requestAccess": "A user of the account decides, and gives the proof.",
    "createAccount": NO_ACCESS,
    "createClientAccount": NO_ACCESS,
    "resendClientActivation": NO_ACCESS,
    "updateAccount": NO_ACCESS,
    "changeAccountKind": NO_ACCESS,
    "createContact": NO_ACCESS,
    "updateContact": NO_ACCESS,
    "archiveContact": NO_ACCESS,
    "createProduct": NO_ACCESS,
    "updateProduct": NO_ACCESS,
    "archiveProduct": NO_ACCESS,
    "createExpense": NO_ACCESS,
    "updateExpense": NO_ACCESS,
    "archiveExpense": NO_ACCESS,
    "createDocument": NO_ACCESS,
    "updateDocument": NO_ACCESS,
    "deleteDocument": NO_ACCESS,
    "addDocumentLine": NO_ACCESS,
    "updateDocumentLine": NO_ACCESS,
    "removeDocumentLine": NO_ACCESS,
    "issueDocument": NO_ACCESS,
    "sendDocument": NO_ACCESS,
    "createCreditNote": NO_ACCESS,
    "recordPayment": NO_ACCESS,
    "createExport": "It reads what the user can read in lists, too.",
    "createExportLink": "It reads what the user can read in lists, too.",
    "redeemVoucher": NO_ACCESS,
    "reopenAccount": "It gives back what there was before the owner's request, and no more.",
    "withdrawOwnership": TAKES,
    "declineOwnership": TAKES,
    "revokeInvitation": TAKES,
    "declineInvitation": TAKES,
    "revokeGrant": TAKES,
    "declineEngagement": TAKES,
    "withdrawEngagementRequest": TAKES,
    "endEngagement": TAKES,
    "unassignConsultant": TAKES,
    "declineAccessRequest": TAKES,
    "withdrawAccessRequest": TAKES,
}
"""The mutations that never ask, each with the reason."""
WITH_PASSKEY: Final = {"addPasskey", "removePasskey"}
"""Their inputs need a passkey as the proof, or a new challenge: tests/models/people/test_passkey.py has them."""
ALWAYS: Final = sorted(name for name, case in ASKING.items() if case is Cases.ALWAYS and name not in WITH_PASSKEY)
REQUIRED: Final = [("REAUTHENTICATION_REQUIRED", None)]


@pytest.fixture(scope="module")
async def world(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the matrix tests."""
    name = f"proofs_{next(DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with application(database_address(postgres, name), "compiled", Clock()) as api:
        yield await create_world(api)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def test_each_mutation_has_decided_whether_it_asks() -> None:
    assert dict(reauthenticated_mutations()) == ASKING
    assert ASKING.keys() | NOT_ASKING.keys() == set(MUTATIONS)
    assert ASKING.keys() & NOT_ASKING.keys() == set()


async def prepare(world: World, mutation: str) -> tuple[str, Input]:
    """A session whose proof is too old, and an input of a mutation. Earlier mutations have ended sessions."""
    api = world.api
    api.reauthenticates = True
    await world.reset()
    for name in ("owner", "collaborator"):
        world.people[name] = replace(world.person(name), token=await sign_in_again(world, world.person(name)))
    caller = world.person("collaborator" if mutation in BY_GUESTS else "owner")
    input_ = await CALLS[mutation].make_input(world, caller)
    api.reauthenticates = False
    api.clock.now += MAX_AGE
    return caller.token, input_


@pytest.mark.parametrize("mutation", ALWAYS)
async def test_mutation_is_refused_without_a_recent_proof_and_done_with_one(world: World, mutation: str) -> None:
    api, (token, input_) = world.api, await prepare(world, mutation)

    assert await refusal_codes(api, mutation, input_, by=token) == REQUIRED
    assert codes(await api.do("reauthenticate", {"password": PASSWORD}, by=token)) == []
    assert codes(await api.do(mutation, input_, by=token)) == []


@pytest.mark.parametrize("mutation", sorted(CALLS.keys() - ASKING.keys() - {"eraseMe", "reauthenticate"}))
async def test_other_mutation_needs_no_proof(world: World, mutation: str) -> None:
    api, (token, input_) = world.api, await prepare(world, mutation)

    payload = await api.do(mutation, input_, by=token)

    assert REQUIRED[0] not in codes(payload)


def test_each_asking_mutation_says_so_in_the_schema() -> None:
    mutation_type = build().mutation_type
    assert mutation_type is not None

    for name, case in ASKING.items():
        assert f"Needs reauthentication{case.condition}." in (mutation_type.fields[name].description or ""), name
