"""What can be taken in an account is held by the database too: nobody locks an owner out of the way back."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as Step

# The bits of `policy.RESTRICTABLE`; a permission that joins them comes with a step of its own.
RESTRICTABLE = 0b111_1111_1111_1110_0000_0000

FORTH = f"""
ALTER TABLE accounts ADD CONSTRAINT accounts_the_keys_stay
    CHECK (locks & ~{RESTRICTABLE}::bigint = 0 AND simple_user_restrictions & ~{RESTRICTABLE}::bigint = 0);
"""
BACK = "ALTER TABLE accounts DROP CONSTRAINT accounts_the_keys_stay"


class Migration(Step):
    """What can be taken, and never the keys."""

    dependencies = [("models", "0007_second_factor")]  # noqa: RUF012 - Tortoise's own shape
    operations = [ops.RunSQL(FORTH, reverse_sql=BACK)]  # noqa: RUF012
