"""The real schema on a real database: made-up operations of everybody, through both executors.

FULLMAKT_DIFFERENTIAL is the number of queries, 2,000 by default; 20,000 take some ten minutes.
Mutations are called so that they succeed, by whoever may and whoever may not, and rolled back.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from inspect import isawaitable
from random import Random
from typing import Any, Final

import orjson
import pytest
from graphql import DocumentNode, ExecutionResult, execute, parse, validate
from hypothesis import given
from hypothesis import strategies as st

from auth.policy import Role
from database import db
from executor import Engine
from models.base.caller import OperationConfig
from resolvers import ids
from resolvers.context import Context, open_context
from schema.build import build
from server import errors
from tests.api import KEY, Clock
from tests.conftest import administer, at
from tests.executor import generate
from tests.executor.compare import Told, in_reading_order, settled
from tests.schema import world
from tests.schema.mutations import CALLS
from tests.schema.world import CALLERS, GUESTS, World

QUERIES: Final = int(os.environ.get("FULLMAKT_DIFFERENTIAL", "2000"))
SCHEMA: Final = build()
SLOW: Final = {"register", "activate", "signIn", "resetPassword", "changePassword"}
"""Mutations that hash a password each time."""


class Seen:
    """What is known of the answers so far, for the question whether they were worth comparing."""

    def __init__(self, of: World) -> None:
        self.world = of
        self.engine = Engine(SCHEMA)
        self.cursors: list[str] = []
        self.texts: set[str] = set()
        self.codes: set[str] = set()
        self.types: set[str] = set()
        self.mixed: set[str] = set()
        self.tried = 0
        self.done: set[str] = set()


@pytest.fixture(scope="module")
async def seen(postgres: str, template: str) -> AsyncIterator[Seen]:
    """The world of the matrix, which nothing changes any more."""
    name = f"differential_{next(world.DATABASE_NUMBERS)}"
    await administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with world.application(at(postgres, name), "compiled", Clock()) as api:
        made = Seen(await world.create_world(api))
        await mix(made.world)
        made.cursors = await cursors(made.world)
        await delivered()
        yield made
    await administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def mix(of: World) -> None:
    """Give everybody accounts in which he may different things, so that one list is partly refused."""
    stranger = of.person("stranger")
    names = [*GUESTS, "owner"]
    for place, name in enumerate(names):
        person, role = of.person(name), list(Role)[1 + place % (len(Role) - 1)]
        await of.api.do("createAccount", {"name": f"{name} AS"}, by=person)
        given = {"accountId": stranger.account_id, "email": person.email, "role": role}
        offered = await of.api.do("inviteUser", given, "invitation { id }", by=stranger)
        assert offered["errors"] == []
        done = await of.api.do("acceptInvitation", {"invitationId": offered["invitation"]["id"]}, by=person)
        assert done["errors"] == []
    for type_name, table in TABLES.items():
        rows = await db.fetch(f"SELECT id FROM {table} ORDER BY id LIMIT 40", row=db.Row)
        of.objects[type_name] = [ids.encode(type_name, row.id) for row in rows]


TABLES: Final = {
    "Account": "accounts",
    "Event": "events",
    "Grant": "grants",
    "Invitation": "invitations",
    "Message": "messages",
    "Session": "sessions",
    "SubscriptionEntry": "subscription_entries",
    "User": "users",
}


async def cursors(of: World) -> list[str]:
    """Where pages end, for the arguments that take them."""
    pages = "events(first: 3) { edges { cursor } } grants(first: 3) { edges { cursor } }"
    answer = await of.api.ask(
        f'{{ node(id: "{of.owner.account_id}") {{ ... on Account {{ {pages} }} }} }}', by=of.owner
    )
    return [edge["cursor"] for connection in answer.data["node"].values() for edge in connection["edges"]]


async def delivered() -> None:
    """Wait until the mail has left: a message would be QUEUED for one executor and SENT for the other."""
    async with asyncio.timeout(20):
        while await db.fetch("SELECT FROM messages WHERE status = 'QUEUED' LIMIT 1", row=db.Row):  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.002)


# ---- Asking ----------------------------------------------------------------------------------


async def opened(seen: Seen, name: str, account: str | None) -> Context:
    """The context of one request."""
    await seen.world.clear_attempts()  # what the other executor has tried counts nothing
    person = seen.world.people[name]
    return await open_context(
        config=OperationConfig(KEY),
        now=seen.world.api.clock(),
        token=person.token if person else None,
        account_key=account,
        locale="en",
        request_id="one",
    )


async def compiled(seen: Seen, asked: generate.Document, tree: DocumentNode, context: Context) -> ExecutionResult:
    return await seen.engine.execute(
        tree, asked.text, operation_name=asked.name, variables=asked.variables, context=context
    )


async def reference(asked: generate.Document, tree: DocumentNode, context: Context) -> ExecutionResult:
    result = execute(SCHEMA, tree, operation_name=asked.name, variable_values=asked.variables, context_value=context)
    return await result if isawaitable(result) else result


def written(result: ExecutionResult) -> bytes:
    """The data as the server writes it."""
    return orjson.dumps(result.data, option=orjson.OPT_UTC_Z)


def told(result: ExecutionResult) -> list[Told]:
    """The errors as the server tells them."""
    shown = errors.format_errors(result.errors or [], "one")
    return [(error.get("path"), orjson.dumps(error).decode()) for error in shown]


# ---- Values ----------------------------------------------------------------------------------


def values(seen: Seen) -> generate.Value:
    """Arguments that mean something in the world, and some that do not."""
    of = seen.world
    everything = [one for some in of.objects.values() for one in some]
    now = of.api.clock()
    plain: dict[str, list[object]] = {
        "first": [1, 2, 3, 5, 0, -1, 101],
        "last": [1, 2, 3, 0],
        "after": [*seen.cursors, "", "nonsense"],
        "before": [*seen.cursors, "nonsense"],
        "search": ["a", "owner", "%", "", "Storm", "example.com", "\x00"],
        "token": [of.invitation_token, "", "nonsense"],
        "number": [of.account_number, 1, 10000000],
        "type": ["account:invitation:issue", "account:*", ""],
        "DateTime": [(now + timedelta(days=days)).isoformat() for days in (-1, 0, 1, 400)],
        "JSON": [None, 1],
    }
    kinds = {"accountId": "Account", "userId": "User", "actorId": "User", "consultantId": "User"}

    def value(random: Random, name: str, type_name: str) -> object:
        if type_name == "ID":
            known = of.objects[kinds[name]] if name in kinds else everything
            return (
                random.choice(known)
                if random.random() < 0.85
                else random.choice(["", "a0", ids.encode("Grant", ids.NIL_KEY)])
            )
        known_values = plain.get(name) or plain.get(type_name)
        return random.choice(known_values) if known_values else generate.of_scalars(random, name, type_name)

    return value


# ---- Queries ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLERS)
@generate.examples(-(-QUERIES // len(CALLERS)))
@given(seed=st.integers(0, 2**60))
async def test_queries(seen: Seen, name: str, *, seed: int) -> None:
    random = generate.chances(seed)
    asked = generate.write(SCHEMA, random, depth=7, size=14, value=values(seen))
    tree = parse(asked.text)
    assert validate(SCHEMA, tree) == []
    account = seen.world.owner.account_id if random.random() < 0.3 and name in world.INSIDERS else None

    expected = await reference(asked, tree, await opened(seen, name, account))
    found = await compiled(seen, asked, tree, await opened(seen, name, account))

    assert written(found) == written(expected)
    assert settled(found.data, told(found)) == settled(expected.data, told(expected))
    assert in_reading_order(found.data, told(found))
    note(seen, asked, found)


PARTLY = [
    "{ viewer { accounts { nodes { settings { locks } grants { nodes { role user { name email } } } } } } }",
    "{ accounts(orderBy: NAME) { edges { cursor node { events { totalCount } invitations { totalCount } } } } }",
    "{ viewer { accounts { nodes { name messages { nodes { id } } events { nodes { type } } } } } }",
    "{ accounts { nodes { number owner { name email } viewerGrant { user { name } } grants { totalCount } } } }",
    "{ accounts { nodes { name invitations { nodes { __typename email invitedBy { name email } } } } } }",
]
"""Lists of accounts of which somebody owns one and is a guest in another: asked whatever chance draws."""


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("text", PARTLY)
async def test_lists_of_which_some_is_refused(seen: Seen, text: str, name: str) -> None:
    asked, tree = generate.Document(text, {}, None), parse(text)

    expected = await reference(asked, tree, await opened(seen, name, None))
    found = await compiled(seen, asked, tree, await opened(seen, name, None))

    assert written(found) == written(expected)
    assert settled(found.data, told(found)) == settled(expected.data, told(expected))
    assert in_reading_order(found.data, told(found))
    note(seen, asked, found)


def note(seen: Seen, asked: generate.Document, found: ExecutionResult) -> None:
    shown = errors.format_errors(found.errors or [], "one")
    seen.texts.add(asked.text)
    seen.codes |= {error["extensions"]["code"] for error in shown}
    seen.types |= set(re.findall(r'"__typename":"(\w+)"', written(found).decode()))
    refused = [error["path"] for error in shown if error["extensions"]["code"] == "FORBIDDEN"]
    seen.mixed |= {str(path[-1]) for path in refused if is_mixed(found.data, path)}


def is_mixed(data: Any, path: list[str | int]) -> bool:
    """Whether the field that is refused here is shown on another object of the same list."""
    if len(path) < 2 or not isinstance(path[-2], int):
        return False
    for key in path[:-2]:
        data = data[key]
    return any(item and item.get(path[-1]) is not None for item in data or ())


# ---- Mutations -------------------------------------------------------------------------------


class RolledBack(Exception):
    """Nothing of it stays."""


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("mutation", sorted(CALLS.keys() - SLOW))
async def test_mutations(seen: Seen, mutation: str, name: str) -> None:
    asked = await called(seen, mutation, name)
    await delivered()
    tree = parse(asked.text)
    assert validate(SCHEMA, tree) == []
    seen.tried += 1
    results: list[ExecutionResult] = []

    for run_by in (reference, partial(compiled, seen)):
        with suppress(RolledBack):
            async with db.transaction():
                results.append(await run_by(asked, tree, await opened(seen, name, None)))
                raise RolledBack

    expected, found = results
    assert settled(found.data, told(found)) == settled(expected.data, told(expected))
    assert renamed(written(found)) == renamed(written(expected))
    assert in_reading_order(found.data, told(found))
    if found.data is not None and (payload := found.data[mutation]) and not payload["errors"]:
        seen.done.add(mutation)


async def called(seen: Seen, mutation: str, name: str) -> generate.Document:
    """A mutation as it succeeds for who may, twice, and a field in between; of what it shows, something.

    No argument in it is wrong: where an error climbs, graphql-core cancels what runs beside it, and
    here that would be a statement of the one transaction that is rolled back.
    """
    person = seen.world.people[name] or seen.world.person("stranger")
    # An owner is nobody's guest: where one is needed, somebody else's call is tried by him.
    person = seen.world.person("accountant") if name == "owner" else person
    await seen.world.clear_attempts()
    given_ = await CALLS[mutation].make_input(seen.world, person)
    type_ = SCHEMA.type_map[f"{mutation[0].upper()}{mutation[1:]}Payload"]
    shown = generate.selection(SCHEMA, type_, generate.chances(f"{mutation} {name}"), depth=4, value=values(seen))
    declared, passed = (
        ("", "") if given_ is None else (f"($input: {mutation[0].upper()}{mutation[1:]}Input!)", "(input: $input)")
    )
    told_of = "errors { code field message }"
    once, again = f"{mutation}{passed} {{ {told_of} {shown[1:]}", f"again: {mutation}{passed} {{ {told_of} }}"
    text = f"mutation{declared} {{ {once} __typename {again} }}"
    return generate.Document(text, {} if given_ is None else {"input": given_}, None)


def renamed(answer: bytes) -> str:
    """An answer with what is made by chance named by where it first comes.

    Ids, tokens and account numbers; the secret of a second factor, alone and in its address; recovery codes.
    """
    seen: dict[str, str] = {}
    return re.sub(
        r'"(?:[a-z][0-9a-f]{32}|[0-9a-f-]{36}|[\w-]{40,})"|(?<=:)[0-9]{8}\b'
        r"|\b[A-Z2-7]{4}(?:[- ][A-Z2-7]{4}){3,7}\b|\b[A-Z2-7]{32}\b",
        lambda match: seen.setdefault(match[0], f"made {len(seen)}"),
        answer.decode(),
    )


def test_enough_was_compared(seen: Seen) -> None:
    if len(seen.texts) < QUERIES / 2 or seen.tried < len(CALLERS) * len(CALLS.keys() - SLOW):
        pytest.skip("not all of them ran here")

    assert seen.done == CALLS.keys() - SLOW
    assert len(seen.mixed) >= 4, "guards should have refused some objects of a list and not others"
    assert seen.codes == {"BAD_USER_INPUT", "FORBIDDEN", "UNAUTHENTICATED"}
    assert seen.types >= {"Account", "Grant", "User", "Viewer", "Event", "Invitation", "Session", "Query"}
