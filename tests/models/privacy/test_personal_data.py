"""The description of personal data covers every table and column of the database."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from database import db
from models.base.errors import Refusal
from models.base.validation import Validation
from models.privacy import coverage, personal_data, redaction
from models.privacy.personal_data import categories, impersonal_tables
from resolvers import ids
from tests.api import Api
from tests.conftest import connect

NOW = datetime(2026, 11, 29, tzinfo=UTC)
# Data of accounts about their customers and suppliers.
ADDRESSES_OF_OTHERS = {
    ("contacts", "address"),
    ("contacts", "email"),
    ("sales_documents", "buyer_address"),
    ("document_deliveries", "to_address"),
}

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

    assert tables == {category.table for category in categories()} | impersonal_tables().keys()


async def test_every_reference_to_users_identifies_personal_data(api: Api) -> None:
    identifying_columns = {
        (category.table, column) for category in categories() for column in category.identifying_columns
    }

    assert await load_columns(_REFERENCES) - identifying_columns == coverage.NOT_EXPORTED.keys()


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
        if any(category.table == table and column not in category.excluded_columns for category in categories())
    }

    assert address_columns - exported_columns == ADDRESSES_OF_OTHERS


async def test_every_described_column_exists(api: Api) -> None:
    columns = await load_columns(_COLUMNS)

    described_columns = {
        (category.table, column)
        for category in categories()
        for column in (*category.identifying_columns, *category.excluded_columns)
    }
    assert described_columns - columns == set()
    assert len({category.name for category in categories()}) == len(categories())


async def test_secrets_are_excluded_from_export(api: Api) -> None:
    secret_columns = {
        (table, column)
        for table, column in await load_columns(_COLUMNS)
        if any(word in column for word in ("digest", "hash", "seed", "secret", "token"))
    }

    assert {
        (category.table, column)
        for category in categories()
        for table, column in secret_columns
        if category.table == table
    } <= {(category.table, column) for category in categories() for column in category.excluded_columns}


def test_pseudonym_is_not_a_valid_address() -> None:
    with pytest.raises(Refusal), Validation() as check:
        check.email("email", personal_data.DataSubject(UUID(int=1), NOW).pseudonym)


# ---- Rows that are read ------------------------------------------------------------------------

ROW_COUNT = 50_000
"""Rows of other people in each large table."""
LARGE_TABLES = """
INSERT INTO events (id, type, occurred_at, actor_id, account_id, after, personal)
    SELECT gen_random_uuid(), 'account:invitation:issue', now(), md5((n % 5000)::text)::uuid, a.id, '{}',
        jsonb_build_object('after', jsonb_build_object('email', n || '@example.com'),
            'named', jsonb_build_object(n || '@example.com', '["after.email"]'::jsonb))
    FROM generate_series(1, $1) n, accounts a WHERE a.owner_id = $2;
INSERT INTO messages (id, account_id, kind, to_address, to_name, locale, params, named, status, attempts, created_at,
        next_attempt_at)
    SELECT gen_random_uuid(), a.id, 'invitation', n || '@example.com', 'N', 'en', '{"inviter_name": "N"}',
        jsonb_build_object(n || '@example.com', '["inviter_name"]'::jsonb), 'SENT', 1, now(), now()
    FROM generate_series(1, $1) n, accounts a WHERE a.owner_id = $2;
INSERT INTO invitations (id, account_id, email, email_key, role, status, invited_by_id, locale, allow_other_login,
        token_digest, created_at, expires_at)
    SELECT gen_random_uuid(), a.id, n || '@example.com', n || '@example.com', 'ACCOUNTANT', 'DECLINED',
        md5((n % 5000)::text)::uuid,
        'en', false, sha256(n::text::bytea), now(), now()
    FROM generate_series(1, $1) n, accounts a WHERE a.owner_id = $2;
"""


_ROWS_READ = """
SELECT COALESCE(sum(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)), 0)::int FROM pg_stat_xact_user_tables
"""


def statements(subject: personal_data.DataSubject) -> dict[str, tuple[str, list[object]]]:
    """The statements of export and erasure that find rows of a person."""
    selections = {
        f"export {category.name}": f"SELECT FROM {category.table} t WHERE {category.condition}"
        for category in categories()
    } | {
        f"erase {category.name}": personal_data.erasure_sql(category)
        for category in categories()
        if category.erasure is not None
    }
    statement_by_name = {name: subject.bind(sql) for name, sql in selections.items()}
    for sql in redaction._NAMING_EVENTS:
        statement_by_name[sql] = sql, [subject.id]
    by_key = redaction._NAMING_EVENTS_BY_KEY
    statement_by_name[by_key] = by_key, [subject.id, subject.keys]
    in_messages = redaction._NAMING_MESSAGES
    statement_by_name[in_messages] = in_messages, [subject.keys, subject.until, subject.id]
    return statement_by_name


async def test_export_and_erasure_read_only_rows_of_the_person(api: Api, database_url: str) -> None:
    """Plans as the server has them, on tables with many rows of other people."""
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    subject = personal_data.DataSubject(ids.decode("User", bo.user_id), api.clock.now, (bo.email,))
    connection = await connect(database_url)
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan; SET session_replication_role = replica")
        for statement in LARGE_TABLES.strip().removesuffix(";").split(";\n"):
            await connection.execute(statement, ROW_COUNT, ids.decode("User", anna.user_id))
        await connection.execute("ANALYZE")
        reads: dict[str, int] = {}
        for name, (sql, arguments) in statements(subject).items():
            async with connection.transaction():
                before = await connection.fetchval(_ROWS_READ)
                await connection.fetch(sql, *arguments)
                reads[name] = await connection.fetchval(_ROWS_READ) - before
    finally:
        await connection.close()

    assert len(reads) > 30
    assert {name: count for name, count in reads.items() if count > 100} == {}
