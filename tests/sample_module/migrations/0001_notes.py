"""Notes."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE notes (id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES accounts, author_id uuid NOT NULL,
    text text NOT NULL CHECK (length(text) < 100));
CREATE INDEX notes_by_account ON notes (account_id, id);
"""


class Migration(TortoiseMigration):
    """Add the table."""

    dependencies = [("models", "0021_bounces")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql="DROP TABLE notes")]  # noqa: RUF012 - the same
