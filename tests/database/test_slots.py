"""Slots of callers: bounded, first in first out, and given back by callers that are cancelled."""

import asyncio

import pytest

from database.slots import QueueFull, Slots


async def run(slots: Slots, caller: str, log: list[str], name: str, release: asyncio.Event, seconds: float = 9) -> None:
    """Take a slot, log it, and keep it until `release` is set."""
    await slots.enter(caller, seconds)
    try:
        log.append(name)
        await release.wait()
    finally:
        slots.leave(caller)


async def turn() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_calls_of_one_caller_wait_in_order_and_delay_no_other() -> None:
    slots, log, release = Slots(2), list[str](), asyncio.Event()

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            _ = group.create_task(run(slots, "flood", log, f"flood {number}", release))
        _ = group.create_task(run(slots, "anna", log, "anna", release))
        await turn()
        assert log == ["flood 0", "flood 1", "anna"]
        assert (slots.waiting("flood"), slots.waiting("anna")) == (4, 0)
        release.set()

    assert log == ["flood 0", "flood 1", "anna", "flood 2", "flood 3", "flood 4", "flood 5"]
    assert len(slots) == 0


async def test_full_queue_and_long_wait_are_refused() -> None:
    slots, release = Slots(1, 1), asyncio.Event()
    holder = asyncio.create_task(run(slots, "a", [], "", release))
    await turn()
    waiter = asyncio.create_task(run(slots, "a", [], "", release, 0.01))
    await turn()

    with pytest.raises(QueueFull):
        await slots.enter("a", 1)
    with pytest.raises(TimeoutError):
        await waiter
    assert slots.waiting("a") == 0
    release.set()
    await holder
    assert len(slots) == 0


async def test_cancelled_waiter_passes_its_slot_on() -> None:
    slots, log, release = Slots(1), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(run(slots, "a", log, name, release)) for name in ("first", "second", "third")]
    await turn()

    release.set()
    tasks[0].cancel()
    await asyncio.sleep(0)  # the slot has been given to the second, which has not run yet
    tasks[1].cancel()
    _ = await asyncio.gather(*tasks, return_exceptions=True)

    assert log == ["first", "third"]
    assert len(slots) == 0
