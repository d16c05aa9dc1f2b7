"""A schema of nested items, and resolvers for it.

Fields called `hard` or `firm` are non-null.
"""

from collections.abc import Iterator

SDL = """
    type Item { number: Int  hard: Int!  items: [Item]  firm: [Item!]!  itself: Item  label(by: String): String }
    type Query { items: [Item]  item: Item  hardItem: Item!  numbers: [Int]  hardNumbers: [Int!]!  echo(x: Int): Int }
"""


class ResolverError(Exception):
    """The error that a resolver raises."""


class Item:
    """An item whose `itself` is the item itself."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.itself = self


def items(*_: object) -> list[Item]:
    """A resolver that returns three items."""
    return [Item(1), Item(2), Item(3)]


def iterate(*values: object) -> Iterator[object]:
    """Yield the values. Raises the first value that is an error."""
    for value in values:
        if isinstance(value, ResolverError):
            raise value
        yield value
