"""Transfers of ownership, reminders, and indexes for scheduled jobs."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

OWNER = """
-- Together with the unique index grants_one_owner: each open account has exactly one owner at each commit.
CREATE FUNCTION accounts_have_one_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key uuid := CASE TG_TABLE_NAME WHEN 'accounts' THEN to_jsonb(NEW) ->> 'id' ELSE to_jsonb(OLD) ->> 'account_id' END;
BEGIN
    IF EXISTS (
        SELECT FROM accounts a WHERE a.id = key AND a.closed_at IS NULL AND NOT EXISTS (
            SELECT FROM grants g WHERE g.account_id = a.id AND g.user_id = a.owner_id
                AND g.role = 'OWNER' AND g.status = 'ACTIVE'))
    THEN
        RAISE EXCEPTION 'account % has no owner', key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_have_one_owner';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER accounts_have_one_owner AFTER INSERT OR UPDATE OF owner_id, closed_at ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION accounts_have_one_owner();
CREATE CONSTRAINT TRIGGER grants_leave_one_owner AFTER DELETE OR UPDATE OF account_id, user_id, role, status ON grants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.role = 'OWNER' AND OLD.status = 'ACTIVE')
    EXECUTE FUNCTION accounts_have_one_owner();
"""

TRANSFERS = """
CREATE TABLE ownership_transfers (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    owner_id uuid NOT NULL REFERENCES users,
    receiver_id uuid NOT NULL REFERENCES users,
    grant_id uuid NOT NULL REFERENCES grants,
    status text NOT NULL CHECK (status IN ('PENDING', 'ACCEPTED', 'DECLINED', 'WITHDRAWN', 'LAPSED', 'EXPIRED')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    CONSTRAINT ownership_transfers_to_somebody_else CHECK (receiver_id <> owner_id)
);
CREATE UNIQUE INDEX ownership_transfers_one_pending ON ownership_transfers (account_id) WHERE status = 'PENDING';
CREATE INDEX ownership_transfers_pending_by_grant ON ownership_transfers (grant_id) WHERE status = 'PENDING';

-- An offer ends with the receiver's grant, and when its sender is no longer the owner.
CREATE FUNCTION ownership_transfers_lapse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'grants' THEN
        UPDATE ownership_transfers SET status = 'LAPSED' WHERE grant_id = NEW.id AND status = 'PENDING';
    ELSE
        UPDATE ownership_transfers SET status = 'LAPSED' WHERE account_id = NEW.id AND status = 'PENDING';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER grants_end_offers AFTER UPDATE OF status ON grants
    FOR EACH ROW WHEN (OLD.status = 'ACTIVE' AND NEW.status <> 'ACTIVE')
    EXECUTE FUNCTION ownership_transfers_lapse();
CREATE TRIGGER accounts_end_offers AFTER UPDATE OF owner_id, closed_at ON accounts
    FOR EACH ROW WHEN (OLD.owner_id <> NEW.owner_id OR NEW.closed_at IS NOT NULL)
    EXECUTE FUNCTION ownership_transfers_lapse();
"""

CLOCK = """
-- The last announced end of each subscription and grant, and how many days before it was announced.
CREATE TABLE reminders (
    subject_id uuid NOT NULL,
    days integer NOT NULL CHECK (days > 0),
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, days)
);
CREATE INDEX grants_ending ON grants (valid_until)
    WHERE valid_until IS NOT NULL AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS');
CREATE INDEX accounts_ending ON accounts (subscription_until) WHERE closed_at IS NULL;
CREATE INDEX accounts_not_activated ON accounts (owner_id) WHERE activated_at IS NULL;
CREATE INDEX ownership_transfers_ending ON ownership_transfers (expires_at) WHERE status = 'PENDING';
CREATE INDEX messages_by_age ON messages (created_at);
"""

REVERT = """
DROP INDEX messages_by_age, accounts_not_activated, accounts_ending, grants_ending;
DROP TABLE reminders;
DROP TRIGGER accounts_end_offers ON accounts;
DROP TRIGGER grants_end_offers ON grants;
DROP TABLE ownership_transfers;
DROP FUNCTION ownership_transfers_lapse();
DROP TRIGGER grants_leave_one_owner ON grants;
DROP TRIGGER accounts_have_one_owner ON accounts;
DROP FUNCTION accounts_have_one_owner();
"""


class Migration(TortoiseMigration):
    """Add transfers of ownership, reminders, and indexes for scheduled jobs."""

    dependencies = [("models", "0002_event_chain")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(OWNER + TRANSFERS + CLOCK, reverse_sql=REVERT)]  # noqa: RUF012
