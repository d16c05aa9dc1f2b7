"""The open streams of one process and the loop that polls the database for all of them.

    commit in this process ----> poll        NOTIFY ----> poll in every process        0.8 s passed ----> poll

A poll is one set of statements for all streams together. It ends the streams whose session or permission is gone and
delivers new items to the others. Notifications carry no data and are not relied on. They only trigger an immediate
poll after a commit of a server process. Other changes (by the operator, by a process that was killed between commit
and notification, or by time) are found by the next poll.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import asyncpg
import structlog

from database import db
from models.base.caller import Caller
from models.live import stream_state
from models.live.stream_state import ChainedEvent, Change, EventRange, StreamKey, StreamState

POLL_INTERVAL_SECONDS: Final = 0.8
"""Maximum interval between polls. Including the poll, a stream ends within one second."""
MIN_GAP_SECONDS: Final = 0.02
MAX_GAP_SECONDS: Final = 0.5
_PAUSE_FACTOR: Final = 10
"""The pause after a poll is this many times the duration of the poll, between MIN_GAP and MAX_GAP."""
CHANNEL: Final = "fullmakt_changed"
KEEPALIVE_SECONDS: Final = 30.0
MIN_RETRY_SECONDS: Final = 0.1
MAX_RETRY_SECONDS: Final = 5.0
MAX_QUEUED_CHANGES: Final = 10_000
"""Maximum of undelivered changes in one stream, each of about 100 bytes. The stream is ended beyond it."""

T = TypeVar("T")
log = structlog.get_logger("live")


class ShuttingDown(OSError):
    """This process ends its streams. The client can reconnect, to another process or later."""


class Stream(AsyncIterator[T], Generic[T]):
    """New items, one after the other, until the stream is closed or its session or permission ends."""

    def __init__(self, hub: "Hub", key: StreamKey, user_id: UUID, position: int) -> None:
        self.key = key
        self.user_id = user_id
        self.position = position
        """The last position of the account's chain that was read."""
        self.head = position
        self.bits = 0
        """The user's permissions in the account, by the last poll."""
        self.items: deque[T] = deque()
        self._hub = hub
        self._end_error: Exception | None = None
        self._wake = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """True if the chain has positions that were not read."""
        return self.head > self.position

    def push(self, items: list[T]) -> None:
        """Add new items and wake the reader."""
        self.items.extend(items)
        self._wake.set()

    def end(self, error: Exception) -> None:
        """End the stream with `error` at once. Items that were not read are not delivered."""
        self._end_error = error
        self._wake.set()
        self._hub.remove(self)

    async def wait_for_end(self) -> Exception:
        """Wait until the stream ends. Returns the reason."""
        while self._end_error is None:
            self._wake.clear()
            await self._wake.wait()
        return self._end_error

    async def __anext__(self) -> T:
        """The next item. Raises the reason of the end: Unauthenticated, Forbidden or ShuttingDown."""
        while True:
            if self._end_error is not None:
                raise self._end_error
            if self.items:
                item = self.items.popleft()
                if self.is_behind and not self.items:
                    self._hub.wake()
                return item
            self._wake.clear()
            await self._wake.wait()

    async def aclose(self) -> None:
        """Remove the stream from the hub."""
        self._hub.remove(self)


