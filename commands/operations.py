"""Which documents clients may name in their requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.operator import operate

if TYPE_CHECKING:
    from commands.manifest import Found

MOST_PROBLEMS = 20


@click.group()
def documents() -> None:
    """Register the documents of clients, which then need to send their names only.

    FULLMAKT_DOCUMENTS says whether others are answered.
    """


@documents.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--client", default="default", show_default=True, help="Whose they are: an app, or a version of it.")
def add(files: tuple[Path, ...], client: str) -> None:
    """Register the operations in FILES: all of them, or none.

    FILES are GraphQL documents, together with the files of their fragments; persisted.json as Relay's
    compiler writes it; or an Apollo persisted query manifest. Each document is checked as requests
    are. What is registered already stays.
    """
    from commands import manifest
    from models import persisted_operation

    try:
        found = manifest.read(files)
    except manifest.Unreadable as error:
        raise click.ClickException(str(error)) from None
    problems = list(_problems(found))
    if problems:
        more = len(problems) - MOST_PROBLEMS
        raise click.ClickException("\n".join([*problems[:MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]))
    if not found:
        raise click.ClickException("There is no operation in these files.")
    texts = [one.document for one in found]
    new = operate(lambda caller: persisted_operation.add(caller, client, texts))
    for one in texts:
        click.echo(f"{one.digest.hex()}  {names(one.text)}{f'  as {one.alias}' if one.alias else ''}")
    click.echo(f"{len(texts)} documents of {client}, {new} of them new.")


@documents.command(name="list")
@click.option("--client", help="Only those of this client.")
def list_documents(client: str | None) -> None:
    """Show what is registered: SHA-256, client, since when, and the operations."""
    from models import persisted_operation

    for row in operate(lambda _: persisted_operation.registered(client)):
        alias = f"  as {row.alias}" if row.alias else ""
        click.echo(f"{row.digest.hex()}  {row.client}  {row.added_at:%Y-%m-%d}  {names(row.text)}{alias}")


@documents.command()
@click.argument("ids", nargs=-1)
@click.option("--client", help="Only those of this client; without IDS, all of them.")
def remove(ids: tuple[str, ...], client: str | None) -> None:
    """Take back the documents IDS, SHA-256 or the client's own ids.

    Servers answer them for ten seconds more at most.
    """
    from models import persisted_operation

    removed = operate(lambda caller: persisted_operation.remove(caller, ids, client=client))
    click.echo(f"{removed} removed.")


def _problems(found: "list[Found]") -> Iterator[str]:
    """What is wrong with documents, each with its place."""
    import app
    import schema
    from commands import manifest
    from commands.runtime import settings
    from server.document_cache import InvalidDocument
    from server.document_validation import checker

    check = checker(schema.build(), app.limits(settings()), development=True)
    for one in found:
        text = one.document.text
        if "\0" in text:
            yield f"{one.place}: a NUL stands in it."
            continue
        checked = check(text)
        if isinstance(checked, InvalidDocument):
            yield from (manifest.place(problem, one.place) for problem in checked.problems)
        elif not names(text):
            yield f"{one.place}: there is no operation in it."


def names(text: str) -> str:
    """The operations of a document that was checked, for a person to read."""
    from graphql import OperationDefinitionNode, parse

    found = [node for node in parse(text).definitions if isinstance(node, OperationDefinitionNode)]
    return ", ".join(f"{node.operation.value} {node.name.value if node.name else '(unnamed)'}" for node in found)
