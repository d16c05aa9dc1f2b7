"""Contestants that take turns, and the table of results with their goals."""

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
    """The number and length of turns, and the number of concurrent connections."""

    rounds: int = 5
    seconds: float = 4
    warm_seconds: float = 2
    connections: int = 16


@dataclass(frozen=True, slots=True)
class Goal:
    """The bound of a ratio: a minimum, or a maximum with `at_most`."""

    value: float
    at_most: bool = False

    def is_reached(self, ratio: float) -> bool:
        return ratio <= self.value if self.at_most else ratio >= self.value

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `value` and `baseline` are medians in `unit`. The goal applies to `ratio`."""

    name: str
    value: float
    baseline: float
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
    """The results of one benchmark: rows, and the raw figures behind them."""

    name: str
    rows: list[Row]
    raw: dict[str, object] = field(default_factory=dict[str, object])


def compare_rates(name: str, values: Sequence[float], baselines: Sequence[float], goal: Goal | None = None) -> Row:
    """Return a row of requests per second. The ratio is value / baseline."""
    return Row(name, median(values), median(baselines), "req/s", median(values) / median(baselines), goal)


def compare_as_speedup(
    name: str, values: Sequence[float], baselines: Sequence[float], unit: str, goal: Goal | None = None
) -> Row:
    """Return a row of times. The ratio is baseline / value: how many times faster the value is."""
    return Row(name, median(values), median(baselines), unit, median(baselines) / median(values), goal)


def compare_as_slowdown(
    name: str, values: Sequence[float], baselines: Sequence[float], unit: str, goal: Goal | None = None
) -> Row:
    """Return a row of times. The ratio is value / baseline: how many times slower the value is."""
    return Row(name, median(values), median(baselines), unit, median(values) / median(baselines), goal)


def interleave(contestants: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Let the contestants take turns. Each round starts with another one, so that a slow minute affects all of them."""
    names = list(contestants)
    results: dict[str, list[T]] = {name: [] for name in names}
    for round_number in range(rounds):
        start = round_number % len(names)
        for name in names[start:] + names[:start]:
            results[name].append(contestants[name]())
    return results


def pin_to_core(pid: int, core: int) -> None:
    """Pin a new process to one core. No effect on systems other than Linux."""
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, {cores[core % len(cores)]})


def measure_busy_cores(seconds: float = 0.5) -> float:
    """Return the number of cores that other programs keep busy. 0 on systems other than Linux."""
    if sys.platform != "linux":
        return 0
    start = _idle_seconds()
    time.sleep(seconds)
    idle_cores = (_idle_seconds() - start) / seconds
    return max(0.0, (os.cpu_count() or 1) - idle_cores)


def _idle_seconds() -> float:
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def format_table(rows: Sequence[Row]) -> str:
    """Format the rows as a Markdown table."""
    header = ("", "ours", "other", "", "ratio", "goal", "")
    cells = [
        header,
        *(
            (
                row.name,
                format_number(row.value),
                format_number(row.baseline),
                row.unit,
                f"{row.ratio:.2f}",
                str(row.goal or ""),
                row.verdict,
            )
            for row in rows
        ),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    left_aligned = {0, 3, 6}
    lines = [
        " | ".join(
            text.ljust(width) if column in left_aligned else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    separator = " | ".join(
        "-" * width if column in left_aligned else "-" * max(width - 1, 1) + ":" for column, width in enumerate(widths)
    )
    return "\n".join(f"| {line} |" for line in [lines[0], separator, *lines[1:]])


def format_number(value: float) -> str:
    """Format a number with three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
