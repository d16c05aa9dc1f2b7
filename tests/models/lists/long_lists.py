"""A user whose lists are long: one account with many rows of each kind, and a guest of many accounts."""

from tests.api import Api, Person
from tests.conftest import connect

ROWS = 12_000
"""More than a scan reads, so that a list without a bound is seen."""
FREQUENT_TYPE, RARE_TYPE = "account:settings:update", "account:client:create"

_STATEMENTS = """
SET session_replication_role = replica;
CREATE FUNCTION key(kind int, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(1000000 + n), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(kind), 12, '0'))::uuid $$;

INSERT INTO users (id, email, email_key, name, locale, password_hash, activated_at, created_at)
SELECT key(1, n), 'guest' || n || '@example.org', 'guest' || n || '@example.org', 'Guest ' || n, 'en', 'x', now(), now()
FROM generate_series(1, {rows}) n;

INSERT INTO accounts (id, number, name, kind, owner_id, created_at, activated_at, subscription_until, invoice_prefix,
    default_currency, default_locale, payment_term_days, simple_user_restrictions, locks, requires_two_factor)
SELECT key(2, n), 100000 + n, 'Account ' || n, CASE n WHEN 1 THEN 'BUREAU' ELSE 'BUSINESS' END, key(1, n), now(), now(),
    now() + CASE n WHEN 1 THEN interval '1 day' ELSE interval '1 year' END, '', 'EUR', 'en', 14, 0, 0, false
FROM generate_series(1, {rows}) n;

-- Guests of the account: the oldest grant differs from all others.
INSERT INTO grants (id, account_id, user_id, role, status, last_used_at, valid_until, created_at)
SELECT key(3, n), '{account}', key(1, n), CASE n WHEN 1 THEN 'ADMINISTRATOR' ELSE 'ACCOUNTANT' END,
    CASE n WHEN 1 THEN 'RESIGNED' ELSE 'ACTIVE' END, CASE n WHEN 1 THEN now() - interval '1 year' ELSE now() END,
    CASE n WHEN 1 THEN now() - interval '1 day' END, now() FROM generate_series(1, {rows}) n;
INSERT INTO grants (id, account_id, user_id, role, status, last_used_at, created_at)
SELECT key(4, n), key(2, n), '{user}', CASE n WHEN 1 THEN 'ADMINISTRATOR' ELSE 'ACCOUNTANT' END, 'ACTIVE',
    now() - n * interval '1 minute', now() FROM generate_series(1, {rows}) n;
INSERT INTO grants (id, account_id, user_id, role, status, last_used_at, created_at)
SELECT key(13, n), key(2, n), key(1, n), 'OWNER', 'ACTIVE', now(), now() FROM generate_series(1, {rows}) n;

INSERT INTO invitations (id, account_id, email, email_key, role, status, invited_by_id, locale, allow_other_login,
    token_digest, created_at, expires_at)
SELECT key(5, n), '{account}', n || '@example.org', n || '@example.org', 'ACCOUNTANT',
    CASE n WHEN 1 THEN 'PENDING' ELSE 'REVOKED' END, '{user}', 'en', false, sha256(n::text::bytea), now(),
    now() + interval '9 days' FROM generate_series(1, {rows}) n;
INSERT INTO invitations (id, account_id, email, email_key, role, status, invited_by_id, locale, allow_other_login,
    token_digest, created_at, expires_at)
SELECT key(6, n), key(2, n), '{email}', '{email}', 'ACCOUNTANT', 'PENDING', key(1, n), 'en', false,
    sha256(('u' || n)::bytea), now(), now() + interval '9 days' FROM generate_series(1, {rows}) n;

INSERT INTO engagements (id, bureau_id, client_id, status, asked_by_id, is_blind, created_at, ended_at)
SELECT key(7, n), '{account}', key(2, n), CASE n WHEN 1 THEN 'ACTIVE' ELSE 'ENDED' END, '{account}', false, now(),
    CASE n WHEN 1 THEN NULL ELSE now() END FROM generate_series(1, {rows}) n;

INSERT INTO engagement_requests (id, account_id, by_bureau, target_number, status, created_at, expires_at)
SELECT key(15, n), '{account}', true, n, 'WITHDRAWN', now(), now() FROM generate_series(1, {rows}) n;

INSERT INTO access_requests SELECT (jsonb_populate_record(NULL::access_requests, to_jsonb(r)
    || jsonb_build_object('id', key(8, n), 'account_id', '{account}', 'requester_id', key(1, n)))).*
FROM (SELECT * FROM access_requests LIMIT 1) r, generate_series(1, {rows}) n;
INSERT INTO access_requests SELECT (jsonb_populate_record(NULL::access_requests, to_jsonb(r)
    || jsonb_build_object('id', key(9, n), 'account_id', key(2, n), 'requester_id', '{user}'))).*
FROM (SELECT * FROM access_requests LIMIT 1) r, generate_series(1, {rows}) n;

INSERT INTO messages SELECT (jsonb_populate_record(NULL::messages, to_jsonb(m)
    || jsonb_build_object('id', key(10, n), 'account_id', '{account}', 'status', 'SENT'))).*
FROM (SELECT * FROM messages LIMIT 1) m, generate_series(1, {rows}) n;
INSERT INTO sessions SELECT (jsonb_populate_record(NULL::sessions, to_jsonb(s)
    || jsonb_build_object('id', key(11, n), 'token_digest', sha256(('s' || n)::bytea)))).*
FROM (SELECT * FROM sessions WHERE user_id = '{user}' LIMIT 1) s, generate_series(1, {rows}) n;
INSERT INTO subscription_entries SELECT (jsonb_populate_record(NULL::subscription_entries, to_jsonb(e)
    || jsonb_build_object('id', key(12, n), 'account_id', '{account}', 'reference', NULL))).*
FROM (SELECT * FROM subscription_entries LIMIT 1) e, generate_series(1, {rows}) n;

INSERT INTO contacts (id, account_id, kind, name, is_archived, created_at)
SELECT key(15, n), '{account}', CASE n WHEN 1 THEN 'SUPPLIER' ELSE 'CUSTOMER' END, 'Guest ' || n, n = 1, now()
FROM generate_series(1, {rows}) n;
INSERT INTO contacts (id, account_id, kind, name, created_at)
SELECT key(17, n), key(2, n), 'CUSTOMER', 'Guest', now() FROM generate_series(1, {rows}) n;
INSERT INTO sales_documents (id, account_id, created_by_id, kind, corrected_id, status, contact_id, currency,
    net_amount, tax_amount, number, issued_on, due_on, buyer_name, seller_name, created_at)
SELECT key(19, n), '{account}', '{user}', CASE n WHEN 2 THEN 'CREDIT_NOTE' ELSE 'INVOICE' END,
    CASE n WHEN 2 THEN key(19, 3) END, CASE n WHEN 1 THEN 'DRAFT' ELSE 'ISSUED' END, key(15, least(n, 2)), 'EUR', 1, 0,
    CASE WHEN n > 1 THEN '2026-' || n END, CASE n WHEN 1 THEN date '2020-01-01' ELSE now() END,
    CASE WHEN n < 3 THEN date '2020-02-01' ELSE now() + interval '1 year' END, 'Guest ' || n, 'Me', now()
FROM generate_series(1, {rows}) n;
INSERT INTO sales_documents (id, account_id, created_by_id, kind, status, currency, net_amount, tax_amount, created_at)
SELECT key(20, n), key(2, n), key(1, n), 'INVOICE', 'DRAFT', 'EUR', 0, 0, now() FROM generate_series(1, {rows}) n;
INSERT INTO document_lines (id, document_id, description, unit, quantity, unit_price, discount_percent, vat_rate,
    net_amount) SELECT key(21, n), key(19, {rows}), 'Text', '', 1, 1, 0, 0, 1 FROM generate_series(1, {rows}) n;
INSERT INTO document_lines (id, document_id, description, unit, quantity, unit_price, discount_percent, vat_rate,
    net_amount) SELECT key(22, n), key(19, n), 'Text', '', 1, 1, 0, 0, 1 FROM generate_series(1, {rows} - 1) n;
INSERT INTO expenses (id, account_id, created_by_id, contact_id, spent_on, currency, net_amount, tax_amount,
    is_archived, created_at)
SELECT key(23, n), '{account}', '{user}', key(15, CASE n WHEN 1 THEN 1 ELSE 2 END),
    CASE n WHEN 1 THEN '2020-01-01'::date ELSE '2026-01-01'::date - n % 300 END, 'EUR', n, 0, n = 1, now()
FROM generate_series(1, {rows}) n ORDER BY md5(n::text);
INSERT INTO expenses (id, account_id, created_by_id, spent_on, currency, net_amount, tax_amount, created_at)
SELECT key(24, n), key(2, n), key(1, n), '2026-01-01', 'EUR', 1, 0, now() FROM generate_series(1, {rows}) n;
INSERT INTO document_payments (id, document_id, amount, paid_on, created_at)
SELECT key(23, n), key(19, {rows}), 1, now(), now() FROM generate_series(1, {rows}) n;
INSERT INTO document_payments (id, document_id, amount, paid_on, created_at)
SELECT key(24, n), key(19, n), 1, now(), now() FROM generate_series(1, {rows} - 1) n;
INSERT INTO document_files (id, document_id, locale, pdf, created_at)
SELECT key(25, n), key(19, n), 'en', '', now() FROM generate_series(2, {rows}) n;
INSERT INTO document_deliveries (id, account_id, document_id, document_files_id, message_id, sent_by_id, to_address,
    created_at) SELECT key(26, n), '{account}', key(19, {rows}), key(25, {rows}), key(27, n), '{user}', 'x@example.com',
    now() FROM generate_series(1, {rows}) n;
INSERT INTO document_deliveries (id, account_id, document_id, document_files_id, message_id, sent_by_id, to_address,
    created_at) SELECT key(28, n), '{account}', key(19, n), key(25, n), key(29, n), '{user}', 'x@example.com', now()
FROM generate_series(2, {rows} - 1) n;
INSERT INTO products (id, account_id, name, unit, currency, price, purchase_price, vat_rate, is_archived, created_at)
SELECT key(16, n), '{account}', 'Guest ' || n, '', 'EUR', n, CASE WHEN n > 1 THEN n END, 25, n = 1, now()
FROM generate_series(1, {rows}) n ORDER BY md5(n::text);
INSERT INTO products (id, account_id, name, unit, currency, price, vat_rate, created_at)
SELECT key(18, n), key(2, n), 'Guest', '', 'EUR', 1, 25, now() FROM generate_series(1, {rows}) n;
INSERT INTO exports (id, account_id, created_by_id, kind, format, locale, columns, needed_bits, is_scoped, status,
    row_count, byte_count, part_count, attempts, created_at, written_at)
SELECT key(40, n), '{account}', '{user}', 'CONTACTS', 'CSV', 'en', 'id', 0, false, 'QUEUED', 0, 0, 0, 0, now(), now()
FROM generate_series(1, {rows}) n;
INSERT INTO exports (id, account_id, created_by_id, kind, format, locale, columns, needed_bits, is_scoped, status,
    row_count, byte_count, part_count, attempts, created_at, written_at)
SELECT key(41, n), key(2, n), key(1, n), 'CONTACTS', 'CSV', 'en', 'id', 0, false, 'QUEUED', 0, 0, 0, 0, now(), now()
FROM generate_series(1, {rows}) n;

INSERT INTO events (id, type, occurred_at, actor_id, account_id)
SELECT key(14, n), CASE n WHEN 1 THEN '{rare}' ELSE '{frequent}' END, now() - ({rows} - n) * interval '1 minute',
    CASE n WHEN 1 THEN key(1, 1) ELSE '{user}' END, '{account}' FROM generate_series(1, {rows}) n
ORDER BY md5(n::text);  -- the order on disk is not that of the list, which makes the index costly for the planner
ANALYZE;
"""


async def lengthen(api: Api, owner: Person, database_url: str, rows: int = ROWS) -> None:
    """Give the owner's account, and the owner, `rows` rows in each list.

    The first, which is listed last, differs from the others.
    """
    from resolvers import ids

    _ = await api.do("requestAccess", {"accountNumber": 1, "role": "ACCOUNTANT"}, by=owner)
    connection = await connect(database_url)
    try:
        sql = _STATEMENTS
        values = {
            "rows": rows,
            "account": ids.decode("Account", owner.account_id),
            "user": ids.decode("User", owner.user_id),
            "email": owner.email,
            "rare": RARE_TYPE,
            "frequent": FREQUENT_TYPE,
        }
        for name, value in values.items():
            sql = sql.replace(f"{{{name}}}", str(value))
        await connection.execute(sql)
    finally:
        await connection.close()
