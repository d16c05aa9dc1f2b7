"""After every mutation: a reader of events and messages alone has read no guarded value on any path.

The values are taken from the tables, not from a list: addresses, numbers, settings, facts of events, and the names of
people and accounts that the reader may not see.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
import pytest

from auth.policy import Permission, Role
from auth.rules import SELF_BIT
from database import db
from models.audit import event
from models.audit.event_type import facts_of
from models.outbox.message_kind import MessageKind
from tests.api import Clock, Person
from tests.conftest import database_address, execute_outside_transaction
from tests.event_stream import EventStream, follow
from tests.models.privacy.test_export import export
from tests.schema.mutations import CALLS
from tests.schema.test_matrix import BY_GUESTS, payload_document, sign_in_again
from tests.schema.world import DATABASE_NUMBERS, World, application, create_world, key

EVENT: Final = """__typename id type occurredAt actor { id name } actorRole account { id number name } ipAddress
    requestId before after withheld"""
MESSAGE: Final = "__typename id kind to subject withheld status failureReason attempts createdAt sentAt"
PAGE: Final = "pageInfo { endCursor hasNextPage }"
HEARTBEAT: Final = b":\n\n"
IBAN, VAT_NUMBER = "NO9386011117947", "SE556703748501"
OPEN_FACTS: Final = {Permission.ACCOUNT_READ, Permission.EVENTS_READ}
"""The permissions of facts that each reader of events has: a grant without ACCOUNT_READ does not exist."""
TEXTS: Final = """
SELECT email AS text FROM users UNION SELECT email FROM invitations UNION SELECT to_address FROM messages
UNION SELECT bank_account_number FROM accounts UNION SELECT vat_number FROM accounts
UNION SELECT name FROM users UNION SELECT name FROM accounts
EXCEPT SELECT name FROM users u WHERE EXISTS (SELECT FROM grants WHERE user_id = u.id AND account_id = $1)
EXCEPT SELECT name FROM accounts WHERE id = $1
"""
"""All addresses, numbers of accounts, names of users without a grant on the account, and names of other accounts."""

FACTS: Final = f"SELECT {db.select_list(event.COLUMNS)} FROM events e WHERE e.account_id = $1"


@pytest.fixture(scope="module")
async def world(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the matrix tests."""
    name = f"copies_{next(DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with application(database_address(postgres, name), "compiled", Clock()) as api:
        yield await create_world(api)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


async def run_every_mutation(world: World) -> None:
    """Run each mutation once, with success, as the owner or as a guest."""
    numbers = {"accountId": world.owner.account_id, "bankAccountNumber": IBAN, "vatNumber": VAT_NUMBER}
    assert (await world.api.do("updateAccountSettings", numbers, by=world.owner))["errors"] == []
    for mutation, call in sorted(CALLS.items()):
        person = world.person("collaborator" if mutation in BY_GUESTS else "owner")
        person = await world.api.person(world.new_address()) if call.is_by_new_user else person
        await world.reset()
        values = await call.make_input(world, person)
        token = await sign_in_again(world, person) if call.has_other_session else person.token
        response = await world.api.ask(payload_document(world, mutation), {"input": values}, by=token)
        assert response.partial[mutation]["errors"] == [], mutation


async def read_list(world: World, by: Person, parent: str, list_field: str, selection: str) -> list[dict[str, Any]]:
    """All nodes of a list, page by page."""
    nodes: list[dict[str, Any]] = []
    end_cursor = None
    while True:
        page = f"{list_field}(first: 100, after: $after) {{ {PAGE} nodes {{ {selection} }} }}"
        query = f"query ($after: String) {{ {parent} {{ list: {page} }} }}"
        parent_value = (await world.api.ask(query, {"after": end_cursor}, by=by)).data
        (connection,) = parent_value.values()
        nodes += connection["list"]["nodes"]
        end_cursor = connection["list"]["pageInfo"]["endCursor"]
        if not connection["list"]["pageInfo"]["hasNextPage"]:
            return nodes


async def read_everything(world: World, by: Person, account_id: str) -> dict[str, list[Any]]:
    """All that a reader can read of events and messages, by path."""
    account = f'account(id: "{account_id}")'
    paths: dict[str, list[Any]] = {
        "Account.events": await read_list(world, by, account, "events", EVENT),
        "Account.messages": await read_list(world, by, account, "messages", MESSAGE),
        "Viewer.events": await read_list(world, by, "viewer", "events", EVENT),
        "nodes": [],
        "export": [],
    }
    by_ids = (
        f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Event {{ {EVENT} }} ... on Message {{ {MESSAGE} }} }} }}"
    )
    all_ids = [node["id"] for nodes in paths.values() for node in nodes]
    for start in range(0, len(all_ids), 100):
        paths["nodes"] += (await world.api.ask(by_ids, {"ids": all_ids[start : start + 100]}, by=by)).data["nodes"]
    document = await export(world.api, by)
    paths["export"] = [
        document[name] for name in ("events", "eventsAboutMe", "invitationsSent", "grantsGiven", "ledger")
    ]
    return paths


