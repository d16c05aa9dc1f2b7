"""Serving: from the settings to a process that answers, until a signal ends it."""

import asyncio
import importlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from commands.runtime import Unusable, as_server, database, prepare, settings
from settings import Settings, traces

if TYPE_CHECKING:
    from demo import SignIn


@click.command()
@click.option("--demo/--no-demo", default=None, help="Write demo data once. Development only, where it is the default.")
def serve(*, demo: bool | None) -> None:
    """Serve the graph until Ctrl-C or SIGTERM.

    In development the database is brought up to date first. In production pending migrations are
    an error: run `fullmakt migrate` before the new version starts.
    """
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, hang_up)
    found = settings()
    if demo and not found.is_development:
        raise click.UsageError("--demo is for FULLMAKT_ENV=development.")
    check_traces()
    with listener(found) as listening, database(found) as ready, suppress(KeyboardInterrupt):
        sign_ins = asyncio.run(prepare(ready, with_demo=ready.is_development and demo is not False))
        os.environ["FULLMAKT_DATABASE_URL"] = as_server(ready).database_url
        os.environ["FULLMAKT_SECRET_KEY"] = ready.secret_key
        threading.Thread(target=announce, args=(ready, listening, sign_ins), daemon=True).start()
        with metrics(ready):
            run(ready, listening)


@click.command()
def demo() -> None:
    """Write the demo data, unless it is there, and show its sign-ins. Development only."""
    found = settings()
    if not found.is_development:
        raise click.UsageError("demo is for FULLMAKT_ENV=development.")
    with database(found) as ready:
        click.echo(table(asyncio.run(prepare(ready, with_demo=True))))


def check_traces() -> None:
    """Insist on the packages that traces need, where they are asked for."""
    if not traces(os.environ):
        return
    try:
        _ = importlib.import_module("server.traces")
    except ModuleNotFoundError:
        text = "The variables of OpenTelemetry ask for traces, but its packages are not installed; `make otel` does it."
        raise Unusable(text) from None


@contextmanager
def listener(found: Settings) -> Generator[socket.socket]:
    """The bound socket, so that a taken port is known before anything else starts."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(found.host, found.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            yield bound
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"Cannot listen on {found.host} port {found.port}: {reason}. FULLMAKT_PORT chooses another port."
        raise click.ClickException(text) from None


@contextmanager
def metrics(ready: Settings) -> Generator[None]:
    """A folder in which several processes keep their figures, so that each can tell those of all."""
    if ready.metrics_token is None or ready.workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="fullmakt-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def run(ready: Settings, listening: socket.socket) -> None:
    """Run one server in this process, or several in their own, until a signal."""
    from server import log, process, workers

    if complaint := process.allow_files(ready.connections):
        click.echo(complaint, err=True)
    if ready.workers == 1:
        server = process.Server(drain_seconds=ready.drain_seconds, shutdown_seconds=ready.shutdown_seconds)
        with suppress(SystemExit):  # uvicorn's, with a code of its own, where the application does not start
            server.run(sockets=[listening])
        started = server.started
    else:
        log.configure(form=ready.log or ("text" if ready.is_development else "json"), level=ready.log_level)
        terms = workers.Terms(ready.drain_seconds, ready.shutdown_seconds)
        try:
            workers.Workers(ready.workers, terms, [listening]).run()
            started = True
        except workers.NotStarted:
            started = False
    if not started:
        raise click.ClickException("The server did not start; the reason is above.")


def announce(ready: Settings, listening: socket.socket, sign_ins: "Sequence[SignIn]") -> None:
    """Say where to go, once somebody who goes there gets an answer."""
    address = listening.getsockname()
    while True:
        with suppress(OSError), socket.socket(listening.family) as visitor:
            visitor.connect(address)
            break
        time.sleep(0.02)
    if not ready.is_development:
        click.echo(f"Fullmakt listens on {ready.host} port {ready.port}.")
        return
    click.echo(
        f"\nFullmakt is ready.\n\n  GraphiQL  {ready.public_url}/graphql\n  Mailbox   {ready.public_url}/mailbox\n"
    )
    if sign_ins:
        click.echo(table(sign_ins) + "\n")
    click.echo("Ctrl-C stops it; the data stays in var/.\n")


def table(sign_ins: "Sequence[SignIn]") -> str:
    """The demo sign-ins in columns."""
    rows = [("Sign in as", "e-mail", "password"), *((s.label, s.email, s.password) for s in sign_ins)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """Turn a signal into an orderly exit, so that the database is stopped too."""
    del number, frame
    sys.exit(0)


def hang_up(number: int, frame: FrameType | None) -> None:
    """A closed terminal is a request to end, whoever answers those at the moment."""
    del number, frame
    signal.raise_signal(signal.SIGTERM)
