"""The delivery of the mail of an invitation, the last reminder of a subscription, and ends that were given near."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- The newest mail of the invitation. Null if it is no longer stored.
ALTER TABLE invitations ADD COLUMN message_id uuid;
-- A link works for seven days from its mail on.
UPDATE invitations i SET message_id = (
    SELECT m.id FROM messages m WHERE m.kind = 'invitation' AND m.account_id = i.account_id
        AND m.to_address = i.email AND m.created_at = i.expires_at - interval '168 hours' ORDER BY m.id DESC LIMIT 1);

-- 0 is the reminder at the end.
ALTER TABLE reminders DROP CONSTRAINT reminders_days_check,
    ADD CONSTRAINT reminders_days_check CHECK (days >= 0);
-- The end with which a grant was given counts as announced if it was less than a week away.
INSERT INTO reminders (subject_id, days, ends_at)
    SELECT id, 7, valid_until FROM grants
    WHERE valid_until <= created_at + interval '168 hours' AND status IN ('ACTIVE', 'AWAITING_PERMISSIONS')
    ON CONFLICT DO NOTHING;
"""
REVERT = """
DELETE FROM reminders WHERE days = 0;
ALTER TABLE reminders DROP CONSTRAINT reminders_days_check,
    ADD CONSTRAINT reminders_days_check CHECK (days > 0);
ALTER TABLE invitations DROP COLUMN message_id;
"""


class Migration(TortoiseMigration):
    """Add the delivery of invitations, and the reminder at the end of a subscription."""

    dependencies = [("models", "0020_idempotency")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
