"""The command line `fullmakt`. `.venv/bin/fullmakt` runs this file, so that the checkout is first on sys.path.

The commands are in commands/. Each command imports its modules in its body, so that --help is fast.
"""

import tomllib
from pathlib import Path
from typing import Final

import click

from commands import database, events, modules, operations, operator, schema, server
from commands.runtime import Commands

VERSION: Final[str] = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text())["project"]["version"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, package_name=None, message="fullmakt %(version)s")
def fullmakt() -> None:
    """Serve and operate Fullmakt.

    Settings are FULLMAKT_... environment variables. With FULLMAKT_ENV=development and without
    FULLMAKT_DATABASE_URL, the commands use a private PostgreSQL in var/ and start it if necessary.

    \b
    Exit codes
      0  success
      1  failure, such as an unreachable database; the reason is one line on standard error
      2  wrong usage, or a missing or invalid setting
    """  # noqa: D301 - click needs the literal \\b to keep these lines apart


for command in (
    server.serve,
    server.demo,
    database.migrate,
    database.seed,
    operator.credit,
    operator.seats,
    operator.limits,
    operator.vouchers,
    operator.numbers,
    operations.operations,
    events.verify_events,
    operator.disable_second_factor,
    operator.jobs,
    modules.modules,
    schema.matrix,
    schema.print_schema,
    schema.explain,
):
    fullmakt.add_command(command)


def main() -> None:
    """Run the command line."""
    fullmakt(prog_name="fullmakt")


if __name__ == "__main__":
    main()
