"""Sends what the outbox holds, from inside the server, for as long as that runs.

Any number of workers, in any number of processes, share one outbox. Nothing ends the loop but
`stop`: a bug in a template or a database that is away costs a line in the log and a wait.

A mail goes out at least once. It goes twice only if the process dies between the server's yes and
the row's SENT; both then carry one Message-ID. A claim that is lost on the way back from the
database only waits for its lease to end.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import structlog

from auth import tokens
from database import db
from mailer import smtp
from mailer.compose import compose
from mailer.render import link_token, render
from mailer.smtp import Postponed, Rejected, Server
from models.outbox import message
from models.outbox.message import OutgoingRow

SENDERS: Final = 4
"""How many mails are under way at once; no more are claimed than can be sent."""
POLL_SECONDS: Final = 2.0
MARK_TRIES: Final = 10
INTERNAL: Final = "internal error"
"""The failure of a message that we could not even make; the log has the error's type."""

T = TypeVar("T")
log = structlog.get_logger("mailer")


def utc_now() -> datetime:
    """The time by the system's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailerConfig:
    """Where mail goes, and what a mail is made with. Without `server`, into the development mailbox."""

    server: Server | None
    link_key: str
    public_url: str
    mail_from: str
    clock: Callable[[], datetime] = utc_now
    chance: Callable[[], float] = random.random
    limit_seconds: float = smtp.WHOLE_SEND_SECONDS

    def __repr__(self) -> str:
        return f"Office({self.server!r})"


async def run(office: MailerConfig, *, stop: asyncio.Event, wake: asyncio.Event | None = None) -> None:
    """Send mails as they become due, until `stop`; what is under way then is finished.

    Whoever has just queued one may set `wake`; otherwise it waits POLL_SECONDS at most.
    """
    wake = wake or asyncio.Event()
    under_way: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            wake.clear()
            rows = await carry_on(message.claim(office.clock(), limit=SENDERS - len(under_way)), otherwise=[])
            for row in rows:
                task = group.create_task(_attend(office, row))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            if len(under_way) == SENDERS:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            elif not rows:
                await _pause(stop, wake)


async def _attend(office: MailerConfig, row: OutgoingRow) -> None:
    """Send one mail and write down what became of it."""
    failure = await carry_on(_deliver(office, row), otherwise=INTERNAL, message_id=str(row.id))
    if failure is not None:
        await carry_on(_retry(office, row, failure), otherwise=None, message_id=str(row.id))


async def _deliver(office: MailerConfig, row: OutgoingRow) -> str | None:
    """Send and mark one mail; the reason if it should be tried again."""
    token = link_token(row, office.link_key)
    if not await message.is_current(row, tokens.digest(token) if token else None, now=office.clock()):
        await message.give_up(row, message.OBSOLETE)
        return None
    mail = render(row, office.link_key, office.public_url)
    parcel = compose(row, mail, public_url=office.public_url, mail_from=office.mail_from)
    try:
        if office.server is not None:
            await smtp.send(office.server, parcel, limit_seconds=office.limit_seconds)
    except Postponed as error:
        return str(error)
    except Rejected as error:
        await message.give_up(row, str(error))
        log.warning("mail.rejected", message_id=str(row.id))
        return None
    await _mark(office, row)
    return None


async def _mark(office: MailerConfig, row: OutgoingRow) -> None:
    """Note that a mail is sent, also where the database is away for a moment: a retry would repeat it."""
    for _ in range(MARK_TRIES):
        try:
            await message.mark_sent(row, now=office.clock())
        except db.UNAVAILABLE:
            await asyncio.sleep(POLL_SECONDS)
        else:
            return
    log.error("mail.unmarked", message_id=str(row.id))


async def _retry(office: MailerConfig, row: OutgoingRow, failure: str) -> None:
    at = message.next_attempt(row, now=office.clock(), chance=office.chance)
    if at is None:
        await message.give_up(row, failure)
    else:
        await message.retry_later(row, failure, at=at)
    log.info("mail.postponed", message_id=str(row.id), attempts=row.attempts, given_up=at is None)


async def carry_on(step: Awaitable[T], *, otherwise: T, **context: str) -> T:
    """What `step` yields, or `otherwise` if it fails: the mail worker outlives every error.

    Only the error's type is logged: its text may quote the mail or an address.
    """
    try:
        return await step
    except Exception as error:  # noqa: BLE001 - one of the two places that may
        log.error("mail.failed", error=type(error).__name__, **context)  # noqa: TRY400 - no traceback, see above
        return otherwise


async def _pause(*events: asyncio.Event) -> None:
    """Wait for one of `events`, at most POLL_SECONDS."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
