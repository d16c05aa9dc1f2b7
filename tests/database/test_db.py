"""The SQL of columns, derived from the annotations of row classes."""

from datetime import date, datetime
from uuid import UUID

import pytest

from database import db, rows


class InvoiceRow(db.Row):
    """A row class as the models define them."""

    graphql_type = "Invoice"

    id: UUID
    total: int | None
    issued_at: datetime
    customer_name: str


class PrintedInvoiceRow(InvoiceRow):
    """A row class with more columns than its base class."""

    copies: int


def test_columns_have_the_names_and_the_order_of_the_annotations() -> None:
    assert db.columns_of("i", InvoiceRow) == {
        "id": "i.id",
        "total": "i.total",
        "issued_at": "i.issued_at",
        "customer_name": "i.customer_name",
    }
    assert [*db.columns_of("i", PrintedInvoiceRow)] == ["id", "total", "issued_at", "customer_name", "copies"]


def test_override_replaces_the_expression_of_a_column_in_its_place() -> None:
    columns = db.columns_of("i", InvoiceRow, {"total": "sum(l.price)"})

    assert [*columns.items()][1] == ("total", "sum(l.price)")


def test_override_of_a_column_that_is_not_annotated_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"InvoiceRow does not annotate the overridden columns a, totals\."):
        db.columns_of("i", InvoiceRow, {"totals": "1", "total": "2", "a": "3"})


def test_column_that_a_connection_cannot_read_is_an_error_at_import() -> None:
    class DatedRow(db.Row):
        graphql_type = "Dated"

        due_on: date

    with pytest.raises(TypeError, match=r"DatedRow\.due_on: a connection cannot read a column of type date\."):
        db.columns_of("d", DatedRow)
    with pytest.raises(TypeError, match=r"DatedRow\.due_on"):
        rows.kinds(DatedRow)


def test_column_of_any_type_is_allowed_in_rows_without_a_graphql_type() -> None:
    class SeedRow(db.Row):
        seed: bytes

    assert db.columns_of("s", SeedRow) == {"seed": "s.seed"}


def test_select_list_names_each_expression() -> None:
    columns = db.columns_of("i", InvoiceRow, {"total": "sum(l.price)", "customer_name": "c.name"})

    assert db.select_list(columns) == 'i.id, sum(l.price) AS "total", i.issued_at, c.name AS "customer_name"'


def test_columns_of_a_part_have_its_prefix() -> None:
    columns = db.prefix_columns("invoice", db.columns("i", "id total"))

    assert columns == {"invoice.id": "i.id", "invoice.total": "i.total"}
    assert db.select_list(columns) == 'i.id AS "invoice.id", i.total AS "invoice.total"'
