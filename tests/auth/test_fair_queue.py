"""The queue whose clients take turns."""

import asyncio

from auth.fair_queue import FairQueue


async def test_client_with_many_calls_delays_others_by_one_call() -> None:
    queue, order = FairQueue(1), list[str]()

    async def call(client: str) -> None:
        async with queue.turn(client):
            order.append(client)
            await asyncio.sleep(0)

    await asyncio.gather(*(call(client) for client in ["flood"] * 50 + ["anna", "bo"]))

    assert order[:4] == ["flood", "flood", "anna", "bo"]
    assert (len(order), queue.size) == (52, 0)


async def test_at_most_as_many_calls_run_as_there_are_slots() -> None:
    queue, running_count, max_running_count = FairQueue(2), 0, 0

    async def call(client: int) -> None:
        nonlocal running_count, max_running_count
        async with queue.turn(str(client % 3)):
            running_count += 1
            max_running_count = max(max_running_count, running_count)
            await asyncio.sleep(0)
            running_count -= 1

    await asyncio.gather(*map(call, range(20)))

    assert max_running_count == 2


async def test_cancelled_calls_keep_no_slot() -> None:
    queue = FairQueue(1)
    hold = asyncio.Event()

    async def call(client: str) -> None:
        async with queue.turn(client):
            await hold.wait()

    tasks = [asyncio.create_task(call("flood")) for _ in range(5)]
    await asyncio.sleep(0)
    assert (queue.size, queue.size_of("flood"), queue.size_of("anna")) == (5, 5, 0)
    last = asyncio.create_task(call("anna"))
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    hold.set()

    await asyncio.wait_for(last, 1)

    assert queue.size == 0
    async with asyncio.timeout(1), queue.turn("bo"):
        assert queue.size == 1
