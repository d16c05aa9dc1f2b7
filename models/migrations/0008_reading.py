"""Indexes of the reading paths."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as Step

FORTH = "SELECT 1"
BACK = "SELECT 1"


class Migration(Step):
    """Indexes of the reading paths."""

    dependencies = [("models", "0007_second_factor")]  # noqa: RUF012 - Tortoise's own shape
    operations = [ops.RunSQL(FORTH, reverse_sql=BACK)]  # noqa: RUF012
