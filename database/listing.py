"""Lists in pages, for many parents at once, with cursors that stay in place while rows are added.

A cursor holds the sort key of its row, so a page starts where the last one ended whatever has been
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
from database.page_sql import ByIdentity, Order, QueryShape, joined, sort_names, statement

R = TypeVar("R", bound=db.Row)
T = TypeVar("T")
DEFAULT_SIZE: Final = 50
_NO_JOINS: Final[Mapping[str, str]] = {}
_NO_PARTS: Final[Mapping[str, type[db.Row]]] = {}
MAX_SIZE: Final = 100


class InvalidPage(ValueError):
    """Arguments of a connection that make no page; the text is English, for developers of clients."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: the first `first` after a cursor, or the last `last` before one."""

    size: int = DEFAULT_SIZE
    backward: bool = False
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
        """A page from a connection's arguments. Raises InvalidPage."""
        if first is not None and last is not None:
            raise InvalidPage("Give either first or last, not both.")
        size = DEFAULT_SIZE if first is None and last is None else (first if last is None else last)
        if size is None or not 1 <= size <= MAX_SIZE:
            raise InvalidPage(f"A page has from 1 to {MAX_SIZE} entries.")
        return cls(size, last is not None, after, before)


@dataclass(frozen=True, slots=True)
class ConnectionQuery(Generic[R]):
    """A list of rows under each of many parents.

    `columns` are all that a row can have, by name; those in `always` are selected whatever is
    wanted, because rules look at them. `parent` is the SQL condition that ties a row to its parent,
    with `{key}` in the parent's place; `key` the column that is the parent's key, if one is. `joins`
    are taken where their alias is spoken of. What is joined under a name of `parts` has columns
    called `<part>.<column>`, which are selected, with its id, when they are wanted by name. `where` are
    further conditions, their arguments in `params`, whose first is the parents' keys.
    """

    row: type[R]
    columns: Mapping[str, str]
    source: str
    parent: str
    order: Order
    key: str | None = None
    always: tuple[str, ...] = ("id",)
    joins: Mapping[str, str] = field(default_factory=lambda: _NO_JOINS)
    parts: Mapping[str, type[db.Row]] = field(default_factory=lambda: _NO_PARTS)
    conditions: list[str] = field(default_factory=list[str])
    params: db.Params = field(default_factory=partial(db.Params, None))

    def where(self, condition: str, *values: object) -> None:
        """Keep the rows that satisfy `condition`, with a `{}` for each of `values`."""
        self.conditions.append(condition.format(*(self.params.add(value) for value in values)))

    async def pages(
        self, keys: Sequence[UUID], page: Page, *, wanted: frozenset[str] | None = None, with_page_info: bool = True
    ) -> "list[Connection[R]]":
        """One page for each parent, in order: one statement.

        Rows have the `wanted` columns, or all. Without `ends` nobody asks for cursors, nor whether
        there is more.
        """
        distinct = list(dict.fromkeys(keys))  # several parents can be the same one, reached by several ways
        params = db.Params(f"{{{','.join(map(str, distinct))}}}", *self.params.values[1:])
        bounds = [
            *self._bound(page.after, params, below=self.order.descending, argument="after"),
            *self._bound(page.before, params, below=not self.order.descending, argument="before"),
        ]
        limit = params.add(page.size + with_page_info)
        conditions = (self.parent.format(key="k.key"), *self.conditions, *bounds)
        shape = QueryShape(
            self.row, ByIdentity(self.columns), ByIdentity(self.joins), ByIdentity(self.parts), self.source, self.key, self.always,
            self.order, wanted, with_page_info, conditions, limit, page.backward,
        )  # fmt: skip
        whole, sizes = await _fetched(shape, params.values, distinct)
        ranges = pairwise(accumulate(sizes, initial=0))
        by_key = {
            key: Connection(self, key, page, whole, start, stop)
            for key, (start, stop) in zip(distinct, ranges, strict=True)
        }
        return [by_key[key] for key in keys]

    async def counts(self, keys: Sequence[UUID]) -> list[int]:
        """How many rows each parent has in all, in order: one statement."""
        conditions = " AND ".join([self.parent.format(key="k.key"), *self.conditions])
        source = joined(self.source, self.joins, conditions)
        sql = _COUNTS.format(source=source, conditions=conditions)
        counted = await db.fetch(sql, list(keys), *self.params.values[1:], row=db.Row)
        found = {row["key"]: row["count"] for row in counted}
        return [found[key] for key in keys]

    @property
    def _sort_names(self) -> list[str]:
        return sort_names(ByIdentity(self.columns), self.order)

    def cursor(self, row: db.Columns) -> str:
        """The place of a row: its sort key and the list's mark, opaque."""
        values = [row[name] for name in self._sort_names]
        return urlsafe_b64encode(orjson.dumps([self._mark, *values], default=str)).rstrip(b"=").decode()

    @property
    def _mark(self) -> int:
        """Tells the cursors of one kind of list, in one order, from all others."""
        # The text is what cursors that clients hold were made of; it must not change with a name in Python.
        order = f"Order(columns={self.order.columns!r}, descending={self.order.descending!r})"
        return crc32(f"{self.row.graphql_type}Row {order}".encode())

    def _bound(self, cursor: str | None, params: db.Params, *, below: bool, argument: str) -> list[str]:
        if cursor is None:
            return []
        columns = ", ".join(sql for sql, _ in self.order.columns)
        values = zip(self._decoded(cursor, argument), self.order.columns, strict=True)
        places = ", ".join(f"{params.add(value)}::{kind}" for value, (_, kind) in values)
        return [f"({columns}) {'<' if below else '>'} ({places})"]

    def _decoded(self, cursor: str, argument: str) -> list[object]:
        try:
            mark, *values = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            kinds = [kind for _, kind in self.order.columns]
            decoded: list[object] = [_READ[kind](value) for kind, value in zip(kinds, values, strict=True)]
        except (ValueError, TypeError, OverflowError, RecursionError):
            mark, decoded = None, []
        if mark != self._mark:
            raise InvalidPage(f"The cursor given as {argument} is none of this list's.")
        return decoded


