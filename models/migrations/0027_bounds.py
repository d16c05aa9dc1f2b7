"""Limits that the operator raises for one account."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- The limit `name` of the account is `per_day` until `ends_at`.
CREATE TABLE limit_raises (
    account_id uuid NOT NULL REFERENCES accounts,
    name text NOT NULL,
    per_day int NOT NULL CHECK (per_day BETWEEN 1 AND 10000),
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, name)
);
"""
REVERT = """
DROP TABLE limit_raises;
"""


class Migration(TortoiseMigration):
    """Add the table of raised limits."""

    dependencies = [("models", "0026_engagement_defaults")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
