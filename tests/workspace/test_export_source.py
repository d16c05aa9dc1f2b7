"""The columns of exports: each copies a field of the graph, and has its rules."""

import pytest

from auth import policy
from auth.policy import Permission
from auth.rules import Rule, needs
from tests.schema import walk
from workspace.export import bits_needed, readable_columns
from workspace.export_source import SOURCES, ColumnKind, ExportColumn, ExportKind
from workspace.graph.export import rule_of

ALL_BITS = policy.ROLES[policy.Role.OWNER]
COLUMNS = [(kind, column) for kind, source in SOURCES.items() for column in source.columns]
PERMISSIONS = [Permission.CONTACTS_READ, Permission.PRODUCTS_READ, Permission.PURCHASE_PRICES_READ]
KINDS_WITH_PERMISSIONS = [
    (kind, permission)
    for kind in ExportKind
    for permission in PERMISSIONS
    if rule_of(SOURCES[kind].connection).permission is not permission  # else there is no export without it
]
KINDS_OF_SCALARS = {
    "ID": {ColumnKind.CODE},
    "String": {ColumnKind.TEXT},
    "Decimal": {ColumnKind.NUMBER},
    "Boolean": {ColumnKind.FLAG},
    "Date": {ColumnKind.CODE},
    "DateTime": {ColumnKind.INSTANT},
}


def node_type(coordinate: str) -> str:
    """The type of the objects that a field of the graph leads to, past a connection."""
    type_name, _, name = coordinate.partition(".")
    target = walk.target_type(walk.TYPES[type_name].fields[name])
    return walk.target_type(walk.TYPES[target].fields["nodes"]) if target.endswith("Connection") else target


def rules(kind: ExportKind, column: ExportColumn) -> list[Rule]:
    """The rules of all fields that lead from the account to the value of a column."""
    return [walk.rule(*coordinate.split(".")) for coordinate in (SOURCES[kind].connection, *column.fields)]


def test_each_kind_has_columns_with_different_names() -> None:
    assert SOURCES.keys() == set(ExportKind)
    for source in SOURCES.values():
        names = [column.name for column in source.columns]
        assert len(names) == len({*names}) > 0


@pytest.mark.parametrize(("kind", "column"), COLUMNS)
def test_fields_of_a_column_lead_from_the_account_to_a_value(kind: ExportKind, column: ExportColumn) -> None:
    type_name = node_type(SOURCES[kind].connection)
    for coordinate in column.fields:
        assert coordinate.partition(".")[0] == type_name
        type_name = node_type(coordinate)

    assert column.kind in KINDS_OF_SCALARS.get(type_name, {ColumnKind.CODE})
    assert type_name in KINDS_OF_SCALARS or type_name in {"DocumentKind", "DocumentStatus", "ContactKind"}


@pytest.mark.parametrize(("kind", "column"), COLUMNS)
def test_column_has_the_rules_of_the_fields_that_it_copies(kind: ExportKind, column: ExportColumn) -> None:
    assert [rule_of(SOURCES[kind].connection), *map(rule_of, column.fields)] == rules(kind, column)


@pytest.mark.parametrize(("kind", "permission"), KINDS_WITH_PERMISSIONS)
def test_without_a_permission_exactly_its_columns_are_missing(kind: ExportKind, permission: Permission) -> None:
    source = SOURCES[kind]
    mask = policy.mask([permission])
    guarded_names = {
        column.name for column in source.columns if any(rule.permission is permission for rule in rules(kind, column))
    }

    columns, permission_bits = readable_columns(source, ALL_BITS, rule_of)
    columns_without, bits_without = readable_columns(source, ALL_BITS & ~mask, rule_of)

    assert {column.name for column in columns} - {column.name for column in columns_without} == guarded_names
    assert bool(permission_bits & mask) == bool(guarded_names)
    assert not bits_without & mask


def test_purchase_prices_and_contacts_are_guarded_columns() -> None:
    """The test above would also pass without any guarded column."""
    lines, products, documents = (
        {column.name for column in readable_columns(SOURCES[kind], ALL_BITS & ~policy.mask(PERMISSIONS), rule_of)[0]}
        for kind in (ExportKind.DOCUMENT_LINES, ExportKind.PRODUCTS, ExportKind.DOCUMENTS)
    )

    assert not lines & {"purchasePrice", "productName"}
    assert "purchasePrice" not in products
    assert not documents & {"contactName", "contactEmail"}


def test_rules_that_are_not_satisfied_need_nothing() -> None:
    prices, expenses = needs(Permission.PURCHASE_PRICES_READ), needs(Permission.EXPENSES_READ)
    bits = policy.mask([Permission.EXPENSES_READ])

    assert bits_needed([prices, expenses], bits) is None
    assert bits_needed([expenses], bits) == bits
    assert bits_needed([], bits) == 0
