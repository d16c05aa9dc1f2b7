"""Objects that are kept in columns: a level of the answer need not take them apart.

A host's resolvers may give, instead of a list of objects, a sequence of its own with two methods more:
`column(name)`, the values of an attribute for all objects, and `subset(numbers)`, those objects with these
numbers. It holds no nulls, no exceptions and nothing to be awaited. And instead of each of many lists a
slice of such a sequence, with `whole`, `start` and `stop`, so that the lists can be one level at once.
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any


def is_columnar(objects: object) -> bool:
    """Whether objects are kept in columns."""
    return hasattr(type(objects), "subset")


def some(objects: Sequence[Any], numbers: list[int]) -> Sequence[Any]:
    """Those objects with these numbers."""
    if is_columnar(objects):
        taken: Sequence[Any] = objects.subset(numbers)  # type: ignore[attr-defined]
        return taken
    return [objects[number] for number in numbers]


def joined(lists: Sequence[Any]) -> Sequence[Any] | None:
    """All slices one after the other, where they are slices of one sequence; None otherwise."""
    whole = getattr(lists[0], "whole", None)
    if whole is None or any(getattr(each, "whole", None) is not whole for each in lists):
        return None
    ranges = [range(each.start, each.stop) for each in lists]
    is_all = ranges[0].start == 0 and ranges[-1].stop == len(whole)
    if is_all and all(one.stop == next_.start for one, next_ in pairwise(ranges)):
        return whole  # type: ignore[no-any-return]
    return some(whole, list(chain.from_iterable(ranges)))
