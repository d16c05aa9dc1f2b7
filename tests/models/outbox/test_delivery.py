"""Delivery: leases, states and retries of queued messages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from database import db
from models.base.caller import Caller, OperationConfig
from models.outbox import delivery, message
from models.outbox.message import Contact
from models.outbox.message_kind import MessageKind

NOW = datetime(2026, 11, 21, 19, 45, tzinfo=UTC)
CALLER = Caller(now=NOW, config=OperationConfig(link_key="no link is made here"))
pytestmark = pytest.mark.usefixtures("outbox")


async def queue(to: str = "anna@example.com") -> None:
    await message.queue(CALLER, MessageKind.PASSWORD_CHANGED, to=Contact(to, None, "en"))


async def load_messages() -> list[Any]:
    return await db.fetch("SELECT * FROM messages ORDER BY id", row=db.Row)


async def test_claimed_message_is_not_claimed_again_before_its_lease_ends() -> None:
    await queue()
    await delivery.claim(NOW, limit=1)

    assert await delivery.claim(NOW + delivery.LEASE - timedelta(seconds=1), limit=1) == []
    assert len(await delivery.claim(NOW + delivery.LEASE, limit=1)) == 1


async def test_message_that_is_not_due_is_not_claimed() -> None:
    await queue()

    assert await delivery.claim(NOW - timedelta(seconds=1), limit=1) == []


@pytest.mark.parametrize("status", ["SENT", "FAILED"])
async def test_final_status_is_not_changed(status: str) -> None:
    await queue()
    (row,) = await delivery.claim(NOW, limit=1)
    await db.execute("UPDATE messages SET status = $1", status)

    await delivery.retry_later(row, "late", at=NOW)
    await delivery.give_up(row, "late")
    await delivery.mark_sent(row, now=NOW)

    (row,) = await load_messages()
    assert (row.status, row.failure, row.sent_at) == (status, None, None)
    assert await delivery.claim(NOW + delivery.LEASE, limit=1) == []


async def test_claim_takes_at_most_the_limit() -> None:
    for number in range(3):
        await queue(f"user{number}@example.com")

    rows = await delivery.claim(NOW, limit=2)

    assert len(rows) == 2
    assert [row.attempts for row in await load_messages()].count(1) == 2
    assert len(await delivery.claim(NOW, limit=2)) == 1


async def test_worker_with_ended_lease_cannot_change_the_message() -> None:
    await queue()
    (first_claim,) = await delivery.claim(NOW, limit=1)
    lease_ended = NOW + delivery.LEASE
    (second_claim,) = await delivery.claim(lease_ended, limit=1)

    await delivery.retry_later(first_claim, "slow", at=lease_ended)
    await delivery.give_up(first_claim, "slow")

    (row,) = await load_messages()
    assert (row.status, row.failure, row.leased_until) == ("QUEUED", None, lease_ended + delivery.LEASE)
    assert second_claim.attempts == 2


@pytest.mark.parametrize(
    ("attempts", "fraction", "minutes"),
    [(1, 0.5, 1), (2, 0.5, 2), (8, 0.5, 128), (9, 0.5, 240), (400, 0.5, 240), (2, 0.0, 1.6), (2, 1.0, 2.4)],
)
async def test_waits_double_up_to_four_hours_with_jitter(attempts: int, fraction: float, minutes: float) -> None:
    await queue()
    await db.execute("UPDATE messages SET attempts = $1", attempts)
    (row,) = await delivery.newest(1)

    at = delivery.next_attempt(row, now=NOW, random_fraction=lambda: fraction)

    assert at == NOW + timedelta(minutes=minutes)


async def test_last_attempt_is_at_the_end_of_48_hours() -> None:
    await queue()
    await db.execute("UPDATE messages SET attempts = 15")
    (row,) = await delivery.newest(1)
    end = NOW + timedelta(hours=48)

    assert delivery.next_attempt(row, now=end - timedelta(minutes=1)) == end
    assert delivery.next_attempt(row, now=end) is None
