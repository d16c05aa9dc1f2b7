"""Lists under many parents: the one way in which rows of a list enter the graph."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from models import db
from models.listing import Connection, Listing, Page
from resolvers.context import Context, Info, wanted

R = TypeVar("R", bound=db.Row)


async def pages(
    listing: Listing[R], keys: Sequence[UUID], info: Info, arguments: dict[str, Any]
) -> list[Connection[R]]:
    """One page under each key, with the access that the rules of its rows will look at."""
    page = Page.of(**{name: arguments[name] for name in _PAGE & arguments.keys()})
    nodes, edges = wanted(info, "nodes"), wanted(info, "edges", "node")
    columns = None if nodes is None or edges is None else nodes | edges
    found = await listing.pages(keys, page, wanted=columns)
    await prepare([row for connection in found for row in connection.nodes], info.context)
    return found


_PAGE = frozenset({"first", "after", "last", "before"})


async def prepare(rows: Sequence[Any], context: Context) -> None:
    """Load the caller's access to the accounts that rows belong to: one statement at most."""
    first = next((row for row in rows if row is not None), None)
    if first is not None:
        columns = [name for name in first.keys() if name in _ACCOUNTS] or ["id"]  # noqa: SIM118 - a record, not a dict
        await context.access.load({row[column] for row in rows if row is not None for column in columns})


_ACCOUNTS = frozenset({"account_id", "bureau_id", "client_id"})
"""Columns with the id of an account that decides who sees the row."""


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
