"""The operator's commands. `.venv/bin/fullmakt` runs this file, so that the checkout comes first on sys.path.

Each command imports what it needs in its body, and --help answers at once.
"""

import asyncio
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

import click
import msgspec

import settings as environment
from settings import Settings, SettingsError

if TYPE_CHECKING:
    from demo import SignIn

VAR = Path(__file__).resolve().parent / "var"
FAILED = 1
UNUSABLE = 2
EMBEDDED_URL = "asyncpg://postgres:@/embedded"
SHUTDOWN_SECONDS = 20


class Unusable(click.ClickException):
    """The environment, not the work, was at fault."""

    exit_code = UNUSABLE


class Commands(click.Group):
    """Commands whose expected failures are one line on standard error. A bug keeps its traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command named on the command line."""
        try:
            return super().invoke(ctx)
        except (SystemExit, KeyboardInterrupt, click.ClickException, click.exceptions.Exit):
            raise
        except SettingsError as error:
            raise Unusable(str(error)) from None
        except expected() as error:
            raise click.ClickException(" ".join(str(error).split()) or type(error).__name__) from None


def expected() -> tuple[type[BaseException], ...]:
    """What goes wrong without anybody's bug. Evaluated, and imported, only once something has gone wrong."""
    import asyncpg

    from embedded import EmbeddedError
    from models import db, errors

    return (EmbeddedError, errors.Refused, asyncpg.PostgresError, *db.UNAVAILABLE)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option("0.1.0", package_name=None, message="fullmakt %(version)s")
def fullmakt() -> None:
    r"""Serve and look after Fullmakt.

    Settings come from FULLMAKT_... variables. With FULLMAKT_ENV=development and no
    FULLMAKT_DATABASE_URL, commands use a private PostgreSQL in var/, started when it does not run.

    \b
    Exit codes
      0  done
      1  failed: refused, port taken, database away; the reason is one line on standard error
      2  called wrongly, or a setting is missing or unusable
    """


@fullmakt.command()
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
    with listener(found) as listening, database(found) as ready, suppress(KeyboardInterrupt):
        sign_ins = asyncio.run(prepare(ready, with_demo=ready.is_development and demo is not False))
        os.environ["FULLMAKT_DATABASE_URL"] = ready.database_url
        os.environ["FULLMAKT_SECRET_KEY"] = ready.secret_key
        threading.Thread(target=announce, args=(ready, listening, sign_ins), daemon=True).start()
        run(ready, listening)


@fullmakt.command()
def migrate() -> None:
    """Bring the database up to date. Several at once wait for each other."""
    from models import migrate as migration

    async def work(url: str) -> list[str]:
        missing = await migration.pending(url)
        await migration.migrate(url)
        return missing

    with database(settings()) as ready:
        for name in asyncio.run(work(ready.database_url)):
            click.echo(f"Applied {name}.")
    click.echo("The database is up to date.")


@fullmakt.command()
def demo() -> None:
    """Write the demo data, unless it is there, and show its sign-ins. Development only."""
    found = settings()
    if not found.is_development:
        raise click.UsageError("demo is for FULLMAKT_ENV=development.")
    with database(found) as ready:
        click.echo(table(asyncio.run(prepare(ready, with_demo=True))))


@fullmakt.command()
def matrix() -> None:
    """Show which role has which permission, and which field each may read."""
    import schema

    click.echo(schema.matrix())


@fullmakt.command(name="schema")
def print_schema() -> None:
    """Print the schema as SDL, as in schema/schema.graphql."""
    import schema

    click.echo(schema.sdl().rstrip("\n"))


@fullmakt.command()
@click.argument("file", type=click.File())
def explain(file: TextIO) -> None:
    """Show how the operations of a document would run.

    FILE is a GraphQL document, or - for standard input. Of conditions by variables, those are
    taken that let the most in.
    """
    import graphql

    import schema
    from executor import explain as plans

    source = file.read()
    try:
        found = schema.build()
        document = graphql.parse(source)
        problems = graphql.validate(found, document)
        if problems:
            raise problems[0]
        operations = [one for one in document.definitions if isinstance(one, graphql.OperationDefinitionNode)]
        shown = [
            plans.of_document(found, document, one, guard=lambda field: str(field.extensions["rule"]))
            for one in operations
        ]
    except graphql.GraphQLError as error:
        where = "".join(f"{file.name}:{place.line}:{place.column}: " for place in (error.locations or ())[:1])
        raise click.ClickException(f"{where}{error.message}") from None
    click.echo("\n\n".join(shown))


