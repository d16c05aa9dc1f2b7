"""Commands that register persisted operations of clients."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.operator import run_operation

if TYPE_CHECKING:
    from commands.manifest import SourceOperation

MAX_PROBLEMS = 20


@click.group()
def operations() -> None:
    """Register persisted operations of clients. A request can then send an id instead of the text.

    FULLMAKT_DOCUMENTS decides whether operations that are not registered are allowed too.
    """


@operations.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--client", default="default", show_default=True, help="The client: an app, or a version of an app.")
@click.option("--each", is_flag=True, help="Register each operation of a GraphQL file as a document of its own.")
def add(files: tuple[Path, ...], client: str, *, each: bool) -> None:
    """Register the operations in FILES: all of them or none.

    FILES are GraphQL documents with the files of their fragments, persisted.json of the Relay
    compiler, or an Apollo persisted query manifest. Each operation is validated like a request.
    Registered operations stay registered.

    A GraphQL file is one document, which clients send as a whole. With --each, every operation of
    it is a document of its own, with the fragments that it uses. The panel sends its operations so.
    """
    from commands import manifest
    from models import persisted_operation

    try:
        sources = manifest.read(files, each=each)
    except manifest.ManifestError as error:
        raise click.ClickException(str(error)) from None
    problems = list(_problems(sources))
    if problems:
        if len(problems) > MAX_PROBLEMS:
            problems[MAX_PROBLEMS:] = [f"and {len(problems) - MAX_PROBLEMS} more"]
        raise click.ClickException("\n".join(problems))
    if not sources:
        raise click.ClickException("These files contain no operation.")
    persisted_operations = [source.operation for source in sources]
    new_count = run_operation(lambda caller: persisted_operation.add(caller, client, persisted_operations))
    for operation in persisted_operations:
        alias = f"  as {operation.alias}" if operation.alias else ""
        click.echo(f"{operation.digest.hex()}  {operation_names(operation.text)}{alias}")
    click.echo(f"{len(persisted_operations)} operations registered for {client}, {new_count} of them new.")


@operations.command(name="list")
@click.option("--client", help="Only operations of this client.")
def list_operations(client: str | None) -> None:
    """List the registered operations with their SHA-256, client and date."""
    from models import persisted_operation

    for row in run_operation(lambda _: persisted_operation.load_all(client)):
        alias = f"  as {row.alias}" if row.alias else ""
        click.echo(f"{row.digest.hex()}  {row.client}  {row.added_at:%Y-%m-%d}  {operation_names(row.text)}{alias}")


@operations.command()
@click.argument("ids", nargs=-1)
@click.option("--client", help="Only operations of this client. Without IDS: all of them.")
def remove(ids: tuple[str, ...], client: str | None) -> None:
    """Remove the operations IDS. Each id is a SHA-256 or an id of the client's compiler.

    Servers may accept removed operations for up to ten seconds.
    """
    from models import persisted_operation

    removed_count = run_operation(lambda caller: persisted_operation.remove(caller, ids, client=client))
    click.echo(f"{removed_count} removed.")


def _problems(sources: "list[SourceOperation]") -> Iterator[str]:
    """Yield the validation errors of operations with their locations."""
    import app
    import schema
    from commands import manifest
    from commands.runtime import load_settings
    from server.document_cache import InvalidDocument
    from server.document_validation import document_checker

    check = document_checker(schema.build(), app.limits(load_settings()), development=True)
    for source in sources:
        text = source.operation.text
        if "\0" in text:
            yield f"{source.location}: the text contains a NUL character."
            continue
        result = check(text)
        if isinstance(result, InvalidDocument):
            yield from (manifest.format_error(problem, source.location) for problem in result.errors)
        elif not operation_names(text):
            yield f"{source.location}: the text contains no operation."


def operation_names(text: str) -> str:
    """Return the kinds and names of the operations in a valid document."""
    from graphql import OperationDefinitionNode, parse

    definitions = [node for node in parse(text).definitions if isinstance(node, OperationDefinitionNode)]
    return ", ".join(f"{node.operation.value} {node.name.value if node.name else '(unnamed)'}" for node in definitions)
