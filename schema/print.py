"""The schema as text: what partners read, and what is committed."""

from strawberry.printer import print_schema

from schema.build import annotate, strawberry_schema


def sdl() -> str:
    """The printed schema, with directives and the rules in the descriptions."""
    written = strawberry_schema()
    annotate(written)
    return print_schema(written) + "\n"
