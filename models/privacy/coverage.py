"""Does the description of personal data cover the database: each table, and each column with ids of users?"""

from collections.abc import Mapping
from typing import Final

from database import db
from models.privacy.personal_data import categories, impersonal_tables

NOT_EXPORTED: Final[Mapping[tuple[str, str], str]] = {
    ("events", "creator_id"): "the creator of the row that an event is about: the rows themselves are exported",
}
"""Columns that refer to users in rows about other people, each with the reason. No export contains them."""
_TABLES: Final = """
SELECT c.relname AS table_name FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
# A column without a foreign key is recognized by its name.
_USER_COLUMNS: Final = """
SELECT c.relname AS table_name, a.attname AS column_name FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
    AND ((a.atttypid = 'uuid'::regtype AND a.attname ~ '(^|_)(user|author|owner)_id$|(created|updated)_by_id$')
        OR EXISTS (SELECT FROM pg_constraint r WHERE r.contype = 'f' AND r.confrelid = 'users'::regclass
            AND r.conrelid = c.oid AND a.attnum = ANY(r.conkey)))
ORDER BY 1, 2
"""


class _Table(db.Row):
    table_name: str


class _Column(db.Row):
    table_name: str
    column_name: str


async def find_gaps() -> list[str]:
    """A sentence for each table, and for each column with ids of users, that the description leaves out.

    The tables of a module that was removed are among them: nothing exports or erases their rows any more.
    """
    described_tables = {category.table for category in categories()} | impersonal_tables().keys()
    identifying_columns = {
        (category.table, column) for category in categories() for column in category.identifying_columns
    }
    tables = [row.table_name for row in await db.fetch(_TABLES, row=_Table)]
    columns = [(row.table_name, row.column_name) for row in await db.fetch(_USER_COLUMNS, row=_Column)]
    return [
        *(
            f"The table {table} is neither in PERSONAL_DATA nor in IMPERSONAL_TABLES of an installed module."
            for table in tables
            if table not in described_tables
        ),
        *(
            f"{table}.{column} has ids of users, but is in no identifying_columns of PERSONAL_DATA."
            for table, column in columns
            if table in described_tables and (table, column) not in identifying_columns | NOT_EXPORTED.keys()
        ),
    ]
