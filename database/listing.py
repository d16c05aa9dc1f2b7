"""Relay connections: pages of rows under many parents at once, with stable cursors.

A cursor contains the sort key of its row. A page therefore starts where the previous one ended, even if rows were
added or removed in between.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain, pairwise
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID
from zlib import crc32

import orjson

from database import db, rows
from database.coalescing import Coalescer
from database.cursor_values import READ_VALUE
from database.page_sql import (
    KEY,
    SCAN_ROWS,
    ByIdentity,
    Order,
    QueryShape,
    Scan,
    index_scan,
    scan_end,
    scan_source,
    sort_names,
    source_with_joins,
    statement,
)

R = TypeVar("R", bound=db.Row)
T = TypeVar("T")
DEFAULT_SIZE: Final = 50
_NO_JOINS: Final[Mapping[str, str]] = {}
_NO_PARTS: Final[Mapping[str, type[db.Row]]] = {}
MAX_SIZE: Final = 100


class InvalidPage(ValueError):
    """Invalid arguments of a connection. The text is English, for developers of clients."""


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a connection to read: the first `size` rows after a cursor, or the last `size` before one."""

    size: int = DEFAULT_SIZE
    is_backward: bool = False
    after: str | None = None
    before: str | None = None

    @classmethod
    def of(
        cls,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> "Page":
        """Make a page of a connection's arguments. Raises InvalidPage."""
        if first is not None and last is not None:
            raise InvalidPage("first and last exclude each other.")
        size = DEFAULT_SIZE if first is None and last is None else (first if last is None else last)
        if size is None or not 1 <= size <= MAX_SIZE:
            raise InvalidPage(f"first and last must be from 1 to {MAX_SIZE}.")
        return cls(size, last is not None, after, before)


class Count(NamedTuple):
    """The number of rows of a list. If `is_capped`, the list has more rows than were read: at least `number`."""

    number: int
    is_capped: bool


@dataclass(frozen=True, slots=True)
class ConnectionQuery(Generic[R]):
    """The query of a connection, for many parents at once.

    `columns` has the SQL of each column that a row can have. `required_columns` are always selected, because
    authorization rules read them. `source` is the table of the rows with its alias. `parent` is the SQL condition that
    ties a row to its parent, with `{key}` for the parent's key; `key` is the column that equals the parent's key, or
    None. A join is included only if its alias is used, and drops no row. `parts` are joined rows by prefix: their
    columns are named `<part>.<column>`, and are selected only if they are requested by name, together with the part's
    id. `params` are the arguments; the first one is the list of the parents' keys.

    A page reads the rows in the order of an index, and stops when it is full. `indexed_conditions` and `branches` have
    columns of that index. `conditions` drop rows after they were read. So a page with `conditions` can end after
    SCAN_ROWS rows before it is full; its page info then leads to the next rows.

    `index_order` is the sort key as columns of `source`, if it differs from the columns of `order`. If `has_index` is
    false, no index has the order of the list: the list has the last SCAN_ROWS rows by `index_order`, and sorts them.
    `scan` replaces `parent`, `indexed_conditions` and `branches` for a list that is no range of one index.
    """

    row: type[R]
    columns: Mapping[str, str]
    source: str
    parent: str
    order: Order
    key: str | None = None
    required_columns: tuple[str, ...] = ("id",)
    joins: Mapping[str, str] = field(default_factory=lambda: _NO_JOINS)
    parts: Mapping[str, type[db.Row]] = field(default_factory=lambda: _NO_PARTS)
    index_order: tuple[str, ...] = ()
    has_index: bool = True
    scan: Scan | None = None
    conditions: list[str] = field(default_factory=list[str])
    indexed_conditions: list[str] = field(default_factory=list[str])
    branches: list[str] = field(default_factory=list[str])
    params: db.Params = field(default_factory=partial(db.Params, None))
    _load_counts: Coalescer[Sequence[UUID], list[Count]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the loader of counts."""
        object.__setattr__(self, "_load_counts", Coalescer(self._count))

    def where(self, condition: str, *values: object) -> None:
        """Add a condition that all rows satisfy. It has a `{}` for each of `values`."""
        self.conditions.append(self.add_values(condition, values))

    def where_indexed(self, condition: str, *values: object) -> None:
        """Add a condition on columns that an index has before the sort key. Use `where` for a list with a `scan`."""
        self.indexed_conditions.append(self.add_values(condition, values))

    def where_any(self, condition: str, values: Iterable[object]) -> None:
        """Add a condition that holds for one of `values`, on a column that an index has before the sort key."""
        self.where_one_of([(condition, (value,)) for value in dict.fromkeys(values)])

    def where_one_of(self, conditions: Sequence[tuple[str, Sequence[object]]]) -> None:
        """Add conditions, of which each row satisfies one, on columns that an index has before the sort key.

        Each has a `{}` for each of its values. No row satisfies two of them.
        """
        branches = [self.add_values(condition, values) for condition, values in conditions] or ["FALSE"]
        self.branches[:] = [f"{a} AND {b}" for a in self.branches for b in branches] or branches

    def add_values(self, condition: str, values: Sequence[object]) -> str:
        """The condition with placeholders of the values that it has a `{}` for."""
        return condition.format(*(self.params.add(value) for value in values), key=KEY)

    async def pages(
        self,
        keys: Sequence[UUID],
        page: Page,
        *,
        column_names: frozenset[str] | None = None,
        with_page_info: bool = True,
    ) -> "list[Connection[R]]":
        """Read one page for each parent, in the order of `keys`, with one statement.

        Rows have the columns of `column_names`, or all columns if it is None. If `with_page_info` is false, cursors
        and page info cannot be read from the result.
        """
        distinct = list(dict.fromkeys(keys))  # the same parent can be reached on several paths of the query
        params = db.Params(f"{{{','.join(map(str, distinct))}}}", *self.params.values[1:])
        limit = params.add(page.size + with_page_info)
        source, conditions, order_by, end = self._page_source(page, params, limit)
        shape = QueryShape(
            self.row, ByIdentity(self.columns), ByIdentity(self.joins), ByIdentity(self.parts), source, self.key,
            self.required_columns, self.order, column_names, with_page_info, conditions, limit, page.is_backward,
            order_by, end if with_page_info else None,
        )  # fmt: skip
        batch, sizes, scan_ends = await _fetch(shape, params.values, distinct)
        ranges = pairwise(accumulate(sizes, initial=0))
        by_key = {
            key: Connection(self, key, page, batch, start, stop, scan_end)
            for key, (start, stop), scan_end in zip(distinct, ranges, scan_ends, strict=True)
        }
        return [by_key[key] for key in keys]

    def _page_source(
        self, page: Page, params: db.Params, limit: str
    ) -> tuple[str, tuple[str, ...], tuple[str, ...], str | None]:
        """The source of a page, its conditions, its sort key, and the SQL of the scan's end.

        The sort key is empty if it is that of the order. The end is None if the page does not end with its scan.
        """
        is_range = self.scan is None and self.has_index and len(self.branches) <= 1
        if is_range and not self.conditions:
            conditions = (self._range_condition(*self.branches), *self._bounds(page, params, self._sort_key))
            return self.source, conditions, (), None
        scan = self._scan()
        is_descending = self.order.is_descending is not page.is_backward
        if not scan.is_sorted or (self.scan is not None and self.conditions):
            source = scan_source(self.source, scan, "TRUE", SCAN_ROWS, is_descending=True)
            return source, (*self.conditions, *self._bounds(page, params, self._sort_key)) or ("TRUE",), (), None
        bounds = " AND ".join(self._bounds(page, params, scan.order)) or "TRUE"
        if not self.conditions:
            return (
                scan_source(self.source, scan, bounds, limit, is_descending=is_descending),
                ("TRUE",),
                scan.names,
                None,
            )
        source = scan_source(self.source, scan, bounds, SCAN_ROWS, is_descending=is_descending)
        return source, tuple(self.conditions), scan.names, scan_end(source, scan, limit)

    def _scan(self) -> Scan:
        if self.scan is not None:
            return self.scan
        branches = [self._range_condition(branch) for branch in self.branches] or [self._range_condition()]
        return index_scan(self.source, branches, self.index_order or self._sort_key, is_sorted=self.has_index)

    def _range_condition(self, *branch: str) -> str:
        """The condition of the rows under a parent that an index has in the order of the list."""
        return " AND ".join([self.parent.format(key=KEY), *self.indexed_conditions, *branch])

    @property
    def _sort_key(self) -> tuple[str, ...]:
        return tuple(sql for sql, _ in self.order.columns)

    async def counts(self, keys: Sequence[UUID]) -> list[Count]:
        """Count the rows under each parent, in the order of `keys`. Reads SCAN_ROWS rows of each at most.

        Calls in the same turn of the event loop share one statement.
        """
        return await self._load_counts(keys)

    async def _count(self, calls: list[Sequence[UUID]]) -> list[list[Count]]:
        conditions = " AND ".join(self.conditions) or "TRUE"
        rows_read = scan_source(self.source, self._scan(), "TRUE", SCAN_ROWS + 1, is_descending=None)
        sql = _COUNTS.format(source=source_with_joins(rows_read, self.joins, conditions), conditions=conditions)
        distinct = list(dict.fromkeys(chain.from_iterable(calls)))
        result = await db.fetch(sql, distinct, *self.params.values[1:], row=db.Row)
        counts = {row["key"]: Count(min(row["count"], SCAN_ROWS), row["read"] > SCAN_ROWS) for row in result}
        return [[counts[key] for key in keys] for keys in calls]

    def cursor(self, row: db.Columns) -> str:
        """The cursor of a row: its sort key and the connection's tag, opaque to clients."""
        return self.cursor_at([row[name] for name in sort_names(ByIdentity(self.columns), self.order)])

    def cursor_at(self, sort_key: Sequence[object]) -> str:
        """The cursor of a sort key."""
        return urlsafe_b64encode(orjson.dumps([self._tag, *sort_key], default=str)).rstrip(b"=").decode()

    @property
    def _tag(self) -> int:
        """A checksum that distinguishes the cursors of this connection and order from those of any other."""
        # Cursors that clients hold contain the checksum of this text. It must not change with a name in Python.
        order = f"Order(columns={self.order.columns!r}, descending={self.order.is_descending!r})"
        return crc32(f"{self.row.graphql_type}Row {order}".encode())

    def _bounds(self, page: Page, params: db.Params, sort_key: Sequence[str]) -> list[str]:
        """The conditions of a page's cursors. `sort_key` is the SQL of the order's columns."""
        is_descending = self.order.is_descending
        return [
            *self._cursor_condition(page.after, params, sort_key, is_below=is_descending, argument="after"),
            *self._cursor_condition(page.before, params, sort_key, is_below=not is_descending, argument="before"),
        ]

    def _cursor_condition(
        self, cursor: str | None, params: db.Params, sort_key: Sequence[str], *, is_below: bool, argument: str
    ) -> list[str]:
        if cursor is None:
            return []
        columns = ", ".join(sort_key)
        values = zip(self._decode(cursor, argument), self.order.columns, strict=True)
        placeholders = ", ".join(f"{params.add(value)}::{kind}" for value, (_, kind) in values)
        return [f"({columns}) {'<' if is_below else '>'} ({placeholders})"]

    def _decode(self, cursor: str, argument: str) -> list[object]:
        try:
            tag, *values = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            kinds = [kind for _, kind in self.order.columns]
            sort_key: list[object] = [READ_VALUE[kind](value) for kind, value in zip(kinds, values, strict=True)]
        except (ValueError, TypeError, OverflowError, RecursionError):
            tag, sort_key = None, []
        if tag != self._tag:
            raise InvalidPage(f"The cursor in {argument} does not belong to this connection.")
        return sort_key


_COUNTS: Final = """
SELECT k.key, x.read, x.count FROM unnest($1::uuid[]) k(key) CROSS JOIN LATERAL (
    SELECT count(*)::int AS read, (count(*) FILTER (WHERE {conditions}))::int AS count FROM {source}) x
"""


async def _fetch(
    shape: QueryShape, values: list[object], keys: list[UUID]
) -> tuple[rows.ColumnBatch, list[int], list[str]]:
    """The rows of all parents in one batch, the number of rows under each parent, and where each scan ended.

    The end of a scan is a sort key as JSON, or "" if the scan was not cut.
    """
    sql, positions, kinds = statement(shape)
    (result,) = await db.fetch(sql, *values, row=db.Row)
    sizes = [int(size) for size in result[0].split(",")] if result[0] else []
    scan_ends: list[str] = result[-1].split(rows.DELIMITER) if shape.scan_end and sizes else [""] * len(sizes)
    runs = [(key.hex, size) for key, size in zip(keys, sizes, strict=True) if size]
    parent_runs = rows.ParentRuns(shape.key, *map(list, zip(*runs, strict=True))) if shape.key and runs else None
    texts = {name: result[position] for name, position in positions.items()}
    try:
        return rows.FetchedColumns(sum(sizes), texts, kinds, parent_runs), sizes, scan_ends
    except rows.DelimiterInText:
        return await _fetch(shape._replace(any_text=True), values, keys)


# ---- Pages -----------------------------------------------------------------------------------


class Connection(Generic[R]):
    """One page of rows under one parent."""

    __slots__ = ("_has_surplus", "_page", "_scan_end", "key", "nodes", "query")

    def __init__(
        self,
        query: ConnectionQuery[R],
        key: UUID,
        page: Page,
        batch: rows.ColumnBatch,
        start: int,
        stop: int,
        scan_end: str = "",
    ) -> None:
        """`scan_end` is the sort key, as JSON, after which rows were not read. "" if all were."""
        self.query = query
        self.key = key
        self._page = page
        self._scan_end = scan_end
        self._has_surplus = stop - start > page.size  # one more row was read, to know if there are more
        if self._has_surplus:
            start, stop = (stop - page.size, stop) if page.is_backward else (start, start + page.size)
        self.nodes = rows.Slice(batch, start, stop)

    @property
    def edges(self) -> "list[Edge[R]]":
        """The nodes with their cursors."""
        return [Edge(self.query, row) for row in self.nodes]

    @property
    def page_info(self) -> "PageInfo":
        """The page info: are there more rows on either side, and the cursors of the first and the last row.

        If the scan ended before the page was full, the cursor on that side is the one of the last row that was read.
        """
        has_more = self._has_surplus or bool(self._scan_end)
        has_next, has_previous = has_more, self._page.after is not None
        if self._page.is_backward:
            has_next, has_previous = self._page.before is not None, has_more
        first_and_last = (self.nodes[0], self.nodes[-1]) if self.nodes else ()
        start, end = (self.query.cursor(row) for row in first_and_last) if first_and_last else (None, None)
        if self._scan_end and not self._has_surplus:
            scan_cursor = self.query.cursor_at(orjson.loads(self._scan_end))
            start, end = (scan_cursor, end) if self._page.is_backward else (start, scan_cursor)
        return PageInfo(has_next, has_previous, start, end)


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Relay's page info."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Edge(Generic[R]):
    """A row with its cursor."""

    __slots__ = ("_query", "node")

    def __init__(self, query: ConnectionQuery[R], node: rows.Row) -> None:
        self._query = query
        self.node = node

    @property
    def cursor(self) -> str:
        """The cursor of the row."""
        return self._query.cursor(self.node)
