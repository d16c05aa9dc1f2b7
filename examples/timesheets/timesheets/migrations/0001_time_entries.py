"""Time entries of accounts."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE time_entries (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    created_by_id uuid NOT NULL REFERENCES users,
    project text NOT NULL CHECK (project <> ''),
    minutes int NOT NULL CHECK (minutes BETWEEN 1 AND 1440),
    worked_on date NOT NULL,
    created_at timestamptz NOT NULL,
    search_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (search_key(project)) STORED
);
-- Each order of the list, for all entries of an account, and for those of one user.
CREATE INDEX time_entries_by_id ON time_entries (account_id, id);
CREATE INDEX time_entries_by_day ON time_entries (account_id, worked_on, id);
CREATE INDEX time_entries_of_creator ON time_entries (account_id, created_by_id, id);
CREATE INDEX time_entries_of_creator_by_day ON time_entries (account_id, created_by_id, worked_on, id);
-- The export and the erasure of personal data.
CREATE INDEX time_entries_of_user ON time_entries (created_by_id);
"""


class Migration(TortoiseMigration):
    """Add the table."""

    dependencies = [("models", "0027_bounds")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql="DROP TABLE time_entries")]  # noqa: RUF012 - the same
