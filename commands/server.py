"""Commands that run the server and write the demo data."""

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

from commands.runtime import ConfigurationError, as_server, database, load_settings, prepare
from settings import Settings, has_traces

if TYPE_CHECKING:
    from demo import SignIn


@click.command()
@click.option("--demo/--no-demo", default=None, help="Write demo data. Development only. Default in development: yes.")
def serve(*, demo: bool | None) -> None:
    """Serve the GraphQL API until Ctrl-C or SIGTERM.

    In development, pending migrations are applied first. In production, pending migrations are an
    error: run `fullmakt migrate` before you start the new version.
    """
    signal.signal(signal.SIGTERM, exit_on_signal)
    signal.signal(signal.SIGHUP, terminate_on_hangup)
    settings = load_settings()
    if demo and not settings.is_development:
        raise click.UsageError("--demo is for FULLMAKT_ENV=development.")
    require_trace_packages()
    with bind_socket(settings) as server_socket, database(settings) as settings, suppress(KeyboardInterrupt):
        sign_ins = asyncio.run(prepare(settings, with_demo=settings.is_development and demo is not False))
        os.environ["FULLMAKT_DATABASE_URL"] = as_server(settings).database_url
        os.environ["FULLMAKT_SECRET_KEY"] = settings.secret_key
        threading.Thread(target=report_ready, args=(settings, server_socket, sign_ins), daemon=True).start()
        with shared_metrics_folder(settings):
            run(settings, server_socket)


@click.command()
def demo() -> None:
    """Write the demo data, if it does not exist, and show its sign-ins. Development only."""
    settings = load_settings()
    if not settings.is_development:
        raise click.UsageError("demo is for FULLMAKT_ENV=development.")
    with database(settings) as settings:
        click.echo(format_sign_ins(asyncio.run(prepare(settings, with_demo=True))))


def require_trace_packages() -> None:
    """Raise if traces are enabled and their packages are not installed."""
    if not has_traces(os.environ):
        return
    try:
        _ = importlib.import_module("server.traces")
    except ModuleNotFoundError:
        text = "OTEL_... variables enable traces, but the packages are not installed. Run `make otel`."
        raise ConfigurationError(text) from None


@contextmanager
def bind_socket(settings: Settings) -> Generator[socket.socket]:
    """Yield a bound socket. A port in use is an error before anything else starts."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as server_socket:
            server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server_socket.bind(address)
            yield server_socket
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"Cannot listen on {settings.host} port {settings.port}: {reason}. Set FULLMAKT_PORT to another port."
        raise click.ClickException(text) from None


@contextmanager
def shared_metrics_folder(settings: Settings) -> Generator[None]:
    """Create the folder through which several processes share their metrics."""
    if settings.metrics_token is None or settings.workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="fullmakt-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def run(settings: Settings, server_socket: socket.socket) -> None:
    """Run one server in this process, or several in their own, until a signal."""
    from server import log, process, workers

    if warning := process.raise_file_limit(settings.connections):
        click.echo(warning, err=True)
    if settings.workers == 1:
        server = process.Server(drain_seconds=settings.drain_seconds, shutdown_seconds=settings.shutdown_seconds)
        with suppress(SystemExit):  # uvicorn exits if the application does not start
            server.run(sockets=[server_socket])
        is_started = server.started
    else:
        log.configure(
            log_format=settings.log or ("text" if settings.is_development else "json"), level=settings.log_level
        )
        limits = workers.ShutdownLimits(settings.drain_seconds, settings.shutdown_seconds)
        try:
            workers.Workers(settings.workers, limits, [server_socket]).run()
            is_started = True
        except workers.StartError:
            is_started = False
    if not is_started:
        raise click.ClickException("The server did not start. The reason is printed above.")


def report_ready(settings: Settings, server_socket: socket.socket, sign_ins: "Sequence[SignIn]") -> None:
    """Print the addresses of the server as soon as it accepts connections."""
    address = server_socket.getsockname()
    while True:
        with suppress(OSError), socket.socket(server_socket.family) as probe:
            probe.connect(address)
            break
        time.sleep(0.02)
    if not settings.is_development:
        click.echo(f"Fullmakt listens on {settings.host} port {settings.port}.")
        return
    url = settings.public_url
    panel_line = f"  Panel     {url}/\n" if settings.panel == "on" else ""
    click.echo(f"\nFullmakt is ready.\n\n{panel_line}  GraphiQL  {url}/graphql\n  Mailbox   {url}/mailbox\n")
    if sign_ins:
        click.echo(format_sign_ins(sign_ins) + "\n")
    click.echo("Ctrl-C stops the server. The data stays in var/.\n")


def format_sign_ins(sign_ins: "Sequence[SignIn]") -> str:
    """Format the demo sign-ins as columns."""
    rows = [
        ("Sign in as", "e-mail", "password"),
        *((sign_in.label, sign_in.email, sign_in.password) for sign_in in sign_ins),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def exit_on_signal(number: int, frame: FrameType | None) -> NoReturn:
    """Exit on a signal through the context managers, so that the database is stopped too."""
    del number, frame
    sys.exit(0)


def terminate_on_hangup(number: int, frame: FrameType | None) -> None:
    """Treat a closed terminal like SIGTERM, for which the handler changes over time."""
    del number, frame
    signal.raise_signal(signal.SIGTERM)
