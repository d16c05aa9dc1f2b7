"""A byte-bounded cache that evicts the least recently used entry first."""

from executor.lru_cache import LRUCache


def test_least_recently_used_entry_is_evicted() -> None:
    cache = LRUCache[str, int](10_000)

    for number in range(100):
        cache.store(str(number), number, size=1512)
        _ = cache.get("0")
        assert cache.bytes <= 10_000

    assert len(cache) == 6
    assert cache.get("0") == 0
    assert cache.values() == [95, 96, 97, 98, 99, 0]


def test_store_replaces_the_value_and_its_size() -> None:
    cache = LRUCache[str, int](10_000)
    cache.store("a", 1, size=1512)
    cache.store("b", 2, size=1512)

    cache.store("a", 3, size=4512)

    assert cache.get("a") == 3
    assert (len(cache), cache.bytes, cache.count) == (2, 6024, 2)


def test_dropped_entry_releases_its_bytes() -> None:
    cache = LRUCache[str, int](10_000)
    cache.store("a", 1, size=4512)

    cache.drop("a")
    cache.drop("a")

    assert cache.get("a") is None
    assert (len(cache), cache.bytes, cache.count) == (0, 0, 0)


def test_entry_larger_than_the_cache_is_not_stored() -> None:
    cache = LRUCache[str, int](10_000)
    cache.store("a", 1, size=1512)

    cache.store("b", 2, size=20_000)

    assert (len(cache), cache.bytes, cache.count) == (0, 0, 0)


def test_count_has_its_own_limit() -> None:
    cache = LRUCache[str, int](10_000, max_count=5)
    cache.store("a", 1, size=1, count=2)
    cache.store("b", 2, size=1, count=2)

    cache.store("b", 2, size=1, count=4)

    assert cache.values() == [2]
    assert (cache.bytes, cache.count) == (1, 4)


def test_membership_and_values_do_not_count_as_use() -> None:
    cache = LRUCache[str, int](2)
    cache.store("a", 1, size=1)
    cache.store("b", 2, size=1)

    assert "a" in cache
    assert cache.values() == [1, 2]
    cache.store("c", 3, size=1)

    assert "a" not in cache
