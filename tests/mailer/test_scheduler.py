"""The scheduler: repeated runs of the jobs, also after a failure."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from mailer import scheduler
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from tests.mailer.conftest import LINK_KEY, Clock, wait_until


@asynccontextmanager
async def running_scheduler(wake: asyncio.Event) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(scheduler.run(OperationConfig(LINK_KEY), Clock(), stop=stop, wake=wake))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await task


async def test_jobs_repeat_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    async def fails(_: Caller) -> int:
        runs.append("fails")
        raise LookupError

    async def mails(caller: Caller) -> int:
        runs.append("mails")
        caller.queued_kinds.append("a mail")
        return 1

    monkeypatch.setattr(scheduler, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "JOBS", {"first": fails, "second": mails})
    wake = asyncio.Event()

    async with running_scheduler(wake):
        await wait_until(lambda: len(runs) >= 6)

    assert runs[:4] == ["fails", "mails", "fails", "mails"]
    assert wake.is_set()


async def test_step_repeats_at_once_while_work_waits_and_after_a_pause_also_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, runs = [1, 1, 0], list[str]()

    async def does_work(_: Caller) -> int:
        runs.append("works")
        return work.pop(0) if work else 0

    async def fails(_: Caller) -> int:
        runs.append("fails")
        raise LookupError

    monkeypatch.setattr(scheduler, "STEP_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(jobs, "steps", lambda: {"first": does_work, "second": fails})
    stop = asyncio.Event()
    task = asyncio.create_task(scheduler.run_steps(OperationConfig(LINK_KEY), Clock(), stop=stop))

    await wait_until(lambda: len(runs) >= 8)
    stop.set()
    async with asyncio.timeout(5):
        await task

    assert sorted(runs[:4]) == ["fails", "works", "works", "works"]  # the first turns: three calls follow each other
    assert runs.count("fails") > 1


async def test_no_job_runs_at_start_and_stop_is_immediate(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: Caller) -> int:
        raise AssertionError

    monkeypatch.setattr(jobs, "JOBS", {"never": never})
    wake = asyncio.Event()

    async with running_scheduler(wake):
        await asyncio.sleep(0.05)

    assert not wake.is_set()
