"""The SQL statement that reads one page of a connection under each of many parents.

Statements are cached by the shape of the query.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

from database import db, rows

T = TypeVar("T")


KEY: Final = "k.key"
"""SQL of the parent's key."""
SCAN_ROWS: Final = 10_000
"""The rows that one page, or one count, reads at most under each parent."""


@dataclass(frozen=True, slots=True)
class Order:
    """The columns that sort a connection. The last one is unique."""

    columns: tuple[tuple[str, str], ...]  # SQL expression and its PostgreSQL type
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows that a list reads, as the text of a subquery, before filters drop some of them.

    The text has `{key}` for the parent's key, `{bounds}` for the condition of a cursor, `{order}` for the sort key
    `order`, and `{limit}` for the maximum number of rows. If `is_sorted` is false, the scan has another order than the
    list: it takes the first SCAN_ROWS rows of its own order, and the list sorts them.
    """

    sql: str
    order: tuple[str, ...] = ()
    is_sorted: bool = True
    names: tuple[str, ...] = ()
    """The columns of `order` as the subquery returns them. Empty if they are those of the list's order."""


def index_scan(table: str, branches: Sequence[str], order: Sequence[str], *, is_sorted: bool = True) -> Scan:
    """A scan of `table`, given with its alias. `order` is its sort key.

    Each of `branches` is a condition, and an index has its columns and then those of `order`. No row satisfies two of
    them. PostgreSQL merges the branches row by row, and stops at the limit.
    """
    alias = table.rsplit(maxsplit=1)[-1]
    # The planner sees that the rows are sorted only by columns that the subquery returns.
    names = [sql if re.fullmatch(r"\w+\.\w+", sql) else f"{alias}.sort_{index}" for index, sql in enumerate(order)]
    keys = "".join(f", {sql} AS {name.split('.')[1]}" for sql, name in zip(order, names, strict=True) if sql != name)
    columns = f"{alias}.*{keys}"
    page = f"SELECT {columns} FROM {table} WHERE {{}} AND {{{{bounds}}}} ORDER BY {{{{order}}}} LIMIT {{{{limit}}}}"
    pages = [page.format(branch) for branch in branches]
    if len(pages) == 1:
        return Scan(pages[0], tuple(order), is_sorted, tuple(names))
    union = " UNION ALL ".join(f"({text})" for text in pages)
    sql = f"SELECT {alias}.* FROM ({union}) {alias} ORDER BY {{order}} LIMIT {{limit}}"
    return Scan(sql, tuple(order), is_sorted, tuple(names))


# Each column is aggregated under each parent, and then over all parents. That is cheaper than sorting and aggregating
# all rows at once. `size` is the size of a page, which has a limit: the statement never counts the whole list.
_PAGES: Final = """
SELECT string_agg(p.size::text, ','), {columns} FROM (
    SELECT k.position, x.* FROM unnest($1::text::uuid[]) WITH ORDINALITY k(key, position)
    CROSS JOIN LATERAL (SELECT count(1) AS size, {parent_columns} FROM ({page}) x) x
    ORDER BY k.position) p
"""
# The sort key of the last row of a scan that ended before the page was full, or null. It is read only for such a page.
_SCAN_END: Final = """CASE WHEN count(1) < {limit} THEN (
    SELECT json_build_array({order})::text FROM {source} OFFSET {last} LIMIT 1) END AS scan_end"""
_SCAN_ENDS: Final = f"string_agg(COALESCE(p.scan_end, ''), '{rows.DELIMITER}')"
_PAGE: Final = "SELECT {columns} FROM {source} WHERE {conditions} ORDER BY {order} LIMIT {limit}"
_KINDS: Final[Mapping[str, rows.Kind]] = {
    "text": "line",
    "numeric": "line",
    "date": "line",
    "int": "plain",
    "timestamptz": "instant",
    "uuid": "key",
}


_PART_COLUMNS: Final = ("id", "account_id")
"""The columns of a part that are always selected, if it has them: its key, and what authorization rules read."""


class ByIdentity(Generic[T]):
    """Wraps a value so that it is compared and hashed by identity."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __eq__(self, value: object, /) -> bool:
        return isinstance(value, ByIdentity) and value.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class QueryShape(NamedTuple):
    """Everything that the statement of a page depends on, except its arguments."""

    row: Any  # a row class
    columns: ByIdentity[Mapping[str, str]]
    joins: ByIdentity[Mapping[str, str]]
    parts: ByIdentity[Mapping[str, type[db.Row]]]
    source: str
    key: str | None
    required_columns: tuple[str, ...]
    order: Order
    column_names: frozenset[str] | None
    with_page_info: bool
    conditions: tuple[str, ...]
    limit: str
    is_backward: bool
    order_by: tuple[str, ...]
    """The sort key as columns of `source`. Empty: those of `order`."""
    scan_end: str | None
    """SQL of the scan's end, from `scan_end`. None if the statement need not tell it."""
    any_text: bool = False
    """If true, text columns are sent as JSON, so that a value may contain the delimiter."""


class Statement(NamedTuple):
    """The statement of a page, with the position of each column in its one row, and the kind of each column."""

    sql: str
    positions: dict[str, int]
    kinds: Mapping[str, rows.Kind]


