"""The schema in the schema definition language (SDL)."""

from graphql.utilities.print_schema import print_schema_definition
from strawberry.printer import print_schema

from schema.build import annotate, strawberry_schema


def sdl() -> str:
    """The SDL, with the directives of the rules; descriptions name the permissions."""
    declared_schema = strawberry_schema()
    # Strawberry prints neither the schema's description nor, therefore, its definition.
    definition = print_schema_definition(annotate(declared_schema))
    return f"{definition}\n\n{print_schema(declared_schema)}\n"
