"""What the caller holds on the objects of a level, asked for field by field.

A host's rights may be, instead of a list, a sequence of its own with `common`: the bits that every object has for
certain. Where these are enough nobody looks at single objects, and the sequence need not work them out.
"""

from collections.abc import Sequence
from typing import Any


class RowRights:
    """The rights on all objects of one type at one level."""

    __slots__ = ("_common", "_kinds", "bits")

    def __init__(self, bits: Sequence[int]) -> None:
        self.bits = bits
        self._common: int = getattr(bits, "common", 0)
        self._kinds: Any = None

    def allows_all(self, needs: int) -> bool:
        """Whether a field that needs one of these bits is refused for none of the objects."""
        if self._common & needs:
            return True
        if self._kinds is None:
            self._kinds = set(self.bits)
        return all(bits & needs for bits in self._kinds)
