"""The matrix: every caller x every field of the schema, allowed or denied, on every path to it.

The tests name no field: rules come from the schema, permissions of roles from the permission table. A new field
needs no change here. A new type needs an id in the world, and a new mutation needs a call in mutations.py;
otherwise the last tests fail.
"""

from collections.abc import AsyncIterator
from typing import Any, Literal, cast

import pytest
from graphql import get_named_type, is_leaf_type

from auth import policy
from auth.policy import Role
from tests.api import Clock, Person, Response, count_rows
from tests.conftest import database_address, execute_outside_transaction
from tests.schema import walk
from tests.schema.follow import SUBSCRIPTIONS, follow_and_check
from tests.schema.mutations import CALLS
from tests.schema.walk import TYPES, Findings, ResponseChecker, objects_at, rule, selection, target_type
from tests.schema.world import (
    CALLERS,
    DATABASE_NUMBERS,
    EXECUTORS,
    INSIDERS,
    PASSWORD,
    World,
    application,
    create_world,
    key,
)

MUTATIONS = sorted(TYPES["Mutation"].fields)
SIGNED_IN = [name for name in CALLERS if name != "anonymous"]
# The owner is not a guest, and a caller without a session needs the invitation's link.
BY_GUESTS = {"acceptInvitation", "declineInvitation", "resignGrant", "acceptOwnership", "declineOwnership"}
CALLER_MUTATION_PAIRS = [
    (n, m) for n in CALLERS for m in MUTATIONS if m not in BY_GUESTS or n not in {"owner", "anonymous"}
]


@pytest.fixture(scope="module", params=EXECUTORS)
async def world(request: pytest.FixtureRequest, postgres: str, template: str) -> AsyncIterator[World]:
    """The world, created once for each executor."""
    name = f"world_{next(DATABASE_NUMBERS)}"
    executor = cast("Literal['compiled', 'reference']", request.param)
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with application(database_address(postgres, name), executor, Clock()) as api:
        yield await create_world(api)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


# ---- Queries ---------------------------------------------------------------------------------


async def cached_walk(world: World, name: str) -> Findings:
    """The findings of a caller's walk, which is made once."""
    if name not in world.walks:
        world.walks[name] = await walk.walk(world, name)
    return cast("Findings", world.walks[name])


@pytest.mark.parametrize("name", CALLERS)
async def test_every_field_is_allowed_or_denied_by_its_rule(world: World, name: str) -> None:
    assert (await cached_walk(world, name)).differences == []


@pytest.mark.parametrize("name", CALLERS)
async def test_aliases_and_fragments_change_nothing(world: World, name: str) -> None:
    plain_findings = await cached_walk(world, name)

    other_findings = await walk.walk(world, name, vary_styles=True)

    assert other_findings.differences == []
    assert other_findings.allowed_fields == plain_findings.allowed_fields
    assert other_findings.denied_fields == plain_findings.denied_fields


@pytest.mark.parametrize("name", SIGNED_IN)
async def test_node_returns_visible_objects_and_otherwise_null(world: World, name: str) -> None:
    for type_name, object_ids in world.objects.items():
        rights = [await world.rights(name, type_name, key(object_id)) for object_id in object_ids]
        type_bits = TYPES[type_name].extensions["rule"].bits
        visible = [
            object_id if bits & type_bits else None for object_id, (bits, _) in zip(object_ids, rights, strict=True)
        ]
        if type_name == "User":
            visible_users = await _visible_users(world, name, object_ids)
            visible = [object_id if object_id in visible_users else None for object_id in object_ids]
        query = "query($ids: [ID!]!, $id: ID!) { nodes(ids: $ids) { id } node(id: $id) { id } }"

        answer = await world.api.ask(query, {"ids": object_ids, "id": object_ids[-1]}, by=world.people[name])

        assert [node and node["id"] for node in answer.data["nodes"]] == visible, type_name
        assert (answer.data["node"] and answer.data["node"]["id"]) == visible[-1]


