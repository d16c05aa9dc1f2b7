"""Commands that migrate a database and fill one for benchmarks."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from commands import runtime
from commands.runtime import EMBEDDED_URL, database, load_settings, prepare
from settings import Settings


@click.command()
def migrate() -> None:
    """Apply pending migrations. Concurrent runs wait for each other.

    With FULLMAKT_DATABASE_ROLE, this role gets the privileges of the server and no others. It can
    only add to events and to the ledger. FULLMAKT_DATABASE_URL must then name another role, the owner
    of the tables.
    """
    from database import migrate as migration
    from models.tables import SCHEMA

    async def work(settings: Settings) -> list[str]:
        names = await migration.pending_migrations(settings.database_url, SCHEMA)
        await migration.migrate(settings.database_url, SCHEMA, server_role=settings.database_role)
        return names

    with database(load_settings()) as settings:
        for name in asyncio.run(work(settings)):
            click.echo(f"Applied {name}.")
    if settings.database_role:
        click.echo(f"{settings.database_role} can read and write. In events and in the ledger it can only add rows.")
    click.echo("The database is up to date.")


@click.command()
@click.option("--users", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--accounts", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--grants", type=click.IntRange(min=1), default=200_000, show_default=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="The folder of a private PostgreSQL. Default: var/seed."
)
@click.option(
    "--peer-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write tokens and ids for load tests to this file.",
)
def seed(users: int, accounts: int, grants: int, *, folder: Path | None, peer_file: Path | None) -> None:
    """Fill an empty database with generated data for benchmarks. Development only.

    The command uses the database of FULLMAKT_DATABASE_URL, or a private one. It never uses the
    database with the demo data.
    """
    from benchmarks import seed as data
    from database import db
    from models.tables import SCHEMA

    settings = load_settings()
    if not settings.is_development:
        raise click.UsageError("seed is for FULLMAKT_ENV=development.")
    if folder is None and settings.database_url == EMBEDDED_URL:
        folder = runtime.VAR / "seed"

    async def work(settings: Settings, amounts: data.Amounts) -> None:
        await prepare(settings, with_demo=False)
        async with db.connection(settings.database_url, SCHEMA, pool_size=2):
            await data.require_empty()
            with click.progressbar(length=amounts.row_count, label="Writing") as bar:
                await data.write(amounts, now=datetime.now(UTC), progress=bar.update)

    started_at = time.monotonic()
    try:
        amounts = data.Amounts(users, accounts, grants)
        with database(settings, folder) as settings:
            asyncio.run(work(settings, amounts))
    except data.SeedError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Wrote {amounts.row_count:,} rows in {time.monotonic() - started_at:.1f} s.")
    if peer_file is not None:
        data.write_peer_file(peer_file, f"{settings.public_url}/graphql")
        click.echo(f"Wrote {peer_file}.")
