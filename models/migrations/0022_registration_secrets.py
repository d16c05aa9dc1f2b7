"""Secrets of registrations, several open activation links of one user, and links that have worked."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- The digest of the secret of the client that gave the pending password. Null for a registration from before this
-- migration: its activation asks for a password.
ALTER TABLE users ADD COLUMN registration_secret_digest bytea CHECK (length(registration_secret_digest) = 32);

-- Of the links with `used_at`, those that a user has followed. The others were replaced or closed. Links from before
-- this migration count as closed.
ALTER TABLE user_tokens ADD COLUMN has_worked boolean NOT NULL DEFAULT false;
ALTER TABLE user_tokens ADD CONSTRAINT user_tokens_worked_at CHECK (used_at IS NOT NULL OR NOT has_worked);

-- A later registration mails another activation link and closes none.
DROP INDEX user_tokens_one_open;
CREATE UNIQUE INDEX user_tokens_one_open ON user_tokens (user_id, purpose)
    WHERE used_at IS NULL AND purpose <> 'activation';
"""
REVERT = """
-- The newest link of a user stays open.
UPDATE user_tokens t SET used_at = greatest(t.created_at, now()) WHERE t.used_at IS NULL AND EXISTS (
    SELECT FROM user_tokens n WHERE n.user_id = t.user_id AND n.purpose = t.purpose AND n.used_at IS NULL
        AND n.id > t.id);
DROP INDEX user_tokens_one_open;
CREATE UNIQUE INDEX user_tokens_one_open ON user_tokens (user_id, purpose) WHERE used_at IS NULL;
ALTER TABLE user_tokens DROP COLUMN has_worked;
ALTER TABLE users DROP COLUMN registration_secret_digest;
"""


class Migration(TortoiseMigration):
    """Add the secrets of registrations, and let a user have several open activation links."""

    dependencies = [("models", "0021_bounces")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
