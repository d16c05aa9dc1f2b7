"""The standing permissions of engagements, and the grants that follow them."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- The permissions that the client gave to every consultant, their end, and the user of the client who gave them.
ALTER TABLE engagements ADD COLUMN standing_bits bigint CHECK (standing_bits <> 0),
    ADD COLUMN standing_until timestamptz, ADD COLUMN standing_by_id uuid REFERENCES users (id),
    ADD CONSTRAINT engagements_standing_check CHECK (
        (standing_bits IS NULL) = (standing_by_id IS NULL) AND (standing_until IS NULL OR standing_bits IS NOT NULL));

-- What the bureau asked for, in a grant that follows the permissions of its engagement; -1 means all of them.
-- Null: it follows nothing.
ALTER TABLE grants ADD COLUMN asked_bits bigint, ADD COLUMN asked_until timestamptz,
    ADD CONSTRAINT grants_asked_check CHECK (
        (asked_bits IS NULL OR engagement_id IS NOT NULL) AND (asked_until IS NULL OR asked_bits IS NOT NULL));
-- Consultants who wait for their first permissions get those that the client gives to every consultant.
UPDATE grants SET asked_bits = -1, asked_until = own_until
    WHERE status = 'AWAITING_PERMISSIONS' AND role = 'CONSULTANT' AND engagement_id IS NOT NULL AND listed IS NULL;
"""
# Grants keep the permissions that they have.
REVERT = """
ALTER TABLE grants DROP COLUMN asked_bits, DROP COLUMN asked_until;
ALTER TABLE engagements DROP COLUMN standing_bits, DROP COLUMN standing_until, DROP COLUMN standing_by_id;
"""


class Migration(TortoiseMigration):
    """Add the standing permissions of an engagement."""

    dependencies = [("models", "0025_client_lists")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
