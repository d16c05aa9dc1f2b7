"""SQL that several connections share."""

from collections.abc import Mapping
from typing import Final, TypeVar

from database import db
from database.listing import ConnectionQuery
from database.page_sql import Order
from models.base.validation import MAX_NAME, normalize

R = TypeVar("R", bound=db.Row)
LAST_USED: Final = ("COALESCE(g.last_used_at, 'epoch'::timestamptz)", "timestamptz")
"""The sort key of the last use. Unused rows have the earliest one."""
LIVE: Final = "c.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (c.valid_until IS NULL OR c.valid_until > {})"
"""The condition that a consultant's grant `c` has not ended at the instant {}."""


def newest_first(
    row: type[R], columns: Mapping[str, str], source: str, parent: str, *rule_columns: str
) -> ConnectionQuery[R]:
    """A query of the rows of the first table of `source`. Authorization rules read the `rule_columns`."""
    alias = source.split()[1]
    order = Order(((f"{alias}.id", "uuid"),), is_descending=True)
    return ConnectionQuery(
        row=row, columns=columns, source=source, parent=parent, order=order, required_columns=("id", *rule_columns)
    )


def search_pattern(text: str) -> str:
    """A LIKE pattern that matches `text` anywhere, in any Unicode form. Wildcards in `text` are escaped."""
    pattern = normalize(text, MAX_NAME).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{pattern}%"
