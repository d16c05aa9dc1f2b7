"""The verification of the hash chains of events finds each change, also by an attacker with write access."""

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
async def attacker_connection(url: str) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    """A database connection of an attacker who has disabled all triggers."""
    connection = await connect(url)
    try:
        await connection.execute("SET session_replication_role = replica")
        yield connection
    finally:
        await connection.close()


async def breaks(anchor: list[Head] | None = None) -> list[tuple[int, str]]:
    """The first break of each broken chain: its position and reason."""
    reports = [report async for report in chain.verify(iter(anchor or []))]
    return [(report.first_break.position, report.first_break.reason) for report in reports if report.first_break]


async def heads() -> list[Head]:
    return [report.head async for report in chain.verify() if report.head is not None]


async def links(account: Person) -> list[Any]:
    """The chain of a person's account, the first event first."""
    sql = "SELECT * FROM event_links WHERE chain = $1 ORDER BY position"
    return await db.fetch(sql, ids.decode("Account", account.account_id), row=db.Row)


@pytest.fixture
async def anna(api: Api) -> Person:
    """A user with ten events in the chain of the account. Other chains have events, too."""
    anna = await api.person("anna@example.com")
    await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    for name in "abcd":
        await api.do("updateAccount", {"accountId": anna.account_id, "name": name}, by=anna)
    assert len(await links(anna)) == 10
    return anna


@pytest.mark.usefixtures("anna")
async def test_append_only_chains_have_no_break() -> None:
    reports = [report async for report in chain.verify()]

    assert [report.first_break for report in reports] == [None] * len(reports)
    assert sum(report.events for report in reports) == len(await db.fetch("SELECT FROM events", row=db.Row))
    assert await chain.find_unlinked() is None


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
    "creator_id": "actor_id",
}


@pytest.mark.parametrize("column", COLUMNS)
async def test_change_of_each_column_is_found(anna: Person, database_url: str, column: str) -> None:
    link = (await links(anna))[8]
    async with attacker_connection(database_url) as attacker:
        sql = f"UPDATE events SET {column} = {COLUMNS[column]} WHERE id = $1"
        assert await attacker.execute(sql, link.event_id) == "UPDATE 1"

    ((position, _),) = await breaks()

    assert position == 9


async def test_each_column_of_events_has_a_case(anna: Person) -> None:
    rows = await db.fetch("SELECT * FROM events", row=db.Row)

    assert {*rows[0].keys()} == COLUMNS.keys()


async def test_swap_of_null_and_value_is_found(anna: Person, database_url: str) -> None:
    link = (await links(anna))[8]
    async with attacker_connection(database_url) as attacker:
        await attacker.execute("UPDATE events SET before = NULL, after = before WHERE id = $1", link.event_id)

    assert [position for position, _ in await breaks()] == [9]


@pytest.mark.parametrize("with_link", [False, True])
async def test_removal_from_the_middle_is_found(anna: Person, database_url: str, *, with_link: bool) -> None:
    link = (await links(anna))[4]
    async with attacker_connection(database_url) as attacker:
        await attacker.execute("DELETE FROM events WHERE id = $1", link.event_id)
        if with_link:
            await attacker.execute("DELETE FROM event_links WHERE event_id = $1", link.event_id)

    assert await breaks() == [(5, f"the event at this position {'is missing' if with_link else 'was deleted'}")]


async def test_removal_with_renumbered_positions_is_found(anna: Person, database_url: str) -> None:
    link = (await links(anna))[4]
    async with attacker_connection(database_url) as attacker:
        await attacker.execute("DELETE FROM events WHERE id = $1", link.event_id)
        await attacker.execute("DELETE FROM event_links WHERE event_id = $1", link.event_id)
        sql = "UPDATE event_links SET position = position - 1 WHERE chain = $1 AND position = $2"
        for position in range(6, 11):
            await attacker.execute(sql, link.chain, position)

    assert await breaks() == [(5, "the event at this position was changed, moved or inserted")]


