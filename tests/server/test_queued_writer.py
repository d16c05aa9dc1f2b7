import errno
import os
import re
import threading
import time
from pathlib import Path

import pytest

from server.queued_writer import MAX_WRITE_BYTES, QueuedWriter


def read_pipe(descriptor: int) -> bytes:
    """Read from a pipe until the last writer closes it."""
    content = b""
    while chunk := os.read(descriptor, 1 << 16):
        content += chunk
    return content


def test_lines_are_complete_and_in_order(tmp_path: Path) -> None:
    lines = [f"{n} {'x' * (n % 300)}\n".encode() for n in range(2000)]
    with (tmp_path / "log").open("wb") as file:
        writer = QueuedWriter(file.fileno())
        for line in lines:
            writer.write(line)
        writer.flush()

    assert (tmp_path / "log").read_bytes() == b"".join(lines)
    assert writer.lost_lines == 0


def test_writers_of_one_pipe_do_not_mix_their_lines() -> None:
    read_end, write_end = os.pipe()
    writers = QueuedWriter(write_end), QueuedWriter(write_end)
    chunks: list[bytes] = []
    reader = threading.Thread(target=lambda: chunks.append(read_pipe(read_end)))
    reader.start()
    for n in range(2000):
        for letter, writer in zip("ab", writers, strict=True):
            writer.write(letter.encode() * (n % 300) + b"\n")
    for writer in writers:
        writer.flush()
    os.close(write_end)
    reader.join()
    os.close(read_end)

    received_lines = chunks[0].splitlines()
    assert len(received_lines) == 4000
    assert all(len(set(line)) <= 1 for line in received_lines)


def test_full_pipe_does_not_block_and_lost_lines_are_reported() -> None:
    read_end, write_end = os.pipe()
    writer = QueuedWriter(write_end, max_lines=100)
    line = b"x" * (MAX_WRITE_BYTES - 1) + b"\n"

    started_at = time.perf_counter()
    for _ in range(1000):
        writer.write(line)
    duration = time.perf_counter() - started_at
    writer.flush(0.05)

    assert duration < 0.5
    assert writer.lost_lines >= 800
    reader = threading.Thread(target=lambda: chunks.append(read_pipe(read_end)))
    chunks: list[bytes] = []
    reader.start()
    writer.flush(10)
    writer.write(b"last\n")
    writer.flush()
    os.close(write_end)
    reader.join()
    os.close(read_end)
    received_lines = chunks[0].splitlines()
    # On a slow machine, the thread writes and reports already while the queue is filled.
    reported_counts = [
        int(count) for count in re.findall(rb'^{"event":"lines lost".*"lines":(\d+)}$', chunks[0], re.MULTILINE)
    ]
    assert sum(reported_counts) == writer.lost_lines
    assert received_lines.count(line.strip()) + writer.lost_lines == 1000
    assert received_lines[-1] == b"last"


def test_full_disk_loses_lines_without_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    is_full = threading.Event()
    is_full.set()
    write = os.write

    def write_or_fail(descriptor: int, data: bytes) -> int:
        if is_full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    with (tmp_path / "log").open("wb") as file:
        monkeypatch.setattr(os, "write", write_or_fail)
        writer = QueuedWriter(file.fileno())
        writer.write(b"one\n")
        writer.write(b"two\n")
        writer.flush()
        is_full.clear()
        writer.write(b"three\n")
        writer.flush()

    assert (tmp_path / "log").read_bytes() == b'{"event":"lines lost","level":"warning","lines":2}\nthree\n'
