"""Open streams of one process, and the one loop that looks after all of them.

    a commit here ----> look        NOTIFY ----> look in every process        0.8 s gone ----> look

A look is a statement for all streams together: it ends those whose right is gone, by whatever took
it, and gives the others what is new. Notifications hold nothing and are trusted with nothing. They
make a look come at once where a server process wrote; for whoever writes otherwise (the operator, a
process that was killed between commit and notification, the clock) the next look is early enough.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import asyncpg
import structlog

from database import db
from models.base.caller import Caller
from models.base.errors import RateLimited
from models.live import stream_state
from models.live.stream_state import ChainedEvent, Change, EventRange, StreamKey, StreamState

EVERY_SECONDS: Final = 0.8
"""How long nobody looks at most; with the look itself, a stream ends within a second."""
GAP_SECONDS: Final = 0.02
LONGEST_GAP_SECONDS: Final = 0.5
_SHARE: Final = 10
"""A look that took long is followed by a pause that is so many times longer."""
CHANNEL: Final = "fullmakt_changed"
ALIVE_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
MOST: Final = 5000
MOST_PER_USER: Final = 100
MOST_CHANGES: Final = 10_000
"""How many changes of his grants somebody may leave lying; each is a key and a word."""

T = TypeVar("T")
log = structlog.get_logger("live")


class ShuttingDown(OSError):
    """No stream is opened or kept here any more; elsewhere, or later, it is."""


class Stream(AsyncIterator[T], Generic[T]):
    """What is new, one after the other, until somebody closes it or its right is gone."""

    def __init__(self, hub: "Hub", watch: StreamKey, user_id: UUID, place: int) -> None:
        self.watch = watch
        self.user_id = user_id
        self.place = place
        """Up to where an account's chain was read."""
        self.head = place
        self.items: deque[T] = deque()
        self._hub = hub
        self._ended: Exception | None = None
        self._stirred = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """Whether there is more than was read."""
        return self.head > self.place

    def give(self, items: list[T]) -> None:
        """Hand over what is new."""
        self.items.extend(items)
        self._stirred.set()

    def end(self, why: Exception) -> None:
        """Let it end at once; what was not taken is not shown any more."""
        self._ended = why
        self._stirred.set()
        self._hub.leave(self)

    async def over(self) -> Exception:
        """Why it has ended, once it has."""
        while self._ended is None:
            self._stirred.clear()
            await self._stirred.wait()
        return self._ended

    async def __anext__(self) -> T:
        """The next one. Raises what ended it: Refused where a right is gone, Away when the process ends."""
        while True:
            if self._ended is not None:
                raise self._ended
            if self.items:
                item = self.items.popleft()
                if self.is_behind and not self.items:
                    self._hub.wake()
                return item
            self._stirred.clear()
            await self._stirred.wait()

    async def aclose(self) -> None:
        """Follow no longer."""
        self._hub.leave(self)


