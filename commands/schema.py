"""Commands that print the schema, the permission table and query plans."""

from typing import TextIO

import click


@click.command()
def matrix() -> None:
    """Show the permissions of each role, and the fields that each role may read."""
    import schema

    click.echo(schema.matrix())


@click.command(name="schema")
def print_schema() -> None:
    """Print the schema as SDL. It equals schema/schema.graphql."""
    import schema

    click.echo(schema.sdl().rstrip("\n"))


@click.command()
@click.argument("file", type=click.File())
def explain(file: TextIO) -> None:
    """Show the query plans of the operations in a document.

    FILE is a GraphQL document, or - for standard input. Conditions with variables (@skip, @include)
    are assumed to include the field.
    """
    import graphql

    import schema
    from executor import explain as query_plan

    source = file.read()
    try:
        graphql_schema = schema.build()
        document = graphql.parse(source)
        problems = graphql.validate(graphql_schema, document)
        if problems:
            raise problems[0]
        operations = [node for node in document.definitions if isinstance(node, graphql.OperationDefinitionNode)]
        plan_texts = [
            query_plan.of_document(graphql_schema, document, node, guard=lambda field: str(field.extensions["rule"]))
            for node in operations
        ]
    except graphql.GraphQLError as error:
        location = "".join(
            f"{file.name}:{position.line}:{position.column}: " for position in (error.locations or ())[:1]
        )
        raise click.ClickException(f"{location}{error.message}") from None
    click.echo("\n\n".join(plan_texts))
