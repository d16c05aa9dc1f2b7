"""Comparison with servers of the same purpose (peers), measured by their own load harness.

Our data is written to the PostgreSQL of the harness, so that all servers use the same one in the same way, and its
processor time is counted separately. The harness starts and pins our server like its own servers.
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
from benchmarks.measurement import Goal, Pace, Row, Section
from benchmarks.server import COMMAND, ROOT, environment

IDIOMATIC_PEER: Final = "a"
LIMIT_PEER: Final = "f"
FASTEST_PEERS: Final = ("c24", "d24")
PRODUCT: Final = "fullmakt"
PORT: Final = 55432

GOALS: Final = [
    ("Q2", (IDIOMATIC_PEER,), 25),
    ("Q3", (IDIOMATIC_PEER,), 25),
    ("Q2", FASTEST_PEERS, 1.75),
    ("Q3", FASTEST_PEERS, 2.5),
    ("Q1", (LIMIT_PEER,), 0.9),
    ("Q4", FASTEST_PEERS, 1.1),
    ("Q2", (LIMIT_PEER,), 0.6),
    ("Q3", (LIMIT_PEER,), 0.6),
]
"""A query, its peers, and the minimum ratio to the fastest of these peers."""


def measure(folder: Path, pace: Pace, out: Path) -> Section:
    """Let the harness measure our server and the peers of the goals."""
    url = prepare_database(folder)
    peer_file, results = out / "peer.json", out / "peers.json"
    out.mkdir(parents=True, exist_ok=True)
    peer_file.write_text(json.dumps(peer_config(url)))
    options = {
        "--peers": ",".join((IDIOMATIC_PEER, *FASTEST_PEERS, LIMIT_PEER)),
        "--peer": str(peer_file.resolve()),
        "--rounds": str(pace.rounds),
        "--secs": str(pace.seconds),
        "--warm": str(pace.warm_seconds),
        "--pgsecs": "0",
        "--out": str(results.resolve()),
    }
    command = ["./run_all.sh", *(word for option in options.items() for word in option)]
    subprocess.run(command, cwd=folder, stdout=sys.stderr, check=True)
    measurements = json.loads(results.read_text())
    return Section("peers", compare_peers(measurements), measurements)


def prepare_database(folder: Path) -> str:
    """Start the PostgreSQL of the harness, and return the address of our data in it."""
    subprocess.run(["./pg.sh", "start"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    server = f"asyncpg://postgres@127.0.0.1:{PORT}/postgres"
    return asyncio.run(common.prepare_database(server, common.STANDARD))


def peer_config(database_url: str) -> dict[str, object]:
    """Return the content of the peer file. The harness starts our server with it, on a port of its choice."""
    settings = environment(database_url, "$PORT")
    port = settings.pop("FULLMAKT_PORT")
    config = seed.peer_config("") | {
        "cmd": shlex.join(["env"]) + f" FULLMAKT_PORT={port} {shlex.join(COMMAND)}",
        "cwd": str(ROOT),
        "env": settings,
    }
    del config["url"]
    return config


def compare_peers(results: dict[str, Any]) -> list[Row]:
    """Return a row for each goal whose query was measured on both sides."""
    rows_with_goals: list[Row] = []
    for query, peers, goal in GOALS:
        speeds = {name: speed for name in peers if (speed := _median_rate(results, name, query)) is not None}
        rate = _median_rate(results, PRODUCT, query)
        if rate is None or not speeds:
            continue
        peer, baseline = max(speeds.items(), key=lambda item: item[1])
        label = results["labels"][peer]
        rows_with_goals.append(Row(f"{query} over HTTP: {label}", rate, baseline, "req/s", rate / baseline, Goal(goal)))
    return rows_with_goals


def _median_rate(results: dict[str, Any], name: str, query: str) -> float | None:
    cells = results["cells"].get(name, {}).get(query)
    return median(cell["rps"] for cell in cells) if cells else None
