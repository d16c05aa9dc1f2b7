"""What the page about clients shows is what `make test-clients` runs."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "clients"
PAGE = (ROOT / "docs" / "clients.md").read_text()


def test_every_snippet_is_a_file_that_runs() -> None:
    shown = dict(re.findall(r"^`([\w.-]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    files = [*(CLIENTS / "snippets").glob("*.*"), CLIENTS / "relay" / "relay.config.json"]

    assert PAGE.count("\n```") == 2 * len(shown)
    assert shown == {path.name: path.read_text() for path in files}
    tests = "".join(path.read_text() for path in CLIENTS.glob("*test*"))
    others = "".join(path.read_text() for path in files)
    assert [name for name in shown if name.partition(".")[0] not in tests + others] == []
