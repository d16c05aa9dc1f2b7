"""Access requests."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE TABLE access_requests (
    id uuid PRIMARY KEY,
    requester_id uuid NOT NULL REFERENCES users,
    -- The number that the requester typed: one of the two.
    organization_number text,
    account_number integer,
    country text CHECK (length(country) = 2),
    -- The account that the request reached; null if none. The requester must not learn which.
    account_id uuid REFERENCES accounts,
    on_behalf_of_id uuid REFERENCES accounts,
    role text NOT NULL CHECK (role IN ('COLLABORATOR', 'ACCOUNTANT', 'CONSULTANT', 'SIMPLE_USER')),
    message text,
    status text NOT NULL CHECK (status IN ('PENDING', 'APPROVED', 'DECLINED', 'WITHDRAWN', 'EXPIRED')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    grant_id uuid REFERENCES grants,
    CONSTRAINT access_requests_one_target CHECK ((organization_number IS NULL) <> (account_number IS NULL)),
    CONSTRAINT access_requests_organization_has_country CHECK (organization_number IS NULL OR country IS NOT NULL),
    CONSTRAINT access_requests_approved_gave_a_grant CHECK ((status = 'APPROVED') = (grant_id IS NOT NULL)),
    CONSTRAINT access_requests_decided_where_it_reached
        CHECK (status NOT IN ('APPROVED', 'DECLINED') OR account_id IS NOT NULL)
);
CREATE UNIQUE INDEX access_requests_one_pending ON access_requests (requester_id, account_id)
    WHERE status = 'PENDING';
CREATE UNIQUE INDEX access_requests_one_pending_target
    ON access_requests (requester_id, country, organization_number, account_number) NULLS NOT DISTINCT
    WHERE status = 'PENDING';
CREATE INDEX access_requests_by_account ON access_requests (account_id, id);
CREATE INDEX access_requests_by_requester ON access_requests (requester_id, id);
"""
REVERT = "DROP TABLE access_requests"


class Migration(TortoiseMigration):
    """Add access requests."""

    dependencies = [("models", "0004_bureaus")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
