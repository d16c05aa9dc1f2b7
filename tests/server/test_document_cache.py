"""The cache of checked documents and its bounds."""

from server.document_cache import MAX_BYTES, MAX_DOCUMENT_BYTES, CheckedDocument, DocumentCache, InvalidDocument

INVALID = InvalidDocument("CODE", ())


def test_document_cache_is_bounded_by_bytes() -> None:
    checked_texts: list[str] = []

    def check(text: str) -> CheckedDocument:
        checked_texts.append(text)
        return INVALID

    cache = DocumentCache(check, max_bytes=3000)
    for text in ["a" * 700, "b" * 700, "a" * 700, "c" * 700, "b" * 700, "a" * 700]:
        assert cache(text) is INVALID

    # Three entries take 2868 bytes with their overhead. A character of two bytes counts twice.
    assert [text[0] for text in checked_texts] == ["a", "b", "c"]
    _ = cache("ż" * 700)
    assert (len(cache), cache.bytes) == (2, 956 + 1656)
    _ = cache("x" * MAX_DOCUMENT_BYTES)
    assert (len(cache), cache.bytes) == (2, 956 + 1656)
    assert MAX_BYTES <= 1024 * 1024


def test_document_cache_bounds_many_small_documents() -> None:
    cache = DocumentCache(lambda _: INVALID, max_bytes=64 * 1024)

    for number in range(1000):
        _ = cache(str(number))

    assert len(cache) < 64 * 4
    assert cache.bytes <= 64 * 1024
