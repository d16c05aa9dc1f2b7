"""What several lists have in common."""

from collections.abc import Mapping
from typing import Final, TypeVar

from database import db
from database.listing import ConnectionQuery
from database.page_sql import Order
from models.base.validation import MAX_NAME, composed

R = TypeVar("R", bound=db.Row)
LAST_USED: Final = ("COALESCE(g.last_used_at, 'epoch'::timestamptz)", "timestamptz")
"""By the last use, where what was never used comes last."""
LIVE: Final = "c.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (c.valid_until IS NULL OR c.valid_until > {})"
"""The condition that a consultant's grant `c` is not over at the instant {}."""


def newest_first(row: type[R], columns: Mapping[str, str], source: str, parent: str, *rules: str) -> ConnectionQuery[R]:
    """The rows of the first table of `source`; `rules` are the columns that their rights look at."""
    alias = source.split()[1]
    order = Order(((f"{alias}.id", "uuid"),), descending=True)
    return ConnectionQuery(row=row, columns=columns, source=source, parent=parent, order=order, always=("id", *rules))


def search_pattern(text: str) -> str:
    """A LIKE pattern that matches `text` anywhere, its own wildcards taken literally, however it is composed."""
    escaped = composed(text, MAX_NAME).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
