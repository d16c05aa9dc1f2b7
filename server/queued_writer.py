"""A writer of log lines that never blocks the caller, even if the file or pipe is full, slow or closed.

A thread writes the lines a few milliseconds later. When the queue is full, lines are dropped. The number dropped is
written before the next line.
"""

import atexit
import os
import threading
import time
from collections import deque
from typing import Final

MAX_LINES: Final = 5000
"""Maximum length of the queue. Further lines are dropped."""
MAX_WRITE_BYTES: Final = 4096
"""A pipe does not split a write of this size, even if several processes share the pipe."""
PAUSE_SECONDS: Final = 0.02


class QueuedWriter:
    """Writes lines to a file descriptor in order."""

    def __init__(self, descriptor: int, *, max_lines: int = MAX_LINES) -> None:
        self._descriptor = descriptor
        self._max_lines = max_lines
        self._queue: deque[bytes] = deque()
        self._has_lines = threading.Event()
        self._is_writing = False
        # One counter for each thread, so that no thread overwrites the count of another.
        self._dropped_lines = 0
        self._failed_lines = 0
        self._reported_lines = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.flush)

    @property
    def lost_lines(self) -> int:
        """The number of lines that were never written."""
        return self._dropped_lines + self._failed_lines

    def write(self, line: bytes) -> None:
        """Queue a line, which must end with a line break. Never blocks."""
        if len(self._queue) >= self._max_lines:
            self._dropped_lines += 1
            return
        self._queue.append(line)
        if not self._has_lines.is_set():
            self._has_lines.set()

    def flush(self, seconds: float = 1.0) -> None:
        """Wait until all lines are written, but no longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while (self._queue or self._is_writing) and time.monotonic() < deadline:
            time.sleep(0.001)

    def _run(self) -> None:
        while True:
            self._has_lines.wait()
            self._is_writing = True
            self._has_lines.clear()
            while self._queue:
                self._write_block(self._next_block())
            self._is_writing = False
            time.sleep(PAUSE_SECONDS)

    def _next_block(self) -> bytes:
        """Take the lines of the next write from the queue: at least one, at most MAX_WRITE_BYTES otherwise."""
        block = bytearray(self._queue.popleft())
        while self._queue and len(block) + len(self._queue[0]) <= MAX_WRITE_BYTES:
            block += self._queue.popleft()
        return bytes(block)

    def _write_block(self, block: bytes) -> None:
        lost_lines = self.lost_lines
        try:
            if lost_lines > self._reported_lines:
                self._write(
                    b'{"event":"lines lost","level":"warning","lines":%d}\n' % (lost_lines - self._reported_lines)
                )
                self._reported_lines = lost_lines
            self._write(block)
        except OSError:
            # The disk is full or the pipe is closed. There is no place to report it. The next line tries again.
            self._failed_lines += block.count(b"\n")

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]