async def test_swap_of_two_events_is_found(anna: Person, database_url: str) -> None:
    all_links = await links(anna)
    sql = "UPDATE event_links SET event_id = $1 WHERE chain = $2 AND position = $3"
    async with attacker_connection(database_url) as attacker:
        await attacker.execute("ALTER TABLE event_links DROP CONSTRAINT event_links_once")
        for source, target in ((3, 4), (4, 3)):
            await attacker.execute(sql, all_links[source].event_id, all_links[source].chain, target + 1)

    assert await breaks() == [(4, "the event at this position was changed, moved or inserted")]


async def test_insertion_without_a_link_is_found(anna: Person, database_url: str) -> None:
    async with attacker_connection(database_url) as attacker:
        key = await attacker.fetchval("""
            INSERT INTO events (id, type, occurred_at, account_id)
            SELECT gen_random_uuid(), type, occurred_at, account_id FROM events WHERE account_id IS NOT NULL LIMIT 1
            RETURNING id""")

    assert await chain.find_unlinked() == key
    assert await chain.find_unlinked(ids.decode("Account", anna.account_id)) == key


async def test_truncation_is_found_by_the_anchor(anna: Person, database_url: str) -> None:
    anchor = await heads()
    async with attacker_connection(database_url) as attacker:
        await attacker.execute("DELETE FROM events WHERE id IN (SELECT event_id FROM event_links WHERE position > 8)")
        await attacker.execute("DELETE FROM event_links WHERE position > 8")

    assert await breaks() == []
    assert await breaks(anchor) == [(9, "the anchor has events from this position on; they were cut off")]


async def test_removal_of_a_whole_chain_is_found_by_the_anchor(anna: Person, database_url: str) -> None:
    anchor, all_links = await heads(), await links(anna)
    async with attacker_connection(database_url) as attacker:
        await attacker.execute("DELETE FROM event_links WHERE chain = $1", all_links[0].chain)

    assert await breaks(anchor) == [(1, "the anchor has events from this position on; they were cut off")]


async def test_recomputed_hashes_are_found_by_the_anchor(anna: Person, database_url: str) -> None:
    anchor, last = await heads(), (await links(anna))[-1]
    async with attacker_connection(database_url) as attacker:
        await attacker.execute("UPDATE events SET actor_role = 'SIMPLE_USER' WHERE id = $1", last.event_id)
        await attacker.execute(
            """
            UPDATE event_links l SET hash = event_hash(e, l.chain, l.position,
                (SELECT b.hash FROM event_links b WHERE b.chain = l.chain AND b.position = l.position - 1))
            FROM events e WHERE e.id = l.event_id AND l.event_id = $1""",
            last.event_id,
        )

    assert await breaks() == []
    assert await breaks(anchor) == [(10, "the anchor has another event at this position")]


async def test_events_after_the_anchor_are_no_break(api: Api, anna: Person) -> None:
    anchor = await heads()
    await api.do("updateAccount", {"accountId": anna.account_id, "name": "e"}, by=anna)

    assert await breaks(anchor) == []


async def test_each_broken_chain_is_reported(anna: Person, database_url: str) -> None:
    async with attacker_connection(database_url) as attacker:
        await attacker.execute("UPDATE events SET type = 'x' WHERE type IN ('user:session:start')")

    broken_chains = await breaks()

    assert len(broken_chains) == 2  # the chains of Anna and Bo outside of accounts
    assert {ids.decode("User", anna.user_id)} < {report.chain async for report in chain.verify() if report.first_break}


async def test_chains_longer_than_a_batch_are_verified(anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = await heads()
    for name in ("_LINKS", "_EVENTS"):
        sql: str = getattr(chain, name)
        monkeypatch.setattr(chain, name, sql.replace(f"LIMIT {chain.BATCH}", "LIMIT 3"))

    assert await heads() == expected
    assert await chain.find_unlinked() is None


async def test_personal_data_is_not_in_the_permanent_columns(anna: Person) -> None:
    rows = await db.fetch("SELECT concat(type, before, after, request_id) AS permanent FROM events", row=db.Row)

    for text in ("bo@example.com", "anna@example.com", "Anna Nowak"):
        assert not [row.permanent for row in rows if text in row.permanent]
    (event,) = await events("account:invitation:issue")
    assert '"bo@example.com"' in event.after
    assert event.ip_address is not None
