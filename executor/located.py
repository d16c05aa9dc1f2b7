"""Errors at their places: where a field stands in its document is worked out once, not for each object."""

from typing import Any

from graphql import GraphQLError, located_error

from executor.plan import Field

_TELLING = ("message", "nodes", "source", "positions")  # what graphql-core takes over from other errors


class Locator:
    """Locates the errors of one run."""

    def __init__(self) -> None:
        self._first: dict[int, GraphQLError] = {}

    def located(self, field: Field, path: list[Any], error: Exception) -> GraphQLError:
        """As graphql-core's `located_error`, but its search for line and column only once a field."""
        if any(hasattr(error, name) for name in _TELLING):
            return located_error(error, field.nodes, path)
        first = self._first.get(id(field))
        if first is None:
            first = self._first[id(field)] = located_error(error, field.nodes, path)
            return first
        made = GraphQLError(str(error), path=path, original_error=error)
        made.nodes, made.source = first.nodes, first.source
        made.positions, made.locations = first.positions, first.locations
        return made
