"""Commands that migrate a database and fill one for benchmarks."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import modules
from commands import runtime
from commands.operator import ACCOUNT_NUMBER, run_operation
from commands.runtime import EMBEDDED_URL, database, load_settings, prepare
from settings import Settings

if TYPE_CHECKING:
    from models.base.caller import Caller

MAX_SEED_ROWS: Final = 1_000_000


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


@click.group(invoke_without_command=True)
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
@click.pass_context
def seed(
    command: click.Context, users: int, accounts: int, grants: int, *, folder: Path | None, peer_file: Path | None
) -> None:
    """Fill an empty database with generated data for benchmarks. Development only.

    The command uses the database of FULLMAKT_DATABASE_URL, or a private one. It never uses the
    database with the demo data. `seed account` fills one account instead.
    """
    if command.invoked_subcommand is not None:
        return
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


@seed.command("account")
@click.argument("account_number", type=ACCOUNT_NUMBER, required=False)
@click.option("--owner", metavar="EMAIL", help="Fill a new account of this user, instead of ACCOUNT_NUMBER.")
@click.option(
    "--rows",
    type=click.IntRange(1, MAX_SEED_ROWS),
    default=1000,
    show_default=True,
    help="The number of rows of each installed module; in the workspace, of documents.",
)
@click.option("--allow-production", is_flag=True, help="Also with FULLMAKT_ENV=production. The rows stay for ever.")
def seed_account(account_number: int | None, *, owner: str | None, rows: int, allow_production: bool) -> None:
    """Add generated rows to the account ACCOUNT_NUMBER, or to a new account.

    The workspace adds documents with lines, contacts, products and payments, and expenses. Issued
    documents continue the numbers of the account, and cannot be removed again.
    """
    if not load_settings().is_development and not allow_production:
        raise click.UsageError("In production, seed account needs --allow-production.")
    if (account_number is None) == (owner is None):
        raise click.UsageError("Give either ACCOUNT_NUMBER or --owner.")
    number = run_operation(lambda caller: _seed_account(caller, account_number, owner, rows))
    click.echo(f"Account {number}: wrote {rows:,} rows of each module.")


async def _seed_account(caller: "Caller", account_number: int | None, owner: str | None, rows: int) -> int:
    """Seed an account, or a new one of the user `owner`. Returns its number."""
    from models.accounts import account
    from models.base.validation import email_key
    from models.people.user import User

    if owner is not None:
        user = await User.get_or_none(email_key=email_key(owner))
        if user is None:
            raise click.ClickException(f"There is no user {owner}.")
        account_id = await account.create(replace(caller, user_id=user.id), name="Generated")
        account_number = (await account.Account.get(id=account_id)).number
    generated_account = await account.Account.get_or_none(number=account_number)
    if generated_account is None:
        raise click.ClickException(f"There is no account {account_number}.")
    for write_rows in modules.sample_parts("SEED"):
        with click.progressbar(length=rows, label="Writing") as bar:
            await write_rows(caller, generated_account.id, rows, bar.update)
    return generated_account.number
