"""The hash chain of events, and the role that may only add to them."""

from tortoise.migrations import operations as ops
from tortoise.migrations.migration import Migration as Step

FORTH = "SELECT 1"
BACK = "SELECT 1"


class Migration(Step):
    """The hash chain of events, and the role that may only add to them."""

    dependencies = [("models", "0001_main_path")]  # noqa: RUF012 - Tortoise's own shape
    operations = [ops.RunSQL(FORTH, reverse_sql=BACK)]  # noqa: RUF012
