"""A server process: uvicorn with a limited time for its shutdown.

    SIGTERM --> draining --FULLMAKT_DRAIN_SECONDS--> started: running requests finish --> the others are cancelled
            `---------------------------- FULLMAKT_SHUTDOWN_SECONDS in all ----------------------------'

Ctrl-C skips the draining. A second signal ends the process at once.
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

CLEANUP_SECONDS: Final = 2
"""The part of the limit that is reserved for the mail worker, the jobs and the database."""
_POLL_SECONDS: Final = 0.02
_OTHER_FILES: Final = 200
_log: Final = logging.getLogger("server.process")


class Server(uvicorn.Server):
    """One server process. It calls `on_heartbeat` about once per second."""

    def __init__(
        self,
        *,
        drain_seconds: float,
        shutdown_seconds: float,
        is_single_process: bool = True,
        on_heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(uvicorn_config())
        self._drain_seconds = drain_seconds
        self._shutdown_seconds = shutdown_seconds
        self._is_single_process = is_single_process
        self._on_heartbeat = on_heartbeat
        self._requested_at: float | None = None
        self._shutdown_at = 0.0
        self._grace_seconds = 0.0
        self._timers: list[threading.Timer] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal: request the shutdown, or force it."""
        del frame
        # Ctrl-C and some service supervisors signal all processes of a group. A worker waits for its own supervisor.
        if self._is_single_process or sig != signal.SIGINT:
            self.request_shutdown(drain_seconds=self._drain_seconds if sig == signal.SIGTERM else 0)

    def request_shutdown(self, *, drain_seconds: float = 0, grace_seconds: float = 0) -> None:
        """Request the shutdown. A second request ends the process at once.

        During `grace_seconds` idle connections may still send requests. The responses close the connections.
        """
        now = time.monotonic()
        if self._requested_at is None:
            self._requested_at, self._shutdown_at = now, now + drain_seconds
            self._grace_seconds = grace_seconds
            if (shutdown_state := self._shutdown_state) is not None:
                shutdown_state.is_draining = True
            self._exit_after(self._shutdown_seconds + CLEANUP_SECONDS)
        elif self._is_single_process:
            self.force_exit = True
            self._exit_after(1)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the shutdown is complete."""
        try:
            super().run(sockets)
        finally:
            for timer in self._timers:
                timer.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Return True if the server must stop. uvicorn calls this ten times per second."""
        if counter % 10 == 0:
            self._on_heartbeat()
        if self._requested_at is not None and (self.force_exit or time.monotonic() >= self._shutdown_at):
            return True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no connections, finish the running requests, cancel the others, then stop the application."""
        now = time.monotonic()
        deadline = (self._requested_at or now) + max(
            self._shutdown_seconds - CLEANUP_SECONDS, self._shutdown_seconds / 2
        )
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        if (shutdown_state := self._shutdown_state) is not None:
            shutdown_state.start()
        await self._wait_while_busy(min(deadline, now + self._grace_seconds))
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._wait_while_busy(deadline)
        if remaining_count := len(self.server_state.tasks):
            _log.warning("%d requests did not finish in time and were cancelled", remaining_count)
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if not self.force_exit:
            try:
                async with asyncio.timeout(CLEANUP_SECONDS):
                    await self.lifespan.shutdown()
            except TimeoutError:
                _log.warning("the mail worker or the jobs did not finish in time")

    async def _wait_while_busy(self, deadline: float) -> None:
        state = self.server_state
        # uvicorn has sets here and no event for when they are empty.
        while (state.connections or state.tasks) and not self.force_exit and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)

    def _exit_after(self, seconds: float) -> None:
        """End the process after so many seconds, even if the event loop hangs."""
        timer = threading.Timer(seconds, os._exit, (1,))
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    @property
    def _shutdown_state(self) -> Shutdown | None:
        # A signal can arrive before the application has started.
        lifespan = getattr(self, "lifespan", None)
        state: Shutdown | None = lifespan.state.get(shutdown.STATE_KEY) if lifespan else None
        return state


def uvicorn_config() -> uvicorn.Config:
    """Return the configuration of uvicorn."""
    return uvicorn.Config(
        "app:factory",
        factory=True,
        loop="uvloop",
        http="server.connection:HTTPConnection",
        ws="server.websocket:WebSocket",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=MAX_BODY,
        ws_per_message_deflate=False,
    )


def raise_file_limit(connections: int) -> str | None:
    """Raise the limit of open files to what `connections` need. Returns a warning if it is too low, else None."""
    try:
        import resource  # noqa: PLC0415 - see below
    except ImportError:  # Windows has neither the module nor the limit.
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    required_files = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < required_files:
        limit = required_files if hard == resource.RLIM_INFINITY else min(required_files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        if limit < required_files:
            return f"Only {limit} files may be open, too few for {connections} connections (ulimit -n)."
    return None
