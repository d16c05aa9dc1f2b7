"""The statement that reads a page of a list under each of many parents, made once for each shape of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

from database import db, rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """By which columns a list is sorted; the last one is unique."""

    columns: tuple[tuple[str, str], ...]  # SQL expression and its PostgreSQL type
    descending: bool = False


# Columns are put together under each parent, and those once more: cheaper than sorting and aggregating all
# rows at once. The size is that of a page, which has a limit: nothing counts the whole list.
_PAGES: Final = """
SELECT string_agg(p.size::text, ','), {sent} FROM (
    SELECT k.place, x.* FROM unnest($1::text::uuid[]) WITH ORDINALITY k(key, place)
    CROSS JOIN LATERAL (SELECT count(1) AS size, {gathered} FROM ({page}) x) x
    ORDER BY k.place) p
"""
_PAGE: Final = "SELECT {columns} FROM {source} WHERE {conditions} ORDER BY {by} LIMIT {limit}"
_KINDS: Final[Mapping[str, rows.Kind]] = {"text": "line", "int": "plain", "timestamptz": "instant", "uuid": "key"}


class ByIdentity(Generic[T]):
    """Something by itself: equal to nothing else, whatever it holds."""

    __slots__ = ("it",)

    def __init__(self, value: T) -> None:
        self.it = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and other.it is self.it

    def __hash__(self) -> int:
        return id(self.it)


class QueryShape(NamedTuple):
    """Everything on which the statement of a page depends, but its arguments."""

    row: Any  # a class
    columns: ByIdentity[Mapping[str, str]]
    joins: ByIdentity[Mapping[str, str]]
    parts: ByIdentity[Mapping[str, type[db.Row]]]
    source: str
    key: str | None
    always: tuple[str, ...]
    order: Order
    wanted: frozenset[str] | None
    ends: bool
    conditions: tuple[str, ...]
    limit: str
    backward: bool
    any_text: bool = False
    """Whether texts may have anything in them, and are sent as JSON."""


class Statement(NamedTuple):
    """The statement of a page, where in its one row each column is, and of which kind."""

    sql: str
    places: dict[str, int]
    kinds: Mapping[str, rows.Kind]


@lru_cache(maxsize=1000)
def statement(shape: QueryShape) -> Statement:
    """Make it; each expression is selected once. Its one row begins with how many rows each parent has."""
    selected = _selected_as(shape)
    places = {sql: place for place, sql in enumerate(dict.fromkeys(sql for sql, _ in selected.values()))}
    kinds = dict(selected.values())
    order = [sql for sql, _ in shape.order.columns]
    sort = {sql: f"c{places[sql]}" if sql in places else f"s{place}" for place, sql in enumerate(order)}
    columns = [f"{sql} AS c{place}" for sql, place in places.items()]
    columns += [f"{sql} AS {name}" for sql, name in sort.items() if sql not in places]
    conditions = " AND ".join(shape.conditions)
    page = _PAGE.format(
        columns=", ".join(columns),
        source=joined(shape.source, shape.joins.it, " ".join([*columns, conditions])),
        conditions=conditions,
        by=_by(order, descending=shape.order.descending is not shape.backward),
        limit=shape.limit,
    )
    if shape.backward:
        by = _by([f"y.{name}" for name in sort.values()], descending=shape.order.descending)
        page = f"SELECT * FROM ({page}) y ORDER BY {by}"
    sent = {place: rows.SENT[kinds[sql]] for sql, place in places.items()}
    sql = _PAGES.format(
        sent=", ".join(together.format(f"p.c{place}") for place, (_, together) in sent.items()),
        gathered=", ".join(f"{gather.format(f'x.c{place}')} AS c{place}" for place, (gather, _) in sent.items()),
        page=page,
    )
    named: dict[str, rows.Kind] = {} if shape.key is None else {shape.key: "key"}
    named.update((name, kind) for name, (_, kind) in selected.items())
    return Statement(sql, {name: places[sql] + 1 for name, (sql, _) in selected.items()}, named)


def _selected(shape: QueryShape) -> dict[str, tuple[str, rows.Kind]]:
    """The columns to select, with their kinds: what is wanted, what rules look at, and the sort key."""
    given = shape.columns.it
    named = [name for name in given if "." not in name] if shape.wanted is None else shape.wanted
    spoken_of = {name.partition(".")[0] for name in named if "." in name}
    needed = {*named, *shape.always, *(f"{part}.id" for part in spoken_of)}
    found: dict[str, tuple[str, rows.Kind]] = {
        name: (_bare(sql), _kind(shape, name)) for name, sql in given.items() if name in needed
    }
    if shape.ends:
        sort = zip(sort_names(shape.columns, shape.order), shape.order.columns, strict=True)
        found |= {name: (sql, _KINDS[kind]) for name, (sql, kind) in sort}
    return {name: column for name, column in found.items() if name != shape.key}


def _kind(shape: QueryShape, name: str) -> rows.Kind:
    part, _, column = name.rpartition(".")
    row: Any = shape.parts.it[part] if part else shape.row
    return rows.kinds(row)[column]


def _selected_as(shape: QueryShape) -> dict[str, tuple[str, rows.Kind]]:
    selected = _selected(shape)
    if not shape.any_text:
        return selected
    return {name: (sql, "text" if kind == "line" else kind) for name, (sql, kind) in selected.items()}


@lru_cache(maxsize=1000)
def sort_names(columns: ByIdentity[Mapping[str, str]], order: Order) -> list[str]:
    """The names under which rows have their sort key; a column that sorts is not selected twice."""
    names = {_bare(sql): name for name, sql in columns.it.items() if "." not in name}
    return [names.get(sql, f"order_{place}") for place, (sql, _) in enumerate(order.columns)]


def joined(source: str, joins: Mapping[str, str], spoken_of: str) -> str:
    """The source with those joins whose alias is spoken of."""
    return " ".join([source, *(sql for alias, sql in joins.items() if re.search(rf"\b{alias}\.", spoken_of))])


def _bare(column: str) -> str:
    """A column's SQL without the name that it goes by."""
    return re.sub(r" AS \w+$", "", column)


def _by(columns: list[str], *, descending: bool) -> str:
    return ", ".join(f"{column} DESC" if descending else column for column in columns)