async def _visible_users(world: World, name: str, users: list[str]) -> list[str]:
    """The users that a caller can see: all users who share the account, or the caller and the owner, the inviter."""
    shares_account = await world.grant_facts(name, key(world.owner.account_id)) is not None
    return users if shares_account else [world.person(name).user_id, world.owner.user_id]


# ---- Mutations -------------------------------------------------------------------------------


def payload_document(world: World, name: str) -> str:
    """A mutation with its whole payload: all fields of its objects, and `__typename` of theirs."""
    type_name = target_type(TYPES["Mutation"].fields[name])
    parts: list[str] = []
    for field, definition in TYPES[type_name].fields.items():
        if is_leaf_type(get_named_type(definition.type)):
            parts.append(field)
            continue
        entity = target_type(definition)
        account_alias = "_account: id " if entity == "Account" else ""
        parts.append(f"{field} {{ {account_alias}{selection(world, entity)} }}")
    has_input = "input" in TYPES["Mutation"].fields[name].args
    head = f"mutation($input: {name[0].upper()}{name[1:]}Input!)" if has_input else "mutation"
    return f"{head} {{ {name}{'(input: $input)' if has_input else ''} {{ {' '.join(parts)} }} }}"


async def run_mutation(world: World, name: str, mutation: str) -> tuple[Response, dict[str, int], dict[str, int]]:
    """The response to a mutation, and the row counts of all tables before and after it."""
    person = world.people[name]
    call = CALLS[mutation]
    await world.reset()
    values = await call.make_input(world, person or world.owner)
    token = await sign_in_again(world, person) if call.has_other_session and person else person and person.token
    if call.is_by_new_user and person:
        token = (await world.api.person(world.new_address())).token
    # The first use of a grant in an hour writes an event, also if the request changes nothing.
    await world.api.ask("{ __typename }", by=token)
    before = await count_rows()
    answer = await world.api.ask(payload_document(world, mutation), {"input": values}, by=token)
    return answer, before, await count_rows()


async def sign_in_again(world: World, person: Person) -> str:
    """The token of another session of a user."""
    await world.remove_second_factor(person)
    payload = await world.api.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
    return str(payload["accessToken"])


WITHOUT_EVENT = {
    *("updateProfile", "updateAccount", "revokeOtherSessions"),
    *("beginPasskeyRegistration", "beginPasskeySignIn", "beginPasskeyReauthentication"),
}
"""Mutations that change nothing here for most callers, or nothing of a user, and then record no event."""


@pytest.mark.parametrize("world", ["compiled"], indirect=True)
@pytest.mark.parametrize(("name", "mutation"), CALLER_MUTATION_PAIRS)
async def test_every_mutation_is_allowed_or_denied_by_its_rule(world: World, name: str, mutation: str) -> None:
    field_rule = rule("Mutation", mutation)
    facts = await world.grant_facts(name, key(world.owner.account_id))
    signed_in = world.people[name] is not None
    rights, _ = await world.rights(name, "Mutation", None)
    is_outsider = mutation == "switchAccount" and facts is None
    lacks = field_rule.permission and not policy.effective_bits(facts) & policy.mask([field_rule.permission])

    answer, before, after = await run_mutation(world, name, mutation)

    if not rights & field_rule.bits:
        expected_extensions = {"code": "UNAUTHENTICATED"}
        assert answer.partial == {mutation: None}
    elif field_rule.permission and lacks and facts is not None:
        expected_extensions = walk.refusal_extensions(field_rule, facts, signed_in=signed_in)
        assert answer.partial == {mutation: None}
    elif lacks or is_outsider:
        payload = answer.data[mutation]
        assert [error["code"] for error in payload["errors"]] == ["NOT_FOUND"]
        assert {field for field, value in payload.items() if value not in (None, [])} == {"errors"}
        assert after == before
        return
    else:
        await check_payload(world, name, mutation, answer)
        assert after["events"] > before["events"] or mutation in WITHOUT_EVENT
        return
    errors = [{k: v for k, v in error["extensions"].items() if k != "requestId"} for error in answer.errors]
    assert errors == [expected_extensions]
    assert [error["path"] for error in answer.errors] == [[mutation]]
    assert after == before


