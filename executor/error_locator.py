"""Errors at their places: where a field stands in its document is worked out once, not for each object."""

from typing import Any

from graphql import GraphQLError, located_error

from executor.plan import Field

_TELLING = ("message", "nodes", "source", "positions")  # what graphql-core takes over from other errors


class ErrorLocator:
    """Locates the errors of one run."""

    def __init__(self) -> None:
        self._first: dict[int, GraphQLError] = {}
        self._known: dict[tuple[int, int], GraphQLError] = {}

    def located(self, field: Field, path: list[Any], error: Exception) -> GraphQLError:
        """As graphql-core's `located_error`, but its search for line and column only once a field."""
        known = self._known.get((id(field), id(error)))
        if known is not None:
            return _moved(known, path)
        if any(hasattr(error, name) for name in _TELLING):
            return located_error(error, field.nodes, path)
        first = self._first.get(id(field))
        if first is None:
            made = self._first[id(field)] = located_error(error, field.nodes, path)
        else:
            made = GraphQLError(str(error), path=path, original_error=error)
            made.nodes, made.source = first.nodes, first.source
            made.positions, made.locations = first.positions, first.locations
        self._known[id(field), id(error)] = made
        return made


def _moved(error: GraphQLError, path: list[Any]) -> GraphQLError:
    """The same error at another path. Without its constructor, which looks anew at all that is known."""
    made = GraphQLError.__new__(GraphQLError, error.message)
    made.message, made.path, made.extensions = error.message, path, error.extensions
    made.nodes, made.source = error.nodes, error.source
    made.positions, made.locations = error.positions, error.locations
    made.original_error, made.cause = error.original_error, error.cause
    return made.with_traceback(error.__traceback__)