_COUNTS: Final = """
SELECT k.key, x.count FROM unnest($1::uuid[]) k(key)
CROSS JOIN LATERAL (SELECT count(*)::int AS count FROM {source} WHERE {conditions}) x
"""


async def _fetched(shape: QueryShape, values: list[object], keys: list[UUID]) -> tuple[rows.ColumnBatch, list[int]]:
    """The rows of all parents, and how many each has."""
    sql, places, kinds = statement(shape)
    (found,) = await db.fetch(sql, *values, row=db.Row)
    sizes = [int(size) for size in found[0].split(",")] if found[0] else []
    having = [(key.hex, size) for key, size in zip(keys, sizes, strict=True) if size]
    owners = rows.ParentRuns(shape.key, *map(list, zip(*having, strict=True))) if shape.key and having else None
    texts = {name: found[place] for name, place in places.items()}
    try:
        return rows.FetchedColumns(sum(sizes), texts, kinds, owners), sizes
    except rows.DelimiterInText:
        return await _fetched(shape._replace(any_text=True), values, keys)


# ---- What a list gives -----------------------------------------------------------------------


class Connection(Generic[R]):
    """One page of a list under one parent."""

    __slots__ = ("_page", "_surplus", "key", "listing", "nodes")

    def __init__(
        self, listing: ConnectionQuery[R], key: UUID, page: Page, whole: rows.ColumnBatch, start: int, stop: int
    ) -> None:
        self.listing = listing
        self.key = key
        self._page = page
        self._surplus = stop - start > page.size  # one more was asked for, to know if there is more
        if self._surplus:
            start, stop = (stop - page.size, stop) if page.backward else (start, start + page.size)
        self.nodes = rows.Slice(whole, start, stop)

    @property
    def edges(self) -> "list[Edge[R]]":
        """The nodes with their cursors."""
        return [Edge(self.listing, row) for row in self.nodes]

    @property
    def page_info(self) -> "PageInfo":
        """Whether there is more on either side."""
        further, behind = self._surplus, self._page.after is not None
        if self._page.backward:
            further, behind = self._page.before is not None, self._surplus
        ends = (self.nodes[0], self.nodes[-1]) if self.nodes else ()
        start, end = (self.listing.cursor(row) for row in ends) if ends else (None, None)
        return PageInfo(further, behind, start, end)


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Relay's page info."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Edge(Generic[R]):
    """A row and its place in the list."""

    __slots__ = ("_listing", "node")

    def __init__(self, listing: ConnectionQuery[R], node: rows.Row) -> None:
        self._listing = listing
        self.node = node

    @property
    def cursor(self) -> str:
        """The row's place."""
        return self._listing.cursor(self.node)


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:  # which PostgreSQL does not know as text
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
