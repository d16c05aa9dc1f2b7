"""Tampering with events: each kind, at random places, by an attacker with all rights on the database, is found.

`FULLMAKT_TAMPERING=50` repeats each kind 50 times.
"""

import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from database import db
from models.audit import chain
from models.audit.chain import Head
from resolvers import ids
from tests.api import PASSWORD, Api, Person
from tests.conftest import connect

ROUNDS = int(os.environ.get("FULLMAKT_TAMPERING", "2"))
Tampering = Callable[["Attacker"], Awaitable[None]]

RESEAL = """
DO $$
DECLARE
    link event_links;
    e events;
    previous bytea;
BEGIN
    FOR link IN SELECT * FROM event_links ORDER BY chain, position LOOP
        SELECT * INTO e FROM events WHERE id = link.event_id;
        previous := event_hash(e, link.chain, link.position, CASE WHEN link.position > 1 THEN previous END);
        UPDATE event_links SET hash = previous WHERE chain = link.chain AND position = link.position;
    END LOOP;
END $$
"""


class Attacker:
    """An attacker with all rights on the database, who has disabled all triggers."""

    def __init__(self, connection: Any, account_id: object, owner_id: object, erased_id: object) -> None:
        self.connection = connection
        self.account_id = account_id
        self.owner_id = owner_id
        self.erased_id = erased_id
        self.random = random.Random(0)  # noqa: S311 - not a secret

    async def run(self, statement: str, *arguments: object) -> None:
        """Run a statement that has to change a row."""
        status = await self.connection.execute(statement, *arguments)
        assert not status.endswith(" 0"), statement

    async def link(self, condition: str = "TRUE") -> Any:
        """A random link of the account's chain whose event has the condition."""
        rows = await self.connection.fetch(
            f"SELECT l.*, e.* FROM event_links l JOIN events e ON e.id = l.event_id WHERE l.chain = $1 AND {condition}"
            " ORDER BY l.position",
            self.account_id,
        )
        return self.random.choice(rows)

    async def set(self, assignment: str, condition: str = "TRUE") -> None:
        """Change a random event."""
        link = await self.link(condition)
        await self.run(f"UPDATE events SET {assignment} WHERE id = $1", link["event_id"])

    async def insert_record(self, actor_id: object, parts: str, event_id: object, *, after: str = "") -> None:
        """Insert a record of an erasure that the chain accepts."""
        await self.connection.execute("SET session_replication_role = origin")
        await self.run(
            "INSERT INTO events (id, type, occurred_at, actor_id, account_id, after) VALUES (gen_random_uuid(),"
            " 'account:data:erase', now(), $1, $2, jsonb_build_object('parts', jsonb_build_object($3::text,"
            f" '{parts}'::jsonb)) || '{after or '{}'}')",
            actor_id,
            self.account_id,
            str(event_id),
        )
        await self.connection.execute("SET session_replication_role = replica")


CHANGES = {
    "type": "type = type || 'x'",
    "time": "occurred_at = occurred_at - interval '1 microsecond'",
    "actor": "actor_id = gen_random_uuid()",
    "role": "actor_role = 'SIMPLE_USER'",
    "request": "request_id = 'x'",
    "before": "before = COALESCE(before, '{}') || '{\"more\": 1}'",
    "after": "after = COALESCE(after, '{}') || '{\"more\": 1}'",
    "account": "account_id = NULL",
    "creator": "creator_id = actor_id",
}
PARTS = {
    "changed address of the client": ('origin = origin || \'{"ip_address": "10.0.0.1"}\'', "e.origin IS NOT NULL"),
    "removed address of the client": ("origin = NULL", "e.origin IS NOT NULL"),
    "removed texts": ("personal = NULL", "e.personal ? 'salts'"),
    "changed text": (
        """personal = jsonb_set(personal, '{after}',
            (SELECT jsonb_object_agg(key, 'x') FROM jsonb_each(personal -> 'after')))""",
        "e.personal -> 'after' <> '{}'",
    ),
    "text replaced by its digest": (
        "personal = event_without(personal, event_paths(personal))",
        "event_paths(e.personal) <> '{}'",
    ),
    "text moved to another person": (
        """personal = personal || jsonb_build_object('named',
            jsonb_build_object(gen_random_uuid(), to_jsonb(event_paths(personal))))""",
        "event_paths(e.personal) <> '{}'",
    ),
    "malformed texts": ('personal = personal || \'{"digests": {"after.x": 1}}\'', "e.personal ? 'salts'"),
}


