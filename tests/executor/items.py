"""Items that lead to items, and what may go wrong with them."""

from collections.abc import Iterator

SDL = """
    type Item { number: Int  hard: Int!  items: [Item]  firm: [Item!]!  other: Item  named(by: String): String }
    type Query { items: [Item]  item: Item  hardItem: Item!  numbers: [Int]  hardNumbers: [Int!]!  echo(x: Int): Int }
"""


class Wrong(Exception):
    """What a resolver raises."""


class Item:
    """An object with attributes."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.other = self


def items(*_: object) -> list[Item]:
    """A resolver of three."""
    return [Item(1), Item(2), Item(3)]


def yielded(*values: object) -> Iterator[object]:
    """Values, until one is an error."""
    for value in values:
        if isinstance(value, Wrong):
            raise value
        yield value
