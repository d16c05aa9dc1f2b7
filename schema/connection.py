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

    has_next_page: bool = field(description="True if entries follow after `endCursor`.")
    has_previous_page: bool = field(description="True if entries precede `startCursor`.")
    start_cursor: str | None = field(
        description="The cursor of the first entry, for `before`. Null: the page is empty."
    )
    end_cursor: str | None = field(description="The cursor of the last entry, for `after`. Null: the page is empty.")


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
        batch=resolvers.pages.total_count, description="The number of entries of the whole list that match the filter."
    )


FORWARD: dict[str, Any] = {"first": int | None, "after": str | None}
BOTH_WAYS: dict[str, Any] = FORWARD | {"last": int | None, "before": str | None}
"""The arguments of a connection that can be read from both ends. A page has 50 entries by default, 100 at most."""
