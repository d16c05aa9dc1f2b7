"""Contacts and products of accounts."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE contacts (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    kind text NOT NULL CHECK (kind IN ('CUSTOMER', 'SUPPLIER', 'BOTH')),
    name text NOT NULL CHECK (name <> ''),
    country text CHECK (length(country) = 2),
    vat_number text,
    address text,
    email text,
    locale text,
    is_archived boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    search_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        search_key(name || E'\\n' || COALESCE(email, '') || E'\\n' || COALESCE(vat_number, ''))) STORED,
    name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (name_key(name)) STORED
);
CREATE INDEX contacts_by_kind ON contacts (account_id, kind, id);
CREATE INDEX contacts_by_archive ON contacts (account_id, is_archived, id);
CREATE INDEX contacts_by_id ON contacts (account_id, id);

CREATE TABLE products (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    name text NOT NULL CHECK (name <> ''),
    unit text NOT NULL,
    currency text NOT NULL CHECK (length(currency) = 3),
    price numeric NOT NULL CHECK (price >= 0 AND price < 1e12),
    purchase_price numeric CHECK (purchase_price >= 0 AND purchase_price < 1e12),
    vat_rate numeric NOT NULL CHECK (vat_rate BETWEEN 0 AND 100),
    is_archived boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    search_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (search_key(name)) STORED,
    name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (name_key(name)) STORED
);
CREATE INDEX products_by_archive ON products (account_id, is_archived, id);
CREATE INDEX products_by_id ON products (account_id, id);
CREATE INDEX products_by_price ON products (account_id, price, id);
CREATE INDEX products_by_purchase_price ON products (account_id, COALESCE(purchase_price, -1), id);
"""
REVERT = "DROP TABLE products; DROP TABLE contacts;"


class Migration(TortoiseMigration):
    """Add the tables."""

    dependencies = [("models", "0025_client_lists")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012 - the same
