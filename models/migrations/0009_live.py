"""What lets open streams follow changes."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as Step

FORTH = "SELECT 1"
BACK = "SELECT 1"


class Migration(Step):
    """What lets open streams follow changes."""

    dependencies = [("models", "0008_keys_stay")]  # noqa: RUF012 - Tortoise's own shape
    operations = [ops.RunSQL(FORTH, reverse_sql=BACK)]  # noqa: RUF012