async def delete_event(attacker: Attacker) -> None:
    link = await attacker.link()
    await attacker.run("DELETE FROM events WHERE id = $1", link["event_id"])


async def delete_event_and_link(attacker: Attacker) -> None:
    link = await attacker.link()
    await attacker.run("DELETE FROM events WHERE id = $1", link["event_id"])
    await attacker.run("DELETE FROM event_links WHERE event_id = $1", link["event_id"])


async def delete_and_renumber(attacker: Attacker) -> None:
    link = await attacker.link()
    await delete_link(attacker, link)
    await attacker.connection.execute(RESEAL)


async def delete_link(attacker: Attacker, link: Any) -> None:
    """Remove an event, and give the following ones its position."""
    await attacker.run("DELETE FROM events WHERE id = $1", link["event_id"])
    await attacker.run("DELETE FROM event_links WHERE event_id = $1", link["event_id"])
    following = "SELECT position FROM event_links WHERE chain = $1 AND position > $2 ORDER BY 1"
    for row in await attacker.connection.fetch(following, link["chain"], link["position"]):
        await attacker.run(
            "UPDATE event_links SET position = position - 1 WHERE chain = $1 AND position = $2",
            link["chain"],
            row["position"],
        )


async def swap_events(attacker: Attacker) -> None:
    first, second = await attacker.link("l.position % 2 = 0"), await attacker.link("l.position % 2 = 1")
    for source, target in ((None, first), (first, second), (second, first)):
        await attacker.run(
            "UPDATE event_links SET event_id = $1 WHERE chain = $2 AND position = $3",
            source["event_id"] if source else attacker.account_id,
            target["chain"],
            target["position"],
        )


async def insert_event(attacker: Attacker) -> None:
    await attacker.run(
        "INSERT INTO events (id, type, occurred_at, account_id) VALUES (gen_random_uuid(), 'x', now(), $1)",
        attacker.account_id,
    )


async def change_and_reseal(attacker: Attacker) -> None:
    await attacker.set("actor_role = 'SIMPLE_USER'")
    await attacker.connection.execute(RESEAL)


async def cut_tail_and_head(attacker: Attacker) -> None:
    link = await attacker.link()
    await attacker.run(
        "DELETE FROM events WHERE id IN (SELECT event_id FROM event_links WHERE chain = $1 AND position >= $2)",
        link["chain"],
        link["position"],
    )
    await attacker.run("DELETE FROM event_links WHERE chain = $1 AND position >= $2", link["chain"], link["position"])


async def remove_account_with_chain(attacker: Attacker) -> None:
    await attacker.run("DELETE FROM events WHERE account_id = $1", attacker.account_id)
    await attacker.run("DELETE FROM event_links WHERE chain = $1", attacker.account_id)
    await attacker.run("DELETE FROM accounts WHERE id = $1", attacker.account_id)


async def remove_account(attacker: Attacker) -> None:
    await attacker.run("DELETE FROM accounts WHERE id = $1", attacker.account_id)


async def take_fact_by_unerased_user(attacker: Attacker) -> None:
    """The record of the erasure is in the chain, but its user is not erased."""
    await take_fact(attacker, attacker.owner_id)


async def take_fact_by_erased_user(attacker: Attacker) -> None:
    """The record names a user who is erased, but the text names the account, which is not closed."""
    await take_fact(attacker, attacker.erased_id)


