"""A supervisor of several server processes on one socket.

It starts the workers, replaces dead ones, and renews them one by one on SIGHUP. Each worker is a new interpreter, so
that a renewed worker runs the code that is on disk by then. A pipe connects the supervisor and each worker. The
worker sends heartbeats through it while it serves. If the pipe is closed, because the worker is replaced or the
supervisor has ended, the worker shuts down.
"""

import logging
import multiprocessing
import signal
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import FrameType
from typing import Final

from server.process import CLEANUP_SECONDS, Server

START_SECONDS: Final = 60
HEARTBEAT_TIMEOUT_SECONDS: Final = 30
"""A worker without a heartbeat for this time is killed, because its event loop hangs."""
GRACE_SECONDS: Final = 1
EARLY_DEATH_SECONDS: Final = 10
MAX_PAUSE_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.1
_log: Final = logging.getLogger("server.workers")


class StartError(Exception):
    """No worker has started to serve."""


@dataclass(frozen=True, slots=True)
class ShutdownLimits:
    """The time limits for the shutdown of a worker."""

    drain_seconds: float
    shutdown_seconds: float


def _run_worker(limits: ShutdownLimits, sockets: list[socket.socket], pipe: "Connection[bytes, bytes]") -> None:
    """Serve in this process, which is a worker."""
    # Ctrl-C and a closed terminal signal the whole process group. The supervisor decides what the workers do.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def send_heartbeat() -> None:
        with suppress(OSError):
            pipe.send_bytes(b".")

    server = Server(
        drain_seconds=limits.drain_seconds,
        shutdown_seconds=limits.shutdown_seconds,
        is_single_process=False,
        on_heartbeat=send_heartbeat,
    )

    def wait_for_close() -> None:
        with suppress(EOFError, OSError):
            pipe.recv_bytes()
        server.request_shutdown(grace_seconds=GRACE_SECONDS)

    threading.Thread(target=wait_for_close, daemon=True).start()
    server.run(sockets)


class Worker:
    """One worker process, as seen by the supervisor."""

    def __init__(self, limits: ShutdownLimits, sockets: list[socket.socket]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, worker_pipe = context.Pipe()
        self._process = context.Process(target=_run_worker, args=(limits, sockets, worker_pipe))
        self._process.start()
        worker_pipe.close()
        self._limits = limits
        self.is_ready = False
        self.started_at = self._heartbeat_at = time.monotonic()
        self._kill_at: float | None = None

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def check_health(self) -> bool:
        """Return True if the process is alive. Kills it first if its heartbeat or its end is late."""
        now = time.monotonic()
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                self._pipe.recv_bytes()
                self._heartbeat_at, self.is_ready = now, True
        if self._kill_at is not None:
            is_late = now > self._kill_at
        else:
            is_late = now - self._heartbeat_at > (HEARTBEAT_TIMEOUT_SECONDS if self.is_ready else START_SECONDS)
        if is_late:
            _log.error("worker %s does not answer and is killed", self.pid)
            self.kill()
        return self._process.is_alive()

    def retire(self) -> None:
        """Shut the worker down without draining, because another worker replaces it."""
        self._pipe.close()
        self._set_deadline()

    def terminate(self) -> None:
        """Shut the worker down with draining, together with the whole service."""
        self._process.terminate()
        self._set_deadline()

    def kill(self) -> None:
        """Kill the process and wait for its end."""
        self._process.kill()
        self._process.join()

    def _set_deadline(self) -> None:
        self._kill_at = time.monotonic() + self._limits.shutdown_seconds + 2 * CLEANUP_SECONDS


class Workers:
    """Keeps `count` workers running until a signal."""

    def __init__(self, count: int, limits: ShutdownLimits, sockets: Sequence[socket.socket]) -> None:
        self._count = count
        self._limits = limits
        self._sockets = list(sockets)
        self._active_workers: list[Worker] = []
        self._old_workers: list[Worker] = []
        self._replacement: Worker | None = None
        self._retiring_workers: list[Worker] = []
        self._signals: list[int] = []
        self._is_renewal_requested = False
        self._has_served = False
        self._pause_seconds = 0.0
        self._next_start_at = 0.0

    def run(self) -> None:
        """Supervise the workers until a signal. Raises StartError if the first workers cannot start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGHUP, self._on_hangup)
        try:
            while not self._signals:
                self._supervise()
                time.sleep(_POLL_SECONDS)
            self._stop_all()
        finally:
            for worker in self._all_workers():
                worker.kill()

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._signals.append(number)

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._is_renewal_requested = True

    def _all_workers(self) -> list[Worker]:
        return [*self._active_workers, *self._retiring_workers, *([self._replacement] if self._replacement else [])]

    def _start(self) -> Worker:
        return Worker(self._limits, self._sockets)

    def _supervise(self) -> None:
        for worker in list(self._active_workers):
            if not worker.check_health():
                self._active_workers.remove(worker)
                self._handle_death(worker)
            self._has_served |= worker.is_ready
        while len(self._active_workers) < self._count and time.monotonic() >= self._next_start_at:
            self._active_workers.append(self._start())
        self._retiring_workers = [worker for worker in self._retiring_workers if worker.check_health()]
        self._renew()

    def _handle_death(self, worker: Worker) -> None:
        """Plan the replacement of a dead worker. After an early death wait longer and longer, to save the CPU."""
        if not self._has_served and not worker.is_ready:
            raise StartError
        now = time.monotonic()
        is_early_death = now - worker.started_at < EARLY_DEATH_SECONDS
        self._pause_seconds = min(max(1, self._pause_seconds * 2), MAX_PAUSE_SECONDS) if is_early_death else 0
        self._next_start_at = now + self._pause_seconds
        _log.error("worker %s has died; the next worker starts in %d seconds", worker.pid, self._pause_seconds)

    def _renew(self) -> None:
        """Replace the old workers one by one, so that the database has to serve only one worker more."""
        if self._is_renewal_requested:
            self._is_renewal_requested = False
            self._old_workers = list(self._active_workers)
        if not self._old_workers or self._retiring_workers:
            return
        if self._replacement is None:
            self._replacement = self._start()
        elif not self._replacement.check_health():
            _log.error("a new worker did not start; the old workers stay")
            self._replacement, self._old_workers = None, []
        elif self._replacement.is_ready:
            old = self._old_workers.pop(0)
            if old in self._active_workers:
                self._active_workers.remove(old)
                old.retire()
                self._retiring_workers.append(old)
                self._active_workers.append(self._replacement)
            else:
                # The old worker has died meanwhile and was replaced already.
                self._replacement.retire()
                self._retiring_workers.append(self._replacement)
            self._replacement = None

    def _stop_all(self) -> None:
        """Stop all workers at once and wait for their end. A second signal ends the wait."""
        is_draining = self._signals[0] == signal.SIGTERM
        for worker in self._all_workers():
            if worker not in self._retiring_workers:
                (worker.terminate if is_draining else worker.retire)()
        # The workers have their own copies. An open copy here would accept connections that no worker serves.
        for listener in self._sockets:
            listener.close()
        live_workers = self._all_workers()
        while live_workers and len(self._signals) == 1:
            live_workers = [worker for worker in live_workers if worker.check_health()]
            time.sleep(_POLL_SECONDS)
