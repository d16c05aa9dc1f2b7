"""Comparison of errors if resolvers wait.

graphql-core reports errors in the order in which the resolvers ended. Our executor reports them in response order.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

LocatedError: TypeAlias = tuple[Sequence[str | int] | None, str]
"""An error: its path, and its text with everything that is compared."""


def comparable_errors(
    data: Any, errors: Sequence[LocatedError]
) -> tuple[list[LocatedError], set[tuple[str | int, ...]]]:
    """The errors whose own field is null, sorted, and the positions of the nulls that other errors propagated to.

    If several errors propagate to one position, the executors may report different ones: graphql-core the first that
    ends, ours the first in response order. The position is the same.
    """
    errors_at_nulls: list[LocatedError] = []
    propagated_positions: set[tuple[str | int, ...]] = set()
    for path, text in errors:
        null_position = _null_position(data, path or ())
        if null_position == tuple(path or ()):
            errors_at_nulls.append((null_position, text))
        else:
            propagated_positions.add(null_position)
    return sorted(errors_at_nulls, key=str), propagated_positions


def is_in_response_order(data: Any, errors: Sequence[LocatedError]) -> bool:
    """True if the errors are in response order. Positions below a null have no order."""
    indexes_of_errors = [_response_indexes(data, path or ()) for path, _ in errors]
    return all(first[: len(second)] <= second[: len(first)] for first, second in pairwise(indexes_of_errors))


def _null_position(data: Any, path: Sequence[str | int]) -> tuple[str | int, ...]:
    for length, key in enumerate(path):
        if data is None:
            return tuple(path[:length])
        data = data[key]
    assert data is None, path
    return tuple(path)


def _response_indexes(data: Any, path: Sequence[str | int]) -> list[int]:
    indexes: list[int] = []
    for key in path:
        if data is None:
            break
        indexes.append(key if isinstance(key, int) else list(data).index(key))
        data = data[key]
    return indexes