async def read_stream(stream: EventStream, last_id: str) -> list[Any]:
    """The events of a stream up to the one with an id."""
    nodes: list[Any] = []
    while not nodes or nodes[-1]["id"] != last_id:
        part = await stream.part()
        assert part is not None
        if part != HEARTBEAT:
            nodes.append(orjson.loads(part.partition(b"data: ")[2])["data"]["accountEvents"])
    return nodes


async def guarded_texts(account: str, reader: Person, owner: Person) -> set[str]:
    """The texts that a reader of events alone may not read: those of the tables, and of facts of events."""
    texts = {row.text for row in await db.fetch(TEXTS, key(account), row=db.Row) if row.text}
    open_texts: set[str] = set()
    for row in await db.fetch(FACTS, key(account), row=db.Row):
        for name, fact in [*orjson.loads(row.before or "{}").items(), *orjson.loads(row.after or "{}").items()]:
            if isinstance(fact, str) and len(fact) > MIN_TEXT:
                is_open = facts_of(row.type)[name].permission in OPEN_FACTS
                (open_texts if is_open else texts).add(fact)
    # Names of roles are in actorRole. The ids of the actors are open: the owner, and the reader.
    return texts - open_texts - {*Role, reader.email, str(key(reader.user_id)), str(key(owner.user_id))}


MIN_TEXT: Final = 9
"""Shorter texts, such as EUR or ACTIVE, are found anywhere."""


async def test_reader_of_events_and_messages_alone_reads_no_guarded_value(world: World) -> None:
    account = world.owner.account_id
    permissions = ["EVENTS_READ", "MESSAGES_READ"]
    reader, _ = await world.api.guest(world.owner, "reader@example.com", "CONSULTANT", permissions=permissions)
    stream_query = f"subscription ($id: ID!) {{ accountEvents(accountId: $id) {{ {EVENT} }} }}"
    async with follow(world.api, stream_query, {"id": account}, by=reader) as stream:
        await stream.wait_until_open()
        await run_every_mutation(world)
        paths = await read_everything(world, reader, account)
        paths["accountEvents"] = await read_stream(stream, paths["Account.events"][0]["id"])
    texts = await guarded_texts(account, reader, world.owner)

    assert {IBAN, VAT_NUMBER, world.owner.email} <= texts
    for path, nodes in paths.items():
        assert nodes, path
        document = orjson.dumps(nodes).decode()
        assert [text for text in texts if orjson.dumps(text).decode()[1:-1] in document] == [], path
    types = {node["type"] for node in paths["Account.events"]}
    assert len(types) > 30  # the mutations have left their events
    assert {node["withheld"] == [] for node in paths["Account.messages"]} == {False}


async def test_owner_reads_everything(world: World) -> None:
    account = world.owner.account_id
    paths = await read_everything(world, world.owner, account)
    facts = {node["id"]: (node["before"], node["after"]) for node in paths["Account.events"]}
    rows = await db.fetch(FACTS, key(account), row=db.Row)

    assert {row.id for row in rows} == {key(event_id) for event_id in facts}
    stored = {row.id: (row.before and orjson.loads(row.before), row.after and orjson.loads(row.after)) for row in rows}
    assert {key(event_id): sides for event_id, sides in facts.items()} == stored
    assert {name for node in paths["Account.events"] for name in node["withheld"]} == set()
    assert {name for node in paths["Account.messages"] for name in node["withheld"]} == set()
    receivers = {
        row.to_address
        for row in await db.fetch("SELECT to_address FROM messages WHERE account_id = $1", key(account), row=db.Row)
    }
    assert {node["to"] for node in paths["Account.messages"]} == receivers


@pytest.mark.parametrize("kind", MessageKind)
def test_rules_of_mails_have_no_self(kind: MessageKind) -> None:
    """Rights in the account alone decide: the messages of an account belong to no user."""
    for message_rule in (kind.receiver_rule, *kind.subject_rules.values()):
        assert message_rule.permission is not None
        assert not message_rule.bits & SELF_BIT
