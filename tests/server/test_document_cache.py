"""The cache of checked documents and its bounds."""

import asyncio
from threading import Event

import pytest

from models.base.errors import RateLimited
from server.document_cache import (
    MAX_BYTES,
    MAX_DOCUMENT_BYTES,
    MAX_QUEUED_CHECKS_OF_CLIENT,
    CheckedDocument,
    DocumentCache,
    InvalidDocument,
)
from tests.api import Api

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


class Checker:
    """A check that records its texts, and waits for `may_end` in the thread of the cache."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.may_end = Event()

    def __call__(self, text: str) -> CheckedDocument:
        self.texts.append(text)
        _ = self.may_end.wait(10)
        return INVALID


async def test_requests_with_the_same_new_text_wait_for_one_check() -> None:
    checker = Checker()
    cache = DocumentCache(checker)
    loads = [asyncio.create_task(cache.load("text", client)) for client in ("a", "b") for _ in range(300)]
    await asyncio.sleep(0)
    checker.may_end.set()

    assert await asyncio.gather(*loads) == [INVALID] * 600
    assert checker.texts == ["text"]


async def test_request_that_ends_early_ends_no_check_of_others() -> None:
    checker = Checker()
    cache = DocumentCache(checker)
    loads = [asyncio.create_task(cache.load("text", "a")) for _ in range(3)]
    await asyncio.sleep(0)
    assert loads[0].cancel()
    checker.may_end.set()

    outcomes = await asyncio.gather(*loads, return_exceptions=True)

    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == [INVALID] * 2


async def test_client_with_many_checks_delays_the_same_text_of_others_by_one_check() -> None:
    checker = Checker()
    cache = DocumentCache(checker)
    texts = [f"text {number}" for number in range(MAX_QUEUED_CHECKS_OF_CLIENT)]
    flood = [asyncio.create_task(cache.load(text, "a")) for text in texts]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        _ = await cache.load("one more", "a")
    load = asyncio.create_task(cache.load(texts[-1], "b"))
    await asyncio.sleep(0)
    checker.may_end.set()

    _ = await load

    assert checker.texts[:3] in (
        [texts[0], texts[1], texts[-1]],
        [texts[0], texts[-1]],
        [texts[0], texts[-1], texts[1]],
    )
    _ = await asyncio.gather(*flood)


async def test_requests_that_all_end_leave_no_check() -> None:
    checker = Checker()
    cache = DocumentCache(checker)
    texts = [f"text {number}" for number in range(MAX_QUEUED_CHECKS_OF_CLIENT)]
    loads = [asyncio.create_task(cache.load(text, "a")) for text in texts]
    await asyncio.sleep(0)
    assert all(load.cancel() for load in loads)
    _ = await asyncio.gather(*loads, return_exceptions=True)
    checker.may_end.set()

    assert await cache.load("another", "a") is INVALID
    assert set(checker.texts) <= {texts[0], "another"}


async def test_hundreds_of_clients_of_one_network_may_send_a_new_document_at_once(api: Api) -> None:
    """For example after the release of a new front end."""
    document = "{ __typename anAliasThatNoOtherTestHas: __typename }"

    answers = await asyncio.gather(*(api.ask(document) for _ in range(100)))

    assert [answer.codes for answer in answers] == [[]] * 100
