"""Our server beside others of the same job, driven by the harness that comes with them.

Our data goes into the harness's own PostgreSQL, so that everybody has the same one, reached in the same way, and its
share of the processor is told apart from other programs'. The harness starts and pins our server as it does its own.
"""

import asyncio
import json
import shlex
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import common, seed
from benchmarks.measure import Goal, Pace, Row, Section
from benchmarks.server import COMMAND, ROOT, environment

IDIOMATIC: Final = "a"
LIMIT: Final = "f"
FASTEST: Final = ("c24", "d24")
OURS: Final = "fullmakt"
PORT: Final = 55432

GOALS: Final = [
    ("Q2", (IDIOMATIC,), 25),
    ("Q3", (IDIOMATIC,), 25),
    ("Q2", FASTEST, 1.75),
    ("Q3", FASTEST, 2.5),
    ("Q1", (LIMIT,), 0.9),
    ("Q4", FASTEST, 1.1),
    ("Q2", (LIMIT,), 0.6),
    ("Q3", (LIMIT,), 0.6),
]
"""Query, the peers of which the fastest counts, and the ratio to reach."""


def measure(folder: Path, pace: Pace, out: Path) -> Section:
    """Let the harness measure us and the peers that goals speak of."""
    url = prepare(folder)
    file, results = out / "peer.json", out / "peers.json"
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(peer(url)))
    options = {
        "--peers": ",".join((IDIOMATIC, *FASTEST, LIMIT)),
        "--peer": str(file.resolve()),
        "--rounds": str(pace.rounds),
        "--secs": str(pace.seconds),
        "--warm": str(pace.warm_seconds),
        "--pgsecs": "0",
        "--out": str(results.resolve()),
    }
    command = ["./run_all.sh", *(word for option in options.items() for word in option)]
    subprocess.run(command, cwd=folder, stdout=sys.stderr, check=True)
    found = json.loads(results.read_text())
    return Section("peers", rows(found), found)


def prepare(folder: Path) -> str:
    """The address of our data in the harness's own PostgreSQL, which is started."""
    subprocess.run(["./pg.sh", "start"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    server = f"asyncpg://postgres@127.0.0.1:{PORT}/postgres"
    return asyncio.run(common.database(server, common.STANDARD))


def peer(database_url: str) -> dict[str, object]:
    """The peer file with which the harness starts our server by itself, at an address of its choice."""
    settings = environment(database_url, "$PORT")
    port = settings.pop("FULLMAKT_PORT")
    told = seed.peer("") | {
        "cmd": shlex.join(["env"]) + f" FULLMAKT_PORT={port} {shlex.join(COMMAND)}",
        "cwd": str(ROOT),
        "env": settings,
    }
    del told["url"]
    return told


def rows(results: dict[str, Any]) -> list[Row]:
    """The lines of the table, as far as the harness has measured both sides."""
    found: list[Row] = []
    for query, peers, goal in GOALS:
        speeds = {name: speed for name in peers if (speed := _speed(results, name, query)) is not None}
        ours = _speed(results, OURS, query)
        if ours is None or not speeds:
            continue
        name, other = max(speeds.items(), key=lambda item: item[1])
        label = results["labels"][name]
        found.append(Row(f"{query} over HTTP: {label}", ours, other, "req/s", ours / other, Goal(goal)))
    return found


def _speed(results: dict[str, Any], name: str, query: str) -> float | None:
    cells = results["cells"].get(name, {}).get(query)
    return median(cell["rps"] for cell in cells) if cells else None
