"""Seats and vouchers."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as Step

SEATS = """
-- The default is for servers of the version before, which go on for a while.
ALTER TABLE accounts ADD COLUMN purchased_seats integer NOT NULL DEFAULT 5 CHECK (purchased_seats >= 0);
-- Nobody is shut out: who was let in, or invited, before seats counted has one.
UPDATE accounts a SET purchased_seats = greatest(purchased_seats,
    (SELECT count(*) FROM grants g WHERE g.account_id = a.id
        AND g.role IN ('ADMINISTRATOR', 'COLLABORATOR', 'SIMPLE_USER')
        AND g.status IN ('ACTIVE', 'AWAITING_PERMISSIONS'))
    + (SELECT count(*) FROM invitations i WHERE i.account_id = a.id
        AND i.role IN ('ADMINISTRATOR', 'COLLABORATOR', 'SIMPLE_USER') AND i.status = 'PENDING'));
"""

BACK = """
ALTER TABLE accounts DROP COLUMN purchased_seats;
"""


class Migration(Step):
    """Seats and vouchers."""

    dependencies = [("models", "0005_access_requests")]  # noqa: RUF012 - Tortoise's own shape
    operations = [ops.RunSQL(SEATS, reverse_sql=BACK)]  # noqa: RUF012
