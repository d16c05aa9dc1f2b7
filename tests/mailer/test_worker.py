import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth import tokens
from database import db, keys
from mailer import smtp, worker
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message import LinkPurpose, MessageKind
from tests.mailer.conftest import (
    LINK_KEY,
    NOW,
    PUBLIC_URL,
    Clock,
    Peer,
    at_work,
    free_port,
    new_account,
    office,
    queue_plain,
    queued,
    rows_now,
    until,
    until_rows,
)

pytestmark = pytest.mark.usefixtures("outbox")


async def an_invitation(caller: Caller) -> Any:
    """A pending invitation's id, with its mail in the outbox."""
    row = await queued(caller, MessageKind.INVITATION)
    token = tokens.derive(LINK_KEY, LinkPurpose.INVITATION, row.link_seed or b"")
    user_id, account_id = await new_account()
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


async def test_a_mail_is_sent_once_with_the_headers_it_should_have(peer: Peer, clock: Clock, caller: Caller) -> None:
    await queue_plain(caller)

    async with at_work(office(peer.server, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status == "SENT")
    (mail,) = peer.taken

    assert row.attempts == 1
    assert row.sent_at == NOW
    assert peer.receivers == [["anna@example.com"]]
    assert mail["From"] == "Fullmakt <no-reply@example.com>"
    assert mail["To"] == "Anna <anna@example.com>"
    assert mail["Subject"] == "Your password was changed"
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"] == f"<{row.id}@fullmakt.example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


async def test_a_temporary_refusal_is_tried_again_later(peer: Peer, clock: Clock, caller: Caller) -> None:
    peer.replies = ["451 come back"]
    await queue_plain(caller)

    async with at_work(office(peer.server, clock)):
        (row,) = await until_rows(lambda rows: rows[0].failure is not None)
        assert (row.status, row.failure) == ("QUEUED", "451 come back")
        assert row.next_attempt_at == NOW + timedelta(minutes=1)
        clock.forward(timedelta(minutes=1))
        (row,) = await until_rows(lambda rows: rows[0].status == "SENT")

    assert (row.attempts, row.failure) == (2, None)
    assert len(peer.taken) == 1


async def test_a_permanent_refusal_ends_a_message_with_its_reason(peer: Peer, clock: Clock, caller: Caller) -> None:
    peer.replies = ["550 no such user"]
    await queue_plain(caller)

    async with at_work(office(peer.server, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status == "FAILED")

    assert (row.failure, row.attempts, row.sent_at) == ("550 no such user", 1, None)
    assert peer.taken == []


async def test_a_refusal_that_quotes_the_mail_leaves_no_token_behind(peer: Peer, clock: Clock, caller: Caller) -> None:
    await an_invitation(caller)
    token = tokens.derive(LINK_KEY, LinkPurpose.INVITATION, b"s" * 32)
    peer.replies = [f"554 spam: {PUBLIC_URL}/invitation#{token}"]

    async with at_work(office(peer.server, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status == "FAILED")

    assert row.failure == f"554 spam: {PUBLIC_URL}/invitation#..."


async def test_without_a_server_a_message_waits(clock: Clock, caller: Caller) -> None:
    nobody = smtp.Server("127.0.0.1", free_port(), smtp.Security.NONE)
    await queue_plain(caller)

    async with at_work(office(nobody, clock)):
        (row,) = await until_rows(lambda rows: rows[0].failure is not None)

    assert (row.status, row.attempts) == ("QUEUED", 1)
    assert row.next_attempt_at > NOW
    assert row.leased_until is None


async def test_after_48_hours_a_message_is_given_up(clock: Clock, caller: Caller) -> None:
    nobody = smtp.Server("127.0.0.1", free_port(), smtp.Security.NONE)
    await queue_plain(caller)
    clock.forward(timedelta(hours=48))

    async with at_work(office(nobody, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status != "QUEUED")

    assert row.status == "FAILED"


async def test_two_workers_never_send_one_message_twice(peer: Peer, clock: Clock, caller: Caller) -> None:
    receivers = [f"user{number}@example.com" for number in range(40)]
    for to in receivers:
        await queue_plain(caller, to)

    async with at_work(*[office(peer.server, clock) for _ in range(3)]):
        await until_rows(lambda rows: all(row.status == "SENT" for row in rows))

    assert sorted(to for (to,) in peer.receivers) == sorted(receivers)


async def test_a_revoked_invitation_is_not_mailed(peer: Peer, clock: Clock, caller: Caller) -> None:
    invitation_id = await an_invitation(caller)
    await db.execute("UPDATE invitations SET status = 'REVOKED' WHERE id = $1", invitation_id)

    async with at_work(office(peer.server, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status != "QUEUED")

    assert (row.status, row.failure) == ("FAILED", "obsolete")
    assert peer.taken == []


async def test_an_expired_invitation_is_not_mailed(peer: Peer, clock: Clock, caller: Caller) -> None:
    await an_invitation(caller)
    clock.forward(timedelta(days=7))

    async with at_work(office(peer.server, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status != "QUEUED")

    assert (row.status, row.failure) == ("FAILED", "obsolete")


async def test_a_used_reset_link_is_not_mailed(peer: Peer, clock: Clock, caller: Caller) -> None:
    user_id, _ = await new_account()
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
            to="olga@example.com",
            name=None,
            locale="en",
            link=(LinkPurpose.RESET, seed),
            params={"expires_at": NOW.isoformat()},
        )

    async with at_work(office(peer.server, clock)):
        rows = await until_rows(lambda rows: all(row.status != "QUEUED" for row in rows))

    outcome = {bytes(row.link_seed)[:1]: row.status for row in rows}
    assert outcome == {b"1": "FAILED", b"2": "SENT"}
    assert len(peer.taken) == 1


async def test_a_crash_between_the_send_and_the_mark_repeats_one_message_id(
    peer: Peer, clock: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise asyncio.CancelledError

    await queue_plain(caller)
    with monkeypatch.context() as patched:
        patched.setattr(worker, "_mark", crash)
        async with at_work(office(peer.server, clock)):
            await until(lambda: len(peer.taken) == 1)
    (row,) = await rows_now()
    assert (row.status, row.leased_until) == ("QUEUED", NOW + message.LEASE)

    clock.forward(message.LEASE)
    async with at_work(office(peer.server, clock)):
        await until_rows(lambda rows: rows[0].status == "SENT")

    assert [mail["Message-ID"] for mail in peer.taken] == [f"<{row.id}@fullmakt.example.com>"] * 2


async def test_a_failed_mark_after_the_send_does_not_send_again(
    peer: Peer, clock: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_sent, calls = message.mark_sent, 0

    async def away_once(*args: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionResetError
        await mark_sent(*args, **named)

    monkeypatch.setattr(message, "mark_sent", away_once)
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    await queue_plain(caller)
    async with at_work(office(peer.server, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status == "SENT")

    assert (row.attempts, calls, len(peer.taken)) == (1, 2, 1)


async def test_a_whole_send_has_a_limit_and_holds_nobody_up(peer: Peer, clock: Clock, caller: Caller) -> None:
    peer.delay_seconds = 5
    await queue_plain(caller)

    async with at_work(office(peer.server, clock, limit_seconds=0.3)):
        (row,) = await until_rows(lambda rows: rows[0].failure is not None)

    assert (row.status, row.failure) == ("QUEUED", "no answer in time")


async def test_no_more_is_claimed_than_can_be_sent_at_once(peer: Peer, clock: Clock, caller: Caller) -> None:
    peer.delay_seconds = 0.5
    for number in range(worker.SENDERS + 2):
        await queue_plain(caller, f"user{number}@example.com")

    async with at_work(office(peer.server, clock)):
        rows = await until_rows(lambda rows: any(row.attempts for row in rows))
        await asyncio.sleep(0.1)
        assert [row.attempts for row in rows].count(1) == worker.SENDERS
        await until_rows(lambda rows: all(row.status == "SENT" for row in rows))


async def test_stopping_lets_what_is_under_way_finish(peer: Peer, clock: Clock, caller: Caller) -> None:
    peer.delay_seconds = 0.5
    await queue_plain(caller)

    async with at_work(office(peer.server, clock)):
        await until_rows(lambda rows: rows[0].attempts == 1)
    (row,) = await rows_now()

    assert row.status == "SENT"


async def test_a_message_that_cannot_be_made_leaves_the_others_alone(
    peer: Peer, clock: Clock, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    await queue_plain(caller, "bad@example.com")
    await db.execute("UPDATE messages SET kind = 'no-such-kind'")
    await queue_plain(caller, "good@example.com")

    async with at_work(office(peer.server, clock)):
        bad, good = await until_rows(lambda rows: rows[1].status == "SENT" and rows[0].failure is not None)

    assert (bad.status, bad.failure) == ("QUEUED", worker.INTERNAL)
    assert good.status == "SENT"
    logged = capsys.readouterr().out
    assert "ValueError" in logged
    assert "example.com" not in logged


async def test_a_database_that_is_away_costs_a_wait_only(
    peer: Peer, clock: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, calls = message.claim, 0

    async def away_twice(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise ConnectionRefusedError
        return await claim(*args, **named)

    monkeypatch.setattr(message, "claim", away_twice)
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    await queue_plain(caller)

    async with at_work(office(peer.server, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status == "SENT")

    assert row.attempts == 1


async def test_waking_ends_the_pause(peer: Peer, clock: Clock, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_SECONDS", 60)
    stop, wake = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(worker.run(office(peer.server, clock), stop=stop, wake=wake))
    await asyncio.sleep(0.2)
    await queue_plain(caller)
    wake.set()

    await until(lambda: len(peer.taken) == 1)
    stop.set()
    async with asyncio.timeout(5):
        await running


async def test_the_development_mailbox_takes_everything_at_once(clock: Clock, caller: Caller) -> None:
    await queue_plain(caller)

    async with at_work(office(None, clock)):
        (row,) = await until_rows(lambda rows: rows[0].status == "SENT")

    assert row.sent_at == NOW


async def test_the_outbox_holds_no_token(peer: Peer, clock: Clock, caller: Caller) -> None:
    await an_invitation(caller)

    async with at_work(office(peer.server, clock)):
        rows = await until_rows(lambda rows: rows[0].status == "SENT")
    token = tokens.derive(LINK_KEY, LinkPurpose.INVITATION, b"s" * 32)
    body = peer.taken[0].get_body(("plain",))

    assert body is not None
    assert f"{PUBLIC_URL}/invitation#{token}" in body.get_content().splitlines()
    assert token not in repr([dict(row) for row in rows])
    assert LINK_KEY not in repr(office(peer.server, clock))
