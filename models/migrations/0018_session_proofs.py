"""A column for the last proof in a session that its user is present: by password or by one-time code."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

# Null, for sessions that a server of the former version starts meanwhile, counts as no proof.
APPLY = """
ALTER TABLE sessions ADD COLUMN authenticated_at timestamptz;
UPDATE sessions SET authenticated_at = created_at;
"""
REVERT = "ALTER TABLE sessions DROP COLUMN authenticated_at"


class Migration(TortoiseMigration):
    """Add the time of a session's last proof."""

    dependencies = [("models", "0017_named_people")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
