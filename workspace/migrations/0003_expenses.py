"""Expenses of accounts: suppliers, amounts by VAT rate, dates."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE expenses (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    created_by_id uuid NOT NULL REFERENCES users,
    contact_id uuid REFERENCES contacts,
    spent_on date NOT NULL,
    currency text NOT NULL CHECK (length(currency) = 3),
    reference text,
    note text,
    net_amount numeric NOT NULL CHECK (net_amount >= 0),
    tax_amount numeric NOT NULL CHECK (tax_amount >= 0),
    gross_amount numeric NOT NULL GENERATED ALWAYS AS (net_amount + tax_amount) STORED CHECK (gross_amount < 1e12),
    is_archived boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    search_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        search_key(COALESCE(reference, '') || E'\\n' || COALESCE(note, ''))) STORED
);
CREATE INDEX expenses_by_date ON expenses (account_id, spent_on, id);
CREATE INDEX expenses_by_contact ON expenses (account_id, contact_id, spent_on, id);
CREATE INDEX expenses_by_archive ON expenses (account_id, is_archived, spent_on, id);
CREATE INDEX expenses_by_amount ON expenses (account_id, gross_amount, id);
CREATE INDEX expenses_by_id ON expenses (account_id, id);
CREATE INDEX expenses_of_user ON expenses (created_by_id);
-- As in the lists of the product: the planner takes the index that has the column.
ALTER TABLE expenses ALTER contact_id SET (n_distinct = 1000), ALTER is_archived SET (n_distinct = 1000);

-- The amounts of one VAT rate.
CREATE TABLE expense_amounts (
    expense_id uuid NOT NULL REFERENCES expenses,
    vat_rate numeric NOT NULL CHECK (vat_rate BETWEEN 0 AND 100),
    net_amount numeric NOT NULL CHECK (net_amount >= 0),
    tax_amount numeric NOT NULL CHECK (tax_amount >= 0),
    PRIMARY KEY (expense_id, vat_rate)
);
"""
REVERT = "DROP TABLE expense_amounts, expenses;"


class Migration(TortoiseMigration):
    """Add the tables."""

    dependencies = [("workspace", "0002_documents")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012 - the same
