"""Where values stand in the answer: worked out only when errors have to say so.

A level of the answer is a list of values; its place tells for each of them the path to it, and a
key that sorts paths as the answer is read. For many at once, because one rule refuses many.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from executor.plan import Field

Path: TypeAlias = tuple[str | int, ...]
Order: TypeAlias = tuple[int, ...]


class ResponsePath(Protocol):
    """A level: for the values with some numbers in it, their paths and sort keys."""

    def of(self, numbers: Sequence[int]) -> list[tuple[Path, Order]]:
        """The path to each value, and its place in the order of the answer."""
        ...


class Root:
    """The one object that everything starts from."""

    __slots__ = ()

    def of(self, numbers: Sequence[int]) -> list[tuple[Path, Order]]:
        """The empty path."""
        return [((), ()) for _ in numbers]


class FieldPath:
    """The values of one field under each object of a level."""

    __slots__ = ("_field", "_parent")

    def __init__(self, parent: ResponsePath, field: Field) -> None:
        self._parent = parent
        self._field = field

    def of(self, numbers: Sequence[int]) -> list[tuple[Path, Order]]:
        """The object's path and the field's key."""
        key, place = self._field.key, self._field.place
        return [((*path, key), (*order, place)) for path, order in self._parent.of(numbers)]


class ItemPath:
    """The items of lists, one list after the other."""

    __slots__ = ("_parent", "_starts")

    def __init__(self, parent: ResponsePath, starts: Sequence[int]) -> None:
        self._parent = parent
        self._starts = starts  # where each list of the level above begins

    def of(self, numbers: Sequence[int]) -> list[tuple[Path, Order]]:
        """The list's path and the item's index."""
        owners = [bisect_right(self._starts, number) - 1 for number in numbers]
        distinct = list(dict.fromkeys(owners))
        lists = dict(zip(distinct, self._parent.of(distinct), strict=True))
        found: list[tuple[Path, Order]] = []
        for number, owner in zip(numbers, owners, strict=True):
            path, order = lists[owner]
            index = number - self._starts[owner]
            found.append(((*path, index), (*order, index)))
        return found


class SubsetPath:
    """Those values of a level that are still there, by their numbers in it."""

    __slots__ = ("_numbers", "_parent")

    def __init__(self, parent: ResponsePath, numbers: Sequence[int]) -> None:
        self._parent = parent
        self._numbers = numbers

    def of(self, numbers: Sequence[int]) -> list[tuple[Path, Order]]:
        """The value's path on the whole level."""
        return self._parent.of([self._numbers[number] for number in numbers])
