"""Nobody rewrites what happened without its being found, not even who may write to the database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from database import db
from models.audit import chain
from models.audit.chain import Head
from resolvers import ids
from tests.api import Api, Person
from tests.conftest import connect
from tests.models.refusals import events


@asynccontextmanager
async def attacking(url: str) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    """A connection of somebody who has switched every guard of the database off."""
    connection = await connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        yield connection
    finally:
        await connection.close()


async def told(anchor: list[Head] | None = None) -> list[tuple[int, str]]:
    """The broken places of all chains."""
    found = [one async for one in chain.verify(iter(anchor or []))]
    return [(one.broken.position, one.broken.reason) for one in found if one.broken]


async def heads() -> list[Head]:
    return [one.head async for one in chain.verify() if one.head is not None]


async def links(account: Person) -> list[Any]:
    """The chain of a person's account, the first event first."""
    sql = "SELECT * FROM event_links WHERE chain = $1 ORDER BY position"
    return await db.fetch(sql, ids.decode("Account", account.account_id), row=db.Row)


@pytest.fixture
async def anna(api: Api) -> Person:
    """Somebody with ten events in her account, and others elsewhere."""
    anna = await api.person("anna@example.com")
    await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    for name in "abcd":
        await api.do("updateAccount", {"accountId": anna.account_id, "name": name}, by=anna)
    assert len(await links(anna)) == 10
    return anna


@pytest.mark.usefixtures("anna")
async def test_what_was_only_added_to_is_whole() -> None:
    found = [one async for one in chain.verify()]

    assert [one.broken for one in found] == [None] * len(found)
    assert sum(one.events for one in found) == len(await db.fetch("SELECT FROM events", row=db.Row))
    assert await chain.unlinked() is None


COLUMNS = {
    "id": "gen_random_uuid()",
    "type": "'account:account:delete'",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "actor_id": "NULL",
    "actor_role": "'SIMPLE_USER'",
    "account_id": "NULL",
    "request_id": "NULL",
    "before": "before || '{\"more\": 1}'",
    "after": "NULL",
    "origin": 'origin || \'{"ip_address": "10.0.0.1"}\'',
    "origin_digest": "sha256('')",
    "personal": 'personal || \'{"after": {"name": "z"}}\'',
    "personal_digest": "sha256('')",
}


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_change_of_any_column_is_found(anna: Person, database_url: str, column: str) -> None:
    link = (await links(anna))[8]
    async with attacking(database_url) as attacker:
        sql = f"UPDATE events SET {column} = {COLUMNS[column]} WHERE id = $1"
        assert await attacker.execute(sql, link.event_id) == "UPDATE 1"

    ((place, _),) = await told()

    assert place == 9


async def test_every_column_is_tried(anna: Person) -> None:
    rows = await db.fetch("SELECT * FROM events", row=db.Row)

    assert {*rows[0].keys()} == COLUMNS.keys()


async def test_null_and_nothing_are_told_apart(anna: Person, database_url: str) -> None:
    link = (await links(anna))[8]
    async with attacking(database_url) as attacker:
        await attacker.execute("UPDATE events SET before = NULL, after = before WHERE id = $1", link.event_id)

    assert [place for place, _ in await told()] == [9]


@pytest.mark.parametrize("of_link", [False, True])
async def test_what_was_taken_out_of_the_middle_is_found(anna: Person, database_url: str, *, of_link: bool) -> None:
    link = (await links(anna))[4]
    async with attacking(database_url) as attacker:
        await attacker.execute("DELETE FROM events WHERE id = $1", link.event_id)
        if of_link:
            await attacker.execute("DELETE FROM event_links WHERE event_id = $1", link.event_id)

    assert await told() == [(5, f"the event at this place was {'taken out' if of_link else 'deleted'}")]


async def test_a_gap_that_was_closed_again_is_found(anna: Person, database_url: str) -> None:
    link = (await links(anna))[4]
    async with attacking(database_url) as attacker:
        await attacker.execute("DELETE FROM events WHERE id = $1", link.event_id)
        await attacker.execute("DELETE FROM event_links WHERE event_id = $1", link.event_id)
        sql = "UPDATE event_links SET position = position - 1 WHERE chain = $1 AND position = $2"
        for place in range(6, 11):
            await attacker.execute(sql, link.chain, place)

    assert await told() == [(5, "the event at this place was changed, moved or put in")]


