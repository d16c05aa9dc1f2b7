"""What the schema and the permission table say, printed."""

from typing import TextIO

import click


@click.command()
def matrix() -> None:
    """Show which role has which permission, and which field each may read."""
    import schema

    click.echo(schema.matrix())


@click.command(name="schema")
def print_schema() -> None:
    """Print the schema as SDL, as in schema/schema.graphql."""
    import schema

    click.echo(schema.sdl().rstrip("\n"))


@click.command()
@click.argument("file", type=click.File())
def explain(file: TextIO) -> None:
    """Show how the operations of a document would run.

    FILE is a GraphQL document, or - for standard input. Of conditions by variables, those are
    taken that let the most in.
    """
    import graphql

    import schema
    from executor import explain as plans

    source = file.read()
    try:
        found = schema.build()
        document = graphql.parse(source)
        problems = graphql.validate(found, document)
        if problems:
            raise problems[0]
        operations = [one for one in document.definitions if isinstance(one, graphql.OperationDefinitionNode)]
        shown = [
            plans.of_document(found, document, one, guard=lambda field: str(field.extensions["rule"]))
            for one in operations
        ]
    except graphql.GraphQLError as error:
        where = "".join(f"{file.name}:{place.line}:{place.column}: " for place in (error.locations or ())[:1])
        raise click.ClickException(f"{where}{error.message}") from None
    click.echo("\n\n".join(shown))
