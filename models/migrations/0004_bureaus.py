"""Engagements between bureaus and clients."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE engagements (
    id uuid PRIMARY KEY,
    bureau_id uuid NOT NULL REFERENCES accounts,
    client_id uuid NOT NULL REFERENCES accounts,
    status text NOT NULL CHECK (status IN ('PENDING', 'ACTIVE', 'DECLINED', 'ENDED')),
    asked_by_id uuid NOT NULL REFERENCES accounts,
    -- The requester does not learn whether the other account exists until it responds.
    is_blind boolean NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT engagements_not_with_itself CHECK (bureau_id <> client_id),
    CONSTRAINT engagements_asked_by_a_side CHECK (asked_by_id IN (bureau_id, client_id)),
    CONSTRAINT engagements_ended CHECK ((status IN ('DECLINED', 'ENDED')) = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX engagements_one_open ON engagements (bureau_id, client_id)
    WHERE status IN ('PENDING', 'ACTIVE');
CREATE INDEX engagements_by_bureau ON engagements (bureau_id, id);
CREATE INDEX engagements_by_client ON engagements (client_id, id);

-- A derived grant ends with its engagement, and with its holder's base grant on the bureau.
-- Its end is the earlier one of the base grant's end and its own end.
ALTER TABLE grants
    ADD COLUMN engagement_id uuid REFERENCES engagements,
    ADD COLUMN own_until timestamptz,
    ADD CONSTRAINT grants_ends_by_its_own_end
        CHECK (engagement_id IS NULL OR own_until IS NULL OR valid_until <= own_until);
CREATE INDEX grants_by_engagement ON grants (engagement_id) WHERE engagement_id IS NOT NULL;

ALTER TABLE accounts ADD COLUMN created_by_bureau_id uuid REFERENCES accounts;
"""
REVERT = """
ALTER TABLE accounts DROP COLUMN created_by_bureau_id;
ALTER TABLE grants
    DROP CONSTRAINT grants_ends_by_its_own_end, DROP COLUMN own_until, DROP COLUMN engagement_id;
DROP TABLE engagements;
"""


class Migration(TortoiseMigration):
    """Add engagements and derived grants."""

    dependencies = [("models", "0003_ownership")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
