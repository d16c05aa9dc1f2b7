"""What every command stands on: the settings, a database that runs, and failures told in one line."""

import os
import secrets
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

import settings as environment
from settings import Settings, SettingsError

if TYPE_CHECKING:
    from demo import SignIn

VAR = Path(__file__).resolve().parents[1] / "var"
UNUSABLE = 2
EMBEDDED_URL = "asyncpg://postgres:@/embedded"


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

    from database import db
    from embedded import EmbeddedError
    from models.base import errors

    return (EmbeddedError, errors.Refused, asyncpg.PostgresError, *db.UNAVAILABLE)


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
        yield msgspec.structs.replace(found, database_url=url, database_role=embedded.SERVER_ROLE)


async def prepare(ready: Settings, *, with_demo: bool) -> "Sequence[SignIn]":
    """Migrate in development, insist on it in production; the demo sign-ins, if asked for."""
    from database import migrate as migration
    from models.tables import SCHEMA

    if ready.is_development:
        await migration.migrate(ready.database_url, SCHEMA, server_role=ready.database_role)
    elif missing := await migration.pending(ready.database_url, SCHEMA):
        raise click.ClickException(f"The database lacks {', '.join(missing)}: run fullmakt migrate first.")
    elif await migration.may_rewrite(ready.database_url, "events"):
        click.echo(
            "The server's database role may rewrite events: FULLMAKT_DATABASE_ROLE makes one that may not.", err=True
        )
    await fit(ready)
    if not with_demo:
        return ()
    import demo as data

    return await data.write(as_server(ready)) or ()


async def fit(ready: Settings) -> None:
    """Insist that the connections of all workers fit into the database; one more of each listens for changes."""
    from database import migrate as migration

    room = await migration.room(as_server(ready).database_url)
    each = ready.pool_size + 1
    if ready.workers * each > room:
        raise click.ClickException(
            f"{ready.workers} workers with FULLMAKT_POOL_SIZE={ready.pool_size} take {ready.workers * each} "
            f"connections, and PostgreSQL has {room} for them: choose {max(room // ready.workers - 1, 0)} or less."
        )
    if ready.workers > 1 and (ready.workers + 1) * each > room:
        click.echo(f"PostgreSQL has {room} connections: renewing workers (SIGHUP) may run short of them.", err=True)


def as_server(ready: Settings) -> Settings:
    """The settings with the address of our own database for the role that serves."""
    import embedded

    if ready.database_role is None:
        return ready
    return msgspec.structs.replace(ready, database_url=embedded.as_server(ready.database_url))
