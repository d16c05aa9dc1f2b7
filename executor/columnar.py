"""Columnar sequences: objects that are kept as columns, so that a level of the response need not split them.

Instead of a list of objects, a resolver of the host may return its own sequence with two more methods:
`column(name)` returns the values of an attribute for all objects, and `subset(numbers)` the objects with these numbers.
The sequence has no nulls, no exceptions and no awaitables. Instead of each of many lists, a resolver may return a slice
of such a sequence, with `whole`, `start` and `stop`, so that all lists are one level.
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any


def is_columnar(objects: object) -> bool:
    """True if the objects are kept as columns."""
    return hasattr(type(objects), "subset")


def select_numbers(objects: Sequence[Any], numbers: list[int]) -> Sequence[Any]:
    """The objects with these numbers."""
    if is_columnar(objects):
        subset: Sequence[Any] = objects.subset(numbers)  # type: ignore[attr-defined]  # see is_columnar
        return subset
    return [objects[number] for number in numbers]


def join_slices(lists: Sequence[Any]) -> Sequence[Any] | None:
    """The concatenation of the lists if they are slices of one sequence, else None."""
    whole = getattr(lists[0], "whole", None)
    if whole is None or any(getattr(slice_, "whole", None) is not whole for slice_ in lists):
        return None
    ranges = [range(slice_.start, slice_.stop) for slice_ in lists]
    is_all = ranges[0].start == 0 and ranges[-1].stop == len(whole)
    if is_all and all(left.stop == right.start for left, right in pairwise(ranges)):
        return whole  # type: ignore[no-any-return]
    return select_numbers(whole, list(chain.from_iterable(ranges)))
