import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth import tokens
from database import db, keys
from mailer import smtp, worker
from models.base.caller import Caller
from models.outbox import delivery, message
from models.outbox.message import Contact, LinkPurpose
from models.outbox.message_kind import MessageKind
from tests.mailer.conftest import (
    LINK_KEY,
    NOW,
    PUBLIC_URL,
    Clock,
    FakeMailServer,
    fetch_rows,
    free_port,
    insert_account,
    mailer_config,
    queue_and_fetch,
    queue_plain,
    running_workers,
    wait_for_rows,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("outbox")


async def create_invitation(caller: Caller) -> Any:
    """Create a pending invitation with its mail in the outbox. Returns the invitation's id."""
    row = await queue_and_fetch(caller, MessageKind.INVITATION)
    token = tokens.derive(LINK_KEY, LinkPurpose.INVITATION, row.link_seed or b"")
    user_id, account_id = await insert_account()
    invitation_id = keys.uuid7()
    await db.execute(
        "INSERT INTO invitations (id, account_id, email, email_key, role, status, invited_by_id, locale,"
        " allow_other_login, token_digest, created_at, expires_at) VALUES"
        " ($1, $2, 'anna@example.com', 'anna@example.com', 'ACCOUNTANT', 'PENDING', $3, 'en', false, $4, $5, $6)",
        invitation_id,
        account_id,
        user_id,
        tokens.digest(token),
        NOW,
        NOW + timedelta(days=7),
    )
    return invitation_id


async def test_mail_is_sent_once_with_its_headers(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    await queue_plain(caller)

    async with running_workers(mailer_config(peer.server, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status == "SENT")
    (mail,) = peer.mails

    assert row.attempts == 1
    assert row.sent_at == NOW
    assert peer.recipients == [["anna@example.com"]]
    assert mail["From"] == "Fullmakt <no-reply@example.com>"
    assert mail["To"] == "Anna <anna@example.com>"
    assert mail["Subject"] == "Your password was changed"
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"] == f"<{row.id}@fullmakt.example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


async def test_transient_failure_is_retried_later(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    peer.replies = ["451 come back"]
    await queue_plain(caller)

    async with running_workers(mailer_config(peer.server, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].failure is not None)
        assert (row.status, row.failure) == ("QUEUED", "451 come back")
        assert row.next_attempt_at == NOW + timedelta(minutes=1)
        clock.advance(timedelta(minutes=1))
        (row,) = await wait_for_rows(lambda rows: rows[0].status == "SENT")

    assert (row.attempts, row.failure) == (2, None)
    assert len(peer.mails) == 1


async def test_permanent_failure_ends_the_message_with_its_reason(
    peer: FakeMailServer, clock: Clock, caller: Caller
) -> None:
    peer.replies = ["550 no such user"]
    await queue_plain(caller)

    async with running_workers(mailer_config(peer.server, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status == "FAILED")

    assert (row.failure, row.attempts, row.sent_at) == ("550 no such user", 1, None)
    assert peer.mails == []


async def test_stored_failure_contains_no_token(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    await create_invitation(caller)
    token = tokens.derive(LINK_KEY, LinkPurpose.INVITATION, b"s" * 32)
    peer.replies = [f"554 spam: {PUBLIC_URL}/invitation#{token}"]

    async with running_workers(mailer_config(peer.server, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status == "FAILED")

    assert row.failure == f"554 spam: {PUBLIC_URL}/invitation#..."


async def test_message_waits_while_the_server_is_unreachable(clock: Clock, caller: Caller) -> None:
    unreachable = smtp.Server("127.0.0.1", free_port(), smtp.Security.PLAINTEXT)
    await queue_plain(caller)

    async with running_workers(mailer_config(unreachable, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].failure is not None)

    assert (row.status, row.attempts) == ("QUEUED", 1)
    assert row.next_attempt_at > NOW
    assert row.leased_until is None


async def test_message_fails_after_48_hours(clock: Clock, caller: Caller) -> None:
    unreachable = smtp.Server("127.0.0.1", free_port(), smtp.Security.PLAINTEXT)
    await queue_plain(caller)
    clock.advance(timedelta(hours=48))

    async with running_workers(mailer_config(unreachable, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status != "QUEUED")

    assert row.status == "FAILED"


async def test_concurrent_workers_send_each_message_once(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    receivers = [f"user{number}@example.com" for number in range(40)]
    for to in receivers:
        await queue_plain(caller, to)

    async with running_workers(*[mailer_config(peer.server, clock) for _ in range(3)]):
        await wait_for_rows(lambda rows: all(row.status == "SENT" for row in rows))

    assert sorted(to for (to,) in peer.recipients) == sorted(receivers)


async def test_revoked_invitation_is_not_mailed(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    invitation_id = await create_invitation(caller)
    await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE id = $1", invitation_id)

    async with running_workers(mailer_config(peer.server, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status != "QUEUED")

    assert (row.status, row.failure) == ("FAILED", "obsolete")
    assert peer.mails == []


async def test_expired_invitation_is_not_mailed(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    await create_invitation(caller)
    clock.advance(timedelta(days=7))

    async with running_workers(mailer_config(peer.server, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status != "QUEUED")

    assert (row.status, row.failure) == ("FAILED", "obsolete")


async def test_used_reset_link_is_not_mailed(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    user_id, _ = await insert_account()
    for seed, used_at in ((b"1" * 32, NOW), (b"2" * 32, None)):
        token = tokens.derive(LINK_KEY, LinkPurpose.RESET, seed)
        await db.execute(
            "INSERT INTO user_tokens (id, user_id, purpose, token_digest, created_at, expires_at, used_at)"
            " VALUES ($1, $2, 'reset', $3, $4, $5, $6)",
            keys.uuid7(),
            user_id,
            tokens.digest(token),
            NOW,
            NOW + timedelta(hours=1),
            used_at,
        )
        await message.queue(
            caller,
            MessageKind.PASSWORD_RESET,
            to=Contact("olga@example.com", name=None, locale="en"),
            link=(LinkPurpose.RESET, seed),
            params={"expires_at": NOW.isoformat()},
        )

    async with running_workers(mailer_config(peer.server, clock)):
        rows = await wait_for_rows(lambda rows: all(row.status != "QUEUED" for row in rows))

    outcome = {bytes(row.link_seed)[:1]: row.status for row in rows}
    assert outcome == {b"1": "FAILED", b"2": "SENT"}
    assert len(peer.mails) == 1


async def test_resend_after_a_crash_has_the_same_message_id(
    peer: FakeMailServer, clock: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise asyncio.CancelledError

    await queue_plain(caller)
    with monkeypatch.context() as patch:
        patch.setattr(worker, "_mark_sent", crash)
        async with running_workers(mailer_config(peer.server, clock)):
            await wait_until(lambda: len(peer.mails) == 1)
    (row,) = await fetch_rows()
    assert (row.status, row.leased_until) == ("QUEUED", NOW + delivery.LEASE)

    clock.advance(delivery.LEASE)
    async with running_workers(mailer_config(peer.server, clock)):
        await wait_for_rows(lambda rows: rows[0].status == "SENT")

    assert [mail["Message-ID"] for mail in peer.mails] == [f"<{row.id}@fullmakt.example.com>"] * 2


async def test_failed_mark_is_retried_without_a_second_send(
    peer: FakeMailServer, clock: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_sent, calls = delivery.mark_sent, 0

    async def fail_once(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionResetError
        await mark_sent(*args, **kwargs)

    monkeypatch.setattr(delivery, "mark_sent", fail_once)
    monkeypatch.setattr(worker, "POLL_INTERVAL_SECONDS", 0.01)
    await queue_plain(caller)
    async with running_workers(mailer_config(peer.server, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status == "SENT")

    assert (row.attempts, calls, len(peer.mails)) == (1, 2, 1)


async def test_send_has_a_total_timeout(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    peer.delay_seconds = 5
    await queue_plain(caller)

    async with running_workers(mailer_config(peer.server, clock, timeout_seconds=0.3)):
        (row,) = await wait_for_rows(lambda rows: rows[0].failure is not None)

    assert (row.status, row.failure) == ("QUEUED", "no answer in time")


async def test_stop_finishes_running_sends(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    peer.delay_seconds = 0.5
    await queue_plain(caller)

    async with running_workers(mailer_config(peer.server, clock)):
        await wait_for_rows(lambda rows: rows[0].attempts == 1)
    (row,) = await fetch_rows()

    assert row.status == "SENT"


async def test_unrenderable_message_does_not_block_others(
    peer: FakeMailServer, clock: Clock, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    await queue_plain(caller, "bad@example.com")
    await db.execute("UPDATE messages SET kind = 'no-such-kind'")
    await queue_plain(caller, "good@example.com")

    async with running_workers(mailer_config(peer.server, clock)):
        bad, good = await wait_for_rows(lambda rows: rows[1].status == "SENT" and rows[0].failure is not None)

    assert (bad.status, bad.failure) == ("QUEUED", worker.INTERNAL_FAILURE)
    assert good.status == "SENT"
    log_output = capsys.readouterr().out
    assert "ValueError" in log_output
    assert "example.com" not in log_output


async def test_worker_survives_a_lost_database(
    peer: FakeMailServer, clock: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, calls = delivery.claim, 0

    async def fail_twice(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise ConnectionRefusedError
        return await claim(*args, **kwargs)

    monkeypatch.setattr(delivery, "claim", fail_twice)
    monkeypatch.setattr(worker, "POLL_INTERVAL_SECONDS", 0.01)
    await queue_plain(caller)

    async with running_workers(mailer_config(peer.server, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status == "SENT")

    assert row.attempts == 1


async def test_wake_ends_the_pause(
    peer: FakeMailServer, clock: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL_INTERVAL_SECONDS", 60)
    stop, wake = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(worker.run(mailer_config(peer.server, clock), stop=stop, wake=wake))
    await asyncio.sleep(0.2)
    await queue_plain(caller)
    wake.set()

    await wait_until(lambda: len(peer.mails) == 1)
    stop.set()
    async with asyncio.timeout(5):
        await task


async def test_without_a_server_mails_are_marked_sent(clock: Clock, caller: Caller) -> None:
    await queue_plain(caller)

    async with running_workers(mailer_config(None, clock)):
        (row,) = await wait_for_rows(lambda rows: rows[0].status == "SENT")

    assert row.sent_at == NOW


async def test_outbox_contains_no_token(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    await create_invitation(caller)

    async with running_workers(mailer_config(peer.server, clock)):
        rows = await wait_for_rows(lambda rows: rows[0].status == "SENT")
    token = tokens.derive(LINK_KEY, LinkPurpose.INVITATION, b"s" * 32)
    body = peer.mails[0].get_body(("plain",))

    assert body is not None
    assert f"{PUBLIC_URL}/invitation#{token}" in body.get_content().splitlines()
    assert token not in repr([dict(row) for row in rows])
    assert LINK_KEY not in repr(mailer_config(peer.server, clock))
