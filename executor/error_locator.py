"""Located errors. The position of a field in its document is computed once, not for each object."""

from typing import Any

from graphql import GraphQLError, located_error

from executor.plan import Field

_LOCATED_ATTRIBUTES = ("message", "nodes", "source", "positions")  # graphql-core copies these from other errors


class ErrorLocator:
    """Locates the errors of one run."""

    def __init__(self) -> None:
        self._first_of_field: dict[int, GraphQLError] = {}
        self._errors: dict[tuple[int, int], GraphQLError] = {}

    def locate(self, field: Field, path: list[Any], error: Exception) -> GraphQLError:
        """Like `located_error` of graphql-core, but computes line and column only once for a field."""
        located = self._errors.get((id(field), id(error)))
        if located is not None:
            return _copy_to_path(located, path)
        if any(hasattr(error, name) for name in _LOCATED_ATTRIBUTES):
            return located_error(error, field.nodes, path)
        first = self._first_of_field.get(id(field))
        if first is None:
            located = self._first_of_field[id(field)] = located_error(error, field.nodes, path)
        else:
            located = GraphQLError(str(error), path=path, original_error=error)
            located.nodes, located.source = first.nodes, first.source
            located.positions, located.locations = first.positions, first.locations
        self._errors[id(field), id(error)] = located
        return located


def _copy_to_path(error: GraphQLError, path: list[Any]) -> GraphQLError:
    """The same error at another path. It skips the constructor, which would compute the positions again."""
    copy = GraphQLError.__new__(GraphQLError, error.message)
    copy.message, copy.path, copy.extensions = error.message, path, error.extensions
    copy.nodes, copy.source = error.nodes, error.source
    copy.positions, copy.locations = error.positions, error.locations
    copy.original_error, copy.cause = error.original_error, error.cause
    return copy.with_traceback(error.__traceback__)
