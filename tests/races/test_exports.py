"""Exports on two servers: one is killed while it writes, and the other one finishes the file.

The export has 20,000 rows by default; more with EXPORT_ROWS:

    EXPORT_ROWS=500000 .venv/bin/python -m pytest tests/races/test_exports.py
"""

import asyncio
import os
from typing import Final

from database import db
from models.tables import SCHEMA
from tests.serving import PUBLIC_URL, run_process
from tests.workspace.exports import add_contacts, create_export, load_export, parse_csv

ROWS: Final = int(os.environ.get("EXPORT_ROWS", "20000"))


async def test_killed_server_leaves_a_file_that_another_server_finishes(database_url: str) -> None:
    async with (
        db.connection(database_url, SCHEMA, pool_size=2),
        run_process(database_url) as first,
        run_process(database_url) as second,
    ):
        anna = await first.api.person("anna@example.com")
        await add_contacts(anna, ROWS)
        # Each part takes a while, so that the server is killed between two of them, or in one.
        await db.fetch(
            """CREATE FUNCTION slow_part() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$""",
            row=db.Row,
        )
        await db.fetch(
            """CREATE TRIGGER slow_part BEFORE INSERT ON export_parts
                FOR EACH ROW EXECUTE FUNCTION slow_part()""",
            row=db.Row,
        )
        key = await create_export(first.api, anna)
        async with asyncio.timeout(30):
            while not (await load_export(first.api, anna, key))["rowCount"]:  # noqa: ASYNC110 - the state of other processes
                await asyncio.sleep(0.05)
        second.process.kill()

        async with asyncio.timeout(60):
            while (await load_export(first.api, anna, key))["status"] != "READY":  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.1)

        payload = await first.api.do("createExportLink", {"exportId": key}, "url", by=anna)
        response = await first.api.http.get(payload["url"].removeprefix(PUBLIC_URL))
        rows = parse_csv(response.content)
        assert [row["name"] for row in rows] == [f"Contact {number}" for number in range(1, ROWS + 1)]
        assert {row["id"][:2] for row in rows} == {"c0"}
