"""The database itself: bringing it up to date, and filling one to measure on."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from commands import runtime
from commands.runtime import EMBEDDED_URL, database, prepare, settings
from settings import Settings


@click.command()
def migrate() -> None:
    """Bring the database up to date. Several at once wait for each other.

    With FULLMAKT_DATABASE_ROLE, that role can then do what the server does, and no more: it only
    adds to events. Let FULLMAKT_DATABASE_URL name another role here, to which the tables belong.
    """
    from database import migrate as migration
    from models.tables import SCHEMA

    async def work(ready: Settings) -> list[str]:
        missing = await migration.pending(ready.database_url, SCHEMA)
        await migration.migrate(ready.database_url, SCHEMA, server_role=ready.database_role)
        return missing

    with database(settings()) as ready:
        for name in asyncio.run(work(ready)):
            click.echo(f"Applied {name}.")
    if ready.database_role:
        click.echo(f"{ready.database_role} can read and write, and only add to events and to the ledger.")
    click.echo("The database is up to date.")


@click.command()
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
    from database import db
    from models.tables import SCHEMA

    found = settings()
    if not found.is_development:
        raise click.UsageError("seed is for FULLMAKT_ENV=development.")
    if folder is None and found.database_url == EMBEDDED_URL:
        folder = runtime.VAR / "seed"

    async def work(ready: Settings, amounts: data.Amounts) -> None:
        await prepare(ready, with_demo=False)
        async with db.connection(ready.database_url, SCHEMA, pool_size=2):
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
