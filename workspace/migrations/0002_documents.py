"""Documents of accounts: invoices and credit notes, with lines, payments, and one series of numbers."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
-- The counter of an account's numbers. Issuing locks the row, so numbers have no gap and follow the order of dates.
CREATE TABLE document_series (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES accounts,
    year int NOT NULL CHECK (year BETWEEN 2000 AND 9999),
    prefix text NOT NULL,
    counter int NOT NULL CHECK (counter > 0),
    last_issued_on date NOT NULL,
    UNIQUE (account_id, year)
);

CREATE TABLE sales_documents (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    created_by_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('INVOICE', 'CREDIT_NOTE')),
    status text NOT NULL CHECK (status IN ('DRAFT', 'ISSUED', 'SENT', 'PARTLY_PAID', 'PAID', 'CREDITED', 'DELETED')),
    corrected_id uuid REFERENCES sales_documents CHECK ((corrected_id IS NULL) = (kind = 'INVOICE')),
    contact_id uuid REFERENCES contacts,
    currency text NOT NULL CHECK (length(currency) = 3),
    sold_on date,
    due_on date,
    note text,
    net_amount numeric NOT NULL CHECK (net_amount >= 0 AND net_amount < 1e12),
    tax_amount numeric NOT NULL CHECK (tax_amount >= 0 AND tax_amount < 1e12),
    paid_amount numeric NOT NULL DEFAULT 0,
    credited_amount numeric NOT NULL DEFAULT 0,
    -- From here on: set when the document is issued.
    number text,
    series_year int,
    series_counter int,
    issued_on date,
    buyer_name text,
    buyer_country text,
    buyer_vat_number text,
    buyer_address text,
    seller_name text,
    seller_country text,
    seller_organization_number text,
    seller_vat_number text,
    seller_bank_account text,
    created_at timestamptz NOT NULL,
    search_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        search_key(COALESCE(number, '') || E'\\n' || COALESCE(buyer_name, '') || E'\\n' || COALESCE(note, ''))) STORED,
    CHECK ((status IN ('DRAFT', 'DELETED')) = (number IS NULL)),
    CHECK (number IS NULL OR (issued_on IS NOT NULL AND buyer_name IS NOT NULL AND seller_name IS NOT NULL)),
    CHECK (paid_amount BETWEEN 0 AND net_amount + tax_amount),
    CHECK (credited_amount BETWEEN 0 AND net_amount + tax_amount),
    UNIQUE (account_id, number),
    UNIQUE (account_id, series_year, series_counter)
);
CREATE INDEX sales_documents_by_account ON sales_documents (account_id, id) WHERE status <> 'DELETED';
CREATE INDEX sales_documents_by_status ON sales_documents (account_id, status, id) WHERE status <> 'DELETED';
CREATE INDEX sales_documents_by_creator ON sales_documents (account_id, created_by_id, id) WHERE status <> 'DELETED';
CREATE INDEX sales_documents_by_corrected ON sales_documents (corrected_id) WHERE corrected_id IS NOT NULL;
CREATE INDEX sales_documents_of_user ON sales_documents (created_by_id);

CREATE TABLE document_lines (
    id uuid PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES sales_documents,
    product_id uuid REFERENCES products,
    description text NOT NULL CHECK (description <> ''),
    unit text NOT NULL,
    quantity numeric NOT NULL CHECK (quantity > 0 AND quantity < 1e9),
    unit_price numeric NOT NULL CHECK (unit_price >= 0 AND unit_price < 1e12),
    purchase_price numeric CHECK (purchase_price >= 0 AND purchase_price < 1e12),
    discount_percent numeric NOT NULL CHECK (discount_percent BETWEEN 0 AND 100),
    vat_rate numeric NOT NULL CHECK (vat_rate BETWEEN 0 AND 100),
    net_amount numeric NOT NULL CHECK (net_amount >= 0)
);
CREATE INDEX document_lines_by_document ON document_lines (document_id, id);

CREATE TABLE document_payments (
    id uuid PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES sales_documents,
    amount numeric NOT NULL CHECK (amount > 0),
    paid_on date NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX document_payments_by_document ON document_payments (document_id, id);

-- An issued document does not change: only what was paid and credited, and the status that follows from it.
-- The search key is computed after this trigger.
CREATE FUNCTION issued_documents_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'DRAFT' AND (TG_OP = 'DELETE'
        OR to_jsonb(OLD) - ARRAY['status', 'paid_amount', 'credited_amount', 'search_key']
            <> to_jsonb(NEW) - ARRAY['status', 'paid_amount', 'credited_amount', 'search_key']
        OR NEW.status IN ('DRAFT', 'DELETED')) THEN
        RAISE EXCEPTION 'an issued document does not change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'issued_documents_stay';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER sales_documents_stay BEFORE UPDATE OR DELETE ON sales_documents
    FOR EACH ROW EXECUTE FUNCTION issued_documents_stay();

CREATE FUNCTION lines_of_issued_documents_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM sales_documents d WHERE d.status <> 'DRAFT' AND d.id IN (
        CASE WHEN TG_OP <> 'INSERT' THEN OLD.document_id END,
        CASE WHEN TG_OP <> 'DELETE' THEN NEW.document_id END)) THEN
        RAISE EXCEPTION 'the lines of an issued document do not change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'issued_documents_stay';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER document_lines_stay BEFORE INSERT OR UPDATE OR DELETE ON document_lines
    FOR EACH ROW EXECUTE FUNCTION lines_of_issued_documents_stay();
"""
REVERT = """
DROP TABLE document_payments, document_lines, sales_documents, document_series;
DROP FUNCTION issued_documents_stay(), lines_of_issued_documents_stay();
"""


class Migration(TortoiseMigration):
    """Add the tables."""

    dependencies = [("workspace", "0001_contacts_and_products")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012 - the same
