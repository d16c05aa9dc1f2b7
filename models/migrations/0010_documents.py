"""Persisted operations."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE documents (
    digest bytea NOT NULL,
    client text NOT NULL CHECK (length(client) BETWEEN 1 AND 100),
    -- The id that the client uses, or null if that is the digest.
    alias text CHECK (alias ~ '^[A-Za-z0-9._~:-]{1,200}$' AND alias !~ '^(sha256:)?[0-9a-f]{64}$'),
    text text NOT NULL,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (digest, client),
    CONSTRAINT documents_digest CHECK (digest = sha256(convert_to(text, 'UTF8')))
);
CREATE INDEX documents_by_alias ON documents (alias) WHERE alias IS NOT NULL;
"""
REVERT = "DROP TABLE documents"


class Migration(TortoiseMigration):
    """Add persisted operations."""

    dependencies = [("models", "0009_live")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
