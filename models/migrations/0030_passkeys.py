"""Passkeys, their challenges, and the sessions that they started."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE passkeys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    credential_id bytea NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key bytea NOT NULL CHECK (length(public_key) BETWEEN 1 AND 2048),
    -- The number of signatures that the device reports. It stays 0 for most.
    sign_count bigint NOT NULL CHECK (sign_count >= 0),
    is_backed_up boolean NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX passkeys_of_user ON passkeys (user_id);
CREATE TRIGGER passkeys_not_of_erased BEFORE INSERT ON passkeys
    FOR EACH ROW EXECUTE FUNCTION erased_users_stay_away();

-- The digest covers the challenge, its purpose and its session. A row is deleted by the first use.
CREATE TABLE passkey_challenges (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX passkey_challenges_by_end ON passkey_challenges (expires_at);

ALTER TABLE sessions ADD COLUMN passkey_id uuid REFERENCES passkeys ON DELETE SET NULL;
CREATE INDEX sessions_of_passkey ON sessions (passkey_id) WHERE passkey_id IS NOT NULL;

-- A user with passkeys and without an authenticator app has recovery codes too.
ALTER TABLE recovery_codes DROP CONSTRAINT recovery_codes_user_id_fkey,
    ADD CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
"""
REVERT = """
DELETE FROM recovery_codes r WHERE NOT EXISTS (SELECT FROM second_factors f WHERE f.user_id = r.user_id);
ALTER TABLE recovery_codes DROP CONSTRAINT recovery_codes_user_id_fkey,
    ADD CONSTRAINT recovery_codes_user_id_fkey FOREIGN KEY (user_id) REFERENCES second_factors ON DELETE CASCADE;
ALTER TABLE sessions DROP COLUMN passkey_id;
DROP TABLE passkey_challenges, passkeys;
"""


class Migration(TortoiseMigration):
    """Add passkeys."""

    dependencies = [("models", "0029_module_restrictions")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
