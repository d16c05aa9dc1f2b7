"""The description of plans, and the command that prints it."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from graphql import GraphQLSchema, OperationDefinitionNode, parse

import cli
from executor.explain import MAX_LINES, of_document, widest_conditions
from tests.executor.harness import OPEN, SECRET, guarded_schema, plain_schema

SDL = """
    interface Node { id: ID }
    type Item implements Node { id: ID  name: String  secret: Int  items(first: Int): [Item!]  size: Int  node: Node }
    type Other implements Node { id: ID }
    type Last implements Node { id: ID }
    type Query { items(first: Int, tags: [Int]): [Item!]!  ok: Int }
    type Mutation { change(x: Int): Item }
"""


async def resolve_items(*_: object, **__: object) -> list[Any]:
    return []


def resolve_sizes(*_: object) -> list[Any]:
    return []


def resolve_null(*_: object, **__: object) -> Any:
    return None


SCHEMA = guarded_schema(
    SDL,
    {
        "Query.items": {"resolve": resolve_null, "needs": OPEN | SECRET},
        "Item.secret": {"needs": SECRET},
        "Item.items": {"batch": resolve_items, "columns": ["key"]},
        "Item.size": {"column": resolve_sizes, "columns": ["length", "width"]},
        "Mutation.change": {"resolve": resolve_null},
    },
)


def explain_lines(query: str, schema: GraphQLSchema = SCHEMA) -> list[str]:
    document = parse(query)
    operations = [definition for definition in document.definitions if isinstance(definition, OperationDefinitionNode)]
    return of_document(schema, document, operations[0]).splitlines()


def test_levels_show_guards_resolvers_and_leaves() -> None:
    query = """query Q($n: Int) {
        items(first: 5) { n: name __typename id secret size items(first: $n) { name secret } }
    }"""

    assert explain_lines(query) == [
        "query Q: 9 fields on 3 levels",
        "Query",
        (
            "  items -> [Item!]!   each test_explain.resolve_null   needs 0x3   arguments fixed"
            "   columns id, key, length, name, secret, width"
        ),
        "    2 leaves copied: n: name, id   needs 0x1",
        "    1 leaf copied: __typename",
        "    1 leaf copied: secret   needs 0x2",
        "    size -> Int   column test_explain.resolve_sizes   needs 0x1",
        (
            "    items -> [Item!]   batch test_explain.resolve_items   needs 0x1   arguments for each run"
            "   columns name, secret"
        ),
        "      1 leaf copied: name   needs 0x1",
        "      1 leaf copied: secret   needs 0x2",
    ]


def test_list_arguments_are_created_for_each_run() -> None:
    assert "arguments for each run" in explain_lines("{ items(tags: [1]) { name } }")[2]


def test_mutation_fields_are_serial() -> None:
    assert (
        explain_lines("mutation { change(x: 1) { name } }")[0] == "mutation: 2 fields on 2 levels, one after the other"
    )


def test_types_with_equal_selections_are_grouped() -> None:
    lines = explain_lines("{ items { node { id ... on Item { name } } } }")

    assert lines[3:] == [
        "    node -> Node   attribute node   needs 0x1",
        "      Item",
        "        2 leaves copied: id, name   needs 0x1",
        "      Other | Last",
        "        1 leaf copied: id   needs 0x1",
    ]


def test_field_without_metadata_has_a_resolver_for_each_object() -> None:
    assert explain_lines("{ ok }", plain_schema(SDL)) == [
        "query: 1 field on 1 level",
        "Query",
        "  ok -> Int   each executor.default_field_resolver",
    ]


def test_conditions_include_as_many_fields_as_possible() -> None:
    query = """query ($a: Boolean!, $b: Boolean!, $c: Boolean!) {
        ok @include(if: $a) ...F @skip(if: $b)
    } fragment F on Query { x: ok @skip(if: $b) ... @include(if: $c) { y: ok } z: ok @skip(if: true) }"""

    assert widest_conditions(parse(query)) == {"a": True, "b": False, "c": True}
    assert explain_lines(query)[2:] == ["  3 leaves copied: ok, x: ok, y: ok   needs 0x1"]


def test_large_plan_is_cut() -> None:
    parts = [f"fragment F{n} on Item {{ a: items {{ ...F{n + 1} }} b: items {{ ...F{n + 1} }} }}" for n in range(20)]

    lines = explain_lines(f"{{ items {{ ...F0 }} }} {' '.join(parts)} fragment F20 on Item {{ id }}")

    assert lines[0].endswith("on 22 levels")
    assert len(lines) == MAX_LINES + 3
    assert lines[-1] == "  ..."


# ---- The command -----------------------------------------------------------------------------

DOCUMENT = """
query Mine { viewer { accounts(first: 2) { nodes { name settings { invoicePrefix } } } } }
mutation Leave { signOut { errors { code } } }
"""


def run_command(path: Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli.fullmakt, ["explain", str(path)])
    return result.exit_code, result.output


def test_command_shows_each_operation_with_the_rules_of_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "document.graphql"
    path.write_text(DOCUMENT)

    code, output = run_command(path)

    assert code == 0
    assert "query Mine: 6 fields on 5 levels" in output
    assert "mutation Leave: 3 fields on 3 levels, one after the other" in output
    assert "settings -> AccountSettings" in output
    assert "needs SETTINGS_READ" in output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ viewer {", ":1:11: Syntax Error"),
        ("{\n  nothing\n}", ":2:3: Cannot query field 'nothing' on type 'Query'."),
        ("query A { ok: roles { role } } query A { roles { role } }", "There can be only one operation named 'A'."),
    ],
)
def test_command_locates_errors_of_invalid_documents(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "document.graphql"
    path.write_text(text)

    code, output = run_command(path)

    assert code == 1
    assert message in output
    assert output.count("\n") == 1
