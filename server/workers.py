"""Several server processes on one socket: started, replaced when they die, renewed one by one on SIGHUP.

Each worker is a fresh interpreter, so that a renewed one runs the code that lies there by then. A pipe goes to it: by
it the worker tells that it serves, and that its loop still turns; when it is closed, because the worker has been
replaced or the supervisor is gone, the worker ends by itself.
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

from server.process import LAST_SECONDS, Server

START_SECONDS: Final = 60
SILENT_SECONDS: Final = 30
"""A loop that did not turn for so long serves nobody any more."""
PARTING_SECONDS: Final = 1
SHORT_LIFE_SECONDS: Final = 10
MOST_PAUSE_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.1
_log: Final = logging.getLogger("server.workers")


class NotStarted(Exception):
    """No worker ever came to serve."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long the end of a worker may take."""

    drain_seconds: float
    shutdown_seconds: float


def _work(terms: Terms, sockets: list[socket.socket], pipe: "Connection[bytes, bytes]") -> None:
    """Serve, in a process of its own."""
    # Ctrl-C and a closed terminal reach the whole group; the supervisor decides what follows from it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def beat() -> None:
        with suppress(OSError):
            pipe.send_bytes(b".")

    server = Server(
        drain_seconds=terms.drain_seconds, shutdown_seconds=terms.shutdown_seconds, is_alone=False, beat=beat
    )

    def wait() -> None:
        with suppress(EOFError, OSError):
            pipe.recv_bytes()
        server.leave(parting_seconds=PARTING_SECONDS)

    threading.Thread(target=wait, daemon=True).start()
    server.run(sockets)


class Worker:
    """One process, as the supervisor knows it."""

    def __init__(self, terms: Terms, sockets: list[socket.socket]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(terms, sockets, theirs))
        self._process.start()
        theirs.close()
        self._terms = terms
        self.is_ready = False
        self.started_at = self._heard_at = time.monotonic()
        self._ends_at: float | None = None

    @property
    def pid(self) -> int | None:
        """The process."""
        return self._process.pid

    def is_well(self) -> bool:
        """Whether it lives, and does what it should in time. One that does not is ended."""
        now = time.monotonic()
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                self._pipe.recv_bytes()
                self._heard_at, self.is_ready = now, True
        if self._ends_at is not None:
            is_late = now > self._ends_at
        else:
            is_late = now - self._heard_at > (SILENT_SECONDS if self.is_ready else START_SECONDS)
        if is_late:
            _log.error("worker %s does not answer, and is killed", self.pid)
            self.kill()
        return self._process.is_alive()

    def retire(self) -> None:
        """Ask it to end; its place is taken."""
        self._pipe.close()
        self._end()

    def terminate(self) -> None:
        """Ask it to end like the whole service."""
        self._process.terminate()
        self._end()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()

    def _end(self) -> None:
        self._ends_at = time.monotonic() + self._terms.shutdown_seconds + 2 * LAST_SECONDS


class Workers:
    """So many workers, until a signal."""

    def __init__(self, count: int, terms: Terms, sockets: Sequence[socket.socket]) -> None:
        self._count = count
        self._terms = terms
        self._sockets = list(sockets)
        self._serving: list[Worker] = []
        self._outdated: list[Worker] = []
        self._newcomer: Worker | None = None
        self._retired: list[Worker] = []
        self._asked: list[int] = []
        self._is_hung_up = False
        self._has_served = False
        self._pause_seconds = 0.0
        self._not_before = 0.0

    def run(self) -> None:
        """Look after them. Raises NotStarted if the first ones cannot start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGHUP, self._hang_up)
        try:
            while not self._asked:
                self._look()
                time.sleep(_LOOK_SECONDS)
            self._end()
        finally:
            for worker in self._all():
                worker.kill()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._asked.append(number)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._is_hung_up = True

    def _all(self) -> list[Worker]:
        return [*self._serving, *self._retired, *([self._newcomer] if self._newcomer else [])]

    def _start(self) -> Worker:
        return Worker(self._terms, self._sockets)

    def _look(self) -> None:
        for worker in list(self._serving):
            if not worker.is_well():
                self._serving.remove(worker)
                self._mourn(worker)
            self._has_served |= worker.is_ready
        while len(self._serving) < self._count and time.monotonic() >= self._not_before:
            self._serving.append(self._start())
        self._retired = [worker for worker in self._retired if worker.is_well()]
        self._renew()

    def _mourn(self, worker: Worker) -> None:
        """A worker has died. What dies young is not started again at once, lest the machine do nothing else."""
        if not self._has_served and not worker.is_ready:
            raise NotStarted
        now = time.monotonic()
        is_young = now - worker.started_at < SHORT_LIFE_SECONDS
        self._pause_seconds = min(max(1, self._pause_seconds * 2), MOST_PAUSE_SECONDS) if is_young else 0
        self._not_before = now + self._pause_seconds
        _log.error("worker %s has died; the next one starts in %d seconds", worker.pid, self._pause_seconds)

    def _renew(self) -> None:
        """Put a new worker in the place of each old one: one by one, so that the database has to bear one more."""
        if self._is_hung_up:
            self._is_hung_up = False
            self._outdated = list(self._serving)
        if not self._outdated or self._retired:
            return
        if self._newcomer is None:
            self._newcomer = self._start()
        elif not self._newcomer.is_well():
            _log.error("a new worker did not start; the old ones go on")
            self._newcomer, self._outdated = None, []
        elif self._newcomer.is_ready:
            old = self._outdated.pop(0)
            if old in self._serving:
                self._serving.remove(old)
                old.retire()
                self._retired.append(old)
                self._serving.append(self._newcomer)
            else:
                # It died meanwhile, and another one has its place.
                self._newcomer.retire()
                self._retired.append(self._newcomer)
            self._newcomer = None

    def _end(self) -> None:
        """All together; whoever insists does not wait for them."""
        drains = self._asked[0] == signal.SIGTERM
        for worker in self._all():
            if worker not in self._retired:
                (worker.terminate if drains else worker.retire)()
        # The workers have their own; with ours open, whoever comes when they have closed theirs would wait for nobody.
        for listening in self._sockets:
            listening.close()
        left = self._all()
        while left and len(self._asked) == 1:
            left = [worker for worker in left if worker.is_well()]
            time.sleep(_LOOK_SECONDS)
