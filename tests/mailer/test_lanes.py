"""Lanes of the mail worker: no lane and no sender waits for another one, and mails share connections."""

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope

from database import db
from mailer import worker
from models.base.caller import Caller
from models.outbox import message
from models.outbox.message import Contact
from models.outbox.message_kind import Lane, MessageKind
from tests.mailer.conftest import (
    PARAMS,
    Clock,
    FakeMailServer,
    fetch_rows,
    mailer_config,
    queue_plain,
    running_workers,
    serve,
    wait_for_rows,
)

pytestmark = pytest.mark.usefixtures("outbox")


class HangingMailServer(FakeMailServer):
    """A mail server that answers mails to some receivers only after `release`, and records its connections."""

    def __init__(self, hanging_prefix: str) -> None:
        super().__init__()
        self._hanging_prefix = hanging_prefix
        self.release = threading.Event()
        self.client_ports: set[int] = set()

    async def handle_DATA(self, server: object, session: Any, envelope: Envelope) -> str:  # noqa: N802 - the library's
        self.client_ports.add(session.peer[1])
        while envelope.rcpt_tos[0].startswith(self._hanging_prefix) and not self.release.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.02)
        return await super().handle_DATA(server, session, envelope)


async def queue_ordinary(caller: Caller, to: str) -> None:
    """Queue a mail of the ordinary lane."""
    await message.queue(caller, MessageKind.GRANT_EXPIRED, to=Contact(to, None, "en"), params=PARAMS)


async def test_claims_are_limited_to_concurrent_sends(peer: FakeMailServer, clock: Clock, caller: Caller) -> None:
    peer.delay_seconds = 0.5
    for number in range(worker.MAX_CONCURRENT_SENDS + 2):
        await queue_plain(caller, f"user{number}@example.com")
        await queue_ordinary(caller, f"guest{number}@example.com")

    async with running_workers(mailer_config(peer.server, clock)):
        rows = await wait_for_rows(lambda rows: sum(row.attempts for row in rows) >= worker.MAX_CONCURRENT_SENDS)
        await asyncio.sleep(0.1)
        lanes = Counter(row.lane for row in await fetch_rows() if row.attempts)
        assert lanes == {"SECURITY": worker.MAX_SENDS_PER_LANE, "ORDINARY": 1}
        await wait_for_rows(lambda rows: all(row.status == "SENT" for row in rows))
    assert len(rows) == len(peer.mails)


@pytest.mark.parametrize("hanging_lane", Lane)
async def test_hanging_mails_of_a_lane_do_not_delay_the_other_lane(
    clock: Clock, caller: Caller, hanging_lane: Lane
) -> None:
    hanging_peer = HangingMailServer("hanging")
    queue_hanging, queue_fast = (
        (queue_plain, queue_ordinary) if hanging_lane is Lane.SECURITY else (queue_ordinary, queue_plain)
    )
    for number in range(20):
        await queue_hanging(caller, f"hanging{number}@example.com")
    with serve(hanging_peer):
        async with running_workers(mailer_config(hanging_peer.server, clock)):
            await wait_for_rows(lambda rows: sum(row.attempts for row in rows) == worker.MAX_SENDS_PER_LANE)
            for number in range(3):
                await queue_fast(caller, f"fast{number}@example.com")

            rows = await wait_for_rows(lambda rows: sum(row.status == "SENT" for row in rows) == 3)

            assert {row.to_address for row in rows if row.status == "SENT"} == {
                f"fast{number}@example.com" for number in range(3)
            }
            assert sum(row.attempts for row in rows) == worker.MAX_SENDS_PER_LANE + 3
            hanging_peer.release.set()
            await wait_for_rows(lambda rows: all(row.status == "SENT" for row in rows))


async def test_sender_with_many_mails_does_not_delay_another_sender(
    peer: FakeMailServer, clock: Clock, caller: Caller
) -> None:
    for number in range(40):
        await queue_ordinary(caller, f"user{number}@example.com")
    await db.execute("UPDATE messages SET queue_key = 'b'")
    for key in ("a", "c"):
        await queue_ordinary(caller, f"{key}@example.com")
        await db.execute("UPDATE messages SET queue_key = $1 WHERE to_address = $2", key, f"{key}@example.com")

    async with running_workers(mailer_config(peer.server, clock)):
        await wait_for_rows(lambda rows: all(row.status == "SENT" for row in rows))

    receivers = [to for (to,) in peer.recipients]
    assert {"a@example.com", "c@example.com"} <= set(receivers[: 3 + worker.MAX_SENDS_PER_LANE])


async def test_mails_share_connections(clock: Clock, caller: Caller) -> None:
    for number in range(60):
        await queue_plain(caller, f"user{number}@example.com")

    with serve(HangingMailServer("unknown")) as server:
        async with running_workers(mailer_config(server.server, clock)):
            await wait_for_rows(lambda rows: all(row.status == "SENT" for row in rows))

    assert isinstance(server, HangingMailServer)
    assert len(server.mails) == 60
    assert len(server.client_ports) <= worker.MAX_SENDS_PER_LANE
