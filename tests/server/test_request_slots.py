"""Slots of requests: a network's requests beyond its slots wait, and delay no other network."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from models.base.errors import RateLimited
from server import request_slots
from server.request_slots import MAX_REQUESTS, RequestSlots
from tests.api import Api
from tests.sockets import application_of

pytestmark = pytest.mark.usefixtures("_short_wait")


@pytest.fixture
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_slots, "WAIT_SECONDS", 0.02)


@pytest.mark.parametrize(
    ("address", "waits"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.2.2", False),
        (None, False),
    ],
)
async def test_only_the_same_ipv4_address_waits(address: str | None, *, waits: bool) -> None:
    await expect_wait("192.0.2.1", address, waits=waits)


@pytest.mark.parametrize(
    ("address", "waits"), [("2001:db8:0:ffff::1", True), ("2001:db8:1::1", False), ("192.0.2.1", False)]
)
async def test_only_the_same_large_ipv6_network_waits(address: str, *, waits: bool) -> None:
    await expect_wait("2001:db8::1", address, waits=waits)


async def expect_wait(first_address: str, second_address: str | None, *, waits: bool) -> None:
    """Check whether a request waits for one of another address, and is refused if that one does not end."""
    slots = RequestSlots(per_network=1)
    async with slots.slot(first_address):
        if waits:
            with pytest.raises(RateLimited):
                async with slots.slot(second_address):
                    pass
        else:
            async with slots.slot(second_address):
                pass
    async with slots.slot(first_address):
        pass


async def test_slot_is_free_after_an_error() -> None:
    slots = RequestSlots(per_network=1)

    with pytest.raises(ValueError, match="failed"):
        async with slots.slot("192.0.2.1"):
            raise ValueError("failed")

    async with slots.slot("192.0.2.1"):
        pass


async def test_request_waits_for_an_earlier_one_of_its_address(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_slots, "WAIT_SECONDS", 10)
    slots: RequestSlots = application_of(api).state.request_slots
    async with AsyncExitStack() as stack:
        for _ in range(MAX_REQUESTS):
            await stack.enter_async_context(slots.slot("127.0.0.1"))
        request = asyncio.create_task(api.ask("{ roles { role } }"))
        other_response = await api.at("192.0.2.1").ask("{ roles { role } }")
        await asyncio.sleep(0)
        assert not request.done()

    assert (await request).codes == other_response.codes == []


async def test_requests_beyond_the_queue_are_rate_limited(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    slots: RequestSlots = application_of(api).state.request_slots
    async with AsyncExitStack() as stack:
        for _ in range(MAX_REQUESTS):
            await stack.enter_async_context(slots.slot("127.0.0.1"))
        response = await api.http.post("/graphql", json={"query": "{ roles { role } }"})

    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
