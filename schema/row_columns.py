"""The check that each field reads columns that its row has, so that a forgotten column is an error at start.

Without it, a field whose column is missing in the row's annotations would fail in every list, at the first request.
"""

from collections.abc import Iterator
from typing import get_type_hints

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, get_named_type

from database import db


class MissingColumn(Exception):
    """A field reads a column that the row of its type does not have."""


def check_columns(schema: GraphQLSchema) -> None:
    """Raise MissingColumn for the first field that reads a column that its row does not have.

    The row of a type is the subclass of `db.Row` with its name as `graphql_type`, or the row of a field that answers
    with the same row as another type, such as `Account.settings`. Types without a row are not checked.
    """
    for row_class in _row_classes(db.Row):
        if row_class.graphql_type in schema.type_map:
            _check_type(schema, row_class.graphql_type, row_class)


def _row_classes(base: type[db.Row]) -> Iterator[type[db.Row]]:
    for row_class in base.__subclasses__():
        if row_class.__dict__.get("graphql_type"):
            yield row_class
        yield from _row_classes(row_class)


def _check_type(schema: GraphQLSchema, type_name: str, row_class: type[db.Row]) -> None:
    type_ = schema.type_map[type_name]
    if not isinstance(type_, GraphQLObjectType):
        return
    columns = get_type_hints(row_class).keys()
    for name, field in type_.fields.items():
        missing = _columns_read(field) - columns
        if missing:
            raise MissingColumn(
                f"{type_name}.{name} reads {', '.join(sorted(missing))}, which {row_class.__module__}."
                f"{row_class.__name__} does not have. Annotate the column there."
            )
        if field.extensions.get("is_same_row"):
            _check_type(schema, get_named_type(field.type).name, row_class)


def _columns_read(field: GraphQLField) -> set[str]:
    metadata = field.extensions
    if any(metadata.get(kind) is not None for kind in ("batch", "column", "resolve")):
        return set(metadata.get("columns") or ())
    return {metadata["attribute"]}
