"""The cost of Python's garbage collector under several settings: `python -m benchmarks.garbage_collector`.

Each setting has one server. All servers use the same data and core, and get load from 16 connections in turns. Frozen:
objects that exist after start-up are never examined again (`gc.freeze`). Thresholds are those of `gc.set_threshold`.
Without the collector, memory of reference cycles is never freed: this setting is a lower bound and not usable. Q3 is
measured too, because its errors refer to frames, and frames form cycles.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
import msgspec

import embedded
from benchmarks import http_queries
from benchmarks.measurement import Pace, format_number, interleave
from benchmarks.run import DEFAULT_FOLDER, prepare_standard_database
from benchmarks.server import Server, serve

SETTINGS_VARIABLE: Final = "BENCH_COLLECTOR"
COMMAND: Final = (sys.executable, "-c", "from benchmarks import garbage_collector; garbage_collector.run_server()")


class Collector(msgspec.Struct, frozen=True):
    """Settings of the garbage collector."""

    freezes: bool = False
    thresholds: tuple[int, int, int] | None = None
    is_off: bool = False


COLLECTORS: Final = {
    "as it is": Collector(),
    "frozen": Collector(freezes=True),
    "10,000 20 50": Collector(thresholds=(10_000, 20, 50)),
    "frozen, 10,000 20 50": Collector(freezes=True, thresholds=(10_000, 20, 50)),
    "frozen, 50,000 50 100": Collector(freezes=True, thresholds=(50_000, 50, 100)),
    "off": Collector(is_off=True),
}


def run_server() -> None:
    """Run `fullmakt serve` with the collector's settings from the environment. Called in the server's process."""
    import app  # noqa: PLC0415 - only the server process needs it
    import cli  # noqa: PLC0415

    original_factory = app.factory

    def factory() -> object:
        application = original_factory()
        apply_settings(msgspec.json.decode(os.environ[SETTINGS_VARIABLE], type=Collector))
        return application

    setattr(app, "factory", factory)  # noqa: B010 - uvicorn imports it by name
    sys.argv = ["fullmakt", "serve"]
    cli.main()


def apply_settings(collector: Collector) -> None:
    """Apply the settings to the collector of this process."""
    if collector.freezes:
        gc.collect()
        gc.freeze()
    if collector.thresholds:
        gc.set_threshold(*collector.thresholds)
    if collector.is_off:
        gc.disable()


def measure(database_url: str, pace: Pace, queries: tuple[str, ...]) -> dict[str, Any]:
    """Return the figures of each turn and the memory of the server after the last one, by query and setting."""
    results: dict[str, Any] = {}
    for query in queries:
        requests = http_queries.list_queries()[query]
        with ExitStack() as stack:  # New servers for each query, so that no query uses memory of an earlier one.
            servers = {
                name: stack.enter_context(
                    serve(
                        database_url,
                        command=COMMAND,
                        extra_environment={SETTINGS_VARIABLE: msgspec.json.encode(collector).decode()},
                    )
                )
                for name, collector in COLLECTORS.items()
            }
            for server in servers.values():
                http_queries.require_correct_response(server, query, requests)
                http_queries.measure_load(server, requests, pace.warm_seconds, pace.connections)
            turns = interleave({name: _turn(server, requests, pace) for name, server in servers.items()}, pace.rounds)
            results[query] = {
                name: {"turns": turns[name], "memory": server.read_memory()} for name, server in servers.items()
            }
    return results


def _turn(server: Server, requests: http_queries.QueryRequests, pace: Pace) -> Callable[[], dict[str, float]]:
    return lambda: http_queries.measure_load(server, requests, pace.seconds, pace.connections)


def format_results(query: str, results: dict[str, Any]) -> list[str]:
    """Format the figures of one query as a Markdown table."""
    lines = [
        f"| {query}: collector | req/s | p50 ms | p99 ms | CPU ms | MiB | peak MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, result in results.items():
        figures = [median(turn[key] for turn in result["turns"]) for key in ("rate", "p50", "p99", "cpu_milliseconds")]
        memory = [result["memory"].get(key, 0) for key in ("rss", "peak")]
        lines.append(f"| {name} | {' | '.join(map(format_number, [*figures, *memory]))} |")
    return lines


@click.command()
@click.option("--query", "queries", multiple=True, default=("Q2", "Q3"), show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=6.0, show_default=True)
@click.option("--warm", default=2.0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER)
def main(queries: tuple[str, ...], rounds: int, seconds: float, warm: float, *, folder: Path) -> None:
    """Measure the settings of the garbage collector. Takes about seven minutes."""
    with embedded.postgres(folder) as url:
        results = measure(prepare_standard_database(url), Pace(rounds, seconds, warm), queries)
    (folder / "memory.json").write_text(json.dumps(results, indent=1) + "\n")
    for query, query_results in results.items():
        click.echo("\n".join(format_results(query, query_results)) + "\n")


if __name__ == "__main__":
    main()
