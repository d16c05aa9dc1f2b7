"""The command that lists the installed modules and checks them."""

import asyncio

import click

from commands.runtime import database, load_settings, prepare
from settings import Settings


@click.command()
def modules() -> None:
    """List the installed modules, and check that each is complete.

    Checked are the schema, the migrations, and the description of personal data. The last check reads
    the database, with the migrations of all modules applied.
    """
    from modules import BITS, all_modules

    check_schema()
    bits = {permission.bit for module in all_modules() for permission in module.permissions}
    for module in all_modules():
        permissions = ", ".join(f"{permission.bit} {permission.name}" for permission in module.permissions)
        prefixes = ", ".join(f"{prefix} {name}" for name, prefix in module.ids.items())
        click.echo(f"{module.name}\n  permissions: {permissions or 'none'}\n  ids: {prefixes or 'none'}")
    click.echo(f"Free bits: {' '.join(str(bit) for bit in BITS if bit not in bits)}")
    check_migrations()
    with database(load_settings()) as settings:
        report(asyncio.run(find_gaps(settings)))
    click.echo("Each module is complete.")


def report(problems: list[str]) -> None:
    """Raise ClickException with all problems, if there are any."""
    if problems:
        raise click.ClickException("\n".join(problems))


def check_schema() -> None:
    """Build the schema. Raises ClickException for an element that does not build."""
    from schema.build import MissingDescription, MissingRule, UnfitInput, UnsizedList, build
    from schema.row_columns import MissingColumn

    try:
        _ = build()
    except (MissingRule, MissingDescription, MissingColumn, UnsizedList, UnfitInput) as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None


def check_migrations() -> None:
    """Raise ClickException for a migration that can break a server of the release before, without a reason."""
    from database import migrate
    from models.tables import SCHEMA

    report(
        [
            f"{part.label}: the migration {name} drops, renames or requires something, so servers of the release "
            "before would fail. Do it a release later, and give the reason in `contractions` of the SCHEMA."
            for part, name in migrate.contracting_migrations(SCHEMA)
            if name not in part.contractions
        ]
    )


async def find_gaps(settings: Settings) -> list[str]:
    """The gaps in the description of personal data. Applies pending migrations in development."""
    from database import db
    from models.privacy import coverage
    from models.tables import SCHEMA

    _ = await prepare(settings, with_demo=False)
    async with db.connection(settings.database_url, SCHEMA, pool_size=2):
        return await coverage.find_gaps()
