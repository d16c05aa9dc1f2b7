"""The files of clients, as the operator registers them."""

from hashlib import md5, sha256
from pathlib import Path

import orjson
import pytest

from commands import manifest
from commands.manifest import Unreadable
from database import db
from models import persisted_operation
from models.audit.event import Event
from tests.api import Api, counts
from tests.commands.test_operator import fullmakt

ROLES = "query Roles { roles { role } }\n"
SPREADS = "query Named {\n  roles { ...Shown }\n}\n"
SHOWN = "fragment Shown on RoleDefinition { ...Name }\n"
NAME = "# of a role\nfragment Name on RoleDefinition { name }\nfragment Other on RoleDefinition { role }\n"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def relay_id(text: str) -> str:
    """As Relay's compiler makes it."""
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def files(folder: Path, **contents: str | bytes | object) -> list[Path]:
    """Files of these names, `_` for the dot."""
    paths: list[Path] = []
    for name, content in contents.items():
        path = folder / name.replace("_", ".")
        text = content.encode() if isinstance(content, str) else content
        path.write_bytes(text if isinstance(text, bytes) else orjson.dumps(text))
        paths.append(path)
    return paths


def texts(paths: list[Path]) -> list[tuple[str, str | None]]:
    return [(one.document.text, one.document.alias) for one in manifest.read(paths)]


# ---- GraphQL files ---------------------------------------------------------------------------


def test_a_file_that_is_whole_is_taken_as_it_is(tmp_path: Path) -> None:
    whole = f"# mine\n{ROLES}\n\nquery More {{ roles {{ ...R }} }} fragment R on RoleDefinition {{ role }}  "

    assert texts(files(tmp_path, a_graphql=whole, b_gql=ROLES)) == [(whole, None), (ROLES, None)]


def test_fragments_come_from_the_other_files(tmp_path: Path) -> None:
    given = files(tmp_path, a_graphql=SPREADS, b_graphql=SHOWN, c_graphql=NAME)

    assert texts(given) == [
        (
            f"{SPREADS}\n{SHOWN}\nfragment Name on RoleDefinition {{ name }}\n",
            None,
        )
    ]
    assert texts([given[2], given[0], given[1]]) == texts(given)


def test_a_fragment_of_ones_own_goes_first(tmp_path: Path) -> None:
    own = SPREADS + "fragment Shown on RoleDefinition { role }\n"

    assert texts(files(tmp_path, a_graphql=own, b_graphql=SHOWN, c_graphql=NAME)) == [(own, None)]


def test_fragments_that_spread_each_other_come_to_an_end(tmp_path: Path) -> None:
    circle = "fragment Shown on RoleDefinition { ...Shown ...Other } fragment Other on RoleDefinition { ...Shown }"

    ((text, _),) = texts(files(tmp_path, a_graphql=SPREADS, b_graphql=circle))

    assert text.count("fragment") == 2


# ---- Manifests -------------------------------------------------------------------------------


def test_relays_file_names_texts_by_its_own_digest(tmp_path: Path) -> None:
    content = {relay_id(ROLES): ROLES, digest(SPREADS): SPREADS, f"sha256:{digest(SHOWN)}": SHOWN}

    assert texts(files(tmp_path, persisted_json=content)) == [(ROLES, relay_id(ROLES)), (SPREADS, None), (SHOWN, None)]


def test_apollos_manifest_names_texts_by_their_ids(tmp_path: Path) -> None:
    operations = [
        {"id": digest(ROLES), "name": "Roles", "type": "query", "body": ROLES},
        {"id": "of-mine", "name": "Named", "type": "query", "body": SPREADS},
    ]
    content = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}

    assert texts(files(tmp_path, manifest_json=content)) == [(ROLES, None), (SPREADS, "of-mine")]


