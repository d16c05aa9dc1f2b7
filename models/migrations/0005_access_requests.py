"""Requests for access."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as Step

FORTH = "SELECT 1"
BACK = "SELECT 1"


class Migration(Step):
    """Requests for access."""

    dependencies = [("models", "0004_bureaus")]  # noqa: RUF012 - Tortoise's own shape
    operations = [ops.RunSQL(FORTH, reverse_sql=BACK)]  # noqa: RUF012
