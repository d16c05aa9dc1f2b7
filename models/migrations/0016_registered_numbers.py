"""Trials that stay in their account, and claims of registered numbers."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

TRIALS = """
-- The end of the account's trial days. Days after it were paid for, and can be transferred.
ALTER TABLE accounts ADD COLUMN trial_until timestamptz;
-- Trial days that were transferred before stay where they are.
UPDATE accounts a SET trial_until = least(e.valid_until_after, a.subscription_until)
    FROM subscription_entries e WHERE e.account_id = a.id AND e.kind = 'TRIAL';

-- The user whose trial an account had. The digest under a key outside of the database is that of the user's address. It
-- stays when the user is erased. It is null for trials before this migration.
CREATE TABLE trials (
    account_id uuid PRIMARY KEY REFERENCES accounts,
    user_id uuid NOT NULL REFERENCES users,
    address_digest bytea CHECK (length(address_digest) = 32),
    started_at timestamptz NOT NULL
);
CREATE INDEX trials_by_user ON trials (user_id);
CREATE INDEX trials_by_address ON trials (address_digest);
INSERT INTO trials (account_id, user_id, started_at)
    SELECT a.id, a.owner_id, e.created_at FROM subscription_entries e JOIN accounts a ON a.id = e.account_id
    WHERE e.kind = 'TRIAL' ON CONFLICT DO NOTHING;

-- A second trial is taken back, with a negative entry.
ALTER TABLE subscription_entries
    DROP CONSTRAINT subscription_entries_sign,
    ADD CONSTRAINT subscription_entries_sign CHECK (kind = 'TRIAL' OR (kind = 'TRANSFER_OUT') = (days < 0));
CREATE FUNCTION trial_days_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM accounts a WHERE a.id = NEW.account_id AND NEW.valid_until_after < a.trial_until) THEN
        RAISE EXCEPTION 'trial days cannot be transferred'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'trial_days_stay';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER subscription_entries_leave_trial AFTER INSERT ON subscription_entries
    FOR EACH ROW WHEN (NEW.kind = 'TRANSFER_OUT') EXECUTE FUNCTION trial_days_stay();
"""

CLAIMS = """
-- A number that an account without payments has, and that moves to another account unless the first one pays.
CREATE TABLE number_claims (
    account_id uuid NOT NULL REFERENCES accounts,
    kind text NOT NULL CHECK (kind IN ('ORGANIZATION', 'BANK_ACCOUNT')),
    country text NOT NULL CHECK ((length(country) = 2) = (kind = 'ORGANIZATION')),
    number text NOT NULL,
    created_at timestamptz NOT NULL,
    moves_at timestamptz NOT NULL CHECK (moves_at > created_at),
    -- The account that had the number and was asked.
    holder_id uuid NOT NULL REFERENCES accounts,
    PRIMARY KEY (account_id, kind),
    CONSTRAINT number_claims_one_for_number UNIQUE (kind, country, number)
);
CREATE INDEX number_claims_due ON number_claims (moves_at);
"""

# Entries of trials that were taken back stay, so the old constraint holds for new rows only.
REVERT = """
DROP TABLE number_claims;
DROP TRIGGER subscription_entries_leave_trial ON subscription_entries;
DROP FUNCTION trial_days_stay();
ALTER TABLE subscription_entries
    DROP CONSTRAINT subscription_entries_sign,
    ADD CONSTRAINT subscription_entries_sign CHECK ((kind = 'TRANSFER_OUT') = (days < 0)) NOT VALID;
DROP TABLE trials;
ALTER TABLE accounts DROP COLUMN trial_until;
"""


class Migration(TortoiseMigration):
    """Add trials and claims of registered numbers."""

    dependencies = [("models", "0015_mail_lanes")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(TRIALS + CLAIMS, reverse_sql=REVERT)]  # noqa: RUF012
