"""Lanes of queued mail, and keys for turns among the senders of a lane."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
ALTER TABLE messages
    ADD COLUMN lane text NOT NULL DEFAULT 'ORDINARY' CHECK (lane IN ('SECURITY', 'ORDINARY')),
    -- The user who caused the message. Older messages take turns by their account.
    ADD COLUMN queue_key text;
UPDATE messages SET lane = 'SECURITY' WHERE status = 'QUEUED' AND kind IN ('activation', 'password-reset',
    'password-changed', 'second-factor-enabled', 'second-factor-disabled', 'second-factor-guessed',
    'recovery-code-used', 'recovery-codes-renewed', 'address-taken');
CREATE INDEX messages_queue ON messages (lane, (coalesce(queue_key, account_id::text, to_address)), next_attempt_at)
    WHERE status = 'QUEUED';
CREATE INDEX messages_failed ON messages (created_at) WHERE status = 'FAILED';
DROP INDEX messages_due;
"""

REVERT = """
CREATE INDEX messages_due ON messages (next_attempt_at) WHERE status = 'QUEUED';
DROP INDEX messages_queue, messages_failed;
ALTER TABLE messages DROP COLUMN lane, DROP COLUMN queue_key;
"""


class Migration(TortoiseMigration):
    """Add lanes and turns of queued mail."""

    dependencies = [("models", "0014_mail_bounds")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
