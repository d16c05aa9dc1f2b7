"""The changes of grants, which open streams follow."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- The changes of grants, for the streams of their holders. The position of a stream is a snapshot: a change
-- that is not visible in it is new. No stream waits for missing numbers, and late commits are not lost.
CREATE TABLE grant_changes (
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    grant_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('GIVEN', 'CHANGED', 'REVOKED', 'RESTORED', 'RESIGNED', 'EXPIRED')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (transaction, id)
);
CREATE INDEX grant_changes_by_age ON grant_changes USING brin (created_at);

CREATE FUNCTION grants_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO grant_changes (grant_id, kind) VALUES (NEW.id, CASE
        WHEN TG_OP = 'INSERT' OR NEW.user_id <> OLD.user_id THEN 'GIVEN'
        WHEN NEW.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') THEN
            CASE WHEN OLD.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') THEN 'CHANGED' ELSE 'RESTORED' END
        WHEN NEW.status <> OLD.status THEN NEW.status
        ELSE 'CHANGED' END);
    RETURN NULL;
END $$;
CREATE TRIGGER grants_told_when_given AFTER INSERT ON grants FOR EACH ROW EXECUTE FUNCTION grants_tell();
CREATE TRIGGER grants_told_when_changed AFTER UPDATE ON grants FOR EACH ROW
    WHEN ((OLD.user_id, OLD.role, OLD.status, OLD.listed, OLD.valid_until)
        IS DISTINCT FROM (NEW.user_id, NEW.role, NEW.status, NEW.listed, NEW.valid_until))
    EXECUTE FUNCTION grants_tell();
"""
REVERT = """
DROP TRIGGER grants_told_when_changed ON grants;
DROP TRIGGER grants_told_when_given ON grants;
DROP FUNCTION grants_tell();
DROP TABLE grant_changes;
"""


class Migration(TortoiseMigration):
    """Record changes of grants for open streams."""

    dependencies = [("models", "0008_keys_stay")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
