"""Idempotency keys of all creating mutations. Before, extendSubscription alone had keys: they stay valid."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

# The digest of a former key is computed again from its entry, in the form of models/base/idempotency.py.
APPLY = """
ALTER TABLE idempotency_keys
    DROP CONSTRAINT idempotency_keys_pkey,
    ADD mutation text NOT NULL DEFAULT 'extendSubscription',
    ADD part uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ADD outcome uuid[];
UPDATE idempotency_keys k SET outcome = ARRAY[k.entry_id], input_digest = sha256(convert_to(format(
    '{"account_id":"%s","days":%s,"payer_account_id":"%s"}', e.account_id, e.days, e.counterpart_id), 'UTF8'))
FROM subscription_entries e WHERE e.id = k.entry_id;
ALTER TABLE idempotency_keys
    DROP COLUMN entry_id,
    ALTER mutation DROP DEFAULT,
    ALTER part DROP DEFAULT,
    ADD PRIMARY KEY (user_id, mutation, key, part);
"""

# Only the keys of extendSubscription have a place in the former table.
REVERT = """
DELETE FROM idempotency_keys WHERE mutation <> 'extendSubscription';
ALTER TABLE idempotency_keys
    DROP CONSTRAINT idempotency_keys_pkey,
    ADD entry_id uuid REFERENCES subscription_entries;
UPDATE idempotency_keys k SET entry_id = e.id, input_digest = sha256(convert_to(format(
    '["%s","%s",%s]', e.account_id, e.counterpart_id, e.days), 'UTF8'))
FROM subscription_entries e WHERE e.id = k.outcome[1];
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE idempotency_keys
    DROP COLUMN mutation,
    DROP COLUMN part,
    DROP COLUMN outcome,
    ADD PRIMARY KEY (user_id, key);
"""


class Migration(TortoiseMigration):
    """Keys by user, mutation, key and part."""

    dependencies = [("models", "0019_email_keys")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
