"""Tests of reading the files that contain the operations of a client."""

from pathlib import Path

import pytest

from commands import manifest
from commands.manifest import ManifestError
from tests.commands.operation_files import (
    NAME_FRAGMENTS,
    NAMED_QUERY,
    ROLES_QUERY,
    SHOWN_FRAGMENT,
    digest,
    files,
    relay_id,
)


def texts(paths: list[Path]) -> list[tuple[str, str | None]]:
    return [(source.operation.text, source.operation.alias) for source in manifest.read(paths)]


# ---- GraphQL files ---------------------------------------------------------------------------


def test_complete_file_is_read_unchanged(tmp_path: Path) -> None:
    text = f"# comment\n{ROLES_QUERY}\n\nquery More {{ roles {{ ...R }} }} fragment R on RoleDefinition {{ role }}  "

    assert texts(files(tmp_path, a_graphql=text, b_gql=ROLES_QUERY)) == [(text, None), (ROLES_QUERY, None)]


def test_fragments_are_taken_from_other_files(tmp_path: Path) -> None:
    paths = files(tmp_path, a_graphql=NAMED_QUERY, b_graphql=SHOWN_FRAGMENT, c_graphql=NAME_FRAGMENTS)

    assert texts(paths) == [
        (
            f"{NAMED_QUERY}\n{SHOWN_FRAGMENT}\nfragment Name on RoleDefinition {{ name }}\n",
            None,
        )
    ]
    assert texts([paths[2], paths[0], paths[1]]) == texts(paths)


def test_fragment_of_the_same_file_has_priority(tmp_path: Path) -> None:
    text = NAMED_QUERY + "fragment Shown on RoleDefinition { role }\n"

    assert texts(files(tmp_path, a_graphql=text, b_graphql=SHOWN_FRAGMENT, c_graphql=NAME_FRAGMENTS)) == [(text, None)]


def test_each_operation_of_a_file_becomes_a_document_as_the_panel_sends_it(tmp_path: Path) -> None:
    text = f"# two\n{NAMED_QUERY}\nfragment Inner on RoleDefinition {{ role }}\n{ROLES_QUERY}{SHOWN_FRAGMENT}"
    paths = files(tmp_path, a_graphql=text, b_graphql=NAME_FRAGMENTS)

    sources = manifest.read(paths, each=True)

    assert [(source.location, source.operation.text) for source in sources] == [
        (
            f"{paths[0]}: Named",
            f"{NAMED_QUERY}\n{SHOWN_FRAGMENT}\nfragment Name on RoleDefinition {{ name }}\n",
        ),
        (f"{paths[0]}: Roles", ROLES_QUERY),
    ]


def test_operation_without_a_name_cannot_be_a_document_of_its_own(tmp_path: Path) -> None:
    (path,) = files(tmp_path, a_graphql="{ roles { role } }")

    with pytest.raises(ManifestError, match=r"a\.graphql: an operation has no name\."):
        _ = manifest.read([path], each=True)


def test_circular_fragments_are_read_once(tmp_path: Path) -> None:
    circular_fragments = (
        "fragment Shown on RoleDefinition { ...Shown ...Other } fragment Other on RoleDefinition { ...Shown }"
    )

    ((text, _),) = texts(files(tmp_path, a_graphql=NAMED_QUERY, b_graphql=circular_fragments))

    assert text.count("fragment") == 2


# ---- Manifests -------------------------------------------------------------------------------


def test_relay_ids_become_aliases(tmp_path: Path) -> None:
    content = {
        relay_id(ROLES_QUERY): ROLES_QUERY,
        digest(NAMED_QUERY): NAMED_QUERY,
        f"sha256:{digest(SHOWN_FRAGMENT)}": SHOWN_FRAGMENT,
    }

    assert texts(files(tmp_path, persisted_json=content)) == [
        (ROLES_QUERY, relay_id(ROLES_QUERY)),
        (NAMED_QUERY, None),
        (SHOWN_FRAGMENT, None),
    ]


def test_apollo_ids_become_aliases(tmp_path: Path) -> None:
    operations = [
        {"id": digest(ROLES_QUERY), "name": "Roles", "type": "query", "body": ROLES_QUERY},
        {"id": "custom-id", "name": "Named", "type": "query", "body": NAMED_QUERY},
    ]
    content = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}

    assert texts(files(tmp_path, manifest_json=content)) == [(ROLES_QUERY, None), (NAMED_QUERY, "custom-id")]


APOLLO = {"format": "apollo-persisted-query-manifest"}
INVALID_FILES: dict[str, tuple[dict[str, object], str]] = {
    "not UTF-8": ({"a_graphql": b"{ a } # \xff"}, "a.graphql: the file is not UTF-8."),
    "invalid GraphQL": ({"a_graphql": "query {\n  a b(}"}, "a.graphql:2:7: Syntax Error"),
    "an empty file": ({"a_graphql": ""}, "a.graphql:1:1: Syntax Error: Unexpected <EOF>."),
    "a missing fragment": ({"a_graphql": NAMED_QUERY}, "a.graphql: no file defines the fragment Shown."),
    "a duplicate fragment": (
        {"a_graphql": NAMED_QUERY, "b_graphql": SHOWN_FRAGMENT + NAME_FRAGMENTS, "c_graphql": SHOWN_FRAGMENT},
        "a.graphql: several files define the fragment Shown: ",
    ),
    "invalid JSON": ({"a_json": b'{\n"a": }'}, "a.json:2:6: the file is not valid JSON."),
    "a list": ({"a_json": [ROLES_QUERY]}, "a.json: the file is neither {id: text} of Relay nor a manifest"),
    "an id without a text": ({"a_json": {"x": None}}, "a.json: x: an entry needs an id and a text, both"),
    "a wrong digest": (
        {"a_json": {digest(SHOWN_FRAGMENT): ROLES_QUERY}},
        f"not the SHA-256 of the text, {digest(ROLES_QUERY)}.",
    ),
    "an unpaired surrogate": ({"a_json": b'{"x": "{ a } #\\ud800"}'}, "a.json:1:15: the file is not valid JSON."),
    "another version": (
        {"a_json": {**APOLLO, "version": 2, "operations": []}},
        "a.json: the file is not a manifest of",
    ),
    "no operations": ({"a_json": {**APOLLO, "version": 1}}, "a.json: the file is not a manifest of version 1."),
    "an invalid operation": (
        {"a_json": {**APOLLO, "version": 1, "operations": [1]}},
        "a.json: None: an entry needs an",
    ),
}


@pytest.mark.parametrize(("contents", "reason"), INVALID_FILES.values(), ids=INVALID_FILES.keys())
def test_invalid_file_is_rejected_with_its_location(tmp_path: Path, contents: dict[str, object], reason: str) -> None:
    with pytest.raises(ManifestError) as error:
        _ = manifest.read(files(tmp_path, **contents))

    assert reason in str(error.value)
    assert "\n" not in str(error.value)
