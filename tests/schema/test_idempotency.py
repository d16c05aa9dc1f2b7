"""Idempotency keys in the schema: each mutation has decided whether it takes one, and a repeat makes nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from database import db
from schema.build import build
from tests.api import Clock, codes, count_rows
from tests.conftest import database_address, execute_outside_transaction
from tests.models.refusals import attempt, refusal_codes
from tests.schema.mutations import CALLS
from tests.schema.test_matrix import BY_GUESTS, MUTATIONS, sign_in_again
from tests.schema.world import DATABASE_NUMBERS, World, application, create_world

KEY_REUSE: Final = [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]


@dataclass(frozen=True)
class Case:
    """A creating mutation: the ids in its payload, and fields that make another input of an input."""

    selection: str
    other_input: Mapping[str, Any] = field(default_factory=dict[str, Any])


CREATING: Final = {
    "createAccount": Case("account { id }", {"name": "Yet another AS"}),
    "createClientAccount": Case("account { id } grant { id }", {"name": "Yet another AS"}),
    "correctClientOwner": Case("account { id }", {"ownerName": "Other Name"}),
    "resendClientActivation": Case("account { id }", {"clientAccountId": "other"}),
    "transferOwnership": Case("account { id } transfer { id }", {"userId": "other"}),
    "inviteUser": Case("invitation { id }", {"role": "ACCOUNTANT", "permissions": None}),
    "resendInvitation": Case("invitation { id }", {"invitationId": "other"}),
    "engageBureau": Case("engagement { id }", {"clientNumber": 999_999}),
    "assignConsultant": Case("outcomes { clientAccountId grant { id } errors { code } }", {"permissions": []}),
    "unassignConsultant": Case("outcomes { clientAccountId grant { id } errors { code } }", {"userId": "other"}),
    "replaceConsultant": Case("outcomes { clientAccountId grant { id } errors { code } }", {"toUserId": "other"}),
    "requestAccess": Case("errors { message }", {"accountNumber": 999_999}),
    "extendSubscription": Case("entry { id } account { id } payer { id }", {"days": 11}),
    "createContact": Case("contact { id }", {"name": "Yet another AS"}),
    "createExpense": Case("expense { id }", {"amounts": [{"vatRate": "25", "netAmount": "101"}]}),
    "createDocument": Case("document { id }", {"note": "Welcome"}),
    "addDocumentLine": Case("line { id }", {"quantity": "3"}),
    "createCreditNote": Case("document { id }", {"documentId": "other"}),
    "sendDocument": Case("document { deliveries { nodes { id } } }", {"email": "other.buyer@example.com"}),
    "recordPayment": Case("document { id }", {"amount": "2"}),
    "createProduct": Case("product { id }", {"price": "9.91"}),
    "createExport": Case("export { id }", {"format": "JSON_LINES"}),
    "redeemVoucher": Case("entry { id } account { id }", {"code": "22222-22222-22222-22222"}),
    "changeEmail": Case("viewer { user { id } }", {"newEmail": "yet.another@example.com"}),
}
STRANGERS: Final = "Strangers call it. A repeat has the same answer, and the number of mails is limited."
STATE: Final = "It changes the state of one object, once. A repeat changes nothing, or is refused."
VALUE: Final = "It sets values. A repeat sets the same ones."
SESSION: Final = "It concerns sessions. The user sees and ends each of them."
REPLACES: Final = "The outcome is a secret, which may not be stored. A repeat replaces it."
READS: Final = "It only reads."
CHALLENGE: Final = "It creates a challenge, which expires in five minutes."
NOT_CREATING: Final = {
    "register": STRANGERS,
    "resendActivation": STRANGERS,
    "requestPasswordReset": STRANGERS,
    "activate": STATE,
    "resetPassword": STATE,
    "signIn": SESSION,
    "signOut": SESSION,
    "beginPasskeySignIn": CHALLENGE,
    "beginPasskeyRegistration": CHALLENGE,
    "beginPasskeyReauthentication": CHALLENGE,
    "signInWithPasskey": SESSION,
    "reauthenticate": SESSION,
    "revokeSession": SESSION,
    "revokeOtherSessions": SESSION,
    "switchAccount": SESSION,
    "cancelEmailChange": STATE,
    "confirmEmailChange": STATE,
    "undoEmailChange": STATE,
    "changePassword": VALUE,
    "updateProfile": VALUE,
    "renamePasskey": VALUE,
    "updateAccount": VALUE,
    "updateAccountSettings": VALUE,
    "updateContact": VALUE,
    "archiveContact": VALUE,
    "updateProduct": VALUE,
    "archiveProduct": VALUE,
    "updateExpense": VALUE,
    "archiveExpense": VALUE,
    "updateDocument": VALUE,
    "deleteDocument": STATE,
    "updateDocumentLine": VALUE,
    "removeDocumentLine": STATE,
    "issueDocument": STATE,
    "updateInvitation": VALUE,
    "updateGrant": VALUE,
    "updateEngagement": VALUE,
    "changeAccountKind": STATE,
    "enrollSecondFactor": REPLACES,
    "regenerateRecoveryCodes": REPLACES,
    "createExportLink": REPLACES,
    "confirmSecondFactor": STATE,
    "addPasskey": "A challenge works once. A repeat is refused.",
    "removePasskey": STATE,
    "disableSecondFactor": STATE,
    "exportMyData": READS,
    "eraseMe": STATE,
    "withdrawClientAccount": STATE,
    "closeAccount": STATE,
    "reopenAccount": STATE,
    "withdrawOwnership": STATE,
    "acceptOwnership": STATE,
    "declineOwnership": STATE,
    "revokeInvitation": STATE,
    "acceptInvitation": STATE,
    "declineInvitation": STATE,
    "revokeGrant": STATE,
    "restoreGrant": STATE,
    "resignGrant": STATE,
    "acceptEngagement": STATE,
    "declineEngagement": STATE,
    "withdrawEngagementRequest": STATE,
    "endEngagement": STATE,
    "approveAccessRequest": STATE,
    "declineAccessRequest": STATE,
    "withdrawAccessRequest": STATE,
}
"""The mutations without a key, each with the reason."""
THINGS: Final = ("accounts", "grants", "invitations", "engagements", "ownership_transfers", "access_requests")


def takes_key(mutation: str) -> bool:
    """True if the input of a mutation has an idempotency key."""
    mutation_type = build().mutation_type
    assert mutation_type is not None
    argument = mutation_type.fields[mutation].args.get("input")
    input_type = argument and get_named_type(argument.type)
    return isinstance(input_type, GraphQLInputObjectType) and "idempotencyKey" in input_type.fields


def test_each_mutation_has_decided_whether_it_takes_a_key() -> None:
    assert CREATING.keys() | NOT_CREATING.keys() == set(MUTATIONS)
    assert CREATING.keys() & NOT_CREATING.keys() == set()
    assert {name for name in MUTATIONS if takes_key(name)} == CREATING.keys()


@pytest.fixture(scope="module")
async def world(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the matrix tests."""
    name = f"keys_{next(DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with application(database_address(postgres, name), "compiled", Clock()) as api:
        yield await create_world(api)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def prepare(world: World, mutation: str, **extra_fields: object) -> dict[str, Any]:
    """A new input of a creating mutation. The limits of a day are tested elsewhere."""
    await world.reset()
    values = await CALLS[mutation].make_input(world, world.owner)
    await world.reset()
    return {**(values or {}), **extra_fields}


