"""Delivery: lanes, turns, leases, states and retries of queued messages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from database import db
from models.base.caller import Caller, OperationConfig
from models.outbox import delivery, message
from models.outbox.delivery import OutgoingRow
from models.outbox.message import Contact
from models.outbox.message_kind import Lane, MessageKind
from tests.conftest import connect

NOW = datetime(2026, 11, 21, 19, 45, tzinfo=UTC)
CALLER = Caller(now=NOW, config=OperationConfig(link_key="no link is made here"))
pytestmark = pytest.mark.usefixtures("outbox")


async def queue(to: str = "anna@example.com") -> None:
    await message.queue(CALLER, MessageKind.PASSWORD_CHANGED, to=Contact(to, None, "en"))


async def claim(now: datetime = NOW, after: str = "") -> OutgoingRow | None:
    return await delivery.claim(now, Lane.SECURITY, after=after)


async def claim_row(now: datetime = NOW) -> OutgoingRow:
    row = await claim(now)
    assert row is not None
    return row


async def insert_ordinary(sender: str | None, count: int, *, account_id: UUID | None = None) -> None:
    """Insert ordinary messages of a sender, the oldest first."""
    await db.execute(
        "INSERT INTO messages (id, account_id, kind, queue_key, to_address, locale, params, status, attempts,"
        " created_at, next_attempt_at)"
        " SELECT gen_random_uuid(), $4, 'grant-expired', $1, 'user' || n || '@example.com', 'en',"
        " '{}', 'QUEUED', 0, $3, $3::timestamptz + n * interval '1 second' FROM generate_series(1, $2::int) n",
        sender,
        count,
        NOW - timedelta(days=1),
        account_id,
    )


async def load_messages() -> list[Any]:
    return await db.fetch("SELECT * FROM messages ORDER BY id", row=db.Row)


async def test_claimed_message_is_not_claimed_again_before_its_lease_ends() -> None:
    await queue()
    row = await claim_row()

    assert await claim(NOW + delivery.LEASE - timedelta(seconds=1)) is None
    assert (await claim_row(NOW + delivery.LEASE)).id == row.id


async def test_message_that_is_not_due_is_not_claimed() -> None:
    await queue()

    assert await claim(NOW - timedelta(seconds=1)) is None


@pytest.mark.parametrize("status", ["SENT", "FAILED"])
async def test_final_status_is_not_changed(status: str) -> None:
    await queue()
    row = await claim_row()
    await db.execute("UPDATE messages SET status = $1", status)

    await delivery.retry_later(row, "late", at=NOW)
    await delivery.give_up(row, "late")
    await delivery.mark_sent(row, now=NOW)

    (row,) = await load_messages()
    assert (row.status, row.failure, row.sent_at) == (status, None, None)
    assert await claim(NOW + delivery.LEASE) is None


async def test_each_message_of_a_lane_is_claimed_once() -> None:
    for number in range(3):
        await queue(f"user{number}@example.com")
    await insert_ordinary("a", 2)

    rows = [await claim_row() for _ in range(3)]

    assert {row.to_address for row in rows} == {f"user{number}@example.com" for number in range(3)}
    assert await claim() is None
    assert [row.attempts for row in await load_messages()].count(1) == 3


async def test_senders_of_a_lane_take_turns() -> None:
    await insert_ordinary("a", 50)
    await insert_ordinary("b", 2)
    await insert_ordinary("c", 1)
    senders, after = list[str](), ""
    for _ in range(7):
        row = await delivery.claim(NOW, Lane.ORDINARY, after=after)
        assert row is not None
        senders.append(after := row.queue_key)

    assert "".join(senders) == "abcabaa"


async def test_account_and_receiver_stand_for_an_unknown_sender(database_url: str) -> None:
    connection = await connect(database_url)
    await connection.execute("ALTER TABLE messages DROP CONSTRAINT messages_account_id_fkey")
    await connection.close()
    await insert_ordinary(None, 2, account_id=UUID(int=1))
    await insert_ordinary(None, 2)

    keys = {(await claim_ordinary()).queue_key for _ in range(4)}

    assert keys == {str(UUID(int=1)), "user1@example.com", "user2@example.com"}


async def claim_ordinary() -> OutgoingRow:
    row = await delivery.claim(NOW, Lane.ORDINARY)
    assert row is not None
    return row


async def test_operation_queues_with_the_lane_of_its_kind_and_its_user() -> None:
    await queue()
    await message.queue(
        replace(CALLER, user_id=UUID(int=5)), MessageKind.PASSWORD_CHANGED, to=Contact("bo@example.com", None, "en")
    )

    assert [(row.lane, row.queue_key) for row in await load_messages()] == [
        ("SECURITY", None),
        ("SECURITY", str(UUID(int=5))),
    ]


async def test_claim_reads_no_more_of_a_longer_queue(database_url: str) -> None:
    """With ten times the messages, a claim still reads a few pages: those of one message and of the index above it."""
    page_counts = list[int]()
    connection = await connect(database_url)
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE claim (timestamptz, text, timestamptz, text) AS {delivery._CLAIM}")
    for count in (500, 5000):
        await insert_ordinary("a", count)
        await connection.execute("ANALYZE messages")
        plan = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE claim ('{NOW}', 'ORDINARY', '{NOW}', '')"
        )
        (root,) = orjson.loads(plan)
        assert "messages_queue" in plan
        page_counts.append(root["Plan"]["Shared Hit Blocks"] + root["Plan"]["Shared Read Blocks"])
    await connection.close()

    assert page_counts[1] < page_counts[0] + 30


@pytest.mark.parametrize("lane", Lane)
async def test_backlog_has_the_age_of_the_oldest_message_of_each_lane(lane: Lane) -> None:
    await queue()
    await insert_ordinary("a", 2)
    await insert_ordinary("b", 1)
    await db.execute("UPDATE messages SET status = 'SENT' WHERE lane <> $1", lane)

    backlog = await delivery.backlog(NOW + timedelta(seconds=30))

    ages = {Lane.SECURITY: 30, Lane.ORDINARY: 30 + 86_400}
    assert {name: backlog.oldest_in_lane_seconds(name) for name in Lane} == {
        name: ages[name] if name is lane else 0 for name in Lane
    }
    assert (backlog.queued_count, backlog.oldest_seconds) == (1 if lane is Lane.SECURITY else 3, ages[lane])


async def test_worker_with_ended_lease_cannot_change_the_message() -> None:
    await queue()
    first_claim = await claim_row()
    lease_ended = NOW + delivery.LEASE
    second_claim = await claim_row(lease_ended)

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
