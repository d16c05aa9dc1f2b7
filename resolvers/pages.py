"""Loading of connection pages and of rows by id, with the caller's access to the rows' accounts."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from database import db, rows
from database.listing import Connection, ConnectionQuery, Count, Page
from resolvers.context import Context, Info, selected_columns, selects

R = TypeVar("R", bound=db.Row)
G = TypeVar("G", bound=Hashable)


async def pages(
    query: ConnectionQuery[R],
    keys: Sequence[UUID],
    info: Info,
    arguments: dict[str, Any],
    *,
    on_rows: Callable[[rows.ColumnBatch, Context], None] | None = None,
) -> list[Connection[R]]:
    """The page of a connection for each parent key. Loads the access that the rules of the rows need.

    `on_rows` can take this access from the rows themselves before it is loaded.
    """
    page = Page.of(**{name: arguments[name] for name in _PAGE_ARGUMENTS & arguments.keys()})
    nodes, edges = selected_columns(info, "nodes"), selected_columns(info, "edges", "node")
    columns = None if nodes is None or edges is None else nodes | edges
    connections = await query.pages(keys, page, column_names=columns, with_page_info=selects(info, "pageInfo", "edges"))
    if connections:
        batch = connections[0].nodes.whole
        if on_rows is not None:
            on_rows(batch, info.context)
        await load_access(batch, info.context)
    return connections


async def grouped_pages(
    keys: Sequence[UUID],
    group_of: Callable[[UUID], G],
    make_query: Callable[[G], ConnectionQuery[R]],
    info: Info,
    arguments: dict[str, Any],
) -> list[Connection[R]]:
    """The page of a connection for each parent key. The keys of a group share a query, and so a statement."""
    keys_by_group: dict[G, list[UUID]] = {}
    for key in dict.fromkeys(keys):
        keys_by_group.setdefault(group_of(key), []).append(key)
    connections: dict[UUID, Connection[R]] = {}
    for group, group_keys in keys_by_group.items():
        connections |= {page.key: page for page in await pages(make_query(group), group_keys, info, arguments)}
    return [connections[key] for key in keys]


_PAGE_ARGUMENTS = frozenset({"first", "after", "last", "before"})


async def load_access(candidates: Sequence[Any], context: Context) -> None:
    """Load the caller's access to the accounts of the rows: at most one statement."""
    present_rows = (
        candidates if isinstance(candidates, rows.ColumnBatch) else [row for row in candidates if row is not None]
    )
    if present_rows:
        columns = [name for name in present_rows[0].keys() if name in _ACCOUNT_COLUMNS] or ["id"]  # noqa: SIM118 - no dict
        account_hexes = (rows.distinct(present_rows, column) for column in columns)
        await context.access.load_hexes(set().union(*account_hexes))


_ACCOUNT_COLUMNS = frozenset({"account_id", "bureau_id", "client_id"})
"""Columns with the id of an account whose permissions guard the row."""


def rows_by_ids(
    read: Callable[[list[UUID]], Awaitable[list[R | None]]],
) -> Callable[[Sequence[UUID], Context], Awaitable[list[R | None]]]:
    """A function that reads rows by id, in order, and loads the access that their rules need.

    None for an unknown id.
    """

    async def load(keys: Sequence[UUID], context: Context) -> list[R | None]:
        loaded_rows = await read(list(keys))
        await load_access(loaded_rows, context)
        return loaded_rows

    return load


async def related(
    rows_: Sequence[Any], name: str, info: Info, load: Callable[[Sequence[UUID], Context], Awaitable[list[Any]]]
) -> Sequence[Any]:
    """The row that each row refers to with its column `<name>_id`. None for a row that refers to none.

    It is the part `name` of the row, if a list has joined that. Otherwise `load` reads each row once.
    """
    joined_rows = rows.part(rows_, name)
    if joined_rows is not None:
        keys = joined_rows.key_hex("id")
        return joined_rows if all(keys) else [row if key else None for row, key in zip(joined_rows, keys, strict=True)]
    keys = rows.key_hex(rows_, f"{name}_id")
    distinct_keys = [key for key in dict.fromkeys(keys) if key]
    loaded_rows = await load([UUID(hex=key) for key in distinct_keys], info.context) if distinct_keys else []
    rows_by_key = dict(zip(distinct_keys, loaded_rows, strict=True))
    return [rows_by_key.get(key) for key in keys]


async def total_count(connections: Sequence[Connection[Any]], _: Info) -> list[int]:
    """The total count of each connection, if selected. Counting stops at SCAN_ROWS rows."""
    return [count.number for count in await _counts(connections)]


async def total_count_is_capped(connections: Sequence[Connection[Any]], _: Info) -> list[bool]:
    """For each connection: is it longer than was counted?"""
    return [count.is_capped for count in await _counts(connections)]


async def _counts(connections: Sequence[Connection[Any]]) -> list[Count]:
    """The count of each connection: one statement per connection query.

    A fragment can select several connections at once, each with its own filter.
    """
    counts_by_list: dict[tuple[int, UUID], Count] = {}
    for query in {id(connection.query): connection.query for connection in connections}.values():
        keys = list({connection.key: None for connection in connections if connection.query is query})
        counts = await query.counts(keys)
        counts_by_list |= {(id(query), key): count for key, count in zip(keys, counts, strict=True)}
    return [counts_by_list[id(connection.query), connection.key] for connection in connections]