async def take_fact_as_migration(attacker: Attacker) -> None:
    """The record pretends to be from the migration. It is later than events after the migration."""
    await attacker.connection.execute("UPDATE tortoise_migrations SET applied_at = now() - interval '3 days'")
    await take_fact(attacker, None, after='{"migrated": true}')


async def take_fact(attacker: Attacker, actor_id: object, after: str = "") -> None:
    link = await attacker.link("e.personal -> 'after' ? 'bank_account_number'")
    await attacker.run(
        "UPDATE events SET personal = event_without(personal, ARRAY['after.bank_account_number']) WHERE id = $1",
        link["event_id"],
    )
    await attacker.insert_record(actor_id, '["after.bank_account_number"]', link["event_id"], after=after)


async def remove_record(attacker: Attacker) -> None:
    """The record of a lawful erasure disappears, and the chain is sealed again."""
    await delete_link(attacker, await attacker.link("e.type = 'account:data:erase'"))
    await attacker.connection.execute(RESEAL)


def changing(assignment: str, condition: str = "TRUE") -> Tampering:
    async def change(attacker: Attacker) -> None:
        await attacker.set(assignment, condition)

    return change


KINDS: dict[str, Tampering] = {
    **{name: changing(assignment) for name, assignment in CHANGES.items()},
    **{name: changing(*arguments) for name, arguments in PARTS.items()},
    **{
        function.__name__: function
        for function in (
            *(delete_event, delete_event_and_link, delete_and_renumber, swap_events, insert_event, change_and_reseal),
            *(cut_tail_and_head, remove_account_with_chain, remove_account, take_fact_by_unerased_user),
            *(take_fact_by_erased_user, take_fact_as_migration, remove_record),
        )
    },
}
TABLES = ("events", "event_links", "accounts", "tortoise_migrations")


@pytest.fixture
async def attacker(api: Api, database_url: str) -> AsyncIterator[Attacker]:
    """An attacker of an account with events of several kinds, and with a lawful erasure."""
    anna = await api.person("anna@example.com", country="PL")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    numbers = ("PL61109010140000071219812874", "PL27114020040000300201355387")
    for number in numbers:
        payload = await api.do(
            "updateAccountSettings", {"accountId": anna.account_id, "bankAccountNumber": number}, by=anna
        )
        assert payload["errors"] == []
    for name in "abcd":
        await api.do("updateAccount", {"accountId": anna.account_id, "name": name}, by=bo)
    assert (await api.do("eraseMe", {"password": PASSWORD}, by=bo))["errors"] == []
    connection: Any = await connect(database_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for table in TABLES:
            await connection.execute(f"CREATE TABLE saved_{table} AS TABLE {table}")
        yield Attacker(connection, *map(_key, ((anna, "Account"), (anna, "User"), (bo, "User"))))
    finally:
        await connection.close()


def _key(subject: tuple[Person, str]) -> object:
    person, kind = subject
    return ids.decode(kind, person.account_id if kind == "Account" else person.user_id)


_STORED_COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


async def restore(attacker: Attacker) -> None:
    for table in TABLES:
        await attacker.connection.execute(f"DELETE FROM {table}")
        columns = await attacker.connection.fetchval(_STORED_COLUMNS, table)
        await attacker.connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM saved_{table}")


async def is_found(anchor: list[Head]) -> bool:
    reports = [report async for report in chain.verify(anchor)]
    return any(report.first_break for report in reports) or await chain.find_unlinked() is not None


async def test_every_tampering_is_found(attacker: Attacker) -> None:
    anchor = [report.head async for report in chain.verify() if report.head]
    assert not await is_found(anchor)
    unseen: list[tuple[str, int]] = []

    for kind, tamper in KINDS.items():
        for number in range(ROUNDS):
            attacker.random.seed(f"{kind} {number}")
            await tamper(attacker)
            if not await is_found(anchor):
                unseen.append((kind, number))
            await restore(attacker)

    assert len(KINDS) >= 20
    assert unseen == []
    assert not await is_found(anchor)
    assert len(await db.fetch("SELECT FROM events WHERE type = 'account:data:erase'", row=db.Row)) == 1
