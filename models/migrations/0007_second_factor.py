"""Second factors and recovery codes."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE second_factors (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    -- The secret is derived from this and a key that is not in the database.
    seed bytea NOT NULL CHECK (length(seed) = 32),
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    -- The time step of the last accepted code. No code of this or an earlier step is accepted again.
    last_step bigint,
    guesses integer NOT NULL CHECK (guesses BETWEEN 0 AND 10),
    guessing_since timestamptz,
    CONSTRAINT second_factors_confirmed_by_a_code CHECK (confirmed_at IS NULL OR last_step IS NOT NULL),
    CONSTRAINT second_factors_guesses_have_a_start CHECK (guesses = 0 OR guessing_since IS NOT NULL)
);

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES second_factors ON DELETE CASCADE,
    code_digest bytea NOT NULL CHECK (length(code_digest) = 32),
    used_at timestamptz,
    PRIMARY KEY (user_id, code_digest)
);
"""
REVERT = "DROP TABLE recovery_codes, second_factors"


class Migration(TortoiseMigration):
    """Add second factors and recovery codes."""

    dependencies = [("models", "0006_seats_and_vouchers")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
