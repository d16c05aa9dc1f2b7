"""Lines on their way to a file or a pipe that may be full, slow or gone: nobody here waits for it.

A thread writes what is handed over, a few milliseconds later. What finds too much before it is dropped, and how much
that was is told as soon as a line gets through again.
"""

import atexit
import os
import threading
import time
from collections import deque
from typing import Final

MOST_LINES: Final = 5000
"""That wait to be written; what comes then is lost."""
MOST_AT_ONCE: Final = 4096
"""Bytes. A pipe keeps a write of so many together, where several processes share it."""
PAUSE_SECONDS: Final = 0.02


class QueuedWriter:
    """Writes lines to a descriptor, in the order in which they came."""

    def __init__(self, descriptor: int, *, most_lines: int = MOST_LINES) -> None:
        self._descriptor = descriptor
        self._most_lines = most_lines
        self._waiting: deque[bytes] = deque()
        self._there = threading.Event()
        self._is_writing = False
        # One for each thread, so that neither overwrites what the other has counted.
        self._dropped = 0
        self._failed = 0
        self._told = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.flush)

    @property
    def lost(self) -> int:
        """How many lines were never written."""
        return self._dropped + self._failed

    def write(self, line: bytes) -> None:
        """Take a line, which ends in a line break; returns at once, whatever the descriptor does."""
        if len(self._waiting) >= self._most_lines:
            self._dropped += 1
            return
        self._waiting.append(line)
        if not self._there.is_set():
            self._there.set()

    def flush(self, seconds: float = 1.0) -> None:
        """Wait until everything is written, and no longer than that."""
        until = time.monotonic() + seconds
        while (self._waiting or self._is_writing) and time.monotonic() < until:
            time.sleep(0.001)

    def _run(self) -> None:
        while True:
            self._there.wait()
            self._is_writing = True
            self._there.clear()
            while self._waiting:
                self._put(self._some())
            self._is_writing = False
            time.sleep(PAUSE_SECONDS)

    def _some(self) -> bytes:
        """As many lines as may go at once, and one at least."""
        found = bytearray(self._waiting.popleft())
        while self._waiting and len(found) + len(self._waiting[0]) <= MOST_AT_ONCE:
            found += self._waiting.popleft()
        return bytes(found)

    def _put(self, some: bytes) -> None:
        lost = self.lost
        try:
            if lost > self._told:
                self._write(b'{"event":"lines lost","level":"warning","lines":%d}\n' % (lost - self._told))
                self._told = lost
            self._write(some)
        except OSError:
            # A full disk, a closed pipe: there is nowhere to say it, and the next line tries again.
            self._failed += some.count(b"\n")

    def _write(self, some: bytes) -> None:
        while some:
            some = some[os.write(self._descriptor, some) :]
