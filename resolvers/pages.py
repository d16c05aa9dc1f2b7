"""Lists under many parents, and rows by their ids: the two ways in which rows enter the graph."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from database import db, rows
from database.listing import Connection, ConnectionQuery, Page
from resolvers.context import Context, Info, selects, wanted

R = TypeVar("R", bound=db.Row)


async def pages(
    listing: ConnectionQuery[R],
    keys: Sequence[UUID],
    info: Info,
    arguments: dict[str, Any],
    *,
    learn: Callable[[rows.ColumnBatch, Context], None] | None = None,
) -> list[Connection[R]]:
    """One page under each key, with the access that the rules of its rows will look at.

    `learn` takes out of the rows what they tell of it themselves.
    """
    page = Page.of(**{name: arguments[name] for name in _PAGE & arguments.keys()})
    nodes, edges = wanted(info, "nodes"), wanted(info, "edges", "node")
    columns = None if nodes is None or edges is None else nodes | edges
    found = await listing.pages(keys, page, wanted=columns, with_page_info=selects(info, "pageInfo", "edges"))
    if found:
        whole = found[0].nodes.whole
        if learn is not None:
            learn(whole, info.context)
        await prepare(whole, info.context)
    return found


_PAGE = frozenset({"first", "after", "last", "before"})


async def prepare(found: Sequence[Any], context: Context) -> None:
    """Load the caller's access to the accounts that rows belong to: one statement at most."""
    there = found if isinstance(found, rows.ColumnBatch) else [row for row in found if row is not None]
    if there:
        columns = [name for name in there[0].keys() if name in _ACCOUNTS] or ["id"]  # noqa: SIM118 - no dict
        wanted = (rows.distinct(there, column) for column in columns)
        await context.access.load_digits(set().union(*wanted))


_ACCOUNTS = frozenset({"account_id", "bureau_id", "client_id"})
"""Columns with the id of an account that decides who sees the row."""


def rows_by_ids(
    read: Callable[[list[UUID]], Awaitable[list[R | None]]],
) -> Callable[[Sequence[UUID], Context], Awaitable[list[R | None]]]:
    """Rows by their ids, in order, None for unknown ones, with the access that their rules will look at."""

    async def found(keys: Sequence[UUID], context: Context) -> list[R | None]:
        there = await read(list(keys))
        await prepare(there, context)
        return there

    return found


async def total_count(connections: Sequence[Connection[Any]], _: Info) -> list[int]:
    """How long each list is, and only when it is asked for: one statement for each kind of list.

    A fragment can ask several lists at once, each with a filter of its own.
    """
    found: dict[tuple[int, UUID], int] = {}
    for listing in {id(connection.listing): connection.listing for connection in connections}.values():
        keys = list({connection.key: None for connection in connections if connection.listing is listing})
        counts = await listing.counts(keys)
        found |= {(id(listing), key): count for key, count in zip(keys, counts, strict=True)}
    return [found[id(connection.listing), connection.key] for connection in connections]
