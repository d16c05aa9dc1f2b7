"""A plan as people read it."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from graphql import GraphQLSchema, OperationDefinitionNode, parse

import cli
from executor.explain import MAX_LINES, widest_conditions, of_document
from tests.executor.toy import OPEN, SECRET, guarded, toy

SDL = """
    interface Node { id: ID }
    type Item implements Node { id: ID  name: String  secret: Int  items(first: Int): [Item!]  size: Int  node: Node }
    type Other implements Node { id: ID }
    type Last implements Node { id: ID }
    type Query { items(first: Int, tags: [Int]): [Item!]!  ok: Int }
    type Mutation { change(x: Int): Item }
"""


async def of_item(*_: object, **__: object) -> list[Any]:
    return []


def sizes(*_: object) -> list[Any]:
    return []


def plain(*_: object, **__: object) -> Any:
    return None


SCHEMA = guarded(
    SDL,
    {
        "Query.items": {"resolve": plain, "needs": OPEN | SECRET},
        "Item.secret": {"needs": SECRET},
        "Item.items": {"batch": of_item, "uses": ["key"]},
        "Item.size": {"column": sizes, "uses": ["length", "width"]},
        "Mutation.change": {"resolve": plain},
    },
)


def explained(query: str, schema: GraphQLSchema = SCHEMA) -> list[str]:
    document = parse(query)
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    return of_document(schema, document, operations[0]).splitlines()


def test_levels_guards_resolvers_and_leaves() -> None:
    query = """query Q($n: Int) {
        items(first: 5) { n: name __typename id secret size items(first: $n) { name secret } }
    }"""

    assert explained(query) == [
        "query Q: 9 fields on 3 levels",
        "Query",
        (
            "  items -> [Item!]!   each test_explain.plain   needs 0x3   arguments fixed"
            "   columns id, key, length, name, secret, width"
        ),
        "    2 leaves copied: n: name, id   needs 0x1",
        "    1 leaf copied: __typename",
        "    1 leaf copied: secret   needs 0x2",
        "    size -> Int   column test_explain.sizes   needs 0x1",
        "    items -> [Item!]   batch test_explain.of_item   needs 0x1   arguments for each run   columns name, secret",
        "      1 leaf copied: name   needs 0x1",
        "      1 leaf copied: secret   needs 0x2",
    ]


def test_lists_among_the_arguments_are_made_for_each_run() -> None:
    assert "arguments for each run" in explained("{ items(tags: [1]) { name } }")[2]


def test_mutations_run_one_after_the_other() -> None:
    assert explained("mutation { change(x: 1) { name } }")[0] == "mutation: 2 fields on 2 levels, one after the other"


def test_types_that_show_the_same_stand_together() -> None:
    lines = explained("{ items { node { id ... on Item { name } } } }")

    assert lines[3:] == [
        "    node -> Node   attribute node   needs 0x1",
        "      Item",
        "        2 leaves copied: id, name   needs 0x1",
        "      Other | Last",
        "        1 leaf copied: id   needs 0x1",
    ]


def test_without_marks_each_object_is_asked() -> None:
    assert explained("{ ok }", toy(SDL)) == [
        "query: 1 field on 1 level",
        "Query",
        "  ok -> Int   each executor.default_field_resolver",
    ]


def test_conditions_let_in_what_they_can() -> None:
    query = """query ($a: Boolean!, $b: Boolean!, $c: Boolean!) {
        ok @include(if: $a) ...F @skip(if: $b)
    } fragment F on Query { x: ok @skip(if: $b) ... @include(if: $c) { y: ok } z: ok @skip(if: true) }"""

    assert widest_conditions(parse(query)) == {"a": True, "b": False, "c": True}
    assert explained(query)[2:] == ["  3 leaves copied: ok, x: ok, y: ok   needs 0x1"]


def test_a_tree_without_end_is_cut() -> None:
    parts = [f"fragment F{n} on Item {{ a: items {{ ...F{n + 1} }} b: items {{ ...F{n + 1} }} }}" for n in range(20)]

    lines = explained(f"{{ items {{ ...F0 }} }} {' '.join(parts)} fragment F20 on Item {{ id }}")

    assert lines[0].endswith("on 22 levels")
    assert len(lines) == MAX_LINES + 3
    assert lines[-1] == "  ..."


# ---- The command -----------------------------------------------------------------------------

DOCUMENT = """
query Mine { viewer { accounts(first: 2) { nodes { name settings { invoicePrefix } } } } }
mutation Leave { signOut { errors { code } } }
"""


def call(path: Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli.fullmakt, ["explain", str(path)])
    return result.exit_code, result.output


def test_the_command_shows_every_operation_with_the_rules_of_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "document.graphql"
    path.write_text(DOCUMENT)

    code, shown = call(path)

    assert code == 0
    assert "query Mine: 6 fields on 5 levels" in shown
    assert "mutation Leave: 3 fields on 3 levels, one after the other" in shown
    assert "settings -> AccountSettings" in shown
    assert "needs SETTINGS_READ" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{ viewer {", ":1:11: Syntax Error"),
        ("{\n  nothing\n}", ":2:3: Cannot query field 'nothing' on type 'Query'."),
        ("query A { ok: roles { role } } query A { roles { role } }", "There can be only one operation named 'A'."),
    ],
)
def test_the_command_says_where_a_document_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "document.graphql"
    path.write_text(text)

    code, shown = call(path)

    assert code == 1
    assert said in shown
    assert shown.count("\n") == 1
