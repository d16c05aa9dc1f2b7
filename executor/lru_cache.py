"""A cache bounded by bytes, from which the least recently used entry is evicted first."""

from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Entry(NamedTuple, Generic[Value]):
    value: Value
    size: int
    units: int


class LRUCache(Generic[Key, Value]):
    """Values by key, within `max_bytes` and, if given, `max_count`.

    The caller states what an entry takes of both bounds: `size` in bytes, `count` in units of its choice. An entry
    beyond a bound is not kept, but it evicts all others first: do not put what cannot fit.
    """

    def __init__(self, max_bytes: int, *, max_count: int | None = None) -> None:
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._max_bytes = max_bytes
        self._max_count = max_count
        self.bytes = 0
        self.count = 0

    def get(self, key: Key) -> Value | None:
        """The value of a key, which becomes the most recently used one. None if the key is not there."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry.value

    def store(self, key: Key, value: Value, *, size: int, count: int = 1) -> None:
        """Add a value, or replace the value of the key, and evict entries until all bounds hold."""
        self.drop(key)
        self._entries[key] = _Entry(value, size, count)
        self.bytes += size
        self.count += count
        while self.bytes > self._max_bytes or (self._max_count is not None and self.count > self._max_count):
            _, entry = self._entries.popitem(last=False)
            self._release(entry)

    def drop(self, key: Key) -> None:
        """Remove a key if it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._release(entry)

    def values(self) -> list[Value]:
        """All values, the least recently used first. Does not count as use."""
        return [entry.value for entry in self._entries.values()]

    def __contains__(self, key: Key) -> bool:
        """True if the key is there. Does not count as use."""
        return key in self._entries

    def __len__(self) -> int:
        """The number of keys."""
        return len(self._entries)

    def _release(self, entry: _Entry[Value]) -> None:
        self.bytes -= entry.size
        self.count -= entry.units
