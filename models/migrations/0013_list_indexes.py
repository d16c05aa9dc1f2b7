"""Indexes for each filter and order of lists that can grow long."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = """
CREATE INDEX events_by_type ON events (account_id, type, id);
CREATE INDEX events_by_account_actor ON events (account_id, actor_id, id);
CREATE INDEX events_by_time ON events (account_id, occurred_at);

CREATE INDEX grants_by_account_status ON grants (account_id, status, id);
CREATE INDEX grants_by_account_role ON grants (account_id, role, id);
CREATE INDEX grants_by_user_status ON grants (user_id, status, id);
CREATE INDEX grants_by_user_role ON grants (user_id, role, id);
CREATE INDEX grants_by_user_account ON grants (user_id, account_id, id);
CREATE INDEX grants_by_last_use ON grants (account_id, (COALESCE(last_used_at, 'epoch'::timestamptz)), id);
CREATE INDEX grants_of_user_by_last_use
    ON grants (user_id, (COALESCE(last_used_at, 'epoch'::timestamptz)), account_id) WHERE status = 'ACTIVE';

CREATE INDEX invitations_by_status ON invitations (account_id, status, id);
CREATE INDEX engagements_by_bureau_status ON engagements (bureau_id, status, id);
CREATE INDEX engagements_by_client_status ON engagements (client_id, status, id);

-- A filter asks for any value, also one that hardly any row has. With these numbers the planner expects few rows, and
-- takes the index that has the column. Otherwise it may read a whole account to find the rows of one type.
ALTER TABLE events ALTER type SET (n_distinct = 1000), ALTER actor_id SET (n_distinct = 1000);
ALTER TABLE grants ALTER status SET (n_distinct = 1000), ALTER role SET (n_distinct = 1000);
ALTER TABLE invitations ALTER status SET (n_distinct = 1000);
ALTER TABLE engagements ALTER status SET (n_distinct = 1000);
"""
REVERT = """
ALTER TABLE engagements ALTER status RESET (n_distinct);
ALTER TABLE invitations ALTER status RESET (n_distinct);
ALTER TABLE grants ALTER status RESET (n_distinct), ALTER role RESET (n_distinct);
ALTER TABLE events ALTER type RESET (n_distinct), ALTER actor_id RESET (n_distinct);
DROP INDEX events_by_type, events_by_account_actor, events_by_time, grants_by_account_status, grants_by_account_role,
    grants_by_user_status, grants_by_user_role, grants_by_user_account, grants_by_last_use, grants_of_user_by_last_use,
    invitations_by_status, engagements_by_bureau_status, engagements_by_client_status;
"""


class Migration(TortoiseMigration):
    """Add indexes for lists."""

    dependencies = [("models", "0012_browser_sessions")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
