"""Documents as they were sent: the PDF and the structured invoice."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- The files of an issued document in one language. A document that is sent again has the same files.
CREATE TABLE document_files (
    id uuid PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES sales_documents,
    locale text NOT NULL,
    pdf bytea NOT NULL,
    structured_invoice bytea,
    created_at timestamptz NOT NULL,
    UNIQUE (document_id, locale)
);

-- The mail in the outbox is deleted after 400 days, so its id is no foreign key.
CREATE TABLE document_deliveries (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    document_id uuid NOT NULL REFERENCES sales_documents,
    document_files_id uuid NOT NULL REFERENCES document_files,
    message_id uuid NOT NULL UNIQUE,
    sent_by_id uuid NOT NULL REFERENCES users,
    to_address text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX document_deliveries_by_document ON document_deliveries (document_id, id);
CREATE INDEX document_deliveries_of_user ON document_deliveries (sent_by_id);
CREATE INDEX document_deliveries_of_files ON document_deliveries (document_files_id);

-- The messages of an account for a user who may not read all documents.
CREATE INDEX messages_without_documents ON messages (account_id, id) WHERE kind <> 'document-sent';
"""
REVERT = """
DROP INDEX messages_without_documents;
DROP TABLE document_deliveries, document_files;
"""


class Migration(TortoiseMigration):
    """Add the tables."""

    dependencies = [("workspace", "0004_document_lists")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012 - the same
