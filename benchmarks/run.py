"""The command of `make bench`: runs the benchmarks, prints a table of ratios, and writes the raw figures to a file.

Each pair is measured in one run, in turns, and a row shows medians. Compare rows of the same run only. The server runs
on one core, the load on another, PostgreSQL on any core. Other busy programs make the figures useless.
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
from benchmarks import (
    address_timing,
    baselines,
    common,
    costly_requests,
    execution,
    floods,
    http_queries,
    live,
    loop_stretches,
    peers,
    restart,
    rules,
    workspace,
)
from benchmarks.measurement import Pace, Section, format_table, measure_busy_cores
from benchmarks.server import ROOT

DEFAULT_FOLDER: Final = ROOT / "var" / "bench"
MAX_BUSY_CORES: Final = 0.2
"""The number of cores that other programs may keep busy without a warning."""
SECTIONS: Final = (
    "execution",
    "executors",
    "rules",
    "growth",
    "pages",
    "limits",
    "floors",
    "alike",
    "restart",
    "live",
    "workspace",
)


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--only", multiple=True, type=click.Choice([*SECTIONS, "peers"]), help="A benchmark to run; may be repeated."
)
@click.option("--rounds", default=5, show_default=True, help="The number of turns of each side of a pair.")
@click.option("--seconds", default=4.0, show_default=True, help="The length of a turn.")
@click.option("--warm", default=2.0, show_default=True, help="Seconds of load on each side before its first turn.")
@click.option("--peers", "peers_folder", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Also run the load harness in this folder. It must be set up already.")  # fmt: skip
@click.option("--folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER, help="The folder of the database.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file of raw figures; results.json in the folder by default.",
)
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
    """Run the benchmarks and print a table of ratios. Takes about 30 minutes, and nine more with --peers."""
    names = only or (*SECTIONS, *(["peers"] if peers_folder else []))
    pace = Pace(rounds, seconds, warm)
    sections: list[Section] = []
    busy_cores: dict[str, float] = {}
    with ExitStack() as stack:
        server_url = stack.enter_context(embedded.postgres(folder)) if set(names) - {"execution", "peers"} else ""
        benchmarks: dict[str, Callable[[], Section]] = {
            "execution": lambda: execution.measure(pace),
            "executors": lambda: http_queries.compare_executors(prepare_standard_database(server_url), pace),
            "rules": lambda: rules.measure(prepare_standard_database(server_url), pace),
            "growth": lambda: measure_growth(server_url, pace),
            "pages": lambda: http_queries.measure_pages(prepare_standard_database(server_url), pace),
            "limits": lambda: measure_limits(server_url, pace),
            "alike": lambda: address_timing.measure(server_url),
            "floors": lambda: baselines.measure(prepare_standard_database(server_url), pace),
            "restart": lambda: restart.measure(prepare_standard_database(server_url), pace),
            "live": lambda: live.measure(asyncio.run(common.prepare_database(server_url, common.FEW_GRANTS)), pace),
            "workspace": lambda: workspace.measure(server_url, pace),
            "peers": lambda: peers.measure(require_harness(peers_folder), pace, folder),
        }
        for name in names:
            busy_cores[name] = measure_busy_cores()
            noise = (
                f" (other programs keep {busy_cores[name]:.1f} cores busy)" if busy_cores[name] > MAX_BUSY_CORES else ""
            )
            click.echo(f"{name}{noise} ...", err=True, nl=False)
            start = time.monotonic()
            sections.append(benchmarks[name]())
            click.echo(f" {time.monotonic() - start:.0f} s", err=True)
    out = out or folder / "results.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(create_record(sections, pace) | {"busy_cores_before": busy_cores}, indent=1) + "\n")
    click.echo(format_table([row for section in sections for row in section.rows]))
    click.echo(f"\nRaw figures: {out}", err=True)


def prepare_standard_database(server_url: str) -> str:
    """Return the address of the database with the standard amounts."""
    return asyncio.run(common.prepare_database(server_url, common.STANDARD))


def measure_growth(server_url: str, pace: Pace) -> Section:
    """Measure Q2 in a database with many grants and in one with few."""
    amounts = common.MANY_GRANTS, common.FEW_GRANTS
    large_url, small_url = (
        asyncio.run(common.prepare_database(server_url, database_amounts)) for database_amounts in amounts
    )
    return http_queries.measure_growth(large_url, small_url, pace, amounts=amounts)


def measure_limits(server_url: str, pace: Pace) -> Section:
    """Measure costly requests and worst texts, their stretches on the event loop, then floods."""
    database_url = prepare_standard_database(server_url)
    sections = [
        costly_requests.measure(database_url, pace),
        loop_stretches.measure(database_url, pace),
        floods.measure(asyncio.run(common.prepare_database(server_url, common.FLOODED)), pace),
    ]
    rows = [row for section in sections for row in section.rows]
    return Section("limits", rows, {section.name: section.raw for section in sections})


def require_harness(folder: Path | None) -> Path:
    """Return the folder of --peers. Raises click.UsageError if it is None."""
    if folder is None:
        raise click.UsageError("--only peers needs --peers FOLDER.")
    return folder


def create_record(sections: list[Section], pace: Pace) -> dict[str, object]:
    """Return the results for the file: the rows, the raw figures and the machine."""
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
                "ours": row.value,
                "other": row.baseline,
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
