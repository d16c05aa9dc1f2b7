"""Relay: nodes, and lists in pages."""

from typing import Any, Generic, TypeVar

import strawberry

import resolvers.pages
from schema.declare import PAGE, SIGNED_IN, field, graph_type

NodeType = TypeVar("NodeType")


@strawberry.interface(description="An object that can be fetched again by its id.")
class Node:
    """What has an id of its own."""

    id: strawberry.ID = field(SIGNED_IN, description="Opaque.")


@graph_type(SIGNED_IN, counts=False, description="Where a page stands in its list.")
class PageInfo:
    """Relay's page info."""

    has_next_page: bool = field(description="More follows after endCursor.")
    has_previous_page: bool = field(description="The page does not start the list.")
    start_cursor: str | None = field(description="The first entry's cursor.")
    end_cursor: str | None = field(description="The last entry's cursor, for `after`.")


@graph_type(SIGNED_IN, counts=False, description="An entry of a list.")
class Edge(Generic[NodeType]):
    """A node and its cursor."""

    cursor: str = field(description="The entry's place, for `after` and `before`.")
    node: NodeType = field(description="The entry.")


@graph_type(
    SIGNED_IN,
    counts=False,
    description="A page of a list. Reached only through fields that have rules of their own.",
)
class Connection(Generic[NodeType]):
    """One page."""

    edges: list[Edge[NodeType]] = field(cost_size=PAGE, description="The entries with their cursors.")
    nodes: list[NodeType] = field(cost_size=PAGE, description="The entries.")
    page_info: PageInfo = field(description="Where the page stands.")
    total_count: int = field(batch=resolvers.pages.total_count, description="How long the whole list is, as filtered.")


FORWARD: dict[str, Any] = {"first": int | None, "after": str | None}
BOTH_WAYS: dict[str, Any] = FORWARD | {"last": int | None, "before": str | None}
"""The arguments of a connection: 50 entries unless told, 100 at most."""
