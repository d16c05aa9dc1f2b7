"""The kinds of exports, with their columns. Each column copies a field of the graph, and has its rule.

A column names the fields that lead to its value: `contactName` of a document copies `Document.contact`, and then
`Contact.name`. The rules of these fields decide who gets the column, so no rule is written here. The conditions on the
rows, such as "no deleted drafts", are those of the lists of the graph, and the row scope is that of the type.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from auth.row_scope import RowScope
from database.listing import ConnectionQuery
from models.lists.sql import optional_lookup
from workspace import MODULE, contact, document, document_line, document_list, expense, expense_list, lists, product
from workspace.scope import SCOPE


class ExportKind(StrEnum):
    """The rows of an export."""

    DOCUMENTS = "DOCUMENTS"
    DOCUMENT_LINES = "DOCUMENT_LINES"
    CONTACTS = "CONTACTS"
    PRODUCTS = "PRODUCTS"
    EXPENSES = "EXPENSES"


class ColumnKind(StrEnum):
    """The form of the values of a column, which decides how a file writes them."""

    TEXT = "text"
    """A text that users can have typed."""
    CODE = "code"
    """A text of letters, digits, `_` and `-` that the product makes: an id, a date, a value of an enum."""
    NUMBER = "number"
    """A decimal number as a text, such as `-12.50`."""
    FLAG = "flag"
    """A boolean."""
    INSTANT = "instant"
    """A time stamp."""


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """A column of an export: its name, the SQL of its value, and the fields of the graph that it copies."""

    name: str
    sql: str
    fields: tuple[str, ...]
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class ExportSource:
    """The rows and columns of one kind of exports.

    `connection` is the field of the graph that lists the rows. `table` has the rows under the alias `alias`, and
    `condition` selects those of an account, whose id is `{key}`. `order` has the ids that order the rows, and `day` the
    date by which a range of dates selects. A join is read only if a column has its alias, and drops no row. `scope` is
    the row scope, on the rows with the alias `scope_alias`.
    """

    connection: str
    alias: str
    table: str
    condition: str
    order: tuple[str, ...]
    day: str
    columns: tuple[ExportColumn, ...]
    scope: RowScope | None = None
    scope_alias: str = ""
    joins: Mapping[str, str] = field(default_factory=dict[str, str])


def _columns(
    type_name: str, expressions: Mapping[str, str], names: str, *, path: tuple[str, ...] = (), prefix: str = ""
) -> tuple[ExportColumn, ...]:
    """Columns that copy fields of one type: `"number status:code"` names a text and a code.

    `path` has the fields that lead from the rows to an object of this type.
    """
    columns: list[ExportColumn] = []
    for name_and_kind in names.split():
        name, _, kind = name_and_kind.partition(":")
        sql = _id_sql(type_name, expressions["id"]) if name == "id" else expressions[_snake(name)]
        column_name = f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name
        columns.append(ExportColumn(column_name, sql, (*path, f"{type_name}.{name}"), ColumnKind(kind or "text")))
    return tuple(columns)


def _id_sql(type_name: str, expression: str) -> str:
    """The global id of a row, as `resolvers/ids.py` encodes it. Null if there is no row."""
    return f"'{MODULE.ids[type_name]}' || replace({expression}::text, '-', '')"


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name)


def _source(
    query: ConnectionQuery[Any], connection: str, *columns: ExportColumn, day: str = "", **options: Any
) -> ExportSource:
    """A source with the rows of a list, in the order of their creation. The default `day` is that of the creation."""
    alias = query.source.rsplit(maxsplit=1)[-1]
    day = day or f"({alias}.created_at AT TIME ZONE 'UTC')::date"
    return ExportSource(connection, alias, query.source, query.parent, (f"{alias}.id",), day, columns, **options)


# ---- The kinds -------------------------------------------------------------------------------

_CONTACT: Final = "id:code kind:code name country vatNumber address email locale isArchived:flag createdAt:instant"
_PRODUCT: Final = (
    "id:code name unit currency price:number purchasePrice:number vatRate:number isArchived:flag createdAt:instant"
)
_DOCUMENT: Final = (
    "id:code kind:code status:code number currency issuedOn:code soldOn:code dueOn:code netAmount:number"
    " taxAmount:number grossAmount:number paidAmount:number openAmount:number buyerName buyerCountry buyerVatNumber"
    " buyerAddress sellerName sellerCountry sellerOrganizationNumber sellerVatNumber sellerBankAccount note"
    " createdAt:instant"
)
_LINE: Final = (
    "id:code description unit quantity:number unitPrice:number purchasePrice:number discountPercent:number"
    " vatRate:number netAmount:number"
)
_EXPENSE: Final = (
    "id:code spentOn:code currency netAmount:number taxAmount:number grossAmount:number reference note isArchived:flag"
    " createdAt:instant"
)
_documents: Final = document_list.documents(None, None, date.min)
_LINES: Final = ("Document.lines",)
SOURCES: Final[Mapping[ExportKind, ExportSource]] = {
    ExportKind.DOCUMENTS: _source(
        _documents,
        "Account.documents",
        *_columns("Document", document.COLUMNS, _DOCUMENT),
        *_columns("Contact", contact.COLUMNS, "id:code name email", path=("Document.contact",), prefix="contact"),
        day="d.issued_on",
        scope=SCOPE,
        scope_alias="d",
        joins={"c": optional_lookup("contacts c", "c.id = d.contact_id")},
    ),
    ExportKind.DOCUMENT_LINES: ExportSource(
        "Account.documents",
        alias="l",
        table=f"{_documents.source} JOIN document_lines l ON l.document_id = d.id",
        condition=_documents.parent,
        order=("l.document_id", "l.id"),
        day="d.issued_on",
        columns=(
            *_columns("Document", document.COLUMNS, "id:code number kind:code currency", prefix="document"),
            *_columns("DocumentLine", document_line.COLUMNS, _LINE, path=_LINES),
            *_columns(
                "Product",
                product.COLUMNS,
                "id:code name",
                path=(*_LINES, "DocumentLine.product"),
                prefix="product",
            ),
        ),
        scope=SCOPE,
        scope_alias="d",
        joins={
            "d": optional_lookup(f"{document.TABLE} d", "d.id = l.document_id"),
            "p": optional_lookup("products p", "p.id = l.product_id"),
        },
    ),
    ExportKind.CONTACTS: _source(
        lists.contacts(None, None, "en"), "Account.contacts", *_columns("Contact", contact.COLUMNS, _CONTACT)
    ),
    ExportKind.PRODUCTS: _source(
        lists.products(None, None, "en"), "Account.products", *_columns("Product", product.COLUMNS, _PRODUCT)
    ),
    ExportKind.EXPENSES: _source(
        expense_list.expenses(None, None),
        "Account.expenses",
        *_columns("Expense", expense.COLUMNS, _EXPENSE),
        *_columns("Contact", contact.COLUMNS, "id:code name", path=("Expense.contact",), prefix="contact"),
        day="e.spent_on",
        joins={"c": optional_lookup("contacts c", "c.id = e.contact_id")},
    ),
}
"""Each kind of exports. A test compares the columns with the fields of the graph."""
