"""Accounts that their owner closes: read-only until `closes_at`, then closed."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- Set by the request, and removed when everything that the account had with others has ended.
ALTER TABLE accounts ADD COLUMN closes_at timestamptz;
UPDATE accounts SET closes_at = closed_at
WHERE closed_at IS NOT NULL AND owner_id IN (SELECT user_id FROM erasures WHERE finished_at IS NULL);
CREATE INDEX accounts_closing ON accounts (closes_at) WHERE closes_at IS NOT NULL;
"""
REVERT = """
-- An account that waits for its closing is an open account again.
ALTER TABLE accounts DROP COLUMN closes_at;
"""


class Migration(TortoiseMigration):
    """A date of closing for each account."""

    dependencies = [("models", "0023_email_changes")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