async def test_two_that_changed_places_are_found(anna: Person, database_url: str) -> None:
    all_links = await links(anna)
    sql = "UPDATE event_links SET event_id = $1 WHERE chain = $2 AND position = $3"
    async with attacking(database_url) as attacker:
        await attacker.execute("ALTER TABLE event_links DROP CONSTRAINT event_links_once")
        for one, other in ((3, 4), (4, 3)):
            await attacker.execute(sql, all_links[one].event_id, all_links[one].chain, other + 1)

    assert await told() == [(4, "the event at this place was changed, moved or put in")]


async def test_an_event_that_was_put_in_is_found(anna: Person, database_url: str) -> None:
    async with attacking(database_url) as attacker:
        key = await attacker.fetchval("""
            INSERT INTO events (id, type, occurred_at, account_id)
            SELECT gen_random_uuid(), type, occurred_at, account_id FROM events WHERE account_id IS NOT NULL LIMIT 1
            RETURNING id""")

    assert await chain.unlinked() == key
    assert await chain.unlinked(ids.decode("Account", anna.account_id)) == key


async def test_an_end_that_was_cut_off_is_found_by_the_anchor(anna: Person, database_url: str) -> None:
    anchor = await heads()
    async with attacking(database_url) as attacker:
        await attacker.execute("DELETE FROM events WHERE id IN (SELECT event_id FROM event_links WHERE position > 8)")
        await attacker.execute("DELETE FROM event_links WHERE position > 8")

    assert await told() == []
    assert await told(anchor) == [(9, "the anchor saw events from this place on; they were cut off")]


async def test_a_chain_that_was_cut_off_as_a_whole_is_found_by_the_anchor(anna: Person, database_url: str) -> None:
    anchor, all_links = await heads(), await links(anna)
    async with attacking(database_url) as attacker:
        await attacker.execute("DELETE FROM event_links WHERE chain = $1", all_links[0].chain)

    assert await told(anchor) == [(1, "the anchor saw events from this place on; they were cut off")]


async def test_a_chain_that_was_written_anew_is_found_by_the_anchor(anna: Person, database_url: str) -> None:
    anchor, last = await heads(), (await links(anna))[-1]
    async with attacking(database_url) as attacker:
        await attacker.execute("UPDATE events SET actor_role = 'SIMPLE_USER' WHERE id = $1", last.event_id)
        await attacker.execute(
            """
            UPDATE event_links l SET hash = event_hash(e, l.chain, l.position,
                (SELECT b.hash FROM event_links b WHERE b.chain = l.chain AND b.position = l.position - 1))
            FROM events e WHERE e.id = l.event_id AND l.event_id = $1""",
            last.event_id,
        )

    assert await told() == []
    assert await told(anchor) == [(10, "the anchor saw another event at this place")]


async def test_what_was_added_since_is_no_break(api: Api, anna: Person) -> None:
    anchor = await heads()
    await api.do("updateAccount", {"accountId": anna.account_id, "name": "e"}, by=anna)

    assert await told(anchor) == []


async def test_each_chain_is_told_of_by_itself(anna: Person, database_url: str) -> None:
    async with attacking(database_url) as attacker:
        await attacker.execute("UPDATE events SET type = 'x' WHERE type IN ('user:session:start')")

    found = await told()

    assert len(found) == 2  # Anna's, outside of accounts, and Bo's
    assert {ids.decode("User", anna.user_id)} < {one.chain async for one in chain.verify() if one.broken}


async def test_batches_are_put_together(anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await heads()
    for name in ("_LINKS", "_EVENTS"):
        sql: str = getattr(chain, name)
        monkeypatch.setattr(chain, name, sql.replace(f"LIMIT {chain.BATCH}", "LIMIT 3"))

    assert await heads() == whole
    assert await chain.unlinked() is None


async def test_what_may_name_somebody_is_not_in_what_stays(anna: Person) -> None:
    rows = await db.fetch("SELECT concat(type, before, after, request_id) AS stays FROM events", row=db.Row)

    for told_of in ("bo@example.com", "anna@example.com", "Anna Nowak"):
        assert not [row.stays for row in rows if told_of in row.stays]
    (issued,) = await events("account:invitation:issue")
    assert '"bo@example.com"' in issued.after
    assert issued.ip_address is not None
