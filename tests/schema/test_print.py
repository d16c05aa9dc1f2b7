from pathlib import Path

from graphql import build_schema, print_type

import schema
from schema.build import build

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_schema_is_what_is_served() -> None:
    committed = (ROOT / "schema" / "schema.graphql").read_text()

    assert committed == schema.sdl(), "make schema"


def test_the_committed_matrix_is_what_is_enforced() -> None:
    committed = (ROOT / "docs" / "matrix.txt").read_text()

    assert committed == schema.matrix() + "\n", "its first line says how to write it"


def test_the_printed_schema_can_be_read_and_says_the_same() -> None:
    read, served = build_schema(schema.sdl()), build()

    assert set(read.type_map) == set(served.type_map)
    for name, type_ in served.type_map.items():
        assert print_type(read.type_map[name]) == print_type(type_)
    assert {"hasPermission", "authenticated", "self", "public"} <= {one.name for one in read.directives}


def test_each_guarded_field_names_its_permission_and_who_has_it() -> None:
    described = {
        f"{type_.name}.{name}": (field.description or "", field.extensions["rule"])
        for type_ in build().type_map.values()
        for name, field in getattr(type_, "fields", {}).items()
        if "rule" in field.extensions
    }
    guarded = {place: text for place, (text, rule) in described.items() if rule.permission}

    assert guarded
    for place, text in guarded.items():
        assert f"Needs {described[place][1].permission}: owner" in text, place
    assert described["Account.settings"][0].endswith(
        "Needs SETTINGS_READ: owner, administrator, collaborator; consultant where given."
    )
    assert described["User.email"][0].endswith(
        "Needs USERS_READ: owner, administrator, collaborator; consultant where given. Everybody sees his own."
    )
