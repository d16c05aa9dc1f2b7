"""The life of a server process: uvicorn's, and an end that has a limit.

    SIGTERM --> announced --FULLMAKT_DRAIN_SECONDS--> begun: what is under way is finished --> the rest is cut
            `-------------------------- FULLMAKT_SHUTDOWN_SECONDS in all --------------------------'

Ctrl-C leaves out the first part. A second signal ends it at once.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn

from server import shutdown
from server.request import MAX_BODY
from server.shutdown import Shutdown

LAST_SECONDS: Final = 2
"""Of the limit, kept for the mail worker, the jobs and the database."""
_LOOK_SECONDS: Final = 0.02
_FILES_BESIDE: Final = 200
_log: Final = logging.getLogger("server.process")


class Server(uvicorn.Server):
    """One process that serves. `beat` is called about every second while it does."""

    def __init__(
        self,
        *,
        drain_seconds: float,
        shutdown_seconds: float,
        is_alone: bool = True,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config())
        self._drain_seconds = drain_seconds
        self._shutdown_seconds = shutdown_seconds
        self._is_alone = is_alone
        self._beat = beat
        self._asked_at: float | None = None
        self._begins_at = 0.0
        self._parting_seconds = 0.0
        self._timers: list[threading.Timer] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks for the end, or insists."""
        del frame
        # Ctrl-C and some supervisors of services reach all processes of a group. Workers are told by their supervisor.
        if self._is_alone or sig != signal.SIGINT:
            self.leave(drain_seconds=self._drain_seconds if sig == signal.SIGTERM else 0)

    def leave(self, *, drain_seconds: float = 0, parting_seconds: float = 0) -> None:
        """End, or, asked again, end at once. Idle connections may still ask while we part, and are told then."""
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at, self._begins_at = now, now + drain_seconds
            self._parting_seconds = parting_seconds
            if (found := self._leaving) is not None:
                found.is_draining = True
            self._end_after(self._shutdown_seconds + LAST_SECONDS)
        elif self._is_alone:
            self.force_exit = True
            self._end_after(1)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the end."""
        try:
            super().run(sockets)
        finally:
            for timer in self._timers:
                timer.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to end."""
        if counter % 10 == 0:
            self._beat()
        if self._asked_at is not None and (self.force_exit or time.monotonic() >= self._begins_at):
            return True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in, finish what is under way, cut what does not end, and put everything away."""
        now = time.monotonic()
        until = (self._asked_at or now) + max(self._shutdown_seconds - LAST_SECONDS, self._shutdown_seconds / 2)
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        if (found := self._leaving) is not None:
            found.begin()
        await self._while_busy(min(until, now + self._parting_seconds))
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._while_busy(until)
        if cut := len(self.server_state.tasks):
            _log.warning("%d requests did not end in time, and are cut", cut)
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if not self.force_exit:
            try:
                async with asyncio.timeout(LAST_SECONDS):
                    await self.lifespan.shutdown()
            except TimeoutError:
                _log.warning("the mail worker or the jobs did not end in time")

    async def _while_busy(self, until: float) -> None:
        state = self.server_state
        # uvicorn keeps sets, which tell nobody that they are empty.
        while (state.connections or state.tasks) and not self.force_exit and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)

    def _end_after(self, seconds: float) -> None:
        """The end in any case, even where the event loop hangs."""
        timer = threading.Timer(seconds, os._exit, (1,))
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    @property
    def _leaving(self) -> Shutdown | None:
        # A signal can come before the application has started.
        lifespan = getattr(self, "lifespan", None)
        found: Shutdown | None = lifespan.state.get(shutdown.STATE) if lifespan else None
        return found


def config() -> uvicorn.Config:
    """How uvicorn is used."""
    return uvicorn.Config(
        "app:factory",
        factory=True,
        loop="uvloop",
        http="server.connection:Connection",
        ws="server.websocket:WebSocket",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=MAX_BODY,
        ws_per_message_deflate=False,
    )


def allow_files(connections: int) -> str | None:
    """Let this process open as many files as it needs for so many connections; what to say where it may not."""
    try:
        import resource  # noqa: PLC0415 - see below
    except ImportError:  # Windows has neither the module nor the bound.
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _FILES_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            return f"Only {allowed} files may be open: {connections} connections do not fit (ulimit -n)."
    return None
