"""The language of names and prose. `language.py` has the rules."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture import language
from tests.architecture.language import HEADLESS, PERSONAL

ROOT = Path(__file__).resolve().parents[2]
MAX_VAGUE_SHARE = 0.006
"""The maximum share of bound names that are participles or pronouns. Comparable code bases have 0.1 to 0.6 %."""
WORDS_THEMSELVES = {ROOT / "tests" / "architecture" / "language.py"}
"""The file with the list of these words."""

PRODUCT = sorted(
    path
    for path in [*ROOT.glob("*.py"), *ROOT.glob("*/**/*.py")]
    if path.relative_to(ROOT).parts[0] not in {"tests", "var", ".venv"} and "node_modules" not in path.parts
)
TESTS = sorted(path for path in (ROOT / "tests").glob("**/*.py") if "node_modules" not in path.parts)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT).as_posix()}:{line}"


@pytest.mark.parametrize("paths", [PRODUCT, TESTS], ids=["product", "tests"])
def test_names_describe_their_value(paths: list[Path]) -> None:
    names = [
        (name, where(path, line)) for path in paths for name, line in language.bound_names(ast.parse(path.read_text()))
    ]
    vague_names = [f"{place} {name}" for name, place in names if language.is_vague(name)]

    assert len(names) > 5000
    assert [name for name in vague_names if name.endswith((" found", "_found "))] == []
    assert len(vague_names) / len(names) <= MAX_VAGUE_SHARE, f"{len(vague_names)} of {len(names)}: {vague_names[:50]}"


@pytest.mark.parametrize("paths", [PRODUCT, TESTS], ids=["product", "tests"])
def test_docstrings_comments_and_messages_have_no_vague_words_for_people(paths: list[Path]) -> None:
    texts = [
        (text, where(path, line))
        for path in paths
        if path not in WORDS_THEMSELVES
        for read in (language.prose, language.sentences)
        for text, line in read(path)
    ]

    assert len(texts) > 1000
    assert [f"{place} {word[0]}" for text, place in texts if (word := PERSONAL.search(text))] == []


@pytest.mark.parametrize("paths", [PRODUCT, TESTS], ids=["product", "tests"])
def test_docstrings_and_comments_have_no_headless_sentences(paths: list[Path]) -> None:
    texts = [
        (text, where(path, line))
        for path in paths
        if path not in WORDS_THEMSELVES
        for text, line in language.prose(path)
    ]

    assert [f"{place} {text[:60]}" for text, place in texts if HEADLESS.search(text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documentation_has_no_vague_words_for_people(page: Path) -> None:
    lines = enumerate(page.read_text().splitlines(), 1)

    assert [f"{number} {line}" for number, line in lines if PERSONAL.search(line)] == []


def test_descriptions_of_the_schema_are_plain() -> None:
    text = (ROOT / "schema" / "schema.graphql").read_text()
    descriptions = re.findall(r'"""(.*?)"""', text, re.DOTALL)

    assert len(descriptions) > 500
    assert [text for text in descriptions if PERSONAL.search(text) or HEADLESS.search(text)] == []


def test_translated_messages_and_mails_are_plain_in_english() -> None:
    messages = re.findall(r'^msgid "(.*)"$', (ROOT / "i18n" / "messages.pot").read_text(), re.MULTILINE)

    assert len(messages) > 100
    assert [text for text in messages if PERSONAL.search(text) or HEADLESS.search(text)] == []


@pytest.mark.parametrize(
    ("name", "vague"),
    [
        ("found", True),
        ("_asked", True),
        ("other", True),
        ("hanging", True),
        ("narrowed", True),
        ("found_rows", False),
        ("listing", False),
        ("seed", False),
        ("grant", False),
    ],
)
def test_vague_names_are_distinguished_from_nouns(name: str, vague: bool) -> None:  # noqa: FBT001 - a table
    assert language.is_vague(name) is vague


def test_every_kind_of_binding_is_found() -> None:
    code = """
import a as found1
class found2:
    found3 = 1
def found4(found5, *found6, **found7):
    self.found8 = 2
    for found9 in (): pass
    with x as found10: pass
    [found11 for found11 in y]
    try: pass
    except E as found12: pass
    match z:
        case [found13, *found14]: pass
    if (found15 := 1): pass
"""

    assert {name for name, _ in language.bound_names(ast.parse(code))} >= {f"found{number}" for number in range(1, 16)}
