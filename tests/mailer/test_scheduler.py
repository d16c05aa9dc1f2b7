"""The clock's jobs inside the server: again and again, whatever one of them does."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from mailer import scheduler
from models.base.caller import Caller, OperationConfig
from models.scheduled import jobs
from tests.mailer.conftest import LINK_KEY, Clock, until


@asynccontextmanager
async def running(wake: asyncio.Event) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(scheduler.run(OperationConfig(LINK_KEY), Clock(), stop=stop, wake=wake))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await task


async def test_every_job_is_done_again_and_again_though_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    async def fails(_: Caller) -> int:
        done.append("fails")
        raise LookupError

    async def mails(caller: Caller) -> int:
        done.append("mails")
        caller.queued.append("a mail")
        return 1

    monkeypatch.setattr(scheduler, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "JOBS", {"first": fails, "second": mails})
    wake = asyncio.Event()

    async with running(wake):
        await until(lambda: len(done) >= 6)

    assert done[:4] == ["fails", "mails", "fails", "mails"]
    assert wake.is_set()


async def test_the_first_round_is_not_at_the_start_and_stopping_waits_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: Caller) -> int:
        raise AssertionError

    monkeypatch.setattr(jobs, "JOBS", {"never": never})
    wake = asyncio.Event()

    async with running(wake):
        await asyncio.sleep(0.05)

    assert not wake.is_set()
