"""What all benchmarks share: contestants that take turns, and rows of a table with their goals."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

T = TypeVar("T")

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything is measured, and by how many at once."""

    rounds: int = 5
    seconds: float = 4
    warm_seconds: float = 2
    connections: int = 16


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio has to reach."""

    value: float
    at_most: bool = False

    def is_reached(self, ratio: float) -> bool:
        return ratio <= self.value if self.at_most else ratio >= self.value

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: `ratio` is what the goal speaks of, `ours` and `other` are medians in `unit`."""

    name: str
    ours: float
    other: float
    unit: str
    ratio: float
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "reached" if self.goal.is_reached(self.ratio) else "NOT reached"


@dataclass(frozen=True, slots=True)
class Section:
    """What one benchmark found: rows, and the figures they come from."""

    name: str
    rows: list[Row]
    raw: dict[str, object] = field(default_factory=dict[str, object])


def rates(name: str, ours: Sequence[float], other: Sequence[float], goal: Goal | None = None) -> Row:
    """A row of requests a second: how many times more of ours."""
    return Row(name, median(ours), median(other), "req/s", median(ours) / median(other), goal)


def faster(name: str, ours: Sequence[float], other: Sequence[float], unit: str, goal: Goal | None = None) -> Row:
    """A row of times: how many times longer the other takes."""
    return Row(name, median(ours), median(other), unit, median(other) / median(ours), goal)


def slower(name: str, ours: Sequence[float], other: Sequence[float], unit: str, goal: Goal | None = None) -> Row:
    """A row of times: how many times longer ours takes."""
    return Row(name, median(ours), median(other), unit, median(ours) / median(other), goal)


def interleave(contestants: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Let the contestants take turns, each round begun by another, so that a slow minute of the machine hits all."""
    names = list(contestants)
    found: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(contestants[name]())
    return found


def pin(pid: int, place: int) -> None:
    """Keep a process that has just started on one core, where the system can do that."""
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, {cores[place % len(cores)]})


def busy_cores(seconds: float = 0.5) -> float:
    """How many cores are at work, while we are not; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    before = _idle_seconds()
    time.sleep(seconds)
    idle = (_idle_seconds() - before) / seconds
    return max(0.0, (os.cpu_count() or 1) - idle)


def _idle_seconds() -> float:
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, as Markdown."""
    head = ("", "ours", "other", "", "ratio", "goal", "")
    cells = [
        head,
        *(
            (
                row.name,
                number(row.ours),
                number(row.other),
                row.unit,
                f"{row.ratio:.2f}",
                str(row.goal or ""),
                row.verdict,
            )
            for row in rows
        ),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    left = {0, 3, 6}
    lines = [
        " | ".join(
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    rule = " | ".join(
        "-" * width if column in left else "-" * max(width - 1, 1) + ":" for column, width in enumerate(widths)
    )
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])


def number(value: float) -> str:
    """With three digits that count, and no more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