async def growth(before: Mapping[str, int]) -> dict[str, int]:
    """The number of new rows in each table that has some, but for the keys."""
    after = await count_rows()
    return {name: n - before[name] for name, n in after.items() if n != before[name] and name != "idempotency_keys"}


@pytest.mark.parametrize("mutation", CREATING)
async def test_mutation_sent_twice_at_once_is_done_once(world: World, mutation: str) -> None:
    api, owner, selection = world.api, world.owner, CREATING[mutation].selection
    growths: list[dict[str, int]] = []
    for _ in range(2):  # the first one may do more, such as the first entry of an account
        values, before = await prepare(world, mutation), await count_rows()
        assert codes(await api.do(mutation, values, by=owner)) == []
        growths.append(await growth(before))
    keyed_input = await prepare(world, mutation, idempotencyKey=f"at once: {mutation}")
    before = await count_rows()
    payloads = await asyncio.gather(*(api.do(mutation, keyed_input, selection, by=owner) for _ in range(3)))

    assert codes(payloads[0]) == []
    assert payloads == [payloads[0]] * 3
    assert await growth(before) == growths[1]


async def test_key_counts_for_23_hours_in_which_other_mutations_run(world: World) -> None:
    api, owner = world.api, world.owner
    inputs = {name: await prepare(world, name, idempotencyKey="next day") for name in CREATING}
    payloads = {name: await api.do(name, inputs[name], CREATING[name].selection, by=owner) for name in CREATING}
    api.clock.forward(hours=23)
    await api.keep_proof(owner)
    before = await count_rows()

    for name, payload in payloads.items():
        assert await api.do(name, inputs[name], CREATING[name].selection, by=owner) == payload

    assert (await growth(before)).keys() <= {"events", "event_links"}  # the entry of a new day


def other_value(world: World, name: str, value: object) -> object:
    """A value of a field that differs from that of the input."""
    if value != "other":
        return value
    return world.person("accountant").user_id if name.endswith("serId") else world.owner.account_id


@pytest.mark.parametrize("mutation", CREATING)
async def test_key_with_another_input_is_refused_and_changes_nothing(world: World, mutation: str) -> None:
    api, owner, key = world.api, world.owner, f"other input: {mutation}"
    values = await prepare(world, mutation, idempotencyKey=key)
    assert codes(await api.do(mutation, values, by=owner)) == []
    changes = {name: other_value(world, name, value) for name, value in CREATING[mutation].other_input.items()}
    await world.reset()

    assert await refusal_codes(api, mutation, {**values, **changes}, by=owner) == KEY_REUSE


async def renew_sessions(world: World) -> None:
    """Start new sessions, because earlier mutations have ended sessions."""
    await world.reset()
    for name in ("owner", "collaborator"):
        world.people[name] = replace(world.person(name), token=await sign_in_again(world, world.person(name)))


@pytest.mark.parametrize("mutation", sorted(NOT_CREATING.keys() - {"eraseMe"}))
async def test_mutation_without_a_key_makes_nothing_by_a_repeat(world: World, mutation: str) -> None:
    await renew_sessions(world)
    caller = world.person("collaborator" if mutation in BY_GUESTS else "owner")
    values = await CALLS[mutation].make_input(world, caller)
    _ = await world.api.ask("{ __typename }", by=caller)
    first = await attempt(world.api, mutation, values, by=caller)
    assert first.data[mutation]["errors"] == []
    before = await db.fetch(_COUNTS, row=db.Row)

    _ = await attempt(world.api, mutation, values, by=caller)

    assert await db.fetch(_COUNTS, row=db.Row) == before


_COUNTS: Final = " UNION ALL ".join(
    f"SELECT '{table}' AS name, count(*) AS rows FROM {table}" for table in (*THINGS, "users", "subscription_entries")
)
