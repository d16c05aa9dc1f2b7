"""The matrix: everybody x every field of the schema, allowed and denied, on every path to it.

Nothing here names a field that must be allowed or denied: rules come from the schema, roles from the
policy's table. A new field is reached by itself; a new type needs an id in the world, a new mutation
a call in mutations.py, or the last tests fail.
"""

from collections.abc import AsyncIterator
from typing import Any, Literal, cast

import pytest
from graphql import get_named_type, is_leaf_type

from auth import policy
from auth.policy import Role
from tests.api import Answer, Clock, Person, counts
from tests.conftest import administer, at
from tests.schema import walk, world
from tests.schema.follow import SUBSCRIPTIONS, followed
from tests.schema.mutations import CALLS
from tests.schema.walk import TYPES, Found, Judge, found_at, rule, selected, target
from tests.schema.world import EVERYBODY, EXECUTORS, INSIDERS, PASSWORD, World, key

MUTATIONS = sorted(TYPES["Mutation"].fields)
SIGNED_IN = [name for name in EVERYBODY if name != "anonymous"]
# An owner is nobody's guest, and who is not signed in has no invitation but by its link.
AS_GUEST = {"acceptInvitation", "declineInvitation", "resignGrant", "acceptOwnership", "declineOwnership"}
TRIALS = [(n, m) for n in EVERYBODY for m in MUTATIONS if m not in AS_GUEST or n not in {"owner", "anonymous"}]


@pytest.fixture(scope="module", params=EXECUTORS)
async def seen(request: pytest.FixtureRequest, postgres: str, template: str) -> AsyncIterator[World]:
    """The world, made once for each executor."""
    name = f"world_{next(world.NUMBERS)}"
    executor = cast("Literal['compiled', 'reference']", request.param)
    await administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with world.application(at(postgres, name), executor, Clock()) as api:
        yield await world.created(api)
    await administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


# ---- Reading ---------------------------------------------------------------------------------


async def walked(seen: World, name: str) -> Found:
    """What a walk came by; each is done once."""
    if name not in seen.walks:
        seen.walks[name] = await walk.walk(seen, name)
    return cast("Found", seen.walks[name])


@pytest.mark.parametrize("name", EVERYBODY)
async def test_every_field_answers_or_refuses_as_the_table_says(seen: World, name: str) -> None:
    assert (await walked(seen, name)).differences == []


@pytest.mark.parametrize("name", EVERYBODY)
async def test_aliases_and_fragments_change_nothing(seen: World, name: str) -> None:
    plain = await walked(seen, name)

    disguised = await walk.walk(seen, name, disguised=True)

    assert disguised.differences == []
    assert (disguised.allowed, disguised.denied) == (plain.allowed, plain.denied)


@pytest.mark.parametrize("name", SIGNED_IN)
async def test_an_id_gives_what_the_edge_gives_and_else_null(seen: World, name: str) -> None:
    for type_name, listed in seen.objects.items():
        judged = [await seen.rights(name, type_name, key(one)) for one in listed]
        demanded = TYPES[type_name].extensions["rule"].bits
        visible = [one if held & demanded else None for one, (held, _) in zip(listed, judged, strict=True)]
        if type_name == "User":
            visible = [one if one in await _known(seen, name, listed) else None for one in listed]
        query = "query($ids: [ID!]!, $id: ID!) { nodes(ids: $ids) { id } node(id: $id) { id } }"

        answer = await seen.api.ask(query, {"ids": listed, "id": listed[-1]}, by=seen.people[name])

        assert [one and one["id"] for one in answer.data["nodes"]] == visible, type_name
        assert (answer.data["node"] and answer.data["node"]["id"]) == visible[-1]


async def _known(seen: World, name: str, users: list[str]) -> list[str]:
    """Users belong to no account: known are those who share one, and the owner, who invited everybody."""
    shares = await seen.standing(name, key(seen.owner.account_id)) is not None
    return users if shares else [seen.somebody(name).user_id, seen.owner.user_id]


# ---- Changing --------------------------------------------------------------------------------


def payload_document(seen: World, name: str) -> str:
    """A mutation with all of its payload: its entities' fields, and one step beyond."""
    type_name = target(TYPES["Mutation"].fields[name])
    parts: list[str] = []
    for field, declared in TYPES[type_name].fields.items():
        if is_leaf_type(get_named_type(declared.type)):
            parts.append(field)
            continue
        entity = target(declared)
        mark = "_account: id " if entity == "Account" else ""
        parts.append(f"{field} {{ {mark}{selected(seen, entity)} }}")
    wanted = "input" in TYPES["Mutation"].fields[name].args
    opened = f"mutation($input: {name[0].upper()}{name[1:]}Input!)" if wanted else "mutation"
    return f"{opened} {{ {name}{'(input: $input)' if wanted else ''} {{ {' '.join(parts)} }} }}"


async def performed(seen: World, name: str, mutation: str) -> tuple[Answer, dict[str, int], dict[str, int]]:
    """The answer to a mutation, with the rows of all tables before and after it."""
    person = seen.people[name]
    call = CALLS[mutation]
    await seen.begin()
    given = await call.make(seen, person or seen.owner)
    token = await aside(seen, person) if call.aside and person else person and person.token
    if call.newcomer and person:
        token = (await seen.api.person(seen.address())).token
    before = await counts()
    answer = await seen.api.ask(payload_document(seen, mutation), {"input": given}, by=token)
    return answer, before, await counts()


