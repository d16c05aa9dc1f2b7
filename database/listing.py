"""Relay connections: pages of rows under many parents at once, with stable cursors.

A cursor contains the sort key of its row. A page therefore starts where the previous one ended, even if rows were
added or removed in between.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate, pairwise
from typing import Final, Generic, TypeVar
from uuid import UUID
from zlib import crc32

import orjson

from database import db, rows
from database.page_sql import ByIdentity, Order, QueryShape, sort_names, source_with_joins, statement

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


@dataclass(frozen=True, slots=True)
class ConnectionQuery(Generic[R]):
    """The query of a connection, for many parents at once.

    `columns` has the SQL of each column that a row can have. `required_columns` are always selected, because
    authorization rules read them. `parent` is the SQL condition that ties a row to its parent, with `{key}` for the
    parent's key; `key` is the column that equals the parent's key, or None. A join is included only if its alias is
    used. `parts` are joined rows by prefix: their columns are named `<part>.<column>`, and are selected only if they
    are requested by name, together with the part's id. `conditions` restrict the rows further. `params` are the
    arguments; the first one is the list of the parents' keys.
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
    conditions: list[str] = field(default_factory=list[str])
    params: db.Params = field(default_factory=partial(db.Params, None))

    def where(self, condition: str, *values: object) -> None:
        """Add a condition that all rows satisfy. It has a `{}` for each of `values`."""
        self.conditions.append(condition.format(*(self.params.add(value) for value in values)))

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
        bounds = [
            *self._cursor_condition(page.after, params, is_below=self.order.is_descending, argument="after"),
            *self._cursor_condition(page.before, params, is_below=not self.order.is_descending, argument="before"),
        ]
        limit = params.add(page.size + with_page_info)
        conditions = (self.parent.format(key="k.key"), *self.conditions, *bounds)
        shape = QueryShape(
            self.row, ByIdentity(self.columns), ByIdentity(self.joins), ByIdentity(self.parts), self.source, self.key,
            self.required_columns, self.order, column_names, with_page_info, conditions, limit, page.is_backward,
        )  # fmt: skip
        batch, sizes = await _fetch(shape, params.values, distinct)
        ranges = pairwise(accumulate(sizes, initial=0))
        by_key = {
            key: Connection(self, key, page, batch, start, stop)
            for key, (start, stop) in zip(distinct, ranges, strict=True)
        }
        return [by_key[key] for key in keys]

    async def counts(self, keys: Sequence[UUID]) -> list[int]:
        """Count all rows under each parent, in the order of `keys`, with one statement."""
        conditions = " AND ".join([self.parent.format(key="k.key"), *self.conditions])
        source = source_with_joins(self.source, self.joins, conditions)
        sql = _COUNTS.format(source=source, conditions=conditions)
        result = await db.fetch(sql, list(keys), *self.params.values[1:], row=db.Row)
        counts = {row["key"]: row["count"] for row in result}
        return [counts[key] for key in keys]

    @property
    def _sort_names(self) -> list[str]:
        return sort_names(ByIdentity(self.columns), self.order)

    def cursor(self, row: db.Columns) -> str:
        """The cursor of a row: its sort key and the connection's tag, opaque to clients."""
        values = [row[name] for name in self._sort_names]
        return urlsafe_b64encode(orjson.dumps([self._tag, *values], default=str)).rstrip(b"=").decode()

    @property
    def _tag(self) -> int:
        """A checksum that distinguishes the cursors of this connection and order from those of any other."""
        # Cursors that clients hold contain the checksum of this text. It must not change with a name in Python.
        order = f"Order(columns={self.order.columns!r}, descending={self.order.is_descending!r})"
        return crc32(f"{self.row.graphql_type}Row {order}".encode())

    def _cursor_condition(self, cursor: str | None, params: db.Params, *, is_below: bool, argument: str) -> list[str]:
        if cursor is None:
            return []
        columns = ", ".join(sql for sql, _ in self.order.columns)
        values = zip(self._decode(cursor, argument), self.order.columns, strict=True)
        placeholders = ", ".join(f"{params.add(value)}::{kind}" for value, (_, kind) in values)
        return [f"({columns}) {'<' if is_below else '>'} ({placeholders})"]

    def _decode(self, cursor: str, argument: str) -> list[object]:
        try:
            tag, *values = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            kinds = [kind for _, kind in self.order.columns]
            sort_key: list[object] = [_READ[kind](value) for kind, value in zip(kinds, values, strict=True)]
        except (ValueError, TypeError, OverflowError, RecursionError):
            tag, sort_key = None, []
        if tag != self._tag:
            raise InvalidPage(f"The cursor in {argument} does not belong to this connection.")
        return sort_key


_COUNTS: Final = """
SELECT k.key, x.count FROM unnest($1::uuid[]) k(key)
CROSS JOIN LATERAL (SELECT count(*)::int AS count FROM {source} WHERE {conditions}) x
"""


async def _fetch(shape: QueryShape, values: list[object], keys: list[UUID]) -> tuple[rows.ColumnBatch, list[int]]:
    """The rows of all parents in one batch, and the number of rows under each parent."""
    sql, positions, kinds = statement(shape)
    (result,) = await db.fetch(sql, *values, row=db.Row)
    sizes = [int(size) for size in result[0].split(",")] if result[0] else []
    runs = [(key.hex, size) for key, size in zip(keys, sizes, strict=True) if size]
    parent_runs = rows.ParentRuns(shape.key, *map(list, zip(*runs, strict=True))) if shape.key and runs else None
    texts = {name: result[position] for name, position in positions.items()}
    try:
        return rows.FetchedColumns(sum(sizes), texts, kinds, parent_runs), sizes
    except rows.DelimiterInText:
        return await _fetch(shape._replace(any_text=True), values, keys)


# ---- Pages -----------------------------------------------------------------------------------


class Connection(Generic[R]):
    """One page of rows under one parent."""

    __slots__ = ("_has_surplus", "_page", "key", "nodes", "query")

    def __init__(
        self, query: ConnectionQuery[R], key: UUID, page: Page, batch: rows.ColumnBatch, start: int, stop: int
    ) -> None:
        self.query = query
        self.key = key
        self._page = page
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
        """The page info: are there more rows on either side, and the cursors of the first and the last row."""
        has_next, has_previous = self._has_surplus, self._page.after is not None
        if self._page.is_backward:
            has_next, has_previous = self._page.before is not None, self._has_surplus
        first_and_last = (self.nodes[0], self.nodes[-1]) if self.nodes else ()
        start, end = (self.query.cursor(row) for row in first_and_last) if first_and_last else (None, None)
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


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:  # PostgreSQL has no such text
        raise ValueError(value)
    return value


def _small_integer(value: object) -> int:
    number = int(str(value))
    if abs(number) >= 2**31:
        raise ValueError(number)
    return number


def _instant(value: object) -> datetime:
    instant = datetime.fromisoformat(str(value))
    if instant.tzinfo is None:
        raise ValueError(value)
    return instant.astimezone(UTC)


_READ: Final[Mapping[str, Callable[[object], object]]] = {
    "text": _text,
    "int": _small_integer,
    "timestamptz": _instant,
    "uuid": lambda value: UUID(str(value)),
}