class Hub:
    """Every open stream of this process."""

    def __init__(self, clock: Callable[[], datetime], *, every_seconds: float = EVERY_SECONDS) -> None:
        self._clock = clock
        self._every_seconds = every_seconds
        self._events: set[Stream[ChainedEvent]] = set()
        self._changes: set[Stream[Change]] = set()
        self._sessions: set[Stream[None]] = set()
        self._of_user: Counter[UUID] = Counter()
        self._since = ""
        self._reading = asyncio.Lock()
        self._is_closed = False
        self._wake = asyncio.Event()
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """How many streams are open."""
        return self._of_user.total()

    # ---- Opening and closing -----------------------------------------------------------------

    async def events(self, caller: Caller, account_id: UUID) -> Stream[ChainedEvent]:
        """The events of an account, from now on. Raises Refused as for reading them, RateLimited, Away."""
        watch = StreamKey(self._session(caller), account_id)
        seen = await self._seen(watch)
        return self._opened(self._events, Stream(self, watch, caller.user(), seen.head))

    async def changes(self, caller: Caller) -> Stream[Change]:
        """What becomes of the caller's grants, from now on. Raises Unauthenticated, RateLimited, Away."""
        watch = StreamKey(self._session(caller))
        _ = await self._seen(watch)
        async with self._reading:  # a reading that is under way would not look for his
            if self._changes:
                await self._read_changes()
            else:
                self._since = await stream_state.snapshot()
            return self._opened(self._changes, Stream(self, watch, caller.user(), 0))

    async def session(self, caller: Caller) -> Stream[None]:
        """Nothing but the end of the caller's session. Raises as the others do."""
        watch = StreamKey(self._session(caller))
        _ = await self._seen(watch)
        return self._opened(self._sessions, Stream(self, watch, caller.user(), 0))

    def _session(self, caller: Caller) -> UUID:
        self._demand_room(caller.user())
        assert caller.session_id is not None  # noqa: S101 - who is signed in is so by a session
        return caller.session_id

    def _demand_room(self, user_id: UUID) -> None:
        if self._is_closed:
            raise ShuttingDown
        if self._of_user[user_id] >= MOST_PER_USER or len(self) >= MOST:
            raise RateLimited(retry_after_seconds=60)

    async def _seen(self, watch: StreamKey) -> StreamState:
        (seen,) = await stream_state.load_states([watch], self._clock())
        if seen.refused is not None:
            raise seen.refused
        return seen

    def _opened(self, kind: set[Stream[T]], stream: Stream[T]) -> Stream[T]:
        self._demand_room(stream.user_id)  # again: others were opened meanwhile
        kind.add(stream)
        self._of_user[stream.user_id] += 1
        self._wake.set()  # what happened while it was opened
        return stream

    def leave(self, stream: Stream[Any]) -> None:
        """Look after a stream no longer."""
        for kind in (self._events, self._changes, self._sessions):
            if stream in kind:
                kind.discard(stream)
                self._of_user[stream.user_id] -= 1
                if not self._of_user[stream.user_id]:
                    del self._of_user[stream.user_id]

    def close(self) -> None:
        """End every stream, and open no more: this process goes."""
        self._is_closed = True
        for stream in self._all():
            stream.end(ShuttingDown())

    def _all(self) -> list[Stream[Any]]:
        return [*self._events, *self._changes, *self._sessions]

    # ---- Looking -----------------------------------------------------------------------------

    def wake(self) -> None:
        """Look soon."""
        self._wake.set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Look after the streams for as long as the block lasts, which has the database; then close them."""
        loops = [asyncio.create_task(self._watch()), asyncio.create_task(self._listen())]
        try:
            with db.telling(self._committed):
                yield
        finally:
            self.close()
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    def _committed(self) -> None:
        self._wake.set()
        self._news.set()

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._every_seconds if len(self) else None)
            self._wake.clear()
            if not len(self):
                continue
            started = clock()
            try:
                await self.poll()
            except db.UNAVAILABLE as error:
                log.warning("nobody could look", type=type(error).__name__)
                await asyncio.sleep(LONGEST_GAP_SECONDS)
            except Exception as error:  # noqa: BLE001 - who is not looked after does not stay open
                log.error("looking failed", type=type(error).__name__)  # noqa: TRY400 - its text may hold anything
                for stream in self._all():
                    stream.end(ShuttingDown())
            await asyncio.sleep(min(max(GAP_SECONDS, (clock() - started) * _SHARE), LONGEST_GAP_SECONDS))

    async def poll(self) -> None:
        """End the streams whose right is gone, and give the others what is new."""
        streams = self._all()
        watches = list({stream.watch: None for stream in streams})
        found = dict(zip(watches, await stream_state.load_states(watches, self._clock()), strict=True))
        for stream in streams:
            seen = found[stream.watch]
            if seen.refused is not None:
                stream.end(seen.refused)
            elif stream.watch.account_id is not None:
                stream.head = seen.head
        await self._read_events()
        if self._changes:
            async with self._reading:
                await self._read_changes()

    async def _read_events(self) -> None:
        """The next events for who has taken those before: who is slow costs a batch of memory, and loses nothing."""
        behind = [stream for stream in self._events if stream.is_behind and not stream.items]
        if not behind:
            return
        heads = {(stream.watch.account_id, stream.place): stream.head for stream in behind}
        stretches = [EventRange(account_id, place, head) for (account_id, place), head in heads.items() if account_id]
        read: dict[tuple[UUID | None, int], list[ChainedEvent]] = {}
        for row in await stream_state.load_events(stretches):
            read.setdefault((row.account_id, row.behind), []).append(row)
        for stream in behind:
            rows = read[stream.watch.account_id, stream.place]
            stream.place = rows[-1].position
            stream.give(rows)

    async def _read_changes(self) -> None:
        """What became of grants since somebody looked last."""
        users = list({stream.user_id for stream in self._changes})
        self._since, found = await stream_state.changes(self._since, users)
        if not found:
            return
        of_user: dict[UUID, list[Change]] = {}
        for change in found:
            of_user.setdefault(change.user_id, []).append(change)
        for stream in list(self._changes):
            stream.give(of_user.get(stream.user_id, []))
            if len(stream.items) > MOST_CHANGES:
                stream.end(ShuttingDown())

    # ---- Telling others, and being told ------------------------------------------------------

    async def _listen(self) -> None:
        """Keep a connection that tells and is told; while it is away, looking goes on all the same."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await db.dedicated()
                try:
                    await self._begin(connection)
                    pause = FIRST_PAUSE_SECONDS  # however the connection is lost one day
                    await self._talk(connection)
                finally:
                    connection.terminate()
            except (asyncpg.PostgresError, *db.UNAVAILABLE) as error:
                log.warning("not listening", type=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _begin(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Be told of what other processes commit."""
        own = connection.get_server_pid()

        def told(_: object, sender: int, __: str, ___: object) -> None:
            if sender != own:
                self._wake.set()

        connection.add_termination_listener(lambda _: self._news.set())
        await connection.add_listener(CHANNEL, told)
        # A notification is written like a change and waits for the disk, while no other can commit: not this one.
        await connection.execute("SET synchronous_commit = off")
        self._wake.set()  # what was told while nobody listened

    async def _talk(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Tell what this process commits, at most once in GAP_SECONDS, until the connection is lost."""
        while not connection.is_closed():
            try:
                await asyncio.wait_for(self._news.wait(), ALIVE_SECONDS)
            except TimeoutError:
                await connection.execute("SELECT 1")
                continue
            await asyncio.sleep(GAP_SECONDS)
            self._news.clear()
            if not connection.is_closed():
                await connection.execute(f"NOTIFY {CHANNEL}")
