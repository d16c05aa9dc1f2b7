"""The printed schema and the printed matrix."""

from pathlib import Path

from graphql import build_schema, print_type

import schema
from schema.build import build

ROOT = Path(__file__).resolve().parents[2]


def test_committed_schema_is_current() -> None:
    committed_text = (ROOT / "schema" / "schema.graphql").read_text()

    assert committed_text == schema.sdl(), "make schema"


def test_committed_matrix_is_current() -> None:
    committed_text = (ROOT / "docs" / "matrix.txt").read_text()

    assert committed_text == schema.matrix() + "\n", "its first line says how to write it"


def test_printed_schema_parses_to_the_same_schema() -> None:
    parsed_schema, served_schema = build_schema(schema.sdl()), build()

    assert set(parsed_schema.type_map) == set(served_schema.type_map)
    assert parsed_schema.description == served_schema.description
    for name, type_ in served_schema.type_map.items():
        assert print_type(parsed_schema.type_map[name]) == print_type(type_)
    assert {"hasPermission", "authenticated", "self", "public"} <= {
        directive.name for directive in parsed_schema.directives
    }


def test_guarded_field_names_its_permission_and_roles() -> None:
    text_and_rule = {
        f"{type_.name}.{name}": (field.description or "", field.extensions["rule"])
        for type_ in build().type_map.values()
        for name, field in getattr(type_, "fields", {}).items()
        if "rule" in field.extensions
    }
    guarded_texts = {coordinate: text for coordinate, (text, rule) in text_and_rule.items() if rule.permission}

    assert guarded_texts
    for coordinate, text in guarded_texts.items():
        assert f"Needs {text_and_rule[coordinate][1].permission}: owner" in text, coordinate
    assert text_and_rule["Mutation.updateAccount"][0].endswith(
        "Needs SETTINGS_WRITE: owner, administrator, collaborator; consultant if granted."
    )
    assert text_and_rule["User.email"][0].endswith("; consultant if granted. Users always see their own.")
