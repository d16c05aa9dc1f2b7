"""The SQL statement that reads one page of a connection under each of many parents.

Statements are cached by the shape of the query.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

from database import db, rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """The columns that sort a connection. The last one is unique."""

    columns: tuple[tuple[str, str], ...]  # SQL expression and its PostgreSQL type
    is_descending: bool = False


# Each column is aggregated under each parent, and then over all parents. That is cheaper than sorting and aggregating
# all rows at once. `size` is the size of a page, which has a limit: the statement never counts the whole list.
_PAGES: Final = """
SELECT string_agg(p.size::text, ','), {columns} FROM (
    SELECT k.position, x.* FROM unnest($1::text::uuid[]) WITH ORDINALITY k(key, position)
    CROSS JOIN LATERAL (SELECT count(1) AS size, {parent_columns} FROM ({page}) x) x
    ORDER BY k.position) p
"""
_PAGE: Final = "SELECT {columns} FROM {source} WHERE {conditions} ORDER BY {order} LIMIT {limit}"
_KINDS: Final[Mapping[str, rows.Kind]] = {"text": "line", "int": "plain", "timestamptz": "instant", "uuid": "key"}


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

    Its one row begins with the numbers of rows under each parent.
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
        order=_order_by(order, is_descending=shape.order.is_descending is not shape.is_backward),
        limit=shape.limit,
    )
    if shape.is_backward:
        final_order = _order_by([f"y.{name}" for name in sort.values()], is_descending=shape.order.is_descending)
        page = f"SELECT * FROM ({page}) y ORDER BY {final_order}"
    aggregates = {index: rows.AGGREGATES[kinds[sql]] for sql, index in positions.items()}
    sql = _PAGES.format(
        columns=", ".join(total.format(f"p.c{index}") for index, (_, total) in aggregates.items()),
        parent_columns=", ".join(
            f"{of_parent.format(f'x.c{index}')} AS c{index}" for index, (of_parent, _) in aggregates.items()
        ),
        page=page,
    )
    column_kinds: dict[str, rows.Kind] = {} if shape.key is None else {shape.key: "key"}
    column_kinds.update((name, kind) for name, (_, kind) in columns.items())
    return Statement(sql, {name: positions[sql] + 1 for name, (sql, _) in columns.items()}, column_kinds)


def _requested_columns(shape: QueryShape) -> dict[str, tuple[str, rows.Kind]]:
    """The columns of `shape.column_names`, the required ones, the ids of their parts, and the sort key."""
    expressions = shape.columns.value
    names = [name for name in expressions if "." not in name] if shape.column_names is None else shape.column_names
    parts = {name.partition(".")[0] for name in names if "." in name}
    all_names = {*names, *shape.required_columns, *(f"{part}.id" for part in parts)}
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


def _order_by(columns: list[str], *, is_descending: bool) -> str:
    return ", ".join(f"{column} DESC" if is_descending else column for column in columns)
