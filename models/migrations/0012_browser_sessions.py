"""Sessions of browsers, whose token lies in a cookie, are shorter than the others: the row says which it is."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as Step

FORTH = "ALTER TABLE sessions ADD COLUMN in_cookie boolean NOT NULL DEFAULT false"
# Without the column a cookie's token would be a bearer token.
BACK = """
DELETE FROM sessions WHERE in_cookie;
ALTER TABLE sessions DROP COLUMN in_cookie;
"""


class Migration(Step):
    """Sessions of browsers."""

    dependencies = [("models", "0011_guesses")]  # noqa: RUF012 - Tortoise's own shape
    operations = [ops.RunSQL(FORTH, reverse_sql=BACK)]  # noqa: RUF012
