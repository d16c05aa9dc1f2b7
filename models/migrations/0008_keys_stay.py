"""A constraint on locks and restrictions: they cannot take the permissions that are needed to undo them."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

# The bits of `policy.RESTRICTABLE`. A new permission in it needs a migration of its own.
RESTRICTABLE = 0b111_1111_1111_1110_0000_0000

APPLY = f"""
ALTER TABLE accounts ADD CONSTRAINT accounts_the_keys_stay
    CHECK (locks & ~{RESTRICTABLE}::bigint = 0 AND simple_user_restrictions & ~{RESTRICTABLE}::bigint = 0);
"""
REVERT = "ALTER TABLE accounts DROP CONSTRAINT accounts_the_keys_stay"


class Migration(TortoiseMigration):
    """Allow only restrictable permissions in locks and restrictions."""

    dependencies = [("models", "0007_second_factor")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
