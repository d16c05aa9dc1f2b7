from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from database import db
from models.base.caller import Caller, OperationConfig
from models.outbox import message
from models.outbox.message import MessageKind
from models.tables import SCHEMA

pytestmark = pytest.mark.usefixtures("connected")
NOW = datetime(2026, 11, 21, 19, 45, tzinfo=UTC)
CALLER = Caller(now=NOW, config=OperationConfig(link_key="no link is made here"))


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[None]:
    async with db.connection(database_url, SCHEMA, pool_size=4):
        yield


async def queue(to: str = "anna@example.com") -> None:
    await message.queue(CALLER, MessageKind.PASSWORD_CHANGED, to=to, name=None, locale="en")


async def rows_now() -> list[Any]:
    return await db.fetch("SELECT * FROM messages ORDER BY id", row=db.Row)


async def test_a_rolled_back_operation_leaves_no_mail() -> None:
    async def fail_after_queueing() -> None:
        async with db.transaction():
            await queue()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_queueing()

    assert await rows_now() == []


async def test_a_claimed_message_is_nobody_elses_until_its_lease_ends() -> None:
    await queue()
    await message.claim(NOW, limit=1)

    assert await message.claim(NOW + message.LEASE - timedelta(seconds=1), limit=1) == []
    assert len(await message.claim(NOW + message.LEASE, limit=1)) == 1


async def test_what_is_not_due_is_not_claimed() -> None:
    await queue()

    assert await message.claim(NOW - timedelta(seconds=1), limit=1) == []


@pytest.mark.parametrize("ended", ["SENT", "FAILED"])
async def test_what_has_ended_stays_so(ended: str) -> None:
    await queue()
    (row,) = await message.claim(NOW, limit=1)
    await db.execute("UPDATE messages SET status = $1", ended)

    await message.retry_later(row, "late", at=NOW)
    await message.give_up(row, "late")
    await message.mark_sent(row, now=NOW)

    (row,) = await rows_now()
    assert (row.status, row.failure, row.sent_at) == (ended, None, None)
    assert await message.claim(NOW + message.LEASE, limit=1) == []


async def test_only_a_number_that_can_be_sent_is_claimed() -> None:
    for number in range(3):
        await queue(f"user{number}@example.com")

    claimed = await message.claim(NOW, limit=2)

    assert len(claimed) == 2
    assert [row.attempts for row in await rows_now()].count(1) == 2
    assert len(await message.claim(NOW, limit=2)) == 1


async def test_who_comes_late_cannot_take_a_message_from_his_successor() -> None:
    await queue()
    (early,) = await message.claim(NOW, limit=1)
    lease_ended = NOW + message.LEASE
    (late,) = await message.claim(lease_ended, limit=1)

    await message.retry_later(early, "slow", at=lease_ended)
    await message.give_up(early, "slow")

    (row,) = await rows_now()
    assert (row.status, row.failure, row.leased_until) == ("QUEUED", None, lease_ended + message.LEASE)
    assert late.attempts == 2


@pytest.mark.parametrize(
    ("attempts", "chance", "minutes"),
    [(1, 0.5, 1), (2, 0.5, 2), (8, 0.5, 128), (9, 0.5, 240), (400, 0.5, 240), (2, 0.0, 1.6), (2, 1.0, 2.4)],
)
async def test_waits_double_up_to_four_hours_and_differ(attempts: int, chance: float, minutes: float) -> None:
    await queue()
    await db.execute("UPDATE messages SET attempts = $1", attempts)
    (row,) = await message.newest(1)

    at = message.next_attempt(row, now=NOW, chance=lambda: chance)

    assert at == NOW + timedelta(minutes=minutes)


async def test_the_last_attempt_is_at_the_end_of_the_48_hours() -> None:
    await queue()
    await db.execute("UPDATE messages SET attempts = 15")
    (row,) = await message.newest(1)
    end = NOW + timedelta(hours=48)

    assert message.next_attempt(row, now=end - timedelta(minutes=1)) == end
    assert message.next_attempt(row, now=end) is None
