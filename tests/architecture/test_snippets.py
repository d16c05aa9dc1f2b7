"""The snippets in docs/clients.md are the files that `make test-clients` runs, and its operations are valid."""

import re
from pathlib import Path
from textwrap import dedent

from graphql import build_schema, parse, validate

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "clients"
PAGE = (ROOT / "docs" / "clients.md").read_text()


def test_every_snippet_is_equal_to_a_tested_file() -> None:
    snippets = dict(re.findall(r"^`([\w.-]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    files = [*(CLIENTS / "snippets").glob("*.*"), CLIENTS / "relay" / "relay.config.json"]

    assert PAGE.count("\n```") == 2 * len(snippets)
    assert snippets == {path.name: path.read_text() for path in files}
    tests = "".join(path.read_text() for path in CLIENTS.glob("*test*"))
    snippet_code = "".join(path.read_text() for path in files)
    assert [name for name in snippets if name.partition(".")[0] not in tests + snippet_code] == []


def test_operations_of_the_page_are_valid() -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text())
    blocks = [dedent(block) for block in re.findall(r"(?:^ {4}.*\n)+", PAGE, re.MULTILINE)]
    operations = [block for block in blocks if re.match(r"(query|mutation|subscription) \w+", block)]

    assert len(operations) >= 2
    assert [error for operation in operations for error in validate(schema, parse(operation))] == []
