"""Indexes of reports: issued documents by their date of issue, and open invoices."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- The columns that a report of all documents reads, so that it need not visit the table.
CREATE INDEX sales_documents_by_issue ON sales_documents (account_id, issued_on)
    INCLUDE (id, contact_id, kind, currency, net_amount) WHERE number IS NOT NULL;
CREATE INDEX sales_documents_by_creator_and_issue ON sales_documents (account_id, created_by_id, issued_on)
    WHERE number IS NOT NULL;
CREATE INDEX sales_documents_open ON sales_documents (account_id, created_by_id)
    WHERE kind = 'INVOICE' AND status IN ('ISSUED', 'SENT', 'PARTLY_PAID');
"""
REVERT = "DROP INDEX sales_documents_by_issue, sales_documents_by_creator_and_issue, sales_documents_open;"


class Migration(TortoiseMigration):
    """Add the indexes."""

    dependencies = [("workspace", "0005_sent_documents")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012 - the same
