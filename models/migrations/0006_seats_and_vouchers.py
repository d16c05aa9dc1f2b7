"""Seats and vouchers."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

SEATS = """
-- The default is for servers of the previous version, which still run during the migration.
ALTER TABLE accounts ADD COLUMN purchased_seats integer NOT NULL DEFAULT 5 CHECK (purchased_seats >= 0);
-- All existing members and pending invitations keep a seat.
UPDATE accounts a SET purchased_seats = greatest(purchased_seats,
    (SELECT count(*) FROM grants g WHERE g.account_id = a.id
        AND g.role IN ('ADMINISTRATOR', 'COLLABORATOR', 'SIMPLE_USER')
        AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS'))
    + (SELECT count(*) FROM invitations i WHERE i.account_id = a.id
        AND i.role IN ('ADMINISTRATOR', 'COLLABORATOR', 'SIMPLE_USER') AND i.status = 'PENDING'));
"""

VOUCHERS = """
CREATE TABLE voucher_batches (
    reference text PRIMARY KEY CHECK (length(reference) BETWEEN 1 AND 200),
    days integer NOT NULL CHECK (days BETWEEN 1 AND 3650),
    expires_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE TABLE vouchers (
    code_digest bytea PRIMARY KEY CHECK (length(code_digest) = 32),
    reference text NOT NULL REFERENCES voucher_batches,
    -- The ledger entry of the redeemed voucher. An entry belongs to at most one voucher.
    entry_id uuid REFERENCES subscription_entries,
    CONSTRAINT vouchers_entry UNIQUE (entry_id)
);
CREATE INDEX vouchers_by_batch ON vouchers (reference);
CREATE FUNCTION voucher_is_redeemed_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a voucher is redeemed once';
END $$;
CREATE TRIGGER vouchers_once BEFORE UPDATE ON vouchers
    FOR EACH ROW WHEN (OLD.entry_id IS NOT NULL) EXECUTE FUNCTION voucher_is_redeemed_once();
CREATE TABLE voucher_guesses (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    wrong_at timestamptz[] NOT NULL CHECK (cardinality(wrong_at) <= 10)
);
"""

REVERT = """
DROP TABLE voucher_guesses, vouchers, voucher_batches;
DROP FUNCTION voucher_is_redeemed_once();
ALTER TABLE accounts DROP COLUMN purchased_seats;
"""


class Migration(TortoiseMigration):
    """Add seats and vouchers."""

    dependencies = [("models", "0005_access_requests")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(SEATS + VOUCHERS, reverse_sql=REVERT)]  # noqa: RUF012
