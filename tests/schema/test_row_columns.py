"""A field that reads a column which its row does not have is an error when the schema is built."""

from typing import Any

import pytest
from graphql import GraphQLObjectType

from database import db
from models.accounts.account import AccountRow
from schema.build import build
from schema.row_columns import MissingColumn, _row_classes, check_columns


def field_metadata(type_name: str, field: str) -> dict[str, Any]:
    type_ = build().type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    metadata: dict[str, Any] = type_.fields[field].extensions
    return metadata


def test_each_field_of_the_schema_reads_columns_of_its_row() -> None:
    check_columns(build())

    names = {row_class.graphql_type for row_class in _row_classes(db.Row)}
    assert {"Account", "Grant", "User", "Event", "Message", "Invitation"} <= names


@pytest.mark.parametrize(
    ("type_name", "field", "metadata"),
    [
        ("Account", "name", {"attribute": "missing_column"}),
        ("Account", "status", {"columns": ("missing_column",)}),
        ("AccountSettings", "invoicePrefix", {"attribute": "missing_column"}),
    ],
)
def test_field_with_a_column_that_the_row_does_not_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, type_name: str, field: str, metadata: dict[str, Any]
) -> None:
    for key, value in metadata.items():
        monkeypatch.setitem(field_metadata(type_name, field), key, value)

    with pytest.raises(
        MissingColumn, match=rf"^{type_name}\.{field} reads missing_column, which .*AccountRow does not have\."
    ):
        check_columns(build())
    assert "missing_column" not in AccountRow.__annotations__