async def check_payload(world: World, name: str, mutation: str, answer: Response) -> None:
    """Check every field of every object of a payload against the rights of its reader."""
    payload = answer.partial[mutation]
    assert payload["errors"] == []
    findings = Findings()
    checker = ResponseChecker(world, await payload_reader(world, name, mutation, payload), findings)
    type_name = target_type(TYPES["Mutation"].fields[mutation])
    await checker.check_object(type_name, (mutation,), payload, None)
    for field, definition in TYPES[type_name].fields.items():
        if not is_leaf_type(get_named_type(definition.type)):
            for path, value, account in objects_at(payload, (field,), (mutation,)):
                await checker.check_object(target_type(definition), path, value, account)
    checker.check_errors(answer, mutation)
    findings.allowed_fields.add(("Mutation", mutation))
    world.payload_findings.append(findings)

    assert findings.differences == []


async def payload_reader(world: World, name: str, mutation: str, payload: dict[str, Any]) -> str:
    """The caller that the payload is for: another one if the mutation signs in."""
    if mutation == "activate":
        answer = await world.api.ask(
            "{ viewer { user { id email } currentAccount { id } } }", by=payload["accessToken"]
        )
        viewer = answer.data["viewer"]
        world.people["newcomer"] = Person(
            viewer["user"]["email"], payload["accessToken"], viewer["user"]["id"], viewer["currentAccount"]["id"]
        )
        return "newcomer"
    return "owner" if mutation in {"signIn", "signInWithPasskey"} and name == "anonymous" else name


# ---- Subscriptions ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("subscription", SUBSCRIPTIONS)
async def test_every_subscription_is_allowed_or_denied_by_its_rule(world: World, subscription: str, name: str) -> None:
    findings = await follow_and_check(world, name, subscription)
    world.payload_findings.append(findings)

    assert findings.differences == []


# ---- Completeness ----------------------------------------------------------------------------


def test_every_mutation_has_a_call() -> None:
    assert CALLS.keys() == set(MUTATIONS)


@pytest.mark.parametrize("world", ["compiled"], indirect=True)
async def test_every_field_of_the_schema_was_allowed_once(world: World) -> None:
    """It runs after the others: walks and payloads together have every field, allowed for some caller."""
    allowed_fields = set[tuple[str, str]]().union(
        *(cast("Findings", findings).allowed_fields for findings in world.payload_findings)
    )
    for name in CALLERS:
        allowed_fields |= (await cached_walk(world, name)).allowed_fields
    if not world.payload_findings:
        pytest.skip("needs the mutations of this module to have run")
    answer = await world.api.ask(payload_document(world, "createAccount"), {"input": {"name": ""}}, by=world.owner)
    allowed_fields |= {("UserError", field) for field in answer.data["createAccount"]["errors"][0]}

    all_fields = {(type_name, field) for type_name, type_ in TYPES.items() for field in type_.fields}

    assert sorted(all_fields - allowed_fields) == []


@pytest.mark.parametrize("name", INSIDERS)
async def test_every_missing_permission_was_denied(world: World, name: str) -> None:
    facts = await world.grant_facts(name, key(world.owner.account_id))
    assert facts is not None
    findings = await cached_walk(world, name)

    for field, definition in TYPES["Account"].fields.items():
        field_rule = rule("Account", field)
        field_key = ("Account", field)
        holds = policy.effective_bits(facts) & field_rule.bits
        # Only the owner has a grant on the side account so far.
        assert (field_key in findings.allowed_fields, field_key in findings.denied_fields) == (
            bool(holds),
            not holds,
        ), definition

    if facts.role in {Role.ACCOUNTANT, Role.SIMPLE_USER}:
        assert {("Account", "settings"), ("Account", "grants"), ("User", "email")} <= findings.denied_fields
