"""`make bench`: measures everything, prints one table of ratios, and keeps the raw figures beside it.

Each pair is measured in one run, in turns, and a row shows medians; compare rows of one run only. The server runs on
one core, the load on another, PostgreSQL wherever it likes. Anything else that runs meanwhile spoils the figures.
"""

import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

import embedded
from benchmarks import alike, common, execution, floors, limits, live, peers, restart, rules, serving
from benchmarks.measure import Pace, Section, busy_cores, table
from benchmarks.server import ROOT

VAR: Final = ROOT / "var" / "bench"
QUIET: Final = 0.2
"""Cores that others may keep busy without spoiling the figures."""
SECTIONS: Final = ("execution", "executors", "rules", "growth", "pages", "limits", "floors", "alike", "restart", "live")


@click.command(context_settings={"max_content_width": 100})
@click.option("--only", multiple=True, type=click.Choice([*SECTIONS, "peers"]), help="Measure these; may be repeated.")
@click.option("--rounds", default=5, show_default=True, help="How often each side of a pair has its turn.")
@click.option("--seconds", default=4.0, show_default=True, help="How long a turn takes.")
@click.option("--warm", default=2.0, show_default=True, help="Seconds of load on each before its first turn.")
@click.option("--peers", "peers_folder", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Also drive the harness in this folder, which its own script has set up.")  # fmt: skip
@click.option("--folder", type=click.Path(path_type=Path), default=VAR, help="Where the database is kept.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Raw figures; by default in the folder.")
def main(
    only: tuple[str, ...],
    rounds: int,
    seconds: float,
    warm: float,
    *,
    peers_folder: Path | None,
    folder: Path,
    out: Path | None,
) -> None:
    """Measure, and print a table of ratios. Takes about thirteen minutes, and nine more with --peers."""
    wanted = only or (*SECTIONS, *(["peers"] if peers_folder else []))
    pace = Pace(rounds, seconds, warm)
    sections: list[Section] = []
    busy: dict[str, float] = {}
    with ExitStack() as stack:
        url = stack.enter_context(embedded.postgres(folder)) if set(wanted) - {"execution", "peers"} else ""
        benchmarks: dict[str, Callable[[], Section]] = {
            "execution": lambda: execution.measure(pace),
            "executors": lambda: serving.executors(standard(url), pace),
            "rules": lambda: rules.measure(standard(url), pace),
            "growth": lambda: growth(url, pace),
            "pages": lambda: serving.pages(standard(url), pace),
            "limits": lambda: limits.measure(standard(url), pace),
            "alike": lambda: alike.measure(url),
            "floors": lambda: floors.measure(standard(url), pace),
            "restart": lambda: restart.measure(standard(url), pace),
            "live": lambda: live.measure(asyncio.run(common.database(url, common.FEW_GRANTS)), pace),
            "peers": lambda: peers.measure(harness(peers_folder), pace, folder),
        }
        for name in wanted:
            busy[name] = busy_cores()
            noise = f" (other programs keep {busy[name]:.1f} cores busy)" if busy[name] > QUIET else ""
            click.echo(f"{name}{noise} ...", err=True, nl=False)
            began = time.monotonic()
            sections.append(benchmarks[name]())
            click.echo(f" {time.monotonic() - began:.0f} s", err=True)
    out = out or folder / "results.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record(sections, pace) | {"busy_cores_before": busy}, indent=1) + "\n")
    click.echo(table([row for section in sections for row in section.rows]))
    click.echo(f"\nRaw figures: {out}", err=True)


def standard(server_url: str) -> str:
    """The database with the usual amounts."""
    return asyncio.run(common.database(server_url, common.STANDARD))


def growth(server_url: str, pace: Pace) -> Section:
    """Q2 with many grants and with few, each in a database of its own."""
    amounts = common.MANY_GRANTS, common.FEW_GRANTS
    many, few = (asyncio.run(common.database(server_url, each)) for each in amounts)
    return serving.growth(many, few, pace, amounts=amounts)


def harness(folder: Path | None) -> Path:
    """The folder of --peers. Raises click.UsageError without one."""
    if folder is None:
        raise click.UsageError("--only peers needs --peers FOLDER.")
    return folder


def record(sections: list[Section], pace: Pace) -> dict[str, object]:
    """Everything for later: rows, raw figures, and on what they were measured."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "pace": {"rounds": pace.rounds, "seconds": pace.seconds, "warm_seconds": pace.warm_seconds},
        "rows": [
            {
                "section": section.name,
                "name": row.name,
                "ours": row.ours,
                "other": row.other,
                "unit": row.unit,
                "ratio": row.ratio,
                "goal": str(row.goal) if row.goal else None,
                "reached": row.goal.is_reached(row.ratio) if row.goal else None,
            }
            for section in sections
            for row in section.rows
        ],
        "raw": {section.name: section.raw for section in sections},
    }


if __name__ == "__main__":
    main()