@lru_cache(maxsize=1000)
def statement(shape: QueryShape) -> Statement:
    """Build the statement of a page. It selects each expression once.

    Its one row begins with the numbers of rows under each parent. If the shape has a scan, it ends with the sort keys
    at which the scans ended.
    """
    columns = _columns_to_select(shape)
    positions = {sql: index for index, sql in enumerate(dict.fromkeys(sql for sql, _ in columns.values()))}
    kinds = dict(columns.values())
    order = [sql for sql, _ in shape.order.columns]
    sort = {sql: f"c{positions[sql]}" if sql in positions else f"s{index}" for index, sql in enumerate(order)}
    expressions = [f"{sql} AS c{index}" for sql, index in positions.items()]
    expressions += [f"{sql} AS {name}" for sql, name in sort.items() if sql not in positions]
    conditions = " AND ".join(shape.conditions)
    page = _PAGE.format(
        columns=", ".join(expressions),
        source=source_with_joins(shape.source, shape.joins.value, " ".join([*expressions, conditions])),
        conditions=conditions,
        order=_order_by(shape.order_by or order, is_descending=shape.order.is_descending is not shape.is_backward),
        limit=shape.limit,
    )
    if shape.is_backward:
        final_order = _order_by([f"y.{name}" for name in sort.values()], is_descending=shape.order.is_descending)
        page = f"SELECT * FROM ({page}) y ORDER BY {final_order}"
    aggregates = {index: rows.AGGREGATES[kinds[sql]] for sql, index in positions.items()}
    totals = [total.format(f"p.c{index}") for index, (_, total) in aggregates.items()]
    of_parents = [f"{of_parent.format(f'x.c{index}')} AS c{index}" for index, (of_parent, _) in aggregates.items()]
    if shape.scan_end is not None:
        totals.append(_SCAN_ENDS)
        of_parents.append(shape.scan_end)
    sql = _PAGES.format(columns=", ".join(totals), parent_columns=", ".join(of_parents), page=page)
    column_kinds: dict[str, rows.Kind] = {} if shape.key is None else {shape.key: "key"}
    column_kinds.update((name, kind) for name, (_, kind) in columns.items())
    return Statement(sql, {name: positions[sql] + 1 for name, (sql, _) in columns.items()}, column_kinds)


def _requested_columns(shape: QueryShape) -> dict[str, tuple[str, rows.Kind]]:
    """The columns of `shape.column_names`, the required ones, the keys of their parts, and the sort key."""
    expressions = shape.columns.value
    names = [name for name in expressions if "." not in name] if shape.column_names is None else shape.column_names
    parts = {name.partition(".")[0] for name in names if "." in name}
    all_names = {*names, *shape.required_columns, *(f"{part}.{name}" for part in parts for name in _PART_COLUMNS)}
    columns: dict[str, tuple[str, rows.Kind]] = {
        name: (sql, _kind(shape, name)) for name, sql in expressions.items() if name in all_names
    }
    if shape.with_page_info:
        sort = zip(sort_names(shape.columns, shape.order), shape.order.columns, strict=True)
        columns |= {name: (sql, _KINDS[kind]) for name, (sql, kind) in sort}
    return {name: column for name, column in columns.items() if name != shape.key}


def _kind(shape: QueryShape, name: str) -> rows.Kind:
    part, _, column = name.rpartition(".")
    row: Any = shape.parts.value[part] if part else shape.row
    return rows.kinds(row)[column]


def _columns_to_select(shape: QueryShape) -> dict[str, tuple[str, rows.Kind]]:
    columns = _requested_columns(shape)
    if not shape.any_text:
        return columns
    return {name: (sql, "text" if kind == "line" else kind) for name, (sql, kind) in columns.items()}


@lru_cache(maxsize=1000)
def sort_names(columns: ByIdentity[Mapping[str, str]], order: Order) -> list[str]:
    """The column names of the sort key. A column that is both listed and sorted by is selected once."""
    names = {sql: name for name, sql in columns.value.items() if "." not in name}
    return [names.get(sql, f"order_{index}") for index, (sql, _) in enumerate(order.columns)]


def source_with_joins(source: str, joins: Mapping[str, str], sql_text: str) -> str:
    """The source with each join whose alias `sql_text` uses."""
    return " ".join([source, *(sql for alias, sql in joins.items() if re.search(rf"\b{alias}\.", sql_text))])


def scan_source(source: str, scan: Scan, bounds: str, limit: str | int, *, is_descending: bool | None) -> str:
    """`source`, a table with its alias, reduced to the rows of a scan. Without an order if `is_descending` is None."""
    order = "NULL::int" if is_descending is None else _order_by(scan.order, is_descending=is_descending)
    sql = scan.sql.format(key=KEY, bounds=bounds, order=order, limit=limit)
    return f"({sql}) {source.rsplit(maxsplit=1)[-1]}"


def scan_end(source: str, scan: Scan, limit: str) -> str:
    """SQL of the sort key of the last row of a scan. `source` is the text that `scan_source` returned."""
    return _SCAN_END.format(limit=limit, order=", ".join(scan.order), source=source, last=SCAN_ROWS - 1)


def _order_by(columns: Sequence[str], *, is_descending: bool) -> str:
    return ", ".join(f"{column} DESC" if is_descending else column for column in columns)
