"""Indexes of the lists of documents: for each filter and order, over all documents and over those of one creator."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

# The expressions are those of workspace/document_list.py.
APPLY = """
CREATE INDEX sales_documents_by_kind ON sales_documents (account_id, kind, id) WHERE status <> 'DELETED';
CREATE INDEX sales_documents_by_contact ON sales_documents (account_id, contact_id, id) WHERE status <> 'DELETED';
CREATE INDEX sales_documents_by_number ON sales_documents
    (account_id, (COALESCE(issued_on, '9999-01-01'::date)), (COALESCE(series_counter, 0)), id)
    WHERE status <> 'DELETED';
CREATE INDEX sales_documents_by_due_date ON sales_documents
    (account_id, (COALESCE(due_on, '9999-01-01'::date)), id) WHERE status <> 'DELETED';
CREATE INDEX sales_documents_by_amount ON sales_documents
    (account_id, (net_amount + tax_amount), id) WHERE status <> 'DELETED';
CREATE INDEX sales_documents_of_creator_by_number ON sales_documents
    (account_id, created_by_id, (COALESCE(issued_on, '9999-01-01'::date)), (COALESCE(series_counter, 0)), id)
    WHERE status <> 'DELETED';
CREATE INDEX sales_documents_of_creator_by_due_date ON sales_documents
    (account_id, created_by_id, (COALESCE(due_on, '9999-01-01'::date)), id) WHERE status <> 'DELETED';
CREATE INDEX sales_documents_of_creator_by_amount ON sales_documents
    (account_id, created_by_id, (net_amount + tax_amount), id) WHERE status <> 'DELETED';
-- What is overdue: few documents of an account are open, and those are a part of what was due before today.
CREATE INDEX sales_documents_open_by_due_date ON sales_documents
    (account_id, (COALESCE(due_on, '9999-01-01'::date)), id)
    WHERE status IN ('ISSUED', 'SENT', 'PARTLY_PAID') AND net_amount + tax_amount > paid_amount + credited_amount;

-- As in the lists of the product: the planner takes the index that has the column.
ALTER TABLE sales_documents ALTER status SET (n_distinct = 1000), ALTER kind SET (n_distinct = 1000),
    ALTER contact_id SET (n_distinct = 1000), ALTER created_by_id SET (n_distinct = 1000);
"""
REVERT = """
ALTER TABLE sales_documents ALTER created_by_id RESET (n_distinct), ALTER contact_id RESET (n_distinct),
    ALTER kind RESET (n_distinct), ALTER status RESET (n_distinct);
DROP INDEX sales_documents_open_by_due_date, sales_documents_of_creator_by_amount,
    sales_documents_of_creator_by_due_date, sales_documents_of_creator_by_number, sales_documents_by_amount,
    sales_documents_by_due_date, sales_documents_by_number, sales_documents_by_contact, sales_documents_by_kind;
"""


class Migration(TortoiseMigration):
    """Add the indexes."""

    dependencies = [("workspace", "0003_expenses")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012 - the same