APOLLO = {"format": "apollo-persisted-query-manifest"}
UNREADABLE: dict[str, tuple[dict[str, object], str]] = {
    "not UTF-8": ({"a_graphql": b"{ a } # \xff"}, "a.graphql: this is not UTF-8."),
    "no GraphQL": ({"a_graphql": "query {\n  a b(}"}, "a.graphql:2:7: Syntax Error"),
    "nothing": ({"a_graphql": ""}, "a.graphql:1:1: Syntax Error: Unexpected <EOF>."),
    "a fragment that is not there": ({"a_graphql": SPREADS}, "a.graphql: the fragment Shown is in none of the files."),
    "a fragment twice": (
        {"a_graphql": SPREADS, "b_graphql": SHOWN + NAME, "c_graphql": SHOWN},
        "b.graphql and in ",
    ),
    "no JSON": ({"a_json": b'{\n"a": }'}, "a.json:2:6: this is no JSON."),
    "a list": ({"a_json": [ROLES]}, "a.json: this is neither Relay's {id: text} nor Apollo's manifest."),
    "an id without a text": ({"a_json": {"x": None}}, "a.json: x: an id and a text belong together, both strings."),
    "another digest": ({"a_json": {digest(SHOWN): ROLES}}, f"not the SHA-256 of the text, {digest(ROLES)}."),
    "half a character": ({"a_json": b'{"x": "{ a } #\\ud800"}'}, "a.json:1:15: this is no JSON."),
    "another version": ({"a_json": {**APOLLO, "version": 2, "operations": []}}, "a.json: this is no manifest of"),
    "no operations": ({"a_json": {**APOLLO, "version": 1}}, "a.json: this is no manifest of version 1."),
    "an operation that is none": ({"a_json": {**APOLLO, "version": 1, "operations": [1]}}, "a.json: None: an id and"),
}


@pytest.mark.parametrize(("contents", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, contents: dict[str, object], reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        _ = manifest.read(files(tmp_path, **contents))

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- The commands ----------------------------------------------------------------------------


async def test_documents_are_added_listed_and_removed(api: Api, database_url: str, tmp_path: Path) -> None:
    spread = SPREADS + "fragment Shown on RoleDefinition { role }"
    paths = files(tmp_path, a_graphql=ROLES, b_json={relay_id(spread): spread})

    added = await fullmakt(database_url, "documents", "add", *map(str, paths), "--client", "web")
    listed = await fullmakt(database_url, "documents", "list", "--client", "web")
    named = await api.http.post("/graphql", json={"doc_id": relay_id(spread)})
    removed = await fullmakt(database_url, "documents", "remove", relay_id(spread), "--client", "web")

    one, two = f"{digest(ROLES)}  ", f"{digest(spread)}  "
    shown = ["query Roles\n", f"query Named  as {relay_id(spread)}\n"]
    assert added == (0, f"{one}{shown[0]}{two}{shown[1]}2 documents of web, 2 of them new.\n", "")
    (left,) = await persisted_operation.registered()
    since = f"web  {left.added_at:%Y-%m-%d}  "
    assert (listed[0], sorted(listed[1].splitlines())) == (
        0,
        sorted([f"{one}{since}{shown[0].strip()}", f"{two}{since}{shown[1].strip()}"]),
    )
    assert (named.status_code, removed, left.text) == (200, (0, "1 removed.\n", ""), ROLES)
    facts = [event.type for event in await Event.all().order_by("id")]
    assert facts == ["operator:document:add", "operator:document:remove"]


async def test_all_files_are_taken_or_none(api: Api, database_url: str, tmp_path: Path) -> None:
    wrong = "query A {\n  roles { nothing }\n}\nquery B { roles { role } nowhere }\n"
    paths = files(tmp_path, a_graphql=ROLES, b_graphql=wrong, c_json={"x": "{ a"})
    before = await counts()

    code, said, complained = await fullmakt(database_url, "documents", "add", *map(str, paths))

    assert (code, said) == (1, "")
    assert [line.removeprefix("Error: ") for line in complained.splitlines()] == [
        f"{paths[1]}:2:11: Cannot query field 'nothing' on type 'RoleDefinition'.",
        f"{paths[1]}:4:26: Cannot query field 'nowhere' on type 'Query'.",
        f"{paths[2]}: x:1:4: Syntax Error: Expected Name, found <EOF>.",
    ]
    assert await counts() == before
    assert await db.fetch("SELECT 1 FROM documents", row=db.Row) == []
