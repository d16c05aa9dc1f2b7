"""Locks and restrictions can have permissions of modules: the bits 32 to 58, of which none is needed to undo them."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as TortoiseMigration

# The bits of `policy.RESTRICTABLE` without modules, and those of `modules.BITS`.
RESTRICTABLE = 0b111_1111_1111_1110_0000_0000
OF_MODULES = (1 << 59) - (1 << 32)


def constrain(bits: int) -> str:
    """Allow only these bits in locks and restrictions."""
    return f"""
ALTER TABLE accounts DROP CONSTRAINT accounts_the_keys_stay;
ALTER TABLE accounts ADD CONSTRAINT accounts_the_keys_stay
    CHECK (locks & ~{bits}::bigint = 0 AND simple_user_restrictions & ~{bits}::bigint = 0);
"""


APPLY = constrain(RESTRICTABLE | OF_MODULES)
REVERT = f"""
UPDATE accounts SET locks = locks & {RESTRICTABLE}::bigint,
    simple_user_restrictions = simple_user_restrictions & {RESTRICTABLE}::bigint
WHERE (locks | simple_user_restrictions) & {OF_MODULES}::bigint <> 0;
{constrain(RESTRICTABLE)}"""


class Migration(TortoiseMigration):
    """Allow the permissions of modules."""

    dependencies = [("models", "0028_event_scopes")]  # noqa: RUF012 - the form that Tortoise requires
    operations = [ops.RunSQL(APPLY, reverse_sql=REVERT)]  # noqa: RUF012
