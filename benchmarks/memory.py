"""What Python's garbage collector costs a server, and what its settings save: `python -m benchmarks.memory`.

One server for each setting, all on the same data and core, loaded in turns with 16 connections. Frozen means that what
exists after start is never looked at again. Thresholds are those of `gc.set_threshold`. Without a collector nothing
cyclic is ever given back: that line is the bound, no proposal. Q3 is measured too, for its errors hold frames, and
frames are cyclic.
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
from benchmarks import serving
from benchmarks.measure import Pace, interleave, number
from benchmarks.run import VAR, standard
from benchmarks.server import Server, serve

VARIABLE: Final = "BENCH_COLLECTOR"
COMMAND: Final = (sys.executable, "-c", "from benchmarks import memory; memory.start()")


class Collector(msgspec.Struct, frozen=True):
    """Settings of the collector."""

    frozen: bool = False
    thresholds: tuple[int, int, int] | None = None
    off: bool = False


COLLECTORS: Final = {
    "as it is": Collector(),
    "frozen": Collector(frozen=True),
    "10,000 20 50": Collector(thresholds=(10_000, 20, 50)),
    "frozen, 10,000 20 50": Collector(frozen=True, thresholds=(10_000, 20, 50)),
    "frozen, 50,000 50 100": Collector(frozen=True, thresholds=(50_000, 50, 100)),
    "off": Collector(off=True),
}


def start() -> None:
    """Be `fullmakt serve` with the collector's settings in the environment. Runs in the server's process."""
    import app  # noqa: PLC0415 - only the server's process needs it
    import cli  # noqa: PLC0415

    plain = app.factory

    def factory() -> object:
        application = plain()
        settle(msgspec.json.decode(os.environ[VARIABLE], type=Collector))
        return application

    setattr(app, "factory", factory)  # noqa: B010 - uvicorn looks it up by its name
    sys.argv = ["fullmakt", "serve"]
    cli.main()


def settle(collector: Collector) -> None:
    """Set the collector of this process."""
    if collector.frozen:
        gc.collect()
        gc.freeze()
    if collector.thresholds:
        gc.set_threshold(*collector.thresholds)
    if collector.off:
        gc.disable()


def measure(database_url: str, pace: Pace, queries: tuple[str, ...]) -> dict[str, Any]:
    """By query and by setting: the figures of each turn, and the server's memory after all of them."""
    found: dict[str, Any] = {}
    for query in queries:
        question = serving.questions()[query]
        with ExitStack() as stack:  # new servers for each query: what one leaves behind is not the next one's
            servers = {
                name: stack.enter_context(
                    serve(database_url, command=COMMAND, more={VARIABLE: msgspec.json.encode(collector).decode()})
                )
                for name, collector in COLLECTORS.items()
            }
            for server in servers.values():
                serving.check(server, query, question)
                serving.run(server, question, pace.warm_seconds, pace.connections)
            turns = interleave({name: _turn(server, question, pace) for name, server in servers.items()}, pace.rounds)
            found[query] = {name: {"turns": turns[name], "memory": server.memory()} for name, server in servers.items()}
    return found


def _turn(server: Server, question: serving.Question, pace: Pace) -> Callable[[], dict[str, float]]:
    return lambda: serving.run(server, question, pace.seconds, pace.connections)


def lines(query: str, found: dict[str, Any]) -> list[str]:
    """The figures of one query as a table in Markdown."""
    head = [
        f"| {query}: collector | req/s | p50 ms | p99 ms | CPU ms | MiB | at most |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, of in found.items():
        figures = [median(turn[key] for turn in of["turns"]) for key in ("rate", "p50", "p99", "cpu_milliseconds")]
        memory = [of["memory"].get(key, 0) for key in ("rss", "peak")]
        head.append(f"| {name} | {' | '.join(map(number, [*figures, *memory]))} |")
    return head


@click.command()
@click.option("--query", "queries", multiple=True, default=("Q2", "Q3"), show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=6.0, show_default=True)
@click.option("--warm", default=2.0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=VAR)
def main(queries: tuple[str, ...], rounds: int, seconds: float, warm: float, *, folder: Path) -> None:
    """Measure the settings of the collector. Takes about seven minutes."""
    with embedded.postgres(folder) as url:
        found = measure(standard(url), Pace(rounds, seconds, warm), queries)
    (folder / "memory.json").write_text(json.dumps(found, indent=1) + "\n")
    for query, of in found.items():
        click.echo("\n".join(lines(query, of)) + "\n")


if __name__ == "__main__":
    main()
