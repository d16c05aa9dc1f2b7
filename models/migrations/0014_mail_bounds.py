"""Blocks of mail, and messages whose subject is made when it is read."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

BLOCKS = """
CREATE TABLE mail_blocks (
    -- A digest of the address under a key that is not in the database.
    subject bytea NOT NULL CHECK (length(subject) = 32),
    kind text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (subject, kind)
);
"""

# Mails to a chosen receiver name the sender by address. For old messages it is the best address that is known: of the
# inviter, or of the owner of the account that sent the message.
SENDERS = """
UPDATE messages m SET params = m.params || jsonb_build_object('sender_email', COALESCE(CASE m.kind
    WHEN 'invitation' THEN (SELECT u.email FROM invitations i JOIN users u ON u.id = i.invited_by_id
        WHERE i.account_id = m.account_id AND lower(i.email) = lower(m.to_address) ORDER BY i.id DESC LIMIT 1)
    WHEN 'client-activation' THEN (SELECT u.email FROM accounts a JOIN accounts b ON b.id = a.created_by_bureau_id
        JOIN users u ON u.id = b.owner_id WHERE a.id = m.account_id)
    ELSE (SELECT u.email FROM engagements e JOIN accounts a ON a.id = e.asked_by_id JOIN users u ON u.id = a.owner_id
        WHERE m.account_id IN (e.bureau_id, e.client_id) AND e.asked_by_id <> m.account_id
            AND a.name = m.params ->> 'asker_name' ORDER BY e.id DESC LIMIT 1)
    END, m.params ->> 'inviter_name', m.params ->> 'bureau_name', m.params ->> 'asker_name'))
WHERE m.kind IN ('invitation', 'client-activation', 'engagement-asked') AND NOT m.params ? 'sender_email';
"""

# The stored subject was in the language of the receiver, which the account must not learn.
SUBJECTS = "ALTER TABLE messages DROP COLUMN subject;"

REVERT = """
ALTER TABLE messages ADD COLUMN subject text NOT NULL DEFAULT '';
ALTER TABLE messages ALTER COLUMN subject DROP DEFAULT;
UPDATE messages SET subject = kind, params = params - 'sender_email';
DROP TABLE mail_blocks;
"""


class Migration(TortoiseMigration):
    """Add blocks of mail, and remove the stored subjects of messages."""

    dependencies = [("models", "0013_list_indexes")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(BLOCKS + SENDERS + SUBJECTS, reverse_sql=REVERT)]  # noqa: RUF012
