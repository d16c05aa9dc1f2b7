"""The description of personal data covers every table and column of the database."""

from typing import Any
from uuid import UUID

import pytest

from database import db
from models.base.errors import Refusal
from models.base.validation import Validation
from models.privacy import personal_data
from models.privacy.personal_data import IMPERSONAL_TABLES, PERSONAL_DATA
from tests.api import Api

NOT_EXPORTED: set[tuple[str, str]] = set()
"""Columns that refer to users in rows about other people. An export must not contain them."""
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


async def load_columns(sql: str) -> set[tuple[str, str]]:
    rows: list[Any] = await db.fetch(sql, row=db.Row)
    return {(row.table_name, row.column_name) for row in rows}


async def test_every_table_is_described(api: Api) -> None:
    tables = {table for table, _ in await load_columns(_COLUMNS)}

    assert tables == {category.table for category in PERSONAL_DATA} | IMPERSONAL_TABLES.keys()


async def test_every_reference_to_users_identifies_personal_data(api: Api) -> None:
    identifying_columns = {
        (category.table, column) for category in PERSONAL_DATA for column in category.identifying_columns
    }

    assert await load_columns(_REFERENCES) - identifying_columns == NOT_EXPORTED


async def test_every_column_that_may_contain_an_address_is_exported(api: Api) -> None:
    address_columns = {
        (table, column)
        for table, column in await load_columns(_COLUMNS)
        if any(word in column for word in ("email", "address", "origin", "personal", "user_agent", "to_name"))
        and not column.endswith("digest")
    }
    exported_columns = {
        (table, column)
        for table, column in address_columns
        if any(category.table == table and column not in category.excluded_columns for category in PERSONAL_DATA)
    }

    assert address_columns - exported_columns == ADDRESSES_OF_OTHERS


async def test_every_described_column_exists(api: Api) -> None:
    columns = await load_columns(_COLUMNS)

    described_columns = {
        (category.table, column)
        for category in PERSONAL_DATA
        for column in (*category.identifying_columns, *category.excluded_columns)
    }
    assert described_columns - columns == set()
    assert len({category.name for category in PERSONAL_DATA}) == len(PERSONAL_DATA)


async def test_secrets_are_excluded_from_export(api: Api) -> None:
    secret_columns = {
        (table, column)
        for table, column in await load_columns(_COLUMNS)
        if any(word in column for word in ("digest", "hash", "seed", "secret", "token"))
    }

    assert {
        (category.table, column)
        for category in PERSONAL_DATA
        for table, column in secret_columns
        if category.table == table
    } <= {(category.table, column) for category in PERSONAL_DATA for column in category.excluded_columns}


def test_pseudonym_is_not_a_valid_address() -> None:
    with pytest.raises(Refusal), Validation() as check:
        check.email("email", personal_data.DataSubject(UUID(int=1), ()).pseudonym)
