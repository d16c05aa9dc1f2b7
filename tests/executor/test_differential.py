"""Random operations of all callers on the real schema and a real database, executed by both executors.

The environment variable FULLMAKT_DIFFERENTIAL is the number of queries. The default is 2,000; 20,000 take about ten
minutes. Mutations have valid input. Callers with and without the permission run them, and each is rolled back.
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
from tests.api import KEY, PUBLIC_URL, Clock
from tests.conftest import database_address, execute_outside_transaction
from tests.executor import generation
from tests.executor.error_comparison import LocatedError, comparable_errors, is_in_response_order
from tests.schema import world
from tests.schema.mutations import CALLS
from tests.schema.world import CALLERS, GUESTS, World

QUERY_COUNT: Final = int(os.environ.get("FULLMAKT_DIFFERENTIAL", "2000"))
SCHEMA: Final = build()
SLOW: Final = {"register", "activate", "signIn", "resetPassword", "changePassword"}
"""Mutations that hash a password."""


class ComparisonLog:
    """A record of the compared responses, to check that they cover the schema."""

    def __init__(self, test_world: World) -> None:
        self.world = test_world
        self.engine = Engine(SCHEMA)
        self.cursors: list[str] = []
        self.texts: set[str] = set()
        self.codes: set[str] = set()
        self.types: set[str] = set()
        self.partly_refused_fields: set[str] = set()
        self.mutation_count = 0
        self.successful_mutations: set[str] = set()


@pytest.fixture(scope="module")
async def log(postgres: str, template: str) -> AsyncIterator[ComparisonLog]:
    """The test world of the permission matrix. No test changes it."""
    name = f"differential_{next(world.DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with world.application(database_address(postgres, name), "compiled", Clock()) as api:
        log = ComparisonLog(await world.create_world(api))
        await grant_mixed_access(log.world)
        log.cursors = await cursors(log.world)
        await wait_for_delivery()
        yield log
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def grant_mixed_access(test_world: World) -> None:
    """Give each caller accounts with different permissions, so that lists are partly refused."""
    stranger = test_world.person("stranger")
    names = [*GUESTS, "owner"]
    for index, name in enumerate(names):
        user, role = test_world.person(name), list(Role)[1 + index % (len(Role) - 1)]
        await test_world.api.do("createAccount", {"name": f"{name} AS"}, by=user)
        invite_input = {"accountId": stranger.account_id, "email": user.email, "role": role}
        invite_payload = await test_world.api.do("inviteUser", invite_input, "invitation { id }", by=stranger)
        assert invite_payload["errors"] == []
        accept_payload = await test_world.api.do(
            "acceptInvitation", {"invitationId": invite_payload["invitation"]["id"]}, by=user
        )
        assert accept_payload["errors"] == []
    for type_name, table in TABLES.items():
        rows = await db.fetch(f"SELECT id FROM {table} ORDER BY id LIMIT 40", row=db.Row)
        test_world.objects[type_name] = [ids.encode(type_name, row.id) for row in rows]


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


async def cursors(test_world: World) -> list[str]:
    """Cursors of events and grants, as values of arguments."""
    pages = "events(first: 3) { edges { cursor } } grants(first: 3) { edges { cursor } }"
    response = await test_world.api.ask(
        f'{{ node(id: "{test_world.owner.account_id}") {{ ... on Account {{ {pages} }} }} }}', by=test_world.owner
    )
    return [edge["cursor"] for connection in response.data["node"].values() for edge in connection["edges"]]


async def wait_for_delivery() -> None:
    """Wait until all messages are sent. Else a message could be QUEUED for one executor and SENT for the other."""
    async with asyncio.timeout(20):
        while await db.fetch("SELECT FROM messages WHERE status = 'QUEUED' LIMIT 1", row=db.Row):  # noqa: ASYNC110 - delivery sends no signal
            await asyncio.sleep(0.002)


# ---- Execution -------------------------------------------------------------------------------


async def open_request_context(log: ComparisonLog, name: str, account: str | None) -> Context:
    """The context of a request."""
    await log.world.clear_attempts()  # attempts of the other executor must not count
    user = log.world.people[name]
    return await open_context(
        config=OperationConfig(KEY, public_url=PUBLIC_URL),
        now=log.world.api.clock(),
        token=user.token if user else None,
        account_key=account,
        locale="en",
        request_id="one",
    )


async def execute_compiled(
    log: ComparisonLog, document: generation.Document, tree: DocumentNode, context: Context
) -> ExecutionResult:
    return await log.engine.execute(
        tree, document.text, operation_name=document.name, variables=document.variables, context=context
    )


async def execute_reference(document: generation.Document, tree: DocumentNode, context: Context) -> ExecutionResult:
    result = execute(
        SCHEMA, tree, operation_name=document.name, variable_values=document.variables, context_value=context
    )
    return await result if isawaitable(result) else result


def serialize(result: ExecutionResult) -> bytes:
    """The data as the server serializes it."""
    return orjson.dumps(result.data, option=orjson.OPT_UTC_Z)


def located_errors(result: ExecutionResult) -> list[LocatedError]:
    """The errors as the server formats them."""
    formatted_errors = errors.format_errors(result.errors or [], "one")
    return [(error.get("path"), orjson.dumps(error).decode()) for error in formatted_errors]


# ---- Values ----------------------------------------------------------------------------------


def values(log: ComparisonLog) -> generation.Value:
    """Values of arguments: most of them exist in the test world, some do not."""
    test_world = log.world
    all_ids = [id_ for ids_of_type in test_world.objects.values() for id_ in ids_of_type]
    now = test_world.api.clock()
    choices_by_name: dict[str, list[object]] = {
        "first": [1, 2, 3, 5, 0, -1, 101],
        "last": [1, 2, 3, 0],
        "after": [*log.cursors, "", "nonsense"],
        "before": [*log.cursors, "nonsense"],
        "search": ["a", "owner", "%", "", "Storm", "example.com", "\x00"],
        "token": [test_world.invitation_token, "", "nonsense"],
        "number": [test_world.account_number, 1, 10000000],
        "type": ["account:invitation:issue", "account:*", ""],
        "DateTime": [(now + timedelta(days=days)).isoformat() for days in (-1, 0, 1, 400)],
        "Date": [(now + timedelta(days=days)).date().isoformat() for days in (-400, -1, 0, 1, 400)],
        "JSON": [None, 1],
        "Decimal": ["0", "12.50", "-1.25", "1000000"],
    }
    types_by_argument = {"accountId": "Account", "userId": "User", "actorId": "User", "consultantId": "User"}

    def value(random: Random, name: str, type_name: str) -> object:
        if type_name == "ID":
            known_ids = test_world.objects[types_by_argument[name]] if name in types_by_argument else all_ids
            return (
                random.choice(known_ids)
                if random.random() < 0.85
                else random.choice(["", "a0", ids.encode("Grant", ids.NIL_KEY)])
            )
        choices = choices_by_name.get(name) or choices_by_name.get(type_name)
        return random.choice(choices) if choices else generation.random_scalar(random, name, type_name)

    return value


# ---- Queries ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLERS)
@generation.examples(-(-QUERY_COUNT // len(CALLERS)))
@given(seed=st.integers(0, 2**60))
async def test_random_queries_have_equal_responses(log: ComparisonLog, name: str, *, seed: int) -> None:
    random = generation.seeded_random(seed)
    document = generation.generate_document(SCHEMA, random, depth=7, size=14, value=values(log))
    tree = parse(document.text)
    assert validate(SCHEMA, tree) == []
    account = log.world.owner.account_id if random.random() < 0.3 and name in world.INSIDERS else None

    expected = await execute_reference(document, tree, await open_request_context(log, name, account))
    actual = await execute_compiled(log, document, tree, await open_request_context(log, name, account))

    assert serialize(actual) == serialize(expected)
    assert comparable_errors(actual.data, located_errors(actual)) == comparable_errors(
        expected.data, located_errors(expected)
    )
    assert is_in_response_order(actual.data, located_errors(actual))
    record(log, document, actual)


PARTLY_REFUSED = [
    "{ viewer { accounts { nodes { settings { locks } grants { nodes { role user { name email } } } } } } }",
    "{ accounts(orderBy: NAME) { edges { cursor node { events { totalCount } invitations { totalCount } } } } }",
    "{ viewer { accounts { nodes { name messages { nodes { id } } events { nodes { __typename type } } } } } }",
    "{ accounts { nodes { number owner { name email } viewerGrant { user { name } } grants { totalCount } } } }",
    "{ accounts { nodes { name invitations { nodes { __typename email invitedBy { name email } } } } } }",
]
"""Lists of accounts. The caller owns some of the accounts and is a guest in others."""


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("text", PARTLY_REFUSED)
async def test_partly_refused_lists_have_equal_responses(log: ComparisonLog, text: str, name: str) -> None:
    document, tree = generation.Document(text, {}, None), parse(text)

    expected = await execute_reference(document, tree, await open_request_context(log, name, None))
    actual = await execute_compiled(log, document, tree, await open_request_context(log, name, None))

    assert serialize(actual) == serialize(expected)
    assert comparable_errors(actual.data, located_errors(actual)) == comparable_errors(
        expected.data, located_errors(expected)
    )
    assert is_in_response_order(actual.data, located_errors(actual))
    record(log, document, actual)


def record(log: ComparisonLog, document: generation.Document, actual: ExecutionResult) -> None:
    formatted_errors = errors.format_errors(actual.errors or [], "one")
    log.texts.add(document.text)
    log.codes |= {error["extensions"]["code"] for error in formatted_errors}
    log.types |= set(re.findall(r'"__typename":"(\w+)"', serialize(actual).decode()))
    refused_paths = [error["path"] for error in formatted_errors if error["extensions"]["code"] == "FORBIDDEN"]
    log.partly_refused_fields |= {str(path[-1]) for path in refused_paths if is_partly_refused(actual.data, path)}


def is_partly_refused(data: Any, path: list[str | int]) -> bool:
    """True if the refused field at `path` is not null on another object of the same list."""
    if len(path) < 2 or not isinstance(path[-2], int):
        return False
    for key in path[:-2]:
        data = data[key]
    return any(item and item.get(path[-1]) is not None for item in data or ())


# ---- Mutations -------------------------------------------------------------------------------


class RollBack(Exception):
    """Rolls back the transaction of a mutation."""


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("mutation", sorted(CALLS.keys() - SLOW))
async def test_mutations_have_equal_responses(log: ComparisonLog, mutation: str, name: str) -> None:
    document = await mutation_document(log, mutation, name)
    await wait_for_delivery()
    tree = parse(document.text)
    assert validate(SCHEMA, tree) == []
    log.mutation_count += 1
    results: list[ExecutionResult] = []

    for execute_by in (execute_reference, partial(execute_compiled, log)):
        with suppress(RollBack):
            async with db.transaction():
                results.append(await execute_by(document, tree, await open_request_context(log, name, None)))
                raise RollBack

    expected, actual = results
    assert comparable_errors(actual.data, located_errors(actual)) == comparable_errors(
        expected.data, located_errors(expected)
    )
    assert normalize(serialize(actual)) == normalize(serialize(expected))
    assert is_in_response_order(actual.data, located_errors(actual))
    if actual.data is not None and (payload := actual.data[mutation]) and not payload["errors"]:
        log.successful_mutations.add(mutation)


async def mutation_document(log: ComparisonLog, mutation: str, name: str) -> generation.Document:
    """A document that calls a mutation twice with valid input, with a random selection on its payload.

    All arguments are valid. If an error propagated, graphql-core would cancel concurrent resolvers, and with them a
    statement of the transaction that is rolled back.
    """
    user = log.world.people[name] or log.world.person("stranger")
    # Some input needs a guest, and the owner is not a guest. The owner therefore runs the call of another user.
    user = log.world.person("accountant") if name == "owner" else user
    await log.world.reset()
    mutation_input = await CALLS[mutation].make_input(log.world, user)
    type_ = SCHEMA.type_map[f"{mutation[0].upper()}{mutation[1:]}Payload"]
    selection = generation.generate_selection(
        SCHEMA, type_, generation.seeded_random(f"{mutation} {name}"), depth=4, value=values(log)
    )
    definitions, arguments = (
        ("", "")
        if mutation_input is None
        else (f"($input: {mutation[0].upper()}{mutation[1:]}Input!)", "(input: $input)")
    )
    error_selection = "errors { code field message }"
    first_call, second_call = (
        f"{mutation}{arguments} {{ {error_selection} {selection[1:]}",
        f"again: {mutation}{arguments} {{ {error_selection} }}",
    )
    text = f"mutation{definitions} {{ {first_call} __typename {second_call} }}"
    return generation.Document(text, {} if mutation_input is None else {"input": mutation_input}, None)


def normalize(response: bytes) -> str:
    """A response with placeholders for random values, numbered in the order of their first occurrence.

    Random values are ids, tokens, links of exports, account numbers, the secret of a second factor, alone and in its
    URI, recovery codes, and challenges of passkeys, which are quoted in a JSON text.
    """
    placeholders: dict[str, str] = {}
    return re.sub(
        r'"(?:[a-z]{1,8}[0-9a-f]{32}|[0-9a-f-]{36}|(?:[\w:/.-]*/exports/)?[\w-]{40,})"|(?<=:)[0-9]{8}\b'
        r"|\b[A-Z2-7]{4}(?:[- ][A-Z2-7]{4}){3,7}\b|\b[A-Z2-7]{32}\b"
        r'|(?<=\\")[\w-]{40,}(?=\\")',
        lambda match: placeholders.setdefault(match[0], f"random {len(placeholders)}"),
        response.decode(),
    )


def test_comparisons_cover_the_schema(log: ComparisonLog) -> None:
    if len(log.texts) < QUERY_COUNT / 2 or log.mutation_count < len(CALLERS) * len(CALLS.keys() - SLOW):
        pytest.skip("not all comparisons ran in this process")

    assert log.successful_mutations == CALLS.keys() - SLOW
    assert len(log.partly_refused_fields) >= 4, "guards must refuse some objects of a list and allow others"
    assert log.codes == {"BAD_USER_INPUT", "FORBIDDEN", "UNAUTHENTICATED"}
    assert log.types >= {"Account", "Grant", "User", "Viewer", "Event", "Invitation", "Session", "Query"}
