"""The command line. `.venv/bin/fullmakt` runs this file, so that the checkout comes first on sys.path.

The commands are in commands/. Each imports what it needs in its body, and --help answers at once.
"""

import click

from commands import database, events, operations, operator, schema, server
from commands.runtime import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option("0.1.0", package_name=None, message="fullmakt %(version)s")
def fullmakt() -> None:
    """Serve and look after Fullmakt.

    Settings come from FULLMAKT_... variables. With FULLMAKT_ENV=development and no
    FULLMAKT_DATABASE_URL, commands use a private PostgreSQL in var/, started when it does not run.

    \b
    Exit codes
      0  done
      1  failed: refused, port taken, database away; the reason is one line on standard error
      2  called wrongly, or a setting is missing or unusable
    """  # noqa: D301 - click looks for the character itself, to keep these lines apart


for command in (
    server.serve,
    server.demo,
    database.migrate,
    database.seed,
    operator.credit,
    operator.seats,
    operator.vouchers,
    operations.documents,
    events.verify_events,
    operator.disable_second_factor,
    operator.jobs,
    schema.matrix,
    schema.print_schema,
    schema.explain,
):
    fullmakt.add_command(command)


def main() -> None:
    """The command line."""
    fullmakt(prog_name="fullmakt")


if __name__ == "__main__":
    main()
