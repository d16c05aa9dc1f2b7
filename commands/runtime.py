"""Shared code of the commands: settings, a running database, and errors in one line."""

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
from modules import InvalidModule
from settings import Settings, SettingsError

if TYPE_CHECKING:
    from demo import SignIn

VAR = Path(__file__).resolve().parents[1] / "var"
CONFIGURATION_EXIT_CODE = 2
EMBEDDED_URL = "asyncpg://postgres:@/embedded"


class ConfigurationError(click.ClickException):
    """The environment is unusable. The exit code is 2."""

    exit_code = CONFIGURATION_EXIT_CODE


class Commands(click.Group):
    """A group of commands that prints expected errors as one line on standard error. Bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command named on the command line."""
        try:
            return super().invoke(ctx)
        except (SystemExit, KeyboardInterrupt, click.ClickException, click.exceptions.Exit):
            raise
        except (SettingsError, InvalidModule) as error:
            raise ConfigurationError(str(error)) from None
        except expected_errors() as error:
            raise click.ClickException(" ".join(str(error).split()) or type(error).__name__) from None


def expected_errors() -> tuple[type[BaseException], ...]:
    """Return the exceptions that are not bugs. The imports are slow, so call this only after an exception."""
    import asyncpg

    from database import db
    from embedded import EmbeddedError
    from models.base import errors

    return (EmbeddedError, errors.OperationError, asyncpg.PostgresError, *db.UNAVAILABLE)


def load_settings() -> Settings:
    """Read the settings. In development, EMBEDDED_URL and a key of this machine are the defaults."""
    environ = dict(os.environ)
    if environ.get("FULLMAKT_ENV", "").strip() == "development":
        environ.setdefault("FULLMAKT_DATABASE_URL", EMBEDDED_URL)
        environ.setdefault("FULLMAKT_SECRET_KEY", secret_key(VAR / "secret.key"))
    return environment.read(environ)


def secret_key(path: Path) -> str:
    """Return the key in the file, which is created at first use. Concurrent processes get the same key."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # mode 0600
            file.write(secrets.token_urlsafe(environment.MIN_SECRET_BYTES))
            file.flush()
            with suppress(FileExistsError):
                path.hardlink_to(file.name)
    return path.read_text().strip()


@contextmanager
def database(settings: Settings, folder: Path | None = None) -> Generator[Settings]:
    """Yield the settings with the address of a running database.

    If `folder` is given or there is no FULLMAKT_DATABASE_URL, this is a private PostgreSQL, which runs until the end
    of the block. Its default folder is var/postgres.
    """
    if folder is None and settings.database_url != EMBEDDED_URL:
        yield settings
        return
    import embedded

    with embedded.postgres(folder or VAR / "postgres") as url:
        yield msgspec.structs.replace(settings, database_url=url, database_role=embedded.SERVER_ROLE)


async def prepare(settings: Settings, *, with_demo: bool) -> "Sequence[SignIn]":
    """Apply pending migrations in development, or raise in production if there are any.

    Returns the demo sign-ins, or an empty sequence without `with_demo`.
    """
    from database import migrate as migration
    from models.tables import SCHEMA

    if settings.is_development:
        await migration.migrate(settings.database_url, SCHEMA, server_role=settings.database_role)
    elif pending_migrations := await migration.pending_migrations(settings.database_url, SCHEMA):
        raise click.ClickException(f"The database lacks {', '.join(pending_migrations)}: run fullmakt migrate first.")
    elif await migration.may_rewrite(settings.database_url, "events"):
        click.echo(
            "The database role of the server may rewrite events. FULLMAKT_DATABASE_ROLE creates a safe role.", err=True
        )
    await require_capacity(settings)
    if not with_demo:
        return ()
    import demo as data

    return await data.write(as_server(settings)) or ()


async def require_capacity(settings: Settings) -> None:
    """Raise if PostgreSQL allows too few connections for all workers. Each worker uses one more to listen for changes.

    Warns if only the renewal of workers would need too many.
    """
    from database import migrate as migration

    capacity = await migration.max_connections(as_server(settings).database_url)
    connections_per_worker = settings.pool_size + 1
    total_connections = settings.workers * connections_per_worker
    if total_connections > capacity:
        raise click.ClickException(
            f"{settings.workers} workers with FULLMAKT_POOL_SIZE={settings.pool_size} need {total_connections} "
            f"connections, but PostgreSQL has only {capacity}. "
            f"Set FULLMAKT_POOL_SIZE to {max(capacity // settings.workers - 1, 0)} or less."
        )
    if settings.workers > 1 and total_connections + connections_per_worker > capacity:
        click.echo(f"PostgreSQL has only {capacity} connections: the renewal of workers (SIGHUP) may fail.", err=True)


def as_server(settings: Settings) -> Settings:
    """Return the settings with the private database's address for the role of the server."""
    import embedded

    if settings.database_role is None:
        return settings
    return msgspec.structs.replace(settings, database_url=embedded.as_server(settings.database_url))