class Hub:
    """The open streams of this process."""

    def __init__(self, clock: Callable[[], datetime], *, poll_interval_seconds: float = POLL_INTERVAL_SECONDS) -> None:
        self._clock = clock
        self._poll_interval_seconds = poll_interval_seconds
        self._event_streams: set[Stream[ChainedEvent]] = set()
        self._change_streams: set[Stream[Change]] = set()
        self._session_streams: set[Stream[None]] = set()
        self._snapshot = ""
        self._changes_lock = asyncio.Lock()
        self._is_closed = False
        self._wake = asyncio.Event()
        self._has_committed = asyncio.Event()

    def __len__(self) -> int:
        """The number of open streams."""
        return len(self._event_streams) + len(self._change_streams) + len(self._session_streams)

    # ---- Opening and closing -----------------------------------------------------------------

    async def follow_events(self, caller: Caller, account_id: UUID) -> Stream[ChainedEvent]:
        """New events of an account. Raises Unauthenticated, Forbidden, ShuttingDown."""
        key = StreamKey(self._require_session(caller), account_id)
        state = await self._load_state(key)
        return self._add(self._event_streams, Stream(self, key, caller.user(), state.head))

    async def follow_changes(self, caller: Caller) -> Stream[Change]:
        """New changes of the caller's grants. Raises Unauthenticated, ShuttingDown."""
        key = StreamKey(self._require_session(caller))
        _ = await self._load_state(key)
        async with self._changes_lock:  # a read in progress does not include this user
            if self._change_streams:
                await self._read_changes()
            else:
                self._snapshot = await stream_state.load_snapshot()
            return self._add(self._change_streams, Stream(self, key, caller.user(), 0))

    async def follow_session(self, caller: Caller) -> Stream[None]:
        """A stream without items that ends with the caller's session. Raises like `follow_changes`."""
        key = StreamKey(self._require_session(caller))
        _ = await self._load_state(key)
        return self._add(self._session_streams, Stream(self, key, caller.user(), 0))

    def _require_session(self, caller: Caller) -> UUID:
        self._require_open()
        _ = caller.user()
        assert caller.session_id is not None  # noqa: S101 - a signed-in caller has a session
        return caller.session_id

    def _require_open(self) -> None:
        if self._is_closed:
            raise ShuttingDown

    async def _load_state(self, key: StreamKey) -> StreamState:
        (state,) = await stream_state.load_states([key], self._clock())
        if state.error is not None:
            raise state.error
        return state

    def _add(self, streams: set[Stream[T]], stream: Stream[T]) -> Stream[T]:
        self._require_open()  # again: the hub may have been closed since
        streams.add(stream)
        self._wake.set()  # finds changes that were committed while it was opened
        return stream

    def remove(self, stream: Stream[Any]) -> None:
        """Stop polling for a stream."""
        for streams in (self._event_streams, self._change_streams, self._session_streams):
            streams.discard(stream)

    def close(self) -> None:
        """End every stream and accept no new ones. Called at shutdown."""
        self._is_closed = True
        for stream in self._streams():
            stream.end(ShuttingDown())

    def _streams(self) -> list[Stream[Any]]:
        return [*self._event_streams, *self._change_streams, *self._session_streams]

    # ---- Polling -----------------------------------------------------------------------------

    def wake(self) -> None:
        """Trigger a poll."""
        self._wake.set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Poll while the block runs, then close all streams. The database must be connected."""
        tasks = [asyncio.create_task(self._poll_forever()), asyncio.create_task(self._keep_connection())]
        try:
            with db.after_commit(self._on_commit):
                yield
        finally:
            self.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _on_commit(self) -> None:
        self._wake.set()
        self._has_committed.set()

    async def _poll_forever(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            # Not `wait_for`: on Python 3.11 it loses a cancellation that arrives together with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_interval_seconds if len(self) else None):
                    await self._wake.wait()
            self._wake.clear()
            if not len(self):
                continue
            started_at = clock()
            try:
                await self.poll()
            except db.UNAVAILABLE as error:
                log.warning("poll skipped", type=type(error).__name__)
                await asyncio.sleep(MAX_GAP_SECONDS)
            except Exception as error:  # noqa: BLE001 - a stream without polls must not stay open
                log.error("poll failed", type=type(error).__name__)  # noqa: TRY400 - the text may contain personal data
                for stream in self._streams():
                    stream.end(ShuttingDown())
            await asyncio.sleep(min(max(MIN_GAP_SECONDS, (clock() - started_at) * _PAUSE_FACTOR), MAX_GAP_SECONDS))

    async def poll(self) -> None:
        """End the streams whose session or permission is gone, and deliver new items to the others."""
        streams = self._streams()
        keys = list({stream.key: None for stream in streams})
        states = dict(zip(keys, await stream_state.load_states(keys, self._clock()), strict=True))
        for stream in streams:
            state = states[stream.key]
            if state.error is not None:
                stream.end(state.error)
            elif stream.key.account_id is not None:
                stream.head, stream.bits = state.head, state.bits
        for stream in self._event_streams:
            stream.items = deque(item for item in stream.items if item.exists_for(stream.user_id, stream.bits))
        await self._read_events()
        if self._change_streams:
            async with self._changes_lock:
                await self._read_changes()

    async def _read_events(self) -> None:
        """Load the next events for streams whose items are all read. A slow reader holds one batch at most."""
        ready = [stream for stream in self._event_streams if stream.is_behind and not stream.items]
        if not ready:
            return
        heads = {(stream.key.account_id, stream.position): stream.head for stream in ready}
        ranges = [
            EventRange(account_id, position, head) for (account_id, position), head in heads.items() if account_id
        ]
        rows_by_range: dict[tuple[UUID | None, int], list[ChainedEvent]] = {}
        for row in await stream_state.load_events(ranges):
            rows_by_range.setdefault((row.account_id, row.after_position), []).append(row)
        for stream in ready:
            rows = rows_by_range[stream.key.account_id, stream.position]
            stream.position = rows[-1].position
            stream.push([row for row in rows if row.exists_for(stream.user_id, stream.bits)])
            if stream.is_behind and not stream.items:
                self.wake()

    async def _read_changes(self) -> None:
        """Deliver the changes of grants since the last read."""
        user_ids = list({stream.user_id for stream in self._change_streams})
        self._snapshot, changes = await stream_state.load_changes(self._snapshot, user_ids)
        if not changes:
            return
        changes_by_user: dict[UUID, list[Change]] = {}
        for change in changes:
            changes_by_user.setdefault(change.user_id, []).append(change)
        for stream in list(self._change_streams):
            stream.push(changes_by_user.get(stream.user_id, []))
            if len(stream.items) > MAX_QUEUED_CHANGES:
                stream.end(ShuttingDown())

    # ---- Notifications -----------------------------------------------------------------------

    async def _keep_connection(self) -> None:
        """Keep a database connection for LISTEN and NOTIFY. Polls continue while it is lost."""
        retry_seconds = MIN_RETRY_SECONDS
        while True:
            try:
                connection = await db.dedicated_connection()
                try:
                    await self._start_listening(connection)
                    retry_seconds = MIN_RETRY_SECONDS  # connected: reset the delay
                    await self._notify_commits(connection)
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, *db.UNAVAILABLE) as error:
                log.warning("listener lost", type=type(error).__name__)
            await asyncio.sleep(retry_seconds)
            retry_seconds = min(retry_seconds * 2, MAX_RETRY_SECONDS)

    async def _start_listening(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Trigger a poll after each notification of another process."""
        own_pid = connection.get_server_pid()

        def on_notification(_: object, sender_pid: int, __: str, ___: object) -> None:
            if sender_pid != own_pid:
                self._wake.set()

        connection.add_termination_listener(lambda _: self._has_committed.set())
        await connection.add_listener(CHANNEL, on_notification)
        # NOTIFY commits like a change. It holds a lock until the commit is flushed to disk, unless this is off.
        await connection.execute("SET synchronous_commit = off")
        self._wake.set()  # finds changes that were committed before LISTEN

    async def _notify_commits(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Notify after commits of this process, at most once in MIN_GAP_SECONDS, until the connection is lost."""
        while not connection.is_closed():
            try:
                async with asyncio.timeout(KEEPALIVE_SECONDS):
                    await self._has_committed.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")
                continue
            await asyncio.sleep(MIN_GAP_SECONDS)
            self._has_committed.clear()
            if not connection.is_closed():
                await connection.execute(f"NOTIFY {CHANNEL}")
