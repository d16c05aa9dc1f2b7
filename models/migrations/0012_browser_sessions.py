"""A column for sessions whose token is in a browser's cookie. They are shorter than other sessions."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

APPLY = "ALTER TABLE sessions ADD COLUMN in_cookie boolean NOT NULL DEFAULT false"
# Without the column, the token of a cookie would be accepted as a bearer token.
REVERT = """
DELETE FROM sessions WHERE in_cookie;
ALTER TABLE sessions DROP COLUMN in_cookie;
"""


class Migration(TortoiseMigration):
    """Add sessions of browsers."""

    dependencies = [("models", "0011_guesses")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
