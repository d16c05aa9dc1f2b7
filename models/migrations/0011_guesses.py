"""Counters of attempts in one table."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

# Attempts that were counted before are lost.
APPLY = """
CREATE TABLE guesses (
    kind text NOT NULL,
    -- A digest under a key that is not in the database.
    subject bytea NOT NULL CHECK (length(subject) = 32),
    tried timestamptz[] NOT NULL,
    kept_until timestamptz NOT NULL,
    user_id uuid REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX guesses_by_user ON guesses (user_id) WHERE user_id IS NOT NULL;
DROP TABLE voucher_guesses;
ALTER TABLE second_factors DROP COLUMN guesses, DROP COLUMN guessing_since;
"""
REVERT = """
ALTER TABLE second_factors
    ADD COLUMN guesses integer NOT NULL DEFAULT 0 CHECK (guesses BETWEEN 0 AND 10),
    ADD COLUMN guessing_since timestamptz,
    ADD CONSTRAINT second_factors_guesses_have_a_start CHECK (guesses = 0 OR guessing_since IS NOT NULL);
ALTER TABLE second_factors ALTER COLUMN guesses DROP DEFAULT;
CREATE TABLE voucher_guesses (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    wrong_at timestamptz[] NOT NULL CHECK (cardinality(wrong_at) <= 10)
);
DROP TABLE guesses;
"""


class Migration(TortoiseMigration):
    """Move all counters of attempts to one table."""

    dependencies = [("models", "0010_documents")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
