"""The migration that records whom events name: events and erasures from before it stay valid, up and down."""

import asyncio
from typing import Any

import orjson
import pytest

import embedded
from database import db
from tests.api import PASSWORD, Api
from tests.commands.test_events import verify
from tests.conftest import connect
from tests.models.privacy.test_erasure import ADDRESS, NAME, register_busy_user

BEFORE = "models.0016_registered_numbers"


async def migrate(url: str, target: str | None) -> None:
    """Migrate in a process of its own, because Tortoise supports one database in each process."""
    program = (
        "import asyncio, sys; from database import migrate; from models.tables import SCHEMA;"
        " url, target, role = (argument or None for argument in sys.argv[1:]);"
        " asyncio.run(migrate.migrate(url, SCHEMA, target=target, server_role=role))"
    )
    # The privileges name functions of the newest version.
    role = "" if target else embedded.SERVER_ROLE
    process = await asyncio.create_subprocess_exec(
        ".venv/bin/python", "-c", program, url, target or "", role, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()


async def texts(url: str, sql: str) -> list[str]:
    connection = await connect(url)
    try:
        return [row[0] for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def test_events_and_messages_survive_the_migration_down_and_up(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    bo = await register_busy_user(api, anna)
    cy, _ = await api.guest(anna, "eva@example.com", "ACCOUNTANT")
    assert (await api.do("eraseMe", {"password": PASSWORD}, by=cy))["errors"] == []
    facts = "SELECT (personal -> 'after')::text FROM events WHERE personal -> 'after' <> '{}' ORDER BY id"
    before = await texts(database_url, facts)
    assert (await verify(database_url))[0] == 0

    await migrate(database_url, BEFORE)

    # The form of the former version: one salt for all texts, and the addresses.
    old_parts = await texts(database_url, "SELECT personal::text FROM events WHERE personal IS NOT NULL")
    assert {key for part in old_parts for key in orjson.loads(part)} == {"before", "after", "addresses", "salt"}
    unrecorded = "UPDATE events SET personal = NULL, origin = NULL WHERE type = 'user:profile:update' RETURNING 'x'"
    assert len(await texts(database_url, unrecorded)) == 2

    await migrate(database_url, None)

    code, lines = await verify(database_url)
    assert (code, lines[-1].endswith("none broken.")) == (0, True), lines
    assert [text for text in await texts(database_url, facts) if text not in before] == []
    named = await texts(database_url, f"SELECT named::text FROM messages WHERE params ->> 'inviter_name' = '{NAME}'")
    assert named
    assert all(NAME not in text and "inviter_name" in text for text in named)
    assert (await api.do("eraseMe", {"password": PASSWORD}, by=bo))["errors"] == []
    rows: list[Any] = await db.fetch("SELECT e::text AS text FROM events e", row=db.Row)
    rows += await db.fetch("SELECT m::text AS text FROM messages m", row=db.Row)
    assert [row.text for row in rows if ADDRESS in row.text.lower() or NAME in row.text] == []
    assert (await verify(database_url))[0] == 0


@pytest.mark.parametrize("part", ["personal", "origin"])
async def test_part_that_is_removed_after_the_migration_is_no_older_erasure(
    api: Api, database_url: str, part: str
) -> None:
    await api.person("anna@example.com")
    await migrate(database_url, BEFORE)
    await migrate(database_url, None)
    remove = f"UPDATE events SET {part} = NULL WHERE type = 'account:account:create' RETURNING id::text"
    assert len(await texts(database_url, remove)) == 1

    code, lines = await verify(database_url)

    assert code == 1
    assert "no erasure of its person is recorded" in lines[0]
