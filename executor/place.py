"""Where a value stands in the answer: worked out only when an error has to say so.

A level of the answer is a list of values; its place tells for each of them the path to it, and a
key that sorts paths as the answer is read.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from executor.plan import Field

Path: TypeAlias = tuple[str | int, ...]
Order: TypeAlias = tuple[int, ...]


class Place(Protocol):
    """A level: for the value with a number in it, its path and its sort key."""

    def of(self, number: int) -> tuple[Path, Order]:
        """The path to a value, and its place in the order of the answer."""
        ...


class Root:
    """The one object that everything starts from."""

    __slots__ = ()

    def of(self, number: int) -> tuple[Path, Order]:
        """The empty path."""
        del number
        return (), ()


class At:
    """The values of one field under each object of a level."""

    __slots__ = ("_field", "_parent")

    def __init__(self, parent: Place, field: Field) -> None:
        self._parent = parent
        self._field = field

    def of(self, number: int) -> tuple[Path, Order]:
        """The object's path and the field's key."""
        path, order = self._parent.of(number)
        return (*path, self._field.key), (*order, self._field.place)


class Each:
    """The items of lists, one list after the other."""

    __slots__ = ("_parent", "_starts")

    def __init__(self, parent: Place, starts: Sequence[int]) -> None:
        self._parent = parent
        self._starts = starts  # where each list of the level above begins

    def of(self, number: int) -> tuple[Path, Order]:
        """The list's path and the item's index."""
        owner = bisect_right(self._starts, number) - 1
        path, order = self._parent.of(owner)
        index = number - self._starts[owner]
        return (*path, index), (*order, index)


class Some:
    """Those values of a level that are still there, by their numbers in it."""

    __slots__ = ("_numbers", "_parent")

    def __init__(self, parent: Place, numbers: Sequence[int]) -> None:
        self._parent = parent
        self._numbers = numbers

    def of(self, number: int) -> tuple[Path, Order]:
        """The value's path on the whole level."""
        return self._parent.of(self._numbers[number])