@fullmakt.command()
@click.argument("account_number", type=click.IntRange(min=1))
@click.argument("days", type=int)
@click.option("--reference", required=True, help="What was paid, for the ledger: an order or invoice number.")
def credit(account_number: int, days: int, *, reference: str) -> None:
    """Add DAYS of subscription, paid outside Fullmakt, to the account ACCOUNT_NUMBER."""
    from models import db, subscription
    from models.caller import Caller, Site

    async def work(ready: Settings) -> datetime:
        caller = Caller(now=datetime.now(UTC), site=Site(ready.secret_key, ready.trial_days))
        async with db.connection(ready.database_url, pool_size=2):
            return await subscription.credit(caller, account_number, days, reference=reference)

    with database(settings()) as ready:
        until = asyncio.run(work(ready))
    click.echo(f"Account {account_number}: {days} days credited, valid until {until:%Y-%m-%d %H:%M} UTC.")


@fullmakt.command()
@click.option("--users", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--accounts", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--grants", type=click.IntRange(min=1), default=200_000, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Use a private PostgreSQL there; by default var/seed.")
@click.option("--peer-file", type=click.Path(path_type=Path, dir_okay=False), help="Write what a load harness needs.")
def seed(users: int, accounts: int, grants: int, *, folder: Path | None, peer_file: Path | None) -> None:
    """Fill an empty database with generated data, to measure on. Development only.

    It is the one of FULLMAKT_DATABASE_URL, or one of its own, never that with the demo data.
    """
    from benchmarks import seed as data
    from models import db

    found = settings()
    if not found.is_development:
        raise click.UsageError("seed is for FULLMAKT_ENV=development.")
    if folder is None and found.database_url == EMBEDDED_URL:
        folder = VAR / "seed"

    async def work(ready: Settings, amounts: data.Amounts) -> None:
        await prepare(ready, with_demo=False)
        async with db.connection(ready.database_url, pool_size=2):
            await data.demand_empty()
            with click.progressbar(length=amounts.rows, label="Writing") as bar:
                await data.write(amounts, now=datetime.now(UTC), progress=bar.update)

    began = time.monotonic()
    try:
        amounts = data.Amounts(users, accounts, grants)
        with database(found, folder) as ready:
            asyncio.run(work(ready, amounts))
    except data.Unseedable as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Wrote {amounts.rows:,} rows in {time.monotonic() - began:.1f} s.")
    if peer_file is not None:
        data.write_peer_file(peer_file, f"{ready.public_url}/graphql")
        click.echo(f"Wrote {peer_file}.")


def settings() -> Settings:
    """The settings; in development with a key of this machine, and a stand-in for the database's address."""
    environ = dict(os.environ)
    if environ.get("FULLMAKT_ENV", "").strip() == "development":
        environ.setdefault("FULLMAKT_DATABASE_URL", EMBEDDED_URL)
        environ.setdefault("FULLMAKT_SECRET_KEY", secret_key(VAR / "secret.key"))
    return environment.read(environ)


def secret_key(path: Path) -> str:
    """The key in the file, made at first use. Two processes that make it at once end up with the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
            file.write(secrets.token_urlsafe(environment.SHORTEST_SECRET_BYTES))
            file.flush()
            with suppress(FileExistsError):
                path.hardlink_to(file.name)
    return path.read_text().strip()


@contextmanager
def database(found: Settings, folder: Path | None = None) -> Generator[Settings]:
    """The settings with the address of a database that runs: the given one, or our own for the length of the block.

    Our own lies in `folder` where that is given, and then goes before the given address.
    """
    if folder is None and found.database_url != EMBEDDED_URL:
        yield found
        return
    import embedded

    with embedded.postgres(folder or VAR / "postgres") as url:
        yield msgspec.structs.replace(found, database_url=url)


async def prepare(ready: Settings, *, with_demo: bool) -> "Sequence[SignIn]":
    """Migrate in development, insist on it in production; the demo sign-ins, if asked for."""
    from models import migrate as migration

    if ready.is_development:
        await migration.migrate(ready.database_url)
    elif missing := await migration.pending(ready.database_url):
        raise click.ClickException(f"The database lacks {', '.join(missing)}: run fullmakt migrate first.")
    if not with_demo:
        return ()
    import demo as data

    return await data.write(ready) or ()


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


def run(ready: Settings, listening: socket.socket) -> None:
    """Run one server in this process, or several in their own, until a signal."""
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    config = uvicorn.Config(
        "app:factory",
        factory=True,
        workers=ready.workers,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    if ready.workers == 1:
        server = uvicorn.Server(config)
        server.run(sockets=[listening])
        started = server.started
    else:
        supervisor = Multiprocess(config, sockets=[listening])
        supervisor.run()
        started = all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)
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


def main() -> None:
    """The command line."""
    fullmakt(prog_name="fullmakt")


if __name__ == "__main__":
    main()
