"""Relay nodes and connections: lists in pages."""

from typing import Any, Generic, TypeVar

import strawberry

import resolvers.pages
from schema.declare import AUTHENTICATED, PAGE, field, graph_type

NodeType = TypeVar("NodeType")


@strawberry.interface(description="An object with a global id, by which `node` reads it.")
class Node:
    """An object with a global id."""

    id: strawberry.ID = field(AUTHENTICATED, description="The global id: opaque, and never changed.")


@graph_type(AUTHENTICATED, has_cost=False, description="The position of a page in its list.")
class PageInfo:
    """Relay's page info."""

    has_next_page: bool = field(
        description="True if entries may follow after `endCursor`. A page of a filtered list ends after 10,000 entries "
        "that do not match: it can have fewer entries than requested, or none, and the next page goes on."
    )
    has_previous_page: bool = field(description="True if entries may precede `startCursor`. See `hasNextPage`.")
    start_cursor: str | None = field(
        description="The position at which the page starts, for `before`. Null: the page is empty, and none precedes."
    )
    end_cursor: str | None = field(
        description="The position at which the page ends, for `after`. Null: the page is empty, and none follows."
    )


@graph_type(AUTHENTICATED, has_cost=False, description="An entry of a list.")
class Edge(Generic[NodeType]):
    """A node and its cursor."""

    cursor: str = field(description="The position of the entry, for `after` and `before`.")
    node: NodeType = field(description="The object.")


@graph_type(
    AUTHENTICATED,
    has_cost=False,
    description="A page of a list. Fields that return one have rules of their own.",
)
class Connection(Generic[NodeType]):
    """A page of a list."""

    edges: list[Edge[NodeType]] = field(cost_size=PAGE, description="The entries with their cursors.")
    nodes: list[NodeType] = field(cost_size=PAGE, description="The objects, without cursors.")
    page_info: PageInfo = field(description="The position of the page in the list.")
    total_count: int = field(
        batch=resolvers.pages.total_count,
        reads_rows=True,
        description="The number of entries of the whole list that match the filter. Counting ends after 10,000 "
        "entries, those that do not match included.",
    )
    total_count_is_capped: bool = field(
        batch=resolvers.pages.total_count_is_capped,
        reads_rows=True,
        description="True if the list has more entries than were counted: at least `totalCount`.",
    )


FORWARD: dict[str, Any] = {"first": int | None, "after": str | None}
BOTH_WAYS: dict[str, Any] = FORWARD | {"last": int | None, "before": str | None}
"""The arguments of a connection that can be read from both ends. A page has 50 entries by default, 100 at most."""
