"""The mail worker: sends the messages in the outbox, inside the server.

Each lane has at most MAX_SENDS_PER_LANE of the MAX_CONCURRENT_SENDS sends. So a mail about the security of a login
never waits for ordinary mails, and a flood of the former leaves one send to the latter. Free sends take security mails
first.

Any number of workers, in any number of processes, share the outbox. Only `stop` ends the loop: after
an error in a template or a lost database the worker logs a line, waits, and continues.

Each mail is sent at least once. It is sent twice only if the process dies after the mail server has
accepted it and before the row is marked SENT; both mails then have the same Message-ID. If a claim is
lost between database and worker, its rows are claimed again after the lease has ended.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

import structlog

from auth import tokens
from database import db
from mailer import smtp
from mailer.compose import compose
from mailer.render import link_token, render
from mailer.smtp import PermanentFailure, Sender, Server, TransientFailure
from models.base.caller import Caller, OperationConfig
from models.outbox import attachment, block, delivery
from models.outbox.delivery import OutgoingRow
from models.outbox.message_kind import Lane, MessageKind
from models.sharing import bounce

MAX_CONCURRENT_SENDS: Final = 4
"""Maximum number of mails in sending. No more rows are claimed than can be sent at once."""
MAX_SENDS_PER_LANE: Final = MAX_CONCURRENT_SENDS - 1
"""Maximum number of mails of one lane in sending. The other lane always has a send left."""
POLL_INTERVAL_SECONDS: Final = 2.0
MAX_MARK_ATTEMPTS: Final = 10
INTERNAL_FAILURE: Final = "internal error"
"""The recorded failure of a message that could not be rendered or composed. The log has the error type."""

T = TypeVar("T")
log = structlog.get_logger("mailer")


def utc_now() -> datetime:
    """The time of the system clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailerConfig:
    """The settings of the mail worker. Without `server`, mails go to the development mailbox."""

    server: Server | None
    operations: OperationConfig
    public_url: str
    mail_from: str
    clock: Callable[[], datetime] = utc_now
    random_fraction: Callable[[], float] = random.random
    timeout_seconds: float = smtp.SEND_TIMEOUT_SECONDS

    def __repr__(self) -> str:
        return f"MailerConfig({self.server!r})"


async def run(config: MailerConfig, *, stop: asyncio.Event, wake: asyncio.Event | None = None) -> None:
    """Send mails when they become due, until `stop` is set. Mails in sending are finished first.

    Set `wake` after queueing a mail to send it at once. Otherwise it waits up to POLL_INTERVAL_SECONDS.
    """
    wake = wake or asyncio.Event()
    sender = Sender(config.server) if config.server is not None else None
    turns = _Turns()
    tasks: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            wake.clear()
            claim = await run_guarded(turns.claim(config.clock()), default=None)
            if claim is not None:
                task = group.create_task(_process(config, sender, claim))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(partial(turns.finish, claim))
                continue
            if sender is not None and sender.has_idle_connections and not tasks:
                _ = group.create_task(sender.close())
            await _wait_for_any(tasks, stop, wake)
    if sender is not None:
        await sender.close()


@dataclass(frozen=True, slots=True)
class _Claim:
    """A message in sending."""

    lane: Lane
    row: OutgoingRow


class _Turns:
    """The turns of lanes and senders, and the number of sends in progress."""

    def __init__(self) -> None:
        self._sends: Counter[Lane] = Counter()
        self._last_keys = dict.fromkeys(Lane, "")

    async def claim(self, now: datetime) -> _Claim | None:
        """Claim the next message, security mails first. None if none is due, or no send is left for those that are."""
        for lane in Lane:
            if self._sends[lane] < MAX_SENDS_PER_LANE and self._sends.total() < MAX_CONCURRENT_SENDS:
                row = await delivery.claim(now, lane, after=self._last_keys[lane])
                if row is not None:
                    self._last_keys[lane] = row.queue_key
                    self._sends[lane] += 1
                    return _Claim(lane, row)
        return None

    def finish(self, claim: _Claim, _: object) -> None:
        """Give the send of a claim back."""
        self._sends[claim.lane] -= 1


async def _process(config: MailerConfig, sender: Sender | None, claim: _Claim) -> None:
    """Send a mail and store the outcome."""
    row = claim.row
    failure = await run_guarded(_deliver(config, sender, row), default=INTERNAL_FAILURE, message_id=str(row.id))
    if failure is not None:
        await run_guarded(_retry_or_give_up(config, row, failure), default=None, message_id=str(row.id))


async def _deliver(config: MailerConfig, sender: Sender | None, row: OutgoingRow) -> str | None:
    """Send a mail and mark its row. Returns the failure if it should be tried again, else None."""
    token = link_token(row, config.operations.link_key)
    if not await delivery.is_current(row, tokens.digest(token) if token else None, now=config.clock()):
        await _give_up(config, row, delivery.OBSOLETE)
        return None
    blockable = block.of_message(config.operations.link_key, MessageKind(row.kind), row.to_address)
    if blockable is not None and await blockable.is_blocked():
        await _give_up(config, row, block.FAILURE)
        return None
    mail = render(row, config.operations.link_key, config.public_url)
    attachments = await attachment.of_message(row.kind, row.id)
    # In a thread, because the documents of a mail can be megabytes.
    email = await asyncio.to_thread(
        compose, row, mail, public_url=config.public_url, mail_from=config.mail_from, attachments=attachments
    )
    try:
        if sender is not None:
            await sender.send(email, timeout_seconds=config.timeout_seconds)
    except TransientFailure as error:
        return str(error)
    except PermanentFailure as error:
        await _give_up(config, row, str(error))
        log.warning("mail.rejected", message_id=str(row.id))
        return None
    await _mark_sent(config, row)
    return None


async def _mark_sent(config: MailerConfig, row: OutgoingRow) -> None:
    """Mark a mail as sent. Retries while the database is unavailable: otherwise the mail would be sent again."""
    for _ in range(MAX_MARK_ATTEMPTS):
        try:
            await delivery.mark_sent(row, now=config.clock())
        except db.UNAVAILABLE:
            await asyncio.sleep(POLL_INTERVAL_SECONDS)
        else:
            return
    log.error("mail.unmarked", message_id=str(row.id))


async def _give_up(config: MailerConfig, row: OutgoingRow, failure: str) -> None:
    await bounce.give_up(Caller(now=config.clock(), config=config.operations), row, failure)


async def _retry_or_give_up(config: MailerConfig, row: OutgoingRow, failure: str) -> None:
    next_attempt_at = delivery.next_attempt(row, now=config.clock(), random_fraction=config.random_fraction)
    if next_attempt_at is None:
        await _give_up(config, row, failure)
    else:
        await delivery.retry_later(row, failure, at=next_attempt_at)
    log.info("mail.postponed", message_id=str(row.id), attempts=row.attempts, given_up=next_attempt_at is None)


async def run_guarded(step: Awaitable[T], *, default: T, **context: str) -> T:
    """The result of `step`, or `default` if it raises: no error may end the worker.

    Only the type of the error is logged: its text may quote the mail or an address.
    """
    try:
        return await step
    except Exception as error:  # noqa: BLE001 - a boundary: no error may end the worker
        log.error("mail.failed", error=type(error).__name__, **context)  # noqa: TRY400 - no traceback, see above
        return default


async def _wait_for_any(tasks: set[asyncio.Task[None]], *events: asyncio.Event) -> None:
    """Wait for the end of a task or for one of `events`, up to POLL_INTERVAL_SECONDS."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait({*tasks, *waits}, timeout=POLL_INTERVAL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