async def aside(seen: World, person: Person) -> str:
    """The token of another session of somebody."""
    await seen.without_factor(person)
    done = await seen.api.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
    return str(done["accessToken"])


CHANGES_NOTHING = {"updateProfile", "updateAccount", "updateAccountSettings", "revokeOtherSessions"}
"""Here they are asked, by most, for what is so already."""


@pytest.mark.parametrize("seen", ["compiled"], indirect=True)
@pytest.mark.parametrize(("name", "mutation"), TRIALS)
async def test_every_mutation_is_done_or_refused_as_the_table_says(seen: World, name: str, mutation: str) -> None:
    demanded = rule("Mutation", mutation)
    standing = await seen.standing(name, key(seen.owner.account_id))
    signed_in = seen.people[name] is not None
    held, _ = await seen.rights(name, "Mutation", None)
    is_guest = mutation == "switchAccount" and standing is None
    lacks = demanded.permission and not policy.effective(standing) & policy.mask([demanded.permission])

    answer, before, after = await performed(seen, name, mutation)

    if not held & demanded.bits:
        expected = {"code": "UNAUTHENTICATED"}
        assert answer.partial == {mutation: None}
    elif demanded.permission and lacks and standing is not None:
        expected = walk.refusal(demanded, standing, signed_in=signed_in)
        assert answer.partial == {mutation: None}
    elif lacks or is_guest:
        payload = answer.data[mutation]
        assert [error["code"] for error in payload["errors"]] == ["NOT_FOUND"]
        assert {field for field, value in payload.items() if value not in (None, [])} == {"errors"}
        assert after == before
        return
    else:
        await judge_payload(seen, name, mutation, answer)
        assert after["events"] > before["events"] or mutation in CHANGES_NOTHING
        return
    errors = [{k: v for k, v in error["extensions"].items() if k != "requestId"} for error in answer.errors]
    assert errors == [expected]
    assert [error["path"] for error in answer.errors] == [[mutation]]
    assert after == before


async def judge_payload(seen: World, name: str, mutation: str, answer: Answer) -> None:
    """Every field of every entity of a payload obeys the rights of its reader."""
    payload = answer.partial[mutation]
    assert payload["errors"] == []
    said = Found()
    judge = Judge(seen, await reader(seen, name, mutation, payload), said)
    type_name = target(TYPES["Mutation"].fields[mutation])
    await judge.judge(type_name, (mutation,), payload, None)
    for field, declared in TYPES[type_name].fields.items():
        if not is_leaf_type(get_named_type(declared.type)):
            for path, value, account in found_at(payload, (field,), (mutation,)):
                await judge.judge(target(declared), path, value, account)
    judge.errors(answer, mutation)
    said.allowed.add(("Mutation", mutation))
    seen.payloads.append(said)

    assert said.differences == []


async def reader(seen: World, name: str, mutation: str, payload: dict[str, Any]) -> str:
    """Who reads a payload: who asked, unless the mutation made him somebody else."""
    if mutation == "activate":
        answer = await seen.api.ask("{ viewer { user { id email } currentAccount { id } } }", by=payload["accessToken"])
        viewer = answer.data["viewer"]
        seen.people["newcomer"] = Person(
            viewer["user"]["email"], payload["accessToken"], viewer["user"]["id"], viewer["currentAccount"]["id"]
        )
        return "newcomer"
    return "owner" if mutation == "signIn" and name == "anonymous" else name


# ---- Following -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize("subscription", SUBSCRIPTIONS)
async def test_what_is_followed_shows_or_refuses_as_the_table_says(seen: World, subscription: str, name: str) -> None:
    said = await followed(seen, name, subscription)
    seen.payloads.append(said)

    assert said.differences == []


# ---- Nothing is left out ---------------------------------------------------------------------


def test_every_mutation_is_called() -> None:
    assert CALLS.keys() == set(MUTATIONS)


@pytest.mark.parametrize("seen", ["compiled"], indirect=True)
async def test_every_field_of_the_schema_was_reached(seen: World) -> None:
    """Runs after the others: by the owner's walk and by payloads, each field was there for somebody."""
    reached = set[tuple[str, str]]().union(*(cast("Found", one).allowed for one in seen.payloads))
    for name in EVERYBODY:
        reached |= (await walked(seen, name)).allowed
    if not seen.payloads:
        pytest.skip("needs the mutations of this module to have run")
    refused = await seen.api.do("createAccount", {"name": ""}, by=seen.owner)
    reached |= {("UserError", field) for field in refused["errors"][0]}

    every = {(type_name, field) for type_name, type_ in TYPES.items() for field in type_.fields}

    assert sorted(every - reached) == []


@pytest.mark.parametrize("name", INSIDERS)
async def test_every_permission_that_is_lacking_was_seen_to_be_refused(seen: World, name: str) -> None:
    standing = await seen.standing(name, key(seen.owner.account_id))
    assert standing is not None
    found = await walked(seen, name)

    for field, declared in TYPES["Account"].fields.items():
        demanded = rule("Account", field)
        place = ("Account", field)
        holds = policy.effective(standing) & demanded.bits
        # On the side account, of which the owner is owner too, nobody else stands yet.
        assert (place in found.allowed, place in found.denied) == (bool(holds), not holds), declared

    if standing.role in {Role.ACCOUNTANT, Role.SIMPLE_USER}:
        assert {("Account", "settings"), ("Account", "grants"), ("User", "email")} <= found.denied
