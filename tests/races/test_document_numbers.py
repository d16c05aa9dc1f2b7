"""Numbers of documents: ten callers on two servers issue drafts, also while a server is killed. No gap, no double.

A run issues 40 documents by default; more with ISSUED_DOCUMENTS:

    ISSUED_DOCUMENTS=500 .venv/bin/python -m pytest tests/races/test_document_numbers.py
"""

import asyncio
import os
from itertools import cycle
from typing import Final

import httpx2

from database import db
from models.tables import SCHEMA
from resolvers import ids
from tests.api import Api, Person
from tests.races.rounds import outcome
from tests.serving import run_process
from tests.workspace.documents import contact_id

DOCUMENTS: Final = int(os.environ.get("ISSUED_DOCUMENTS", "40"))
CALLERS: Final = 10
_DRAFTS: Final = """
WITH drafts AS (
    INSERT INTO sales_documents (id, account_id, created_by_id, kind, status, contact_id, currency, net_amount,
        tax_amount, created_at)
    SELECT gen_random_uuid(), $1, $2, 'INVOICE', 'DRAFT', $3, 'EUR', 1, 0, now() FROM generate_series(1, $4)
    RETURNING id)
SELECT id FROM drafts
"""
_LINES: Final = """
INSERT INTO document_lines (id, document_id, description, unit, quantity, unit_price, discount_percent, vat_rate,
    net_amount)
SELECT gen_random_uuid(), d.id, 'Text', '', 1, 1, 0, 0, 1 FROM sales_documents d
"""
_COUNTERS: Final = """
SELECT d.series_counter AS counter, d.issued_on FROM sales_documents d WHERE d.number IS NOT NULL ORDER BY 1
"""


async def drafts(api: Api, owner: Person) -> list[str]:
    """The ids of new drafts that can be numbers."""
    contact = ids.decode("Contact", await contact_id(api, owner))
    owner_keys = ids.decode("Account", owner.account_id), ids.decode("User", owner.user_id)
    rows = await db.fetch(_DRAFTS, *owner_keys, contact, DOCUMENTS, row=db.Row)
    _ = await db.execute(_LINES)
    return [ids.encode("Document", row.id) for row in rows]


async def issue_all(servers: list[Api], owner: Person, documents: list[str]) -> list[str]:
    """Issue drafts by ten callers, each on both servers in turn. Returns the outcomes; "gone" for a killed server."""
    remaining_documents, outcomes = iter(documents), list[str]()

    async def issue_some(number: int) -> None:
        for document, server in zip(
            remaining_documents, cycle(servers[number % 2 :] + servers[: number % 2]), strict=False
        ):
            try:
                payload = await server.do("issueDocument", {"documentId": document}, by=owner)
            except httpx2.TransportError:
                outcomes.append("gone")
            else:
                outcomes.append(outcome(payload))

    _ = await asyncio.gather(*map(issue_some, range(CALLERS)))
    return outcomes


async def counters() -> list[int]:
    """The counters of all numbers, in order."""
    return [row.counter for row in await db.fetch(_COUNTERS, row=db.Row)]


async def test_ten_callers_on_two_servers_leave_no_gap_and_no_double(servers: list[Api]) -> None:
    anna = await servers[0].person("anna@example.com")
    documents = await drafts(servers[0], anna)

    outcomes = await issue_all(servers, anna, documents)

    assert outcomes == ["done"] * DOCUMENTS
    assert await counters() == [*range(1, DOCUMENTS + 1)]


async def test_killed_server_leaves_no_gap_and_no_double(database_url: str) -> None:
    async with (
        db.connection(database_url, SCHEMA, pool_size=2),
        run_process(database_url) as first,
        run_process(database_url) as second,
    ):
        anna = await first.api.person("anna@example.com")
        documents = await drafts(first.api, anna)
        run = asyncio.create_task(issue_all([first.api, second.api], anna, documents))
        while len(await counters()) < DOCUMENTS // 4:  # noqa: ASYNC110 - the state of other processes
            await asyncio.sleep(0.01)
        second.process.kill()
        outcomes = await run
        numbers = await counters()
        assert "gone" in outcomes
        assert numbers == [*range(1, len(numbers) + 1)]
        assert outcomes.count("done") <= len(numbers) < DOCUMENTS

        again = await issue_all([first.api, first.api], anna, documents)

        assert set(again) == {"done", "INVALID_STATE"}
        assert await counters() == [*range(1, DOCUMENTS + 1)]
