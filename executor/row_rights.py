"""The caller's rights on the objects of a level.

Instead of a list, the host may return its own sequence with `common`: the bits that the caller has on each object. If
they are enough, the single values are not read, and the sequence need not compute them.
"""

from collections.abc import Sequence
from typing import Any


class RowRights:
    """The caller's rights on all objects of one type at one level."""

    __slots__ = ("_common", "_distinct_bits", "bits")

    def __init__(self, bits: Sequence[int]) -> None:
        self.bits = bits
        self._common: int = getattr(bits, "common", 0)
        self._distinct_bits: Any = None

    def allows_all(self, needs: int) -> bool:
        """True if a field that needs one of these bits is allowed on all objects."""
        if self._common & needs:
            return True
        if self._distinct_bits is None:
            self._distinct_bits = set(self.bits)
        return all(bits & needs for bits in self._distinct_bits)
