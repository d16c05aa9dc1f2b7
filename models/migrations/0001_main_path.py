"""Users, accounts, grants, invitations, subscription days, events and messages."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

USERS = """
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    email_key text NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    locale text NOT NULL,
    password_hash text,
    activated_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT users_email_key UNIQUE (email_key),
    -- An activated user has confirmed the address and has a password.
    CONSTRAINT users_activated_with_password CHECK (activated_at IS NULL OR password_hash IS NOT NULL)
);

CREATE TABLE user_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('activation', 'reset')),
    token_digest bytea NOT NULL CHECK (length(token_digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at timestamptz,
    CONSTRAINT user_tokens_digest UNIQUE (token_digest)
);
-- A user has at most one open link of each purpose: a new link ends the old one.
CREATE UNIQUE INDEX user_tokens_one_open ON user_tokens (user_id, purpose) WHERE used_at IS NULL;
"""

ACCOUNTS = """
-- The owner of an organization number: all accounts with the number have this owner.
CREATE TABLE organization_numbers (
    country text NOT NULL,
    number text NOT NULL,
    owner_id uuid NOT NULL REFERENCES users,
    PRIMARY KEY (country, number),
    CONSTRAINT organization_numbers_of_owner UNIQUE (country, number, owner_id)
);
CREATE TABLE bank_accounts (
    number text PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users,
    CONSTRAINT bank_accounts_of_owner UNIQUE (number, owner_id)
);

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    number integer NOT NULL CHECK (number >= 100000),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('BUSINESS', 'BUREAU')),
    owner_id uuid NOT NULL REFERENCES users,
    country text CHECK (length(country) = 2),
    organization_number text,
    created_at timestamptz NOT NULL,
    activated_at timestamptz,
    closed_at timestamptz,
    subscription_until timestamptz NOT NULL,
    invoice_prefix text NOT NULL,
    vat_number text,
    bank_account_number text,
    default_currency text NOT NULL CHECK (length(default_currency) = 3),
    default_locale text NOT NULL,
    payment_term_days integer NOT NULL CHECK (payment_term_days BETWEEN 0 AND 365),
    simple_user_restrictions bigint NOT NULL CHECK (simple_user_restrictions >= 0),
    locks bigint NOT NULL CHECK (locks >= 0),
    requires_two_factor boolean NOT NULL,
    CONSTRAINT accounts_number UNIQUE (number),
    CONSTRAINT accounts_organization_has_country
        CHECK (organization_number IS NULL OR country IS NOT NULL),
    CONSTRAINT accounts_organization_of_owner
        FOREIGN KEY (country, organization_number, owner_id)
        REFERENCES organization_numbers (country, number, owner_id) DEFERRABLE,
    CONSTRAINT accounts_bank_account_of_owner
        FOREIGN KEY (bank_account_number, owner_id)
        REFERENCES bank_accounts (number, owner_id) DEFERRABLE
);
CREATE INDEX accounts_by_owner ON accounts (owner_id);
CREATE INDEX accounts_by_organization ON accounts (country, organization_number);
CREATE INDEX accounts_by_bank_account ON accounts (bank_account_number);

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    account_id uuid REFERENCES accounts,
    token_digest bytea NOT NULL CHECK (length(token_digest) = 32),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    ended_at timestamptz,
    user_agent text,
    ip_address text,
    CONSTRAINT sessions_digest UNIQUE (token_digest)
);
CREATE INDEX sessions_open_by_user ON sessions (user_id, id) WHERE ended_at IS NULL;
"""

GRANTS = """
CREATE TABLE grants (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    user_id uuid NOT NULL REFERENCES users,
    role text NOT NULL CHECK (role IN
        ('OWNER', 'ADMINISTRATOR', 'COLLABORATOR', 'ACCOUNTANT', 'CONSULTANT', 'SIMPLE_USER')),
    status text NOT NULL CHECK (status IN
        ('AWAITING_PERMISSIONS', 'ACTIVE', 'REVOKED', 'RESIGNED', 'EXPIRED')),
    listed bigint CHECK (listed >= 0),
    valid_until timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL,
    granted_by_id uuid REFERENCES users,
    ended_at timestamptz,
    CONSTRAINT grants_owner_is_for_ever CHECK (role <> 'OWNER' OR valid_until IS NULL),
    CONSTRAINT grants_list_where_it_counts CHECK (listed IS NULL OR role IN ('CONSULTANT', 'SIMPLE_USER'))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX grants_one_live ON grants (user_id, account_id)
    WHERE status IN ('ACTIVE', 'AWAITING_PERMISSIONS');
CREATE UNIQUE INDEX grants_one_owner ON grants (account_id)
    WHERE role = 'OWNER' AND status = 'ACTIVE';
CREATE INDEX grants_by_account ON grants (account_id, id);
CREATE INDEX grants_by_user ON grants (user_id, id);

CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    email text NOT NULL,
    email_key text NOT NULL,
    role text NOT NULL CHECK (role IN
        ('ADMINISTRATOR', 'COLLABORATOR', 'ACCOUNTANT', 'CONSULTANT', 'SIMPLE_USER')),
    listed bigint CHECK (listed >= 0),
    status text NOT NULL CHECK (status IN ('PENDING', 'ACCEPTED', 'DECLINED', 'REVOKED', 'EXPIRED')),
    invited_by_id uuid NOT NULL REFERENCES users,
    message text,
    locale text NOT NULL,
    allow_other_login boolean NOT NULL,
    grant_valid_until timestamptz,
    token_digest bytea NOT NULL CHECK (length(token_digest) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    grant_id uuid REFERENCES grants,
    CONSTRAINT invitations_digest UNIQUE (token_digest),
    CONSTRAINT invitations_accepted_gave_a_grant CHECK ((status = 'ACCEPTED') = (grant_id IS NOT NULL)),
    CONSTRAINT invitations_list_where_it_counts CHECK (listed IS NULL OR role IN ('CONSULTANT', 'SIMPLE_USER'))
);
CREATE UNIQUE INDEX invitations_one_pending ON invitations (account_id, email_key)
    WHERE status = 'PENDING';
CREATE INDEX invitations_by_account ON invitations (account_id, id);
CREATE INDEX invitations_pending_by_email ON invitations (email_key, id) WHERE status = 'PENDING';
"""

SUBSCRIPTIONS = """
CREATE TABLE subscription_entries (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    days integer NOT NULL CHECK (days <> 0),
    kind text NOT NULL CHECK (kind IN ('TRIAL', 'VOUCHER', 'TRANSFER_OUT', 'TRANSFER_IN', 'CREDIT')),
    counterpart_id uuid REFERENCES accounts,
    actor_id uuid REFERENCES users,
    reference text,
    created_at timestamptz NOT NULL,
    valid_until_before timestamptz NOT NULL,
    valid_until_after timestamptz NOT NULL,
    CONSTRAINT subscription_entries_reference UNIQUE (reference),
    CONSTRAINT subscription_entries_sign CHECK ((kind = 'TRANSFER_OUT') = (days < 0)),
    CONSTRAINT subscription_entries_two_sides
        CHECK ((kind IN ('TRANSFER_OUT', 'TRANSFER_IN')) = (counterpart_id IS NOT NULL)),
    CONSTRAINT subscription_entries_not_to_itself CHECK (counterpart_id <> account_id)
);
CREATE INDEX subscription_entries_by_account ON subscription_entries (account_id, id);

CREATE TABLE idempotency_keys (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    input_digest bytea NOT NULL CHECK (length(input_digest) = 32),
    entry_id uuid REFERENCES subscription_entries,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
"""

RECORDS = """
CREATE TABLE events (
    id uuid PRIMARY KEY,
    type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor_id uuid REFERENCES users,
    actor_role text,
    account_id uuid REFERENCES accounts,
    ip_address text,
    request_id text,
    before jsonb,
    after jsonb
);
CREATE INDEX events_by_account ON events (account_id, id);
CREATE INDEX events_by_actor ON events (actor_id, id);

CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION events_are_append_only();

CREATE TABLE messages (
    id uuid PRIMARY KEY,
    account_id uuid REFERENCES accounts,
    kind text NOT NULL,
    to_address text NOT NULL,
    to_name text,
    locale text NOT NULL,
    subject text NOT NULL,
    params jsonb NOT NULL,
    link_purpose text CHECK (link_purpose IN ('invitation', 'activation', 'reset')),
    -- The token in the mail is derived from this and a key that is not in the database.
    link_seed bytea CHECK (length(link_seed) = 32),
    status text NOT NULL CHECK (status IN ('QUEUED', 'SENT', 'FAILED')),
    attempts integer NOT NULL,
    failure text,
    created_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    leased_until timestamptz,
    sent_at timestamptz,
    CONSTRAINT messages_link CHECK ((link_purpose IS NULL) = (link_seed IS NULL))
);
CREATE INDEX messages_due ON messages (next_attempt_at) WHERE status = 'QUEUED';
CREATE INDEX messages_by_account ON messages (account_id, id);
"""

REVERT = """
DROP TABLE messages, events, idempotency_keys, subscription_entries, invitations, grants, sessions,
    accounts, bank_accounts, organization_numbers, user_tokens, users;
DROP FUNCTION events_are_append_only();
"""


class Migration(TortoiseMigration):
    """Create the first tables."""

    initial = True
    operations = [  # noqa: RUF012 - the form that Tortoise requires
        ops.RunSQL(USERS + ACCOUNTS + GRANTS + SUBSCRIPTIONS + RECORDS, reverse_sql=REVERT)
    ]
