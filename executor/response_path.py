"""Paths of values in the response, computed only for errors.

A level of the response is a list of values. Its path computes the path of each value, and a key that sorts paths in the
order of the response. Many at once, because one rule refuses many.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from executor.plan import Field

Path: TypeAlias = tuple[str | int, ...]
Order: TypeAlias = tuple[int, ...]


class ResponsePath(Protocol):
    """The path of a level: gives the path and sort key of each of its values."""

    def of(self, numbers: Sequence[int]) -> list[tuple[Path, Order]]:
        """The path of each value with one of these numbers, and its sort key."""
        ...


class Root:
    """The root object."""

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
        key, place = self._field.key, self._field.index
        return [((*path, key), (*order, place)) for path, order in self._parent.of(numbers)]


class ItemPath:
    """The items of lists, one list after the other."""

    __slots__ = ("_parent", "_starts")

    def __init__(self, parent: ResponsePath, starts: Sequence[int]) -> None:
        self._parent = parent
        self._starts = starts  # the number of the first item of each list

    def of(self, numbers: Sequence[int]) -> list[tuple[Path, Order]]:
        """The list's path and the item's index."""
        list_numbers = [bisect_right(self._starts, number) - 1 for number in numbers]
        distinct = list(dict.fromkeys(list_numbers))
        lists = dict(zip(distinct, self._parent.of(distinct), strict=True))
        paths: list[tuple[Path, Order]] = []
        for number, list_number in zip(numbers, list_numbers, strict=True):
            path, order = lists[list_number]
            index = number - self._starts[list_number]
            paths.append(((*path, index), (*order, index)))
        return paths


class SubsetPath:
    """A part of the values of a level, by their numbers in the level."""

    __slots__ = ("_numbers", "_parent")

    def __init__(self, parent: ResponsePath, numbers: Sequence[int]) -> None:
        self._parent = parent
        self._numbers = numbers

    def of(self, numbers: Sequence[int]) -> list[tuple[Path, Order]]:
        """The value's path on the whole level."""
        return self._parent.of([self._numbers[number] for number in numbers])
