"""Exports: jobs that write an account's data to a file for a download."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE exports (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    created_by_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('DOCUMENTS', 'DOCUMENT_LINES', 'CONTACTS', 'PRODUCTS', 'EXPENSES')),
    format text NOT NULL CHECK (format IN ('CSV', 'JSON_LINES')),
    locale text NOT NULL,
    date_from date,
    date_to date CHECK (date_to >= date_from),
    columns text NOT NULL CHECK (columns <> ''),
    needed_bits bigint NOT NULL,
    is_scoped boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('QUEUED', 'RUNNING', 'READY', 'FAILED', 'EXPIRED')),
    failure text CHECK ((failure IS NOT NULL) = (status = 'FAILED')),
    row_count int NOT NULL,
    byte_count bigint NOT NULL,
    part_count int NOT NULL,
    position uuid[],
    attempts int NOT NULL,
    created_at timestamptz NOT NULL,
    written_at timestamptz NOT NULL,
    expires_at timestamptz CHECK ((expires_at IS NOT NULL) = (status IN ('READY', 'EXPIRED'))),
    link_digest bytea UNIQUE,
    link_session_id uuid,
    link_expires_at timestamptz,
    CHECK (link_digest IS NULL OR (status = 'READY' AND link_session_id IS NOT NULL AND link_expires_at IS NOT NULL))
);
CREATE INDEX exports_by_creator ON exports (account_id, created_by_id, id);
CREATE INDEX exports_of_user ON exports (created_by_id);
CREATE INDEX exports_by_creation ON exports (created_at);
CREATE INDEX exports_waiting ON exports (written_at, id) WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX exports_of_account_waiting ON exports (account_id) WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX exports_by_end ON exports (expires_at) WHERE status = 'READY';
CREATE INDEX exports_expired ON exports (id) WHERE status = 'EXPIRED';

-- The file of an export, in parts that follow each other. An export is deleted with its file.
CREATE TABLE export_parts (
    export_id uuid NOT NULL REFERENCES exports ON DELETE CASCADE,
    number int NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (export_id, number)
);
-- Not compressed: that costs more than it saves for a day, and a download reads any range of bytes at once.
ALTER TABLE export_parts ALTER COLUMN content SET STORAGE EXTERNAL;
"""
REVERT = "DROP TABLE export_parts, exports;"


class Migration(TortoiseMigration):
    """Add the tables."""

    dependencies = [("workspace", "0006_reports")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012 - the same
