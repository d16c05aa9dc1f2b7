"""SQL that several connections share."""

from collections.abc import Mapping
from typing import Final, TypeVar

from database import db
from database.listing import ConnectionQuery
from database.page_sql import SCAN_ROWS, Order, Scan

R = TypeVar("R", bound=db.Row)
_NO_JOINS: Final[Mapping[str, str]] = {}
LAST_USED: Final = ("COALESCE(g.last_used_at, 'epoch'::timestamptz)", "timestamptz")
"""The sort key of the last use. Unused rows have the earliest one."""
LIVE: Final = "c.status IN ('ACTIVE', 'AWAITING_PERMISSIONS') AND (c.valid_until IS NULL OR c.valid_until > {})"
"""The condition that a consultant's grant `c` has not ended at the instant {}."""


def lookup(table: str, condition: str) -> str:
    """A join of the one row of `table` that `condition` selects by its key. `table` is given with its alias.

    OFFSET keeps PostgreSQL from reading the whole table for a hash join.
    """
    alias = table.rsplit(maxsplit=1)[-1]
    return f"CROSS JOIN LATERAL (SELECT {alias}.* FROM {table} WHERE {condition} OFFSET 0) {alias}"


def optional_lookup(table: str, condition: str) -> str:
    """As `lookup`, for a row that may be missing."""
    return f"LEFT{lookup(table, condition).removeprefix('CROSS')} ON TRUE"


def merged_scan(table: str, direct: str, parents: str, indirect: str, *, is_sorted: bool = True) -> Scan:
    """A scan by id of the rows that satisfy `direct`, and of those that satisfy `indirect` for one of `parents`.

    `parents` selects ids under the alias `p`. First the next row under each parent is read. The parents of the first
    of these rows have all rows of the page, so no other parent is read further.
    """
    alias = table.rsplit(maxsplit=1)[-1]
    page = f"SELECT {alias}.id FROM {table} WHERE {{}} AND {{{{bounds}}}} ORDER BY {{{{order}}}} LIMIT {{}}"
    sql = f"""SELECT {alias}.* FROM (({page.format(direct, "{limit}")}) UNION (SELECT {alias}.id FROM (
        SELECT {alias}.id FROM (SELECT p.id FROM ({parents} LIMIT {SCAN_ROWS}) p
            CROSS JOIN LATERAL ({page.format(indirect, "1")}) {alias} ORDER BY {{order}} LIMIT {{limit}}) p
        CROSS JOIN LATERAL ({page.format(indirect, "{limit}")}) {alias} LIMIT {2 * SCAN_ROWS}) {alias}
        ORDER BY {{order}} LIMIT {{limit}})) ids {lookup(table, f"{alias}.id = ids.id")}
        ORDER BY {{order}} LIMIT {{limit}}"""
    return Scan(sql, (f"{alias}.id",), is_sorted)


def newest_first(
    row: type[R],
    columns: Mapping[str, str],
    source: str,
    parent: str,
    *rule_columns: str,
    joins: Mapping[str, str] = _NO_JOINS,
    key: str | None = None,
) -> ConnectionQuery[R]:
    """A query of the rows of `source`, a table with its alias. Authorization rules read the `rule_columns`.

    `key` is the column that equals the key of the parent, if there is one.
    """
    alias = source.split()[1]
    order = Order(((f"{alias}.id", "uuid"),), is_descending=True)
    return ConnectionQuery(
        row=row,
        columns=columns,
        source=source,
        joins=joins,
        parent=parent,
        order=order,
        required_columns=("id", *rule_columns),
        key=key,
    )
