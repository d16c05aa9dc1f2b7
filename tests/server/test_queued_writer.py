import errno
import os
import threading
import time
from pathlib import Path

import pytest

from server.queued_writer import MOST_AT_ONCE, QueuedWriter


def drained(descriptor: int) -> bytes:
    """What a pipe holds until its last writer closes it."""
    found = b""
    while some := os.read(descriptor, 1 << 16):
        found += some
    return found


def test_lines_arrive_in_their_order_and_whole(tmp_path: Path) -> None:
    given = [f"{n} {'x' * (n % 300)}\n".encode() for n in range(2000)]
    with (tmp_path / "log").open("wb") as file:
        lines = QueuedWriter(file.fileno())
        for line in given:
            lines.write(line)
        lines.flush()

    assert (tmp_path / "log").read_bytes() == b"".join(given)
    assert lines.lost == 0


def test_two_writers_of_one_pipe_do_not_cut_each_others_lines() -> None:
    reading, writing = os.pipe()
    both = QueuedWriter(writing), QueuedWriter(writing)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(drained(reading)))
    reader.start()
    for n in range(2000):
        for letter, lines in zip("ab", both, strict=True):
            lines.write(letter.encode() * (n % 300) + b"\n")
    for lines in both:
        lines.flush()
    os.close(writing)
    reader.join()
    os.close(reading)

    got = found[0].splitlines()
    assert len(got) == 4000
    assert all(len(set(line)) <= 1 for line in got)


def test_a_full_pipe_keeps_nobody_waiting_and_what_was_lost_is_told() -> None:
    reading, writing = os.pipe()
    lines = QueuedWriter(writing, most_lines=100)
    line = b"x" * (MOST_AT_ONCE - 1) + b"\n"

    started = time.perf_counter()
    for _ in range(1000):
        lines.write(line)
    took = time.perf_counter() - started
    lines.flush(0.05)

    assert took < 0.5
    assert lines.lost >= 800
    reader = threading.Thread(target=lambda: found.append(drained(reading)))
    found: list[bytes] = []
    reader.start()
    lines.flush(10)
    lines.write(b"last\n")
    lines.flush()
    os.close(writing)
    reader.join()
    os.close(reading)
    got = found[0].splitlines()
    told = b'{"event":"lines lost","level":"warning","lines":%d}' % lines.lost
    assert told in got
    assert got.count(line.strip()) + lines.lost == 1000
    assert got[-1] == b"last"


def test_a_full_disk_costs_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    is_full = threading.Event()
    is_full.set()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if is_full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    with (tmp_path / "log").open("wb") as file:
        monkeypatch.setattr(os, "write", full)
        lines = QueuedWriter(file.fileno())
        lines.write(b"one\n")
        lines.write(b"two\n")
        lines.flush()
        is_full.clear()
        lines.write(b"three\n")
        lines.flush()

    assert (tmp_path / "log").read_bytes() == b'{"event":"lines lost","level":"warning","lines":2}\nthree\n'
