"""No table is forgotten when somebody takes with him what is held about him, or erases himself."""

from typing import Any
from uuid import UUID

import pytest

from database import db
from models.base.errors import Refusal
from models.base.validation import Validation
from models.privacy import personal_data
from models.privacy.personal_data import HELD, IMPERSONAL
from tests.api import Api

BY_ID_ONLY: set[tuple[str, str]] = set()
"""Columns that refer to users in rows that are about others, which an export of his own must not show."""
ADDRESSES_OF_OTHERS: set[tuple[str, str]] = set()

_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name NOT IN (SELECT viewname FROM pg_views)
"""
_REFERENCES = """
SELECT c.conrelid::regclass::text AS table_name, a.attname AS column_name FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)
WHERE c.contype = 'f' AND c.confrelid = 'users'::regclass
"""


async def pairs(sql: str) -> set[tuple[str, str]]:
    rows: list[Any] = await db.fetch(sql, row=db.Row)
    return {(row.table_name, row.column_name) for row in rows}


async def test_every_table_is_named(api: Api) -> None:
    tables = {table for table, _ in await pairs(_COLUMNS)}

    assert tables == {held.table for held in HELD} | IMPERSONAL.keys()


async def test_every_column_that_refers_to_a_user_finds_what_is_his(api: Api) -> None:
    found = {(held.table, column) for held in HELD for column in held.columns}

    assert await pairs(_REFERENCES) - found == BY_ID_ONLY


async def test_every_column_that_may_hold_an_address_is_shown_or_finds_what_is_his(api: Api) -> None:
    holding = {
        (table, column)
        for table, column in await pairs(_COLUMNS)
        if any(word in column for word in ("email", "address", "origin", "personal", "user_agent", "to_name"))
        and not column.endswith("digest")
    }
    shown = {
        (table, column)
        for table, column in holding
        if any(held.table == table and column not in held.hidden for held in HELD)
    }

    assert holding - shown == ADDRESSES_OF_OTHERS


async def test_what_is_described_is_there(api: Api) -> None:
    columns = await pairs(_COLUMNS)

    described = {(held.table, column) for held in HELD for column in (*held.columns, *held.hidden)}
    assert described - columns == set()
    assert len({held.name for held in HELD}) == len(HELD)


async def test_no_secret_is_shown(api: Api) -> None:
    secret = {
        (table, column)
        for table, column in await pairs(_COLUMNS)
        if any(word in column for word in ("digest", "hash", "seed", "secret", "token"))
    }

    assert {(held.table, column) for held in HELD for table, column in secret if held.table == table} <= {
        (held.table, column) for held in HELD for column in held.hidden
    }


def test_a_pseudonym_is_an_address_that_nobody_can_have() -> None:
    with pytest.raises(Refusal), Validation() as check:
        check.email("email", personal_data.Person(UUID(int=1), ()).pseudonym)
