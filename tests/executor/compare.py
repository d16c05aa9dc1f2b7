"""Comparing answers where graphql-core reports errors in the order in which they happened to end."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

Told: TypeAlias = tuple[Sequence[str | int] | None, str]
"""An error: its path, and all that is said of it."""


def settled(data: Any, errors: Sequence[Told]) -> tuple[list[Told], set[tuple[str | int, ...]]]:
    """The errors whose null stands where they are, by path; and the places that others' nulls climbed to.

    Where several could take a place, either executor may stop at another one: graphql-core at the
    first that ends, ours at the first that is read. The place is the same.
    """
    own: list[Told] = []
    taken: set[tuple[str | int, ...]] = set()
    for path, said in errors:
        reached = _reached(data, path or ())
        if reached == tuple(path or ()):
            own.append((reached, said))
        else:
            taken.add(reached)
    return sorted(own, key=str), taken


def in_reading_order(data: Any, errors: Sequence[Told]) -> bool:
    """Whether errors come in the order in which an answer is read, as far as it still tells."""
    places = [_place(data, path or ()) for path, _ in errors]
    return all(one[: len(other)] <= other[: len(one)] for one, other in pairwise(places))


def _reached(data: Any, path: Sequence[str | int]) -> tuple[str | int, ...]:
    for length, key in enumerate(path):
        if data is None:
            return tuple(path[:length])
        data = data[key]
    assert data is None, path
    return tuple(path)


def _place(data: Any, path: Sequence[str | int]) -> list[int]:
    place: list[int] = []
    for key in path:
        if data is None:
            break
        place.append(key if isinstance(key, int) else list(data).index(key))
        data = data[key]
    return place
