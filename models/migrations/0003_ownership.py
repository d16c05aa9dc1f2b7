"""Transfers of ownership, and what the clock's jobs have done."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as Step

FORTH = "SELECT 1"
BACK = "SELECT 1"


class Migration(Step):
    """Transfers of ownership, and what the clock's jobs have done."""

    dependencies = [("models", "0002_event_chain")]  # noqa: RUF012 - Tortoise's own shape
    operations = [ops.RunSQL(FORTH, reverse_sql=BACK)]  # noqa: RUF012
